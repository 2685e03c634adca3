//! The client's side: everything that may be said before the login. Who the backend is, and whether the password is right,
//! is left to others.

use std::sync::Arc;

use base64::{Engine, engine::general_purpose::STANDARD};

use super::command::{Arrival, Command, Gathering, SASL_BYTES_MAX, TooMuch, Word};
use super::exchange::{Exchange, Turn};
use super::id;
use super::text::in_one_line;
use crate::proxy::{
    COMMANDS_MAX, Claims, Credentials, CredentialsError, FAILURES_MAX, FrontSettings, FrontStep, Input,
};

/// Commands that can't be understood before the connection ends.
const BAD_COMMANDS_MAX: u32 = 10;
const NOT_UNDERSTOOD: &str = "Error in IMAP command received by server.";
const AUTHENTICATION_FAILED: &str = "NO [AUTHENTICATIONFAILED] Authentication failed.";
const LINE_TOO_LONG: &str = "Line too long.";

/// One client's connection until he is logged in.
pub struct Front {
    settings: Arc<FrontSettings>,
    is_tls: bool,
    stage: Stage,
    gathering: Gathering,
    /// Of the command that is being answered.
    tag: Vec<u8>,
    claims: Claims,
    commands: u32,
    bad_commands: u32,
    failures: u32,
}

/// What the next bytes are.
enum Stage {
    /// A command.
    Commands,
    /// A response to a challenge (RFC 3501, section 6.2.2).
    Response(Exchange),
    /// Nothing that may be read: the engine is busy with a login or a handshake.
    Waiting,
    /// Nothing any more.
    Closed,
}

impl Front {
    /// Nothing is said yet.
    pub fn new(settings: Arc<FrontSettings>, is_tls: bool) -> Self {
        Front {
            settings,
            is_tls,
            stage: Stage::Commands,
            gathering: Gathering::default(),
            tag: b"*".to_vec(),
            claims: Claims::default(),
            commands: 0,
            bad_commands: 0,
            failures: 0,
        }
    }

    /// The greeting (RFC 3501, section 7.1.1): once, at the start.
    pub fn greet(&mut self, out: &mut Vec<u8>) {
        let greeting = in_one_line(&self.settings.greeting);
        let capabilities = self.capabilities();
        put_line(out, &format!("* OK [CAPABILITY {capabilities}] {greeting}"));
    }

    /// Takes as many commands as are there, up to the first that wants something done.
    pub fn feed(&mut self, input: &mut Input, out: &mut Vec<u8>) -> FrontStep {
        loop {
            if let Some(step) = self.advance(input, out) {
                return step;
            }
        }
    }

    /// The handshake after a [`FrontStep::StartTls`] is done. What was said in the clear is forgotten (RFC 3501, section
    /// 6.2.1), but not how often the client has tried.
    pub fn tls_started(&mut self) {
        self.is_tls = true;
        self.stage = Stage::Commands;
        self.gathering = Gathering::default();
        self.claims = Claims::default();
    }

    /// The client is in. This is the backend's word on it: untagged responses, and a last line that gets the client's tag.
    pub fn accepted(&mut self, reply: &[u8], out: &mut Vec<u8>) {
        self.put_reply(reply, out);
    }

    /// The client is not let in. This is the backend's word on it, in the same form.
    pub fn rejected(&mut self, reply: &[u8], out: &mut Vec<u8>) {
        self.put_reply(reply, out);
        self.stage = Stage::Commands;
        self.failures += 1;
    }

    /// The client can't be let in now; the text says why (RFC 5530, section 3).
    pub fn unavailable(&mut self, text: &str, out: &mut Vec<u8>) {
        let text = in_one_line(text);
        self.put_tagged(&format!("NO [UNAVAILABLE] {text}"), out);
        self.stage = Stage::Commands;
    }

    /// What the client has said in ID commands.
    pub fn claims(&self) -> &Claims {
        &self.claims
    }

    fn advance(&mut self, input: &mut Input, out: &mut Vec<u8>) -> Option<FrontStep> {
        match std::mem::replace(&mut self.stage, Stage::Commands) {
            Stage::Commands if self.failures >= FAILURES_MAX => {
                Some(self.close("Too many failed logins.", out))
            }
            Stage::Commands => self.advance_command(input, out),
            Stage::Response(exchange) => self.advance_response(exchange, input, out),
            Stage::Waiting => {
                self.stage = Stage::Waiting;
                Some(FrontStep::More)
            }
            Stage::Closed => {
                self.stage = Stage::Closed;
                Some(FrontStep::Close)
            }
        }
    }

    fn advance_command(&mut self, input: &mut Input, out: &mut Vec<u8>) -> Option<FrontStep> {
        match self.gathering.advance(input) {
            Ok(Arrival::Nothing) => Some(FrontStep::More),
            Ok(Arrival::Whole(command)) => self.obey(command, out),
            Ok(Arrival::Asks(size)) => self.answer_literal(size, out),
            Err(TooMuch::Line) => Some(self.close(LINE_TOO_LONG, out)),
            Err(TooMuch::Literal) => Some(self.close("Literal size too large.", out)),
        }
    }

