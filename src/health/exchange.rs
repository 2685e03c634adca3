//! The talk with a backend that one check is: lines in, what to do next out. Sockets, TLS and time are left to `probe`.

mod dialect;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use self::dialect::{Command, Dialect, Heard};
use super::check::Check;
use super::fault::ProbeFault;
use crate::config::TlsUse;

/// The longest line of a backend, in bytes without its end; capabilities are shorter everywhere.
pub const LINE_BYTES_MAX: usize = 16 << 10;

/// The most lines of one check.
const LINES_MAX: u32 = 1_000;

/// What is to be done next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Send these bytes, then read lines.
    Send(Vec<u8>),
    /// Read the next line.
    Wait,
    /// Nothing may have come behind this line; make the connection a TLS one and call [`Exchange::secured`].
    StartTls,
    /// The backend stands the check; take leave with these bytes.
    Done(&'static [u8]),
    /// It does not.
    Failed(ProbeFault),
}

/// One check of one backend, from the first byte to the verdict.
#[derive(Debug)]
pub struct Exchange<'a> {
    check: &'a Check,
    dialect: Option<Dialect>,
    /// What the next answer is an answer to.
    at: Command,
    is_secured: bool,
    lines: u32,
}

impl<'a> Exchange<'a> {
    /// The talk that this check is.
    pub fn new(check: &'a Check) -> Self {
        Exchange {
            check,
            dialect: Dialect::of(check.protocol),
            at: Command::Greeting,
            is_secured: check.tls == TlsUse::Tls,
            lines: 0,
        }
    }

    /// The connection stands, with TLS if the check's port is one of TLS.
    pub fn connected(&mut self) -> Step {
        match self.dialect {
            None => Step::Done(b""),
            Some(_) => Step::Wait,
        }
    }

    /// The connection is a TLS one now.
    pub fn secured(&mut self) -> Step {
        self.is_secured = true;
        match self.dialect {
            // The capabilities come again (RFC 5804, 2.2).
            Some(Dialect::Sieve) => {
                self.at = Command::Greeting;
                Step::Wait
            }
            // So they do when asked for (RFC 3207, 4.2).
            Some(Dialect::Smtp { .. }) => self.say(Command::Hello),
            _ => self.go_on(),
        }
    }

    /// A line of the backend, without its end.
    pub fn line(&mut self, line: &[u8]) -> Step {
        let Some(dialect) = self.dialect else {
            return Step::Done(b"");
        };
        self.lines += 1;
        if self.lines > LINES_MAX {
            return Step::Failed(ProbeFault::TooMuch { to: self.awaits() });
        }
        match dialect.hear(self.at, line) {
            Heard::More => Step::Wait,
            Heard::No => Step::Failed(ProbeFault::refused(self.awaits(), line)),
            Heard::Prompt => match (self.at, self.response()) {
                (Command::Login, Some(response)) => Step::Send(format!("{response}\r\n").into_bytes()),
                _ => Step::Failed(ProbeFault::refused(self.awaits(), line)),
            },
            Heard::Yes => match self.at {
                Command::StartTls => Step::StartTls,
                Command::Greeting if matches!(dialect, Dialect::Smtp { .. }) && self.needs_more() => {
                    self.say(Command::Hello)
                }
                Command::From => self.say(Command::Recipient),
                _ => self.go_on(),
            },
        }
    }

    /// What the backend is to answer next, for whoever tells that it does not.
    pub fn awaits(&self) -> &'static str {
        self.dialect
            .map_or("the connection", |dialect| dialect.name(self.at))
    }

    /// Whether the greeting alone is not the whole check.
    fn needs_more(&self) -> bool {
        !self.is_secured && self.check.tls == TlsUse::StartTls
            || self.check.account.is_some()
            || self.check.recipient.is_some()
    }

    /// What stands between here and the end.
    fn go_on(&mut self) -> Step {
        let is_new = |command: Command| (self.at as u8) < command as u8;
        if !self.is_secured && self.check.tls == TlsUse::StartTls {
            return self.say(Command::StartTls);
        }
        if self.check.account.is_some() && is_new(Command::Login) {
            return self.say(Command::Login);
        }
        if self.check.recipient.is_some() && is_new(Command::From) {
            return self.say(Command::From);
        }
        Step::Done(self.dialect.map_or(b"", |dialect| dialect.goodbye()))
    }

    fn say(&mut self, command: Command) -> Step {
        self.at = command;
        let Some(dialect) = self.dialect else {
            return Step::Done(b"");
        };
        let argument = match command {
            Command::Login => self.response(),
            Command::Recipient => self.check.recipient.as_deref().map(str::to_owned),
            _ => None,
        };
        Step::Send(dialect.say(command, argument.as_deref().unwrap_or("")))
    }

    /// SASL PLAIN (RFC 4616): nobody to act for, the account, its password.
    fn response(&self) -> Option<String> {
        let account = self.check.account.as_ref()?;
        Some(STANDARD.encode(format!("\0{}\0{}", account.user, account.password)))
    }
}
