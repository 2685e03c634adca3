//! The client's side: what he says before he is logged in, answered as Dovecot's pop3-login answers it.
//!
//! Checking his proof is left to the backend, and TLS to the engine.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::lines::{COMMAND_BYTES_MAX, PASS_BYTES_MAX, without_controls};
use super::xclient;
use crate::proxy::{
    COMMANDS_MAX, Claims, Credentials, FAILURES_MAX, FrontSettings, FrontStep, Input, Mechanism,
    RESPONSE_BYTES_MAX,
};

/// Commands that are unknown or malformed a client may send.
const BAD_COMMANDS_MAX: u32 = 10;
/// Bytes of a line with a response in base64.
const RESPONSE_LINE_BYTES_MAX: usize = RESPONSE_BYTES_MAX.div_ceil(3) * 4;
/// Commands whose lines may have more bytes than others: AUTH may have a response, too, and to XCLIENT Dovecot's proxies may
/// add fields of their own.
const LONGER_LINES: [(&[u8], usize); 3] = [
    (b"AUTH ", RESPONSE_LINE_BYTES_MAX + 32),
    (b"PASS ", PASS_BYTES_MAX),
    (b"XCLIENT ", 8192),
];

const NO_CLEARTEXT: &str =
    "-ERR [AUTH] Plaintext authentication disallowed on non-secure (SSL/TLS) connections.\r\n";
const FAILED: &str = "-ERR [AUTH] Authentication failed.\r\n";

/// One client's connection until he is logged in.
#[derive(Debug)]
pub struct Front {
    settings: Arc<FrontSettings>,
    is_tls: bool,
    is_over: bool,
    /// What the next line belongs to, unless it is a command.
    exchange: Option<Exchange>,
    /// What USER has said.
    user: Option<Vec<u8>>,
    claims: Claims,
    commands: u32,
    bad_commands: u32,
    failures: u32,
}

/// What SASL waits for.
#[derive(Debug)]
enum Exchange {
    /// The only response of this mechanism.
    Response(Mechanism),
    /// The first response of LOGIN.
    LoginName,
    /// The second one, to this name.
    LoginPassword(Vec<u8>),
}

impl Front {
    /// A connection that has just been made, whose TLS handshake is done if it begins with one.
    pub fn new(settings: Arc<FrontSettings>, is_tls: bool) -> Self {
        Front {
            settings,
            is_tls,
            is_over: false,
            exchange: None,
            user: None,
            claims: Claims::default(),
            commands: 0,
            bad_commands: 0,
            failures: 0,
        }
    }

    /// The greeting: once, before anything is fed.
    pub fn greet(&mut self, out: &mut Vec<u8>) {
        say(out, &format!("+OK {}\r\n", self.settings.greeting));
    }

    /// Takes as many whole lines as there are, until one asks for something to be done. What comes after that one stays in
    /// `input`.
    pub fn feed(&mut self, input: &mut Input, out: &mut Vec<u8>) -> FrontStep {
        loop {
            if self.is_over {
                return FrontStep::Close;
            }
            if self.failures >= FAILURES_MAX {
                return self.close("-ERR Too many failed logins.\r\n", out);
            }
            let line = match input.take_line(self.line_bytes_max(input.unread())) {
                Ok(Some(line)) => line,
                Ok(None) => return FrontStep::More,
                Err(_) => return self.close("-ERR Input buffer full, aborting\r\n", out),
            };
            if let Some(step) = self.line(&line, out) {
                return step;
            }
        }
    }

    /// The handshake after [`FrontStep::StartTls`] is done. What was said in the clear may have been another's words, and is
    /// forgotten (RFC 2595, section 4).
    pub fn tls_started(&mut self) {
        self.is_tls = true;
        self.user = None;
        self.claims = Claims::default();
    }

    /// The backend has let the client in with this reply.
    pub fn accepted(&mut self, reply: &[u8], out: &mut Vec<u8>) {
        out.extend_from_slice(reply);
    }

    /// The backend has refused the client with this reply; he may try again, [`FAILURES_MAX`] times in all.
    pub fn rejected(&mut self, reply: &[u8], out: &mut Vec<u8>) {
        out.extend_from_slice(reply);
        self.failures += 1;
    }

    /// The login has failed for a reason that is not the client's and will pass (RFC 3206, section 4).
    pub fn unavailable(&mut self, text: &str, out: &mut Vec<u8>) {
        out.extend_from_slice(&goodbye(text));
    }

    /// What a proxy in front has said of the client by XCLIENT.
    pub fn claims(&self) -> &Claims {
        &self.claims
    }

