//! A client of ManageSieve until he is logged in. Whether his password is right, and whether what he claims of himself
//! is believed, is left to others.

use std::mem;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::words::{BASE64_BYTES_MAX, Broken, Limits, QUOTED_BYTES_MAX, Speaker, Word, parse, quoted};
use super::xclient::claims_with;
use crate::proxy::{
    COMMANDS_MAX, Claims, Credentials, FAILURES_MAX, FrontSettings, FrontStep, Input, Mechanism,
};

/// Bytes of a line without a SASL response.
const LINE_BYTES_MAX: usize = 8192;
/// How many commands may be unknown or against the grammar. Dovecot has 3 here.
const BAD_COMMANDS_MAX: u32 = 10;

const BAD_COMMAND: &str = "Error in MANAGESIEVE command received by server.";
const BAD_RESPONSE: &str = "Invalid AUTHENTICATE client response.";

/// One client's connection until he is logged in.
#[derive(Debug)]
pub struct Front {
    settings: Arc<FrontSettings>,
    is_tls: bool,
    has_begun_tls: bool,
    stage: Stage,
    claims: Claims,
    commands: u32,
    bad_commands: u32,
    failures: u32,
}

/// What is to come next.
#[derive(Debug)]
enum Stage {
    Command,
    Response(Exchange),
    Over,
}

/// What the next response of a SASL exchange is.
#[derive(Debug)]
enum Exchange {
    Whole(Mechanism),
    LoginName,
    LoginPassword { name: Vec<u8> },
}

impl Front {
    /// For a connection that was just accepted; `is_tls` when TLS is there from the start.
    pub fn new(settings: Arc<FrontSettings>, is_tls: bool) -> Self {
        Front {
            settings,
            is_tls,
            has_begun_tls: false,
            stage: Stage::Command,
            claims: Claims::default(),
            commands: 0,
            bad_commands: 0,
            failures: 0,
        }
    }

    /// The capabilities, at the start and again once TLS has begun (RFC 5804, sections 1.7 and 2.2).
    pub fn greet(&mut self, out: &mut Vec<u8>) {
        self.write_capabilities(out);
        let text = if self.has_begun_tls {
            "TLS negotiation successful."
        } else {
            &self.settings.greeting
        };
        write_reply(out, "OK", text);
    }

    /// Takes what has come, up to the first step that is not [`FrontStep::More`]. What comes after a login's command stays.
    pub fn feed(&mut self, input: &mut Input, out: &mut Vec<u8>) -> FrontStep {
        loop {
            if matches!(self.stage, Stage::Over) {
                return FrontStep::Close;
            }
            if self.failures >= FAILURES_MAX {
                return self.close("Too many failed logins.", out);
            }
            let limits = self.limits(input.unread());
            let step = match parse(input.unread(), Speaker::Client, &limits) {
                Ok(None) => return FrontStep::More,
                Ok(Some(sentence)) => {
                    input.consume(sentence.length);
                    self.hear(&sentence.words, out)
                }
                Err(Broken::Malformed { length }) => {
                    input.consume(length);
                    self.hear_malformed(out)
                }
                Err(Broken::LineTooLong) => Some(self.close("Input buffer full, aborting.", out)),
                Err(Broken::LiteralTooLong) => Some(self.close("Literal size too large.", out)),
            };
            if let Some(step) = step {
                return step;
            }
        }
    }

    /// The handshake after [`FrontStep::StartTls`] is done. What was said in the clear may be anybody's. Then
    /// [`Front::greet`] is called again.
    pub fn tls_started(&mut self) {
        self.is_tls = true;
        self.has_begun_tls = true;
        self.stage = Stage::Command;
        self.claims = Claims::default();
    }

    /// The user is in; `reply` is the backend's response, with line ends.
    pub fn accepted(&mut self, reply: &[u8], out: &mut Vec<u8>) {
        out.extend_from_slice(reply);
    }

    /// The backend has refused; `reply` is its response, with line ends. After a BYE there is nothing more to say.
    pub fn rejected(&mut self, reply: &[u8], out: &mut Vec<u8>) {
        out.extend_from_slice(reply);
        self.failures += 1;
        let is_bye = reply
            .get(..3)
            .is_some_and(|word| word.eq_ignore_ascii_case(b"BYE"));
        if is_bye {
            self.stage = Stage::Over;
        }
    }

    /// A failure of ours that may pass (RFC 5804, section 1.3: TRYLATER).
    pub fn unavailable(&mut self, text: &str, out: &mut Vec<u8>) {
        write_reply(out, "NO (TRYLATER)", text);
    }

