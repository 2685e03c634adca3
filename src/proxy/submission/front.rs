//! The client's side: speaks SMTP with him until he is logged in. Who he is and where he belongs is left to the engine.
//!
//! The words are those of Dovecot's submission-login 2.3, as clients know them.

use std::fmt::Display;
use std::sync::Arc;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use super::words::{self, LINE_BYTES_MAX};
use super::xclient::Announcement;
use crate::proxy::{
    COMMANDS_MAX, Claims, Credentials, CredentialsError, FAILURES_MAX, FrontSettings, FrontStep, Input,
    Mechanism, RESPONSE_BYTES_MAX,
};

/// Commands that are unknown or wrong, before the client is taken for lost.
const BAD_COMMANDS_MAX: u32 = 10;
/// Bytes that a line of an AUTH dialogue may have. RFC 4954 (section 4) wants 12288; a long token needs more.
const RESPONSE_LINE_BYTES_MAX: usize = RESPONSE_BYTES_MAX.div_ceil(3) * 4;
const RESPONSE_TOO_LONG: &str = "500 5.5.6 Authentication exchange line is too long.";
/// "Username:" in base64.
const ASKS_NAME: &str = "334 VXNlcm5hbWU6";
/// "Password:" in base64.
const ASKS_PASSWORD: &str = "334 UGFzc3dvcmQ6";

/// One client's connection until he is logged in.
#[derive(Debug)]
pub struct Front {
    settings: Arc<FrontSettings>,
    is_tls: bool,
    awaited: Line,
    /// The engine logs the client in, or has done so.
    is_with_engine: bool,
    is_closed: bool,
    /// EHLO or HELO was said since the start of the dialogue.
    is_greeted: bool,
    helo: Option<Box<str>>,
    announcement: Announcement,
    commands: u32,
    bad_commands: u32,
    failures: u32,
}

/// What the client's next line is.
#[derive(Debug, Default)]
enum Line {
    #[default]
    Command,
    /// What he proves himself with by this mechanism, in base64.
    Response(Mechanism),
    /// His name, by the mechanism LOGIN.
    Name,
    /// His password, by the mechanism LOGIN.
    Password { name: Vec<u8> },
}

/// A mechanism as clients name it. LOGIN is another way of saying PLAIN.
#[derive(Clone, Copy)]
enum Offer {
    Login,
    Of(Mechanism),
}

/// What may be said to a logged-in client before the connection is closed (RFC 5321, section 3.8). Of `text`, at most 200
/// bytes of printable ASCII are shown.
pub fn goodbye(text: &str) -> Vec<u8> {
    format!("421 4.3.2 {}\r\n", words::printable(text.as_bytes())).into_bytes()
}

impl Front {
    /// A connection that has just come, with implicit TLS (RFC 8314) or without.
    ///
    /// XCLIENT is always understood, but announced only if it is among the settings' capabilities.
    pub fn new(settings: Arc<FrontSettings>, is_tls: bool) -> Self {
        Front {
            settings,
            is_tls,
            awaited: Line::Command,
            is_with_engine: false,
            is_closed: false,
            is_greeted: false,
            helo: None,
            announcement: Announcement::default(),
            commands: 0,
            bad_commands: 0,
            failures: 0,
        }
    }

    /// Says the greeting; once, at the start (with implicit TLS: after the handshake).
    pub fn greet(&mut self, out: &mut Vec<u8>) {
        let FrontSettings { host, greeting, .. } = &*self.settings;
        say(out, format_args!("220 {host} {greeting}"));
    }

    /// Takes as many whole commands as it can, as far as the first step that is not [`FrontStep::More`]. What comes after a
    /// login is left in `input`; what comes after STARTTLS is thrown away, since anybody may have written it.
    pub fn feed(&mut self, input: &mut Input, out: &mut Vec<u8>) -> FrontStep {
        loop {
            if self.is_closed {
                return FrontStep::Close;
            }
            if self.is_with_engine {
                return FrontStep::More;
            }
            if self.failures >= FAILURES_MAX {
                return self.close(out, "421 4.7.0 Too many authentication failures.");
            }
            let (limit, text) = match self.awaited {
                Line::Command => (LINE_BYTES_MAX, "500 5.5.2 Line too long."),
                _ => (RESPONSE_LINE_BYTES_MAX, RESPONSE_TOO_LONG),
            };
            let step = match input.take_line(limit) {
                Ok(None) => return FrontStep::More,
                Ok(Some(line)) => self.understand(&line, out),
                Err(_) => self.close(out, text),
            };
            if step == FrontStep::StartTls {
                input.clear();
            }
            if step != FrontStep::More {
                return step;
            }
        }
    }

    /// The handshake after [`FrontStep::StartTls`] is done: what was said in the clear is forgotten (RFC 3207, section 4.2).
    pub fn tls_started(&mut self) {
        self.is_tls = true;
        self.is_greeted = false;
        self.helo = None;
        self.announcement = Announcement::default();
    }