    /// Bytes that the next line may have, which begins with `start`. What doesn't hold the whole verb yet is shorter than
    /// any limit.
    fn line_bytes_max(&self, start: &[u8]) -> usize {
        if self.exchange.is_some() {
            return RESPONSE_LINE_BYTES_MAX;
        }
        let begins = |verb: &[u8]| {
            start
                .get(..verb.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(verb))
        };
        LONGER_LINES
            .iter()
            .find(|(verb, _)| begins(verb))
            .map_or(COMMAND_BYTES_MAX, |(_, limit)| *limit)
    }

    fn line(&mut self, line: &[u8], out: &mut Vec<u8>) -> Option<FrontStep> {
        let Some(exchange) = self.exchange.take() else {
            return self.command(line, out);
        };
        if line == b"*" {
            say(out, "-ERR Authentication aborted by client.\r\n");
            return None;
        }
        match STANDARD.decode(line) {
            Ok(response) => self.response(exchange, response, out),
            Err(_) => self.failed("-ERR [AUTH] Invalid base64 data in continued response\r\n", out),
        }
    }

    fn command(&mut self, line: &[u8], out: &mut Vec<u8>) -> Option<FrontStep> {
        self.commands += 1;
        if self.commands > COMMANDS_MAX {
            return Some(self.close("-ERR Too many commands.\r\n", out));
        }
        let space = memchr::memchr(b' ', line);
        let (verb, arguments) = match space {
            Some(at) => (&line[..at], &line[at + 1..]),
            None => (line, &line[line.len()..]),
        };
        match verb.to_ascii_uppercase().as_slice() {
            b"CAPA" => self.capabilities(out),
            b"STLS" => return self.start_tls(out),
            b"USER" => return self.user(arguments, out),
            b"PASS" => return self.pass(arguments, out),
            b"AUTH" => return self.auth(arguments, out),
            b"XCLIENT" => return self.xclient(arguments, out),
            b"APOP" => say(out, "-ERR APOP not enabled.\r\n"),
            b"QUIT" => return Some(self.close("+OK Logging out\r\n", out)),
            _ => return self.bad("-ERR Unknown command.\r\n", out),
        }
        None
    }

    /// CAPA (RFC 2449, section 5).
    fn capabilities(&self, out: &mut Vec<u8>) {
        say(out, "+OK\r\n");
        for capability in &self.settings.capabilities {
            say(out, &format!("{capability}\r\n"));
        }
        if self.settings.offers_starttls && !self.is_tls {
            say(out, "STLS\r\n");
        }
        if self.takes_passwords() {
            say(out, &format!("USER\r\nSASL {}\r\n", self.mechanisms().join(" ")));
        }
        say(out, ".\r\n");
    }

    fn start_tls(&mut self, out: &mut Vec<u8>) -> Option<FrontStep> {
        if self.is_tls {
            say(out, "-ERR TLS is already active.\r\n");
            return None;
        }
        if !self.settings.offers_starttls {
            say(out, "-ERR TLS support isn't enabled.\r\n");
            return None;
        }
        say(out, "+OK Begin TLS negotiation now.\r\n");
        Some(FrontStep::StartTls)
    }

    fn user(&mut self, name: &[u8], out: &mut Vec<u8>) -> Option<FrontStep> {
        if !self.takes_passwords() {
            say(out, NO_CLEARTEXT);
            return None;
        }
        if name.is_empty() {
            return self.bad("-ERR No username given.\r\n", out);
        }
        self.user = Some(name.to_vec());
        say(out, "+OK\r\n");
        None
    }

    /// The whole rest of the line is the password, with its spaces (RFC 1939, section 7).
    fn pass(&mut self, password: &[u8], out: &mut Vec<u8>) -> Option<FrontStep> {
        if !self.takes_passwords() {
            say(out, NO_CLEARTEXT);
            return None;
        }
        let Some(name) = self.user.take() else {
            say(out, "-ERR No username given.\r\n");
            return None;
        };
        self.login(Credentials::of_password(&name, password).ok(), out)
    }

