//! The protocols, each with its two sides, behind one shape.

use std::sync::Arc;

use super::{
    BackLogin, BackStep, Claims, FrontSettings, FrontStep, Input, Protocol, imap, pop3, sieve, submission,
};

/// What may be said to a client who is logged in before his connection is closed.
pub(super) fn goodbye(protocol: Protocol, text: &str) -> Vec<u8> {
    match protocol {
        Protocol::Imap => imap::goodbye(text),
        Protocol::Pop3 => pop3::goodbye(text),
        Protocol::Sieve => sieve::goodbye(text),
        Protocol::Submission | Protocol::Lmtp => submission::goodbye(text),
    }
}

/// Why a client's credentials do not let him in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// They are not right; nobody is told what is wrong with them.
    Wrong,
    /// They are, and he may not log in.
    NotAllowed,
}

/// What a client is told who is not let in, in the form in which a backend would say it: one line, which for IMAP has no tag yet.
pub(super) fn refusal(protocol: Protocol, refusal: Refusal, text: &str) -> Vec<u8> {
    let is_quotable = |c: char| (' '..='~').contains(&c) && c != '"' && c != '\\';
    let text: String = text.chars().filter(|c| is_quotable(*c)).collect();
    let line = match (protocol, refusal) {
        // RFC 5530, section 3.
        (Protocol::Imap, Refusal::Wrong) => format!("NO [AUTHENTICATIONFAILED] {text}\r\n"),
        (Protocol::Imap, Refusal::NotAllowed) => format!("NO [AUTHORIZATIONFAILED] {text}\r\n"),
        // RFC 3206, section 5.
        (Protocol::Pop3, _) => format!("-ERR [AUTH] {text}\r\n"),
        (Protocol::Sieve, _) => format!("NO \"{text}\"\r\n"),
        // RFC 4954, section 6.
        (Protocol::Submission | Protocol::Lmtp, Refusal::Wrong) => format!("535 5.7.8 {text}\r\n"),
        (Protocol::Submission | Protocol::Lmtp, Refusal::NotAllowed) => format!("535 5.7.0 {text}\r\n"),
    };
    line.into_bytes()
}

/// Whether the greeting comes once more after STARTTLS: a ManageSieve server says its capabilities anew by itself (RFC 5804,
/// section 2.2).
pub(super) fn greets_after_tls(protocol: Protocol) -> bool {
    protocol == Protocol::Sieve
}

macro_rules! each {
    ($kind:ident, $of:expr, $side:ident => $done:expr) => {
        match $of {
            $kind::Imap($side) => $done,
            $kind::Pop3($side) => $done,
            $kind::Sieve($side) => $done,
            $kind::Submission($side) => $done,
        }
    };
}

/// One client's connection until he is logged in.
pub(super) enum Front {
    Imap(imap::Front),
    Pop3(pop3::Front),
    Sieve(sieve::Front),
    Submission(submission::Front),
}

impl Front {
    /// Nothing for a protocol that has no login.
    pub fn new(protocol: Protocol, settings: Arc<FrontSettings>, is_tls: bool) -> Option<Self> {
        Some(match protocol {
            Protocol::Imap => Front::Imap(imap::Front::new(settings, is_tls)),
            Protocol::Pop3 => Front::Pop3(pop3::Front::new(settings, is_tls)),
            Protocol::Sieve => Front::Sieve(sieve::Front::new(settings, is_tls)),
            Protocol::Submission => Front::Submission(submission::Front::new(settings, is_tls)),
            Protocol::Lmtp => return None,
        })
    }

    pub fn greet(&mut self, out: &mut Vec<u8>) {
        each!(Front, self, front => front.greet(out));
    }

    pub fn feed(&mut self, input: &mut Input, out: &mut Vec<u8>) -> FrontStep {
        each!(Front, self, front => front.feed(input, out))
    }

    pub fn tls_started(&mut self) {
        each!(Front, self, front => front.tls_started());
    }

    pub fn accepted(&mut self, reply: &[u8], out: &mut Vec<u8>) {
        each!(Front, self, front => front.accepted(reply, out));
    }

    pub fn rejected(&mut self, reply: &[u8], out: &mut Vec<u8>) {
        each!(Front, self, front => front.rejected(reply, out));
    }

    pub fn unavailable(&mut self, text: &str, out: &mut Vec<u8>) {
        each!(Front, self, front => front.unavailable(text, out));
    }

    pub fn claims(&self) -> &Claims {
        each!(Front, self, front => front.claims())
    }

    /// What a client of Submission has called himself.
    pub fn helo(&self) -> Option<&str> {
        match self {
            Front::Submission(front) => front.helo(),
            _ => None,
        }
    }
}

/// One login at a backend.
pub(super) enum Back {
    Imap(imap::Back),
    Pop3(pop3::Back),
    Sieve(sieve::Back),
    Submission(submission::Back),
}

impl Back {
    /// Nothing for a protocol that has no login.
    pub fn new(protocol: Protocol, login: BackLogin) -> Option<Self> {
        Some(match protocol {
            Protocol::Imap => Back::Imap(imap::Back::new(login)),
            Protocol::Pop3 => Back::Pop3(pop3::Back::new(login)),
            Protocol::Sieve => Back::Sieve(sieve::Back::new(login)),
            Protocol::Submission => Back::Submission(submission::Back::new(login)),
            Protocol::Lmtp => return None,
        })
    }

    pub fn feed(&mut self, input: &mut Input, out: &mut Vec<u8>) -> BackStep {
        each!(Back, self, back => back.feed(input, out))
    }

    pub fn tls_started(&mut self) {
        each!(Back, self, back => back.tls_started());
    }
}