    /// Brings the client the backend's words that he is in.
    pub fn accepted(&mut self, reply: &[u8], out: &mut Vec<u8>) {
        out.extend_from_slice(reply);
    }

    /// Brings the client the backend's words that he is not in; he may try again, but not more than [`FAILURES_MAX`] times.
    pub fn rejected(&mut self, reply: &[u8], out: &mut Vec<u8>) {
        out.extend_from_slice(reply);
        self.failures += 1;
        self.is_with_engine = false;
    }

    /// Tells the client that it is not his fault (RFC 4954, section 6); he may try again. Of `text`, at most 200 bytes of
    /// printable ASCII are shown.
    pub fn unavailable(&mut self, text: &str, out: &mut Vec<u8>) {
        say(
            out,
            format_args!("454 4.7.0 {}", words::printable(text.as_bytes())),
        );
        self.is_with_engine = false;
    }

    /// What XCLIENT has said of the client. Anybody may send it: the engine decides whether to believe it.
    pub fn claims(&self) -> &Claims {
        &self.announcement.claims
    }

    /// How the client has called himself, by EHLO or through a proxy by XCLIENT: one word of printable ASCII, at most 255
    /// bytes. Nothing if his name is no such word.
    pub fn helo(&self) -> Option<&str> {
        self.announcement.helo.as_deref().or(self.helo.as_deref())
    }

    fn understand(&mut self, line: &[u8], out: &mut Vec<u8>) -> FrontStep {
        match std::mem::take(&mut self.awaited) {
            Line::Command => self.command(line, out),
            Line::Response(mechanism) => match self.decoded(line, out) {
                Ok(response) => self.log_in(Credentials::of_response(mechanism, response), out),
                Err(step) => step,
            },
            Line::Name => match self.decoded(line, out) {
                Ok(name) => self.ask_password(name, out),
                Err(step) => step,
            },
            Line::Password { name } => match self.decoded(line, out) {
                Ok(password) => self.log_in(Credentials::of_password(&name, &password), out),
                Err(step) => step,
            },
        }
    }

    fn command(&mut self, line: &[u8], out: &mut Vec<u8>) -> FrontStep {
        self.commands += 1;
        if self.commands > COMMANDS_MAX {
            return self.close(out, "421 4.7.0 Too many commands.");
        }
        let (verb, arguments) = words::command_of(line);
        if !words::is_command(&verb, arguments) {
            return self.refuse(out, "500 5.5.2 Invalid command syntax");
        }
        match verb.as_slice() {
            b"EHLO" => self.ehlo(arguments, out),
            b"HELO" => self.helo_without_extensions(arguments, out),
            b"AUTH" => self.auth(arguments, out),
            b"XCLIENT" => self.xclient(arguments, out),
            b"NOOP" => say(out, "250 2.0.0 OK"),
            b"MAIL" | b"RCPT" | b"DATA" | b"BURL" | b"VRFY" => say(out, "530 5.7.0 Authentication required."),
            // Its data is on the way, and must never be taken for commands.
            b"BDAT" => self.close(out, "503 5.5.1 Authentication required."),
            b"STARTTLS" | b"RSET" | b"QUIT" if !arguments.is_empty() => {
                self.refuse(out, "501 5.5.4 Invalid parameters")
            }
            b"STARTTLS" => self.start_tls(out),
            b"RSET" => say(out, "250 2.0.0 OK"),
            b"QUIT" => self.close(out, "221 2.0.0 Bye"),
            _ => self.refuse(out, "500 5.5.1 Unknown command"),
        }
    }

    fn ehlo(&mut self, arguments: &[u8], out: &mut Vec<u8>) -> FrontStep {
        if arguments.is_empty() {
            return self.refuse(out, "501 Missing hostname");
        }
        self.remember_helo(arguments);
        let mechanisms = match (self.is_login_allowed(), self.settings.offers_oauth) {
            (false, _) => None,
            (true, false) => Some("AUTH PLAIN LOGIN"),
            (true, true) => Some("AUTH PLAIN LOGIN XOAUTH2 OAUTHBEARER"),
        };
        words::say_offers(&self.settings, self.is_tls, mechanisms, out);
        FrontStep::More
    }

    fn helo_without_extensions(&mut self, arguments: &[u8], out: &mut Vec<u8>) -> FrontStep {
        if arguments.is_empty() {
            return self.refuse(out, "501 Missing hostname");
        }
        self.remember_helo(arguments);
        say(out, format_args!("250 {}", self.settings.host))
    }

    /// A name that is no name is no reason to turn the client away: many call themselves as they like.
    fn remember_helo(&mut self, arguments: &[u8]) {
        let first = arguments.split(|byte| *byte == b' ').next();
        self.helo = first.and_then(words::name).map(Into::into);
        self.is_greeted = true;
    }