    /// What XCLIENT has said, believed or not. It is taken from everybody, but announced only where the settings'
    /// capabilities have it: Dovecot sends it only to a server that announces it.
    pub fn claims(&self) -> &Claims {
        &self.claims
    }

    /// A SASL response in base64 may be on one line with its command.
    fn limits(&self, unread: &[u8]) -> Limits {
        const AUTHENTICATE: &[u8] = b"AUTHENTICATE";
        let is_authenticate = unread
            .get(..AUTHENTICATE.len())
            .is_some_and(|word| word.eq_ignore_ascii_case(AUTHENTICATE));
        let has_response = is_authenticate || matches!(self.stage, Stage::Response(_));
        let line = if has_response {
            LINE_BYTES_MAX + BASE64_BYTES_MAX
        } else {
            LINE_BYTES_MAX
        };
        Limits {
            line,
            literal: BASE64_BYTES_MAX,
            whole: line + BASE64_BYTES_MAX,
        }
    }

    fn hear(&mut self, words: &[Word], out: &mut Vec<u8>) -> Option<FrontStep> {
        match mem::replace(&mut self.stage, Stage::Command) {
            Stage::Response(exchange) => self.hear_response(exchange, words, out),
            Stage::Command | Stage::Over => self.hear_command(words, out),
        }
    }

    fn hear_malformed(&mut self, out: &mut Vec<u8>) -> Option<FrontStep> {
        let text = match mem::replace(&mut self.stage, Stage::Command) {
            Stage::Response(_) => BAD_RESPONSE,
            Stage::Command | Stage::Over => BAD_COMMAND,
        };
        self.refuse_bad(text, out)
    }

    fn hear_command(&mut self, words: &[Word], out: &mut Vec<u8>) -> Option<FrontStep> {
        self.commands += 1;
        if self.commands > COMMANDS_MAX {
            return Some(self.close("Too many commands before login.", out));
        }
        let Some((Word::Atom(command), arguments)) = words.split_first() else {
            return self.refuse_bad(BAD_COMMAND, out);
        };
        match (command.to_ascii_uppercase().as_slice(), arguments) {
            (b"AUTHENTICATE", [Word::Text(mechanism)]) => self.authenticate(mechanism, None, out),
            (b"AUTHENTICATE", [Word::Text(mechanism), Word::Text(response)]) => {
                self.authenticate(mechanism, Some(response), out)
            }
            (b"CAPABILITY", []) => {
                self.write_capabilities(out);
                write_reply(out, "OK", "Capability completed.");
                None
            }
            (b"LOGOUT", []) => {
                write_reply(out, "OK", "Logout completed.");
                self.stage = Stage::Over;
                Some(FrontStep::Close)
            }
            (b"NOOP", []) => {
                write_reply(out, "OK", "NOOP completed.");
                None
            }
            (b"NOOP", [Word::Text(tag)]) => self.noop(tag, out),
            (b"STARTTLS", []) => self.start_tls(out),
            (b"XCLIENT", attributes) => self.xclient(attributes, out),
            _ => self.refuse_bad(BAD_COMMAND, out),
        }
    }

    fn authenticate(
        &mut self,
        mechanism: &[u8],
        response: Option<&[u8]>,
        out: &mut Vec<u8>,
    ) -> Option<FrontStep> {
        let Some(exchange) = self.exchange(mechanism) else {
            write_reply(out, "NO", "Unsupported authentication mechanism.");
            return None;
        };
        if !self.takes_passwords() {
            write_reply(
                out,
                "NO (ENCRYPT-NEEDED)",
                "Plaintext authentication disallowed on non-secure (SSL/TLS) connections.",
            );
            return None;
        }
        if let Some(response) = response {
            return self.respond(exchange, response, out);
        }
        self.challenge(exchange, out);
        None
    }

    fn exchange(&self, mechanism: &[u8]) -> Option<Exchange> {
        if mechanism.eq_ignore_ascii_case(b"LOGIN") {
            return Some(Exchange::LoginName);
        }
        let mechanism = Mechanism::of(mechanism)?;
        let is_offered = mechanism == Mechanism::Plain || self.settings.offers_oauth;
        is_offered.then_some(Exchange::Whole(mechanism))
    }

    fn challenge(&mut self, exchange: Exchange, out: &mut Vec<u8>) {
        let challenge = match &exchange {
            Exchange::Whole(_) => "",
            Exchange::LoginName => "VXNlcm5hbWU6",
            Exchange::LoginPassword { .. } => "UGFzc3dvcmQ6",
        };
        out.extend_from_slice(format!("\"{challenge}\"\r\n").as_bytes());
        self.stage = Stage::Response(exchange);
    }