    /// AUTH (RFC 5034, section 4); without arguments a list of mechanisms, as old clients ask for it.
    fn auth(&mut self, arguments: &[u8], out: &mut Vec<u8>) -> Option<FrontStep> {
        if arguments.is_empty() {
            let mechanisms = if self.takes_passwords() {
                self.mechanisms()
            } else {
                Vec::new()
            };
            say(out, "+OK\r\n");
            for mechanism in mechanisms {
                say(out, &format!("{mechanism}\r\n"));
            }
            say(out, ".\r\n");
            return None;
        }
        let mut words = arguments.splitn(2, |byte| *byte == b' ');
        let Some(exchange) = words.next().and_then(|name| self.exchange_of(name)) else {
            say(out, "-ERR [AUTH] Unsupported authentication mechanism.\r\n");
            return None;
        };
        if !self.takes_passwords() {
            say(out, NO_CLEARTEXT);
            return None;
        }
        let initial = words.next().unwrap_or_default();
        if initial.is_empty() {
            return self.challenge(exchange, out);
        }
        let encoded = if initial == b"=" { b"" } else { initial };
        match STANDARD.decode(encoded) {
            Ok(response) => self.response(exchange, response, out),
            Err(_) => self.failed("-ERR [AUTH] Invalid base64 data in initial response\r\n", out),
        }
    }

    /// XCLIENT, from whoever says it: the engine knows whom to believe.
    fn xclient(&mut self, arguments: &[u8], out: &mut Vec<u8>) -> Option<FrontStep> {
        let Some(claims) = xclient::claims(arguments, &self.claims) else {
            return self.bad("-ERR Invalid parameters\r\n", out);
        };
        self.claims = claims;
        say(out, "+OK Updated\r\n");
        None
    }

    /// Asks for what the exchange waits for.
    fn challenge(&mut self, exchange: Exchange, out: &mut Vec<u8>) -> Option<FrontStep> {
        let challenge = match &exchange {
            Exchange::Response(_) => "",
            Exchange::LoginName => "Username:",
            Exchange::LoginPassword(_) => "Password:",
        };
        say(out, &format!("+ {}\r\n", STANDARD.encode(challenge)));
        self.exchange = Some(exchange);
        None
    }

    /// What the exchange has waited for.
    fn response(&mut self, exchange: Exchange, response: Vec<u8>, out: &mut Vec<u8>) -> Option<FrontStep> {
        let credentials = match exchange {
            Exchange::Response(mechanism) => Credentials::of_response(mechanism, response),
            Exchange::LoginName => return self.challenge(Exchange::LoginPassword(response), out),
            Exchange::LoginPassword(name) => Credentials::of_password(&name, &response),
        };
        self.login(credentials.ok(), out)
    }

    /// Credentials that can't be used are answered as wrong ones are.
    fn login(&mut self, credentials: Option<Credentials>, out: &mut Vec<u8>) -> Option<FrontStep> {
        match credentials {
            Some(credentials) => Some(FrontStep::Login(credentials)),
            None => self.failed(FAILED, out),
        }
    }

    fn failed(&mut self, reply: &str, out: &mut Vec<u8>) -> Option<FrontStep> {
        self.failures += 1;
        say(out, reply);
        None
    }

    fn bad(&mut self, reply: &str, out: &mut Vec<u8>) -> Option<FrontStep> {
        self.bad_commands += 1;
        say(out, reply);
        if self.bad_commands < BAD_COMMANDS_MAX {
            return None;
        }
        Some(self.close("-ERR Too many invalid bad commands.\r\n", out))
    }

    fn close(&mut self, reply: &str, out: &mut Vec<u8>) -> FrontStep {
        say(out, reply);
        self.is_over = true;
        FrontStep::Close
    }

    fn takes_passwords(&self) -> bool {
        self.is_tls || self.settings.allows_cleartext
    }

    fn mechanisms(&self) -> Vec<&'static str> {
        let mut names = vec![Mechanism::Plain.name(), "LOGIN"];
        if self.settings.offers_oauth {
            names.extend([Mechanism::XOauth2.name(), Mechanism::OauthBearer.name()]);
        }
        names
    }

    /// How the mechanism of this name begins, if it is offered.
    fn exchange_of(&self, name: &[u8]) -> Option<Exchange> {
        if name.eq_ignore_ascii_case(b"LOGIN") {
            return Some(Exchange::LoginName);
        }
        Mechanism::of(name)
            .filter(|mechanism| *mechanism == Mechanism::Plain || self.settings.offers_oauth)
            .map(Exchange::Response)
    }
}

/// What may be said to a client who is logged in before his connection is closed: a failure of ours that will pass
/// (RFC 3206, section 4). POP3 has no word of its own for it.
pub fn goodbye(text: &str) -> Vec<u8> {
    let mut line = b"-ERR [SYS/TEMP] ".to_vec();
    line.extend_from_slice(&without_controls(text.as_bytes()));
    line.extend_from_slice(b"\r\n");
    line
}

fn say(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(text.as_bytes());
}

#[cfg(test)]
mod tests;