    /// Where a command will be refused in any case, nobody is asked for the rest of it: least of all for a password that
    /// could be read on its way.
    fn answer_literal(&mut self, size: usize, out: &mut Vec<u8>) -> Option<FrontStep> {
        let is_understood =
            |command: &Command| command.is_valid && matches!(command.name.as_slice(), b"LOGIN" | b"ID");
        let is_refused_login = |command: &Command| command.name == b"LOGIN" && !self.takes_passwords();
        let is_allowed = self
            .gathering
            .command()
            .is_some_and(|command| is_understood(command) && !is_refused_login(command));
        if is_allowed && !self.gathering.is_too_big(size) {
            self.gathering.allow(size);
            put_line(out, "+ OK");
            return None;
        }
        let command = self.gathering.take()?;
        if let Some(step) = self.begin(&command, out) {
            return Some(step);
        }
        if is_allowed {
            return self.refuse_counted("NO [TOOBIG] Literal size too large.", out);
        }
        if is_understood(&command) {
            self.put_privacy_required(out);
            return None;
        }
        self.refuse(NOT_UNDERSTOOD, out)
    }

    fn obey(&mut self, command: Command, out: &mut Vec<u8>) -> Option<FrontStep> {
        if let Some(step) = self.begin(&command, out) {
            return Some(step);
        }
        if !command.is_valid {
            return self.refuse(NOT_UNDERSTOOD, out);
        }
        match (command.name.as_slice(), command.arguments.as_slice()) {
            (b"CAPABILITY", []) => {
                put_line(out, &format!("* CAPABILITY {}", self.capabilities()));
                let text = "OK Pre-login capabilities listed, post-login capabilities have more.";
                self.put_tagged(text, out);
                None
            }
            (b"NOOP", []) => {
                self.put_tagged("OK NOOP completed.", out);
                None
            }
            (b"LOGOUT", []) => {
                put_line(out, "* BYE Logging out");
                self.put_tagged("OK Logout completed.", out);
                self.stage = Stage::Closed;
                Some(FrontStep::Close)
            }
            (b"ID", arguments) => self.take_claims(arguments, out),
            (b"STARTTLS", []) => self.start_tls(out),
            (b"LOGIN", [name, password]) => self.log_in_by_password(name, password, out),
            (b"AUTHENTICATE", [Word::Atom(mechanism)]) => self.authenticate(mechanism, None, out),
            (b"AUTHENTICATE", [Word::Atom(mechanism), Word::Atom(response)]) => {
                self.authenticate(mechanism, Some(response), out)
            }
            // ENABLE, too, is for those who are logged in (RFC 5161, section 3.1).
            _ => self.refuse(NOT_UNDERSTOOD, out),
        }
    }

    /// Counts the command, and answers under its tag from now on.
    fn begin(&mut self, command: &Command, out: &mut Vec<u8>) -> Option<FrontStep> {
        self.tag.clone_from(&command.tag);
        self.commands += 1;
        (self.commands > COMMANDS_MAX).then(|| self.close("Too many commands before a login.", out))
    }

    fn take_claims(&mut self, arguments: &[Word], out: &mut Vec<u8>) -> Option<FrontStep> {
        let Some(claims) = id::claimed(arguments, &self.claims) else {
            return self.refuse("Invalid ID parameters", out);
        };
        self.claims = claims;
        put_line(out, "* ID (\"name\" \"maildirector\")");
        self.put_tagged("OK ID completed.", out);
        None
    }

    fn start_tls(&mut self, out: &mut Vec<u8>) -> Option<FrontStep> {
        if self.is_tls {
            return self.refuse("TLS is already active.", out);
        }
        if !self.settings.offers_starttls {
            return self.refuse("TLS support isn't enabled.", out);
        }
        self.put_tagged("OK Begin TLS negotiation now.", out);
        self.stage = Stage::Waiting;
        Some(FrontStep::StartTls)
    }

    fn log_in_by_password(&mut self, name: &Word, password: &Word, out: &mut Vec<u8>) -> Option<FrontStep> {
        let (Some(name), Some(password)) = (name.astring(), password.astring()) else {
            return self.refuse(NOT_UNDERSTOOD, out);
        };
        if !self.takes_passwords() {
            self.put_privacy_required(out);
            return None;
        }
        self.log_in(Credentials::of_password(name, password), out)
    }

    fn authenticate(
        &mut self,
        mechanism: &[u8],
        response: Option<&[u8]>,
        out: &mut Vec<u8>,
    ) -> Option<FrontStep> {
        if !self.takes_passwords() {
            self.put_privacy_required(out);
            return None;
        }
        let Some(exchange) = Exchange::of(mechanism, self.settings.offers_oauth) else {
            self.put_tagged("NO Unsupported authentication mechanism.", out);
            return None;
        };
        match response {
            None => {
                self.challenge(exchange, out);
                None
            }
            // How an initial response is written that is empty (RFC 4959, section 3).
            Some(b"=") => self.respond(exchange, Vec::new(), out),
            Some(response) => match STANDARD.decode(response) {
                Ok(response) => self.respond(exchange, response, out),
                Err(_) => self.refuse("Invalid base64 data in initial response", out),
            },
        }
    }