    fn hear_response(&mut self, exchange: Exchange, words: &[Word], out: &mut Vec<u8>) -> Option<FrontStep> {
        let [Word::Text(response)] = words else {
            return self.refuse_bad(BAD_RESPONSE, out);
        };
        if response == b"*" {
            write_reply(out, "NO", "Authentication aborted by client.");
            return None;
        }
        self.respond(exchange, response, out)
    }

    fn respond(&mut self, exchange: Exchange, response: &[u8], out: &mut Vec<u8>) -> Option<FrontStep> {
        let Ok(response) = STANDARD.decode(response) else {
            return self.refuse_bad("Invalid base64 data in response.", out);
        };
        let credentials = match exchange {
            Exchange::Whole(mechanism) => Credentials::of_response(mechanism, response),
            Exchange::LoginName => {
                self.challenge(Exchange::LoginPassword { name: response }, out);
                return None;
            }
            Exchange::LoginPassword { name } => Credentials::of_password(&name, &response),
        };
        match credentials {
            Ok(credentials) => Some(FrontStep::Login(credentials)),
            Err(_) => {
                self.failures += 1;
                write_reply(out, "NO", "Authentication failed.");
                None
            }
        }
    }

    /// RFC 5804, section 2.13.
    fn noop(&mut self, tag: &[u8], out: &mut Vec<u8>) -> Option<FrontStep> {
        let tag = str::from_utf8(tag).ok().filter(|tag| is_quotable(tag));
        let Some(tag) = tag else {
            return self.refuse_bad(BAD_COMMAND, out);
        };
        write_reply(out, &format!("OK (TAG {})", quoted(tag)), "NOOP completed.");
        None
    }

    /// RFC 5804, section 2.2.
    fn start_tls(&mut self, out: &mut Vec<u8>) -> Option<FrontStep> {
        if self.is_tls {
            write_reply(out, "NO", "TLS is already active.");
            return None;
        }
        if !self.settings.offers_starttls {
            write_reply(out, "NO", "TLS support isn't enabled.");
            return None;
        }
        write_reply(out, "OK", "Begin TLS negotiation now.");
        Some(FrontStep::StartTls)
    }

    fn xclient(&mut self, attributes: &[Word], out: &mut Vec<u8>) -> Option<FrontStep> {
        let Some(claims) = claims_with(&self.claims, attributes) else {
            return self.refuse_bad(BAD_COMMAND, out);
        };
        self.claims = claims;
        write_reply(out, "OK", "Updated.");
        None
    }

    fn takes_passwords(&self) -> bool {
        self.is_tls || self.settings.allows_cleartext
    }

    fn write_capabilities(&self, out: &mut Vec<u8>) {
        for line in &self.settings.capabilities {
            out.extend_from_slice(line.as_bytes());
            out.extend_from_slice(b"\r\n");
        }
        let mechanisms = match (self.takes_passwords(), self.settings.offers_oauth) {
            (true, true) => "PLAIN LOGIN XOAUTH2 OAUTHBEARER",
            (true, false) => "PLAIN LOGIN",
            (false, _) => "",
        };
        out.extend_from_slice(format!("\"SASL\" \"{mechanisms}\"\r\n").as_bytes());
        if self.settings.offers_starttls && !self.is_tls {
            out.extend_from_slice(b"\"STARTTLS\"\r\n");
        }
    }

    fn refuse_bad(&mut self, text: &str, out: &mut Vec<u8>) -> Option<FrontStep> {
        self.bad_commands += 1;
        if self.bad_commands >= BAD_COMMANDS_MAX {
            return Some(self.close("Too many invalid MANAGESIEVE commands.", out));
        }
        write_reply(out, "NO", text);
        None
    }

    fn close(&mut self, text: &str, out: &mut Vec<u8>) -> FrontStep {
        write_reply(out, "BYE", text);
        self.stage = Stage::Over;
        FrontStep::Close
    }
}

/// What may be said to a logged-in client before the connection is closed (RFC 5804, section 1.2).
pub fn goodbye(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    write_reply(&mut out, "BYE (TRYLATER)", text);
    out
}

fn write_reply(out: &mut Vec<u8>, kind: &str, text: &str) {
    out.extend_from_slice(format!("{kind} {}\r\n", quoted(text)).as_bytes());
}

/// It comes back as it was sent: nothing is cut, and there are no line ends in it.
fn is_quotable(text: &str) -> bool {
    text.len() <= QUOTED_BYTES_MAX && !text.chars().any(char::is_control)
}

#[cfg(test)]
mod tests;