    fn start_tls(&mut self, out: &mut Vec<u8>) -> FrontStep {
        if self.is_tls {
            return self.refuse(out, "502 5.5.1 TLS is already active.");
        }
        if !self.settings.offers_starttls {
            return self.refuse(out, "502 5.5.1 TLS support is not enabled.");
        }
        say(out, "220 2.0.0 Begin TLS negotiation now.");
        FrontStep::StartTls
    }

    /// The dialogue starts anew after it, with the greeting (Postfix's XCLIENT_README).
    fn xclient(&mut self, arguments: &[u8], out: &mut Vec<u8>) -> FrontStep {
        if let Err(text) = self.announcement.add(arguments) {
            return self.refuse(out, format_args!("501 5.5.4 {text}"));
        }
        self.is_greeted = false;
        self.helo = None;
        self.greet(out);
        FrontStep::More
    }

    fn auth(&mut self, arguments: &[u8], out: &mut Vec<u8>) -> FrontStep {
        if !self.is_greeted {
            return self.refuse(out, "503 5.5.1 EHLO first.");
        }
        let mut words = arguments
            .split(|byte| *byte == b' ')
            .filter(|word| !word.is_empty());
        let (Some(mechanism), initial, None) = (words.next(), words.next(), words.next()) else {
            let is_missing = arguments.is_empty();
            let text = if is_missing {
                "Missing SASL mechanism parameter"
            } else {
                "Invalid parameters"
            };
            return self.refuse(out, format_args!("501 5.5.4 {text}"));
        };
        let Some(offer) = self.offer(mechanism) else {
            return self.refuse(out, "504 5.5.4 Unsupported authentication mechanism.");
        };
        if !self.is_login_allowed() {
            return self.refuse(out, "523 5.7.10 Plaintext authentication disabled.");
        }
        let (awaited, challenge) = match offer {
            Offer::Login => (Line::Name, ASKS_NAME),
            // RFC 4954, section 4: without a challenge there is still the space.
            Offer::Of(mechanism) => (Line::Response(mechanism), "334 "),
        };
        self.awaited = awaited;
        match initial {
            None => say(out, challenge),
            Some(b"=") => self.understand(b"", out),
            Some(response) => self.understand(response, out),
        }
    }

    fn offer(&self, name: &[u8]) -> Option<Offer> {
        if name.eq_ignore_ascii_case(b"LOGIN") {
            return Some(Offer::Login);
        }
        let mechanism = Mechanism::of(name)?;
        (mechanism == Mechanism::Plain || self.settings.offers_oauth).then_some(Offer::Of(mechanism))
    }

    fn is_login_allowed(&self) -> bool {
        self.is_tls || self.settings.allows_cleartext
    }

    /// A line of an AUTH dialogue, or what comes of it when it is none.
    fn decoded(&mut self, line: &[u8], out: &mut Vec<u8>) -> Result<Vec<u8>, FrontStep> {
        if line == b"*" {
            return Err(say(out, "501 5.7.0 Authentication aborted by client."));
        }
        BASE64_STANDARD
            .decode(line)
            .map_err(|_| self.refuse(out, "501 5.5.2 Invalid base64 data in response"))
    }

    fn ask_password(&mut self, name: Vec<u8>, out: &mut Vec<u8>) -> FrontStep {
        self.awaited = Line::Password { name };
        say(out, ASKS_PASSWORD)
    }

    fn log_in(&mut self, credentials: Result<Credentials, CredentialsError>, out: &mut Vec<u8>) -> FrontStep {
        match credentials {
            Ok(credentials) => {
                self.is_with_engine = true;
                FrontStep::Login(credentials)
            }
            Err(CredentialsError::TooLong) => self.refuse(out, RESPONSE_TOO_LONG),
            Err(_) => {
                self.rejected(b"535 5.7.8 Authentication failed.\r\n", out);
                FrontStep::More
            }
        }
    }

    /// The client has said something wrong. He may not do so for ever.
    fn refuse(&mut self, out: &mut Vec<u8>, reply: impl Display) -> FrontStep {
        self.bad_commands += 1;
        if self.bad_commands > BAD_COMMANDS_MAX {
            return self.close(out, "421 4.7.0 Too many invalid commands.");
        }
        say(out, reply)
    }

    fn close(&mut self, out: &mut Vec<u8>, reply: &str) -> FrontStep {
        self.is_closed = true;
        say(out, reply);
        FrontStep::Close
    }
}

/// Writes a line; then it's the client's turn.
fn say(out: &mut Vec<u8>, line: impl Display) -> FrontStep {
    out.extend_from_slice(format!("{line}\r\n").as_bytes());
    FrontStep::More
}

#[cfg(test)]
mod tests;