    fn challenge(&mut self, exchange: Exchange, out: &mut Vec<u8>) {
        put_line(out, &format!("+ {}", exchange.challenge()));
        self.stage = Stage::Response(exchange);
    }

    fn advance_response(
        &mut self,
        exchange: Exchange,
        input: &mut Input,
        out: &mut Vec<u8>,
    ) -> Option<FrontStep> {
        let Ok(line) = input.take_line(SASL_BYTES_MAX) else {
            return Some(self.close(LINE_TOO_LONG, out));
        };
        let Some(line) = line else {
            self.stage = Stage::Response(exchange);
            return Some(FrontStep::More);
        };
        if line == b"*" {
            self.put_tagged("BAD Authentication aborted by client.", out);
            return None;
        }
        match STANDARD.decode(&line) {
            Ok(response) => self.respond(exchange, response, out),
            Err(_) => self.refuse("Invalid base64 data in response", out),
        }
    }

    fn respond(&mut self, exchange: Exchange, response: Vec<u8>, out: &mut Vec<u8>) -> Option<FrontStep> {
        match exchange.respond(response) {
            Turn::Challenge(exchange) => {
                self.challenge(exchange, out);
                None
            }
            Turn::Done(credentials) => self.log_in(credentials, out),
        }
    }

    /// Credentials that can't be used are answered as wrong ones are: the client learns nothing of what names there are.
    fn log_in(
        &mut self,
        credentials: Result<Credentials, CredentialsError>,
        out: &mut Vec<u8>,
    ) -> Option<FrontStep> {
        let Ok(credentials) = credentials else {
            self.put_tagged(AUTHENTICATION_FAILED, out);
            self.failures += 1;
            return None;
        };
        self.stage = Stage::Waiting;
        Some(FrontStep::Login(credentials))
    }

    fn takes_passwords(&self) -> bool {
        self.is_tls || self.settings.allows_cleartext
    }

    fn capabilities(&self) -> String {
        let mut words: Vec<&str> = self.settings.capabilities.iter().map(|word| &**word).collect();
        if self.settings.offers_starttls && !self.is_tls {
            words.push("STARTTLS");
        }
        if !self.takes_passwords() {
            words.push("LOGINDISABLED");
            return words.join(" ");
        }
        words.extend(["AUTH=PLAIN", "AUTH=LOGIN"]);
        if self.settings.offers_oauth {
            words.extend(["AUTH=XOAUTH2", "AUTH=OAUTHBEARER"]);
        }
        words.join(" ")
    }

    /// The command can't be understood.
    fn refuse(&mut self, text: &str, out: &mut Vec<u8>) -> Option<FrontStep> {
        self.refuse_counted(&format!("BAD {text}"), out)
    }

    fn refuse_counted(&mut self, reply: &str, out: &mut Vec<u8>) -> Option<FrontStep> {
        self.bad_commands += 1;
        if self.bad_commands >= BAD_COMMANDS_MAX {
            return Some(self.close("Too many invalid IMAP commands.", out));
        }
        self.put_tagged(reply, out);
        None
    }

    fn close(&mut self, text: &str, out: &mut Vec<u8>) -> FrontStep {
        out.extend_from_slice(&goodbye(text));
        self.stage = Stage::Closed;
        FrontStep::Close
    }

    fn put_privacy_required(&self, out: &mut Vec<u8>) {
        let text = "Plaintext authentication disallowed on non-secure (SSL/TLS) connections.";
        self.put_tagged(&format!("NO [PRIVACYREQUIRED] {text}"), out);
    }

    fn put_tagged(&self, reply: &str, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.tag);
        out.push(b' ');
        put_line(out, reply);
    }

    /// The last line of a reply has no literals (RFC 3501, section 9: `response-done`), so the last line end is where it
    /// starts.
    fn put_reply(&self, reply: &[u8], out: &mut Vec<u8>) {
        let body = reply.strip_suffix(b"\r\n").unwrap_or(reply);
        let start = memchr::memrchr(b'\n', body).map_or(0, |end| end + 1);
        let (untagged, last) = body.split_at(start);
        out.extend_from_slice(untagged);
        out.extend_from_slice(&self.tag);
        out.push(b' ');
        out.extend_from_slice(last);
        out.extend_from_slice(b"\r\n");
    }
}

/// What a client is told, logged in or not, before the connection is closed (RFC 3501, section 7.1.5).
pub fn goodbye(text: &str) -> Vec<u8> {
    let text = in_one_line(text);
    format!("* BYE {text}\r\n").into_bytes()
}

fn put_line(out: &mut Vec<u8>, line: &str) {
    out.extend_from_slice(line.as_bytes());
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests;
