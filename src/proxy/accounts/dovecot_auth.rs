//! A client of Dovecot's auth socket (`auth-client`), as a value: bytes in, events and bytes out.

use std::collections::BTreeMap;

use crate::proxy::{Credentials, Input, Mechanism};

use super::account::{Fields, Verdict, printable};
use super::auth_line::{LINE_BYTES_MAX, Line, Peer, Words, push_ask};

/// The protocol's version: another major number is another protocol.
const MAJOR: u32 = 1;
/// What of version 1 is spoken here.
const MINOR: u32 = 1;
/// Credentials that may be on their way at once.
pub const PENDING_MAX: usize = 1_024;
/// What a client is told if Dovecot doesn't say why.
const NOT_HIS: &str = "You are not allowed to open this mailbox.";
const DISABLED: &str = "This account is disabled.";
const EXPIRED: &str = "The password has expired.";
const NO_MECHANISM: &str = "This way to log in is not offered.";

/// A connection to the auth server.
#[derive(Debug)]
pub struct AuthClient {
    pid: u32,
    stage: Stage,
    mechanisms: Vec<Mechanism>,
    pending: BTreeMap<u32, Pending>,
}

/// What has happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The greeting is over; the server can be asked.
    Ready,
    /// What was asked under this number.
    Answer {
        /// The number.
        id: u32,
        /// What the server says.
        verdict: Verdict,
    },
    /// The connection is no use any more, for this reason. Everything that was asked has been answered before.
    Broken(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// The server says its version first.
    Version,
    /// It tells of itself.
    Greeting,
    Ready,
    Broken,
}

#[derive(Debug)]
struct Pending {
    credentials: Credentials,
    /// The server wanted more, and has got it.
    has_continued: bool,
}

impl AuthClient {
    /// A new connection. `pid` tells it from all others that the auth server has now: it refuses a second one of the same.
    pub fn new(pid: u32) -> Self {
        AuthClient {
            pid,
            stage: Stage::Version,
            mechanisms: Vec::new(),
            pending: BTreeMap::new(),
        }
    }

    /// What is written first. The server's greeting need not be waited for.
    pub fn hello(&self, out: &mut Vec<u8>) {
        let hello = format!("VERSION\t{MAJOR}\t{MINOR}\nCPID\t{}\n", self.pid);
        out.extend_from_slice(hello.as_bytes());
    }

    /// Whether the server can be asked.
    pub fn is_ready(&self) -> bool {
        self.stage == Stage::Ready
    }

    /// Reads what has come. What is to be written for it goes to `out`.
    pub fn feed(&mut self, input: &mut Input, out: &mut Vec<u8>) -> Vec<Event> {
        let mut events = Vec::new();
        while self.stage != Stage::Broken {
            match input.take_line(LINE_BYTES_MAX) {
                Ok(Some(line)) => self.line(&Line::of(&line), out, &mut events),
                Ok(None) => return events,
                Err(too_long) => self.fail(
                    &format!("it has sent a line of more than {} bytes", too_long.limit),
                    &mut events,
                ),
            }
        }
        input.clear();
        events
    }

    /// The server has closed the connection, or it can't be read or written.
    pub fn ended(&mut self) -> Vec<Event> {
        let mut events = Vec::new();
        if self.stage != Stage::Broken {
            self.fail("the connection has ended", &mut events);
        }
        events
    }

    /// Asks whether credentials hold. The answer comes as an event with this number.
    ///
    /// # Errors
    /// Nothing was asked, and this is the answer.
    pub fn ask(
        &mut self,
        id: u32,
        credentials: &Credentials,
        peer: &Peer<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), Verdict> {
        let unavailable = |why: &str| {
            Err(Verdict::TemporarilyUnavailable(format!(
                "Dovecot's auth was not asked about user {:?}: {why}; the client was told to try again",
                credentials.user
            )))
        };
        if !self.is_ready() {
            return unavailable("the connection to it is not ready: look whether it runs");
        }
        if self.pending.len() >= PENDING_MAX {
            return unavailable("it has too much to answer already: look why it is slow");
        }
        if self.pending.contains_key(&id) {
            return unavailable("the number of the request is in use");
        }
        if !self.mechanisms.contains(&credentials.mechanism) {
            return Err(match credentials.mechanism {
                Mechanism::Plain => {
                    return unavailable("it does not offer PLAIN: add it to auth_mechanisms");
                }
                _ => Verdict::Refused(NO_MECHANISM.to_owned()),
            });
        }
        if !push_ask(id, credentials, peer, out) {
            return Err(Verdict::Wrong);
        }
        let pending = Pending {
            credentials: credentials.clone(),
            has_continued: false,
        };
        self.pending.insert(id, pending);
        Ok(())
    }

    /// Nobody waits for this answer any more. There will be none.
    pub fn cancel(&mut self, id: u32, out: &mut Vec<u8>) {
        if self.pending.remove(&id).is_some() {
            out.extend_from_slice(format!("CANCEL\t{id}\n").as_bytes());
        }
    }

    fn line(&mut self, line: &Line<'_>, out: &mut Vec<u8>, events: &mut Vec<Event>) {
        match (self.stage, line) {
            (Stage::Version, Line::Version(Some(MAJOR))) => self.stage = Stage::Greeting,
            (Stage::Version, Line::Version(Some(major))) => self.fail(
                &format!("it speaks version {major} of the protocol, and only version {MAJOR} is known here"),
                events,
            ),
            (Stage::Version, _) => {
                self.fail(
                    "it has not said its version first: the socket is no auth-client",
                    events,
                );
            }
            (Stage::Greeting, Line::Mechanism(name)) => {
                let mechanism = Mechanism::of(name);
                let is_new = |mechanism: &Mechanism| !self.mechanisms.contains(mechanism);
                let mechanism = mechanism.filter(is_new);
                self.mechanisms.extend(mechanism);
            }
            (Stage::Greeting, Line::Done) => {
                self.stage = Stage::Ready;
                events.push(Event::Ready);
            }
            (_, Line::Okay(id, words)) => self.answer(*id, events, |pending| accepted(words, pending)),
            (_, Line::Fail(id, words)) => self.answer(*id, events, |pending| rejected(words, pending)),
            (_, Line::More(id)) => self.go_on(*id, out, events),
            (_, Line::Malformed) => self.fail("it has answered without the number of a request", events),
            _ => {}
        }
    }

    /// An answer; it is dropped if nobody waits for it.
    fn answer(&mut self, id: u32, events: &mut Vec<Event>, verdict_of: impl FnOnce(&Credentials) -> Verdict) {
        if let Some(pending) = self.pending.remove(&id) {
            let verdict = verdict_of(&pending.credentials);
            events.push(Event::Answer { id, verdict });
        }
    }

    /// The server wants more. Mechanisms with tokens say so why they fail (RFC 7628, section 3.2.2), and wait for a byte \x01;
    /// nothing else can be meant, as everything has been said already.
    fn go_on(&mut self, id: u32, out: &mut Vec<u8>, events: &mut Vec<Event>) {
        let Some(pending) = self.pending.get_mut(&id) else {
            return;
        };
        if pending.has_continued {
            self.cancel(id, out);
            let verdict = Verdict::TemporarilyUnavailable(format!(
                "Dovecot's auth has asked for more than the client's mechanism has (request {id}); the request was \
                 cancelled and the client told to try again: look at Dovecot's auth_mechanisms"
            ));
            events.push(Event::Answer { id, verdict });
        } else {
            pending.has_continued = true;
            out.extend_from_slice(format!("CONT\t{id}\tAQ==\n").as_bytes());
        }
    }

    fn fail(&mut self, why: &str, events: &mut Vec<Event>) {
        self.stage = Stage::Broken;
        let pending = std::mem::take(&mut self.pending);
        events.extend(pending.into_iter().map(|(id, pending)| Event::Answer {
            id,
            verdict: Verdict::TemporarilyUnavailable(format!(
                "Dovecot's auth has not answered about user {:?}: {why}; the client was told to try again",
                pending.credentials.user
            )),
        }));
        events.push(Event::Broken(format!(
            "the connection to Dovecot's auth is given up: {why}"
        )));
    }
}

/// `OK`: the extra fields say where he goes.
fn accepted(words: &Words<'_>, credentials: &Credentials) -> Verdict {
    let unusable = |why: &str| {
        Verdict::TemporarilyUnavailable(format!(
            "Dovecot's auth has accepted user {:?}, but {why}; he was not let in: correct his passdb entry",
            credentials.user
        ))
    };
    let mut fields = Fields::default();
    for (name, value) in words.clone() {
        let name = String::from_utf8_lossy(&name);
        if let Err(error) = fields.set(&name, &value) {
            return unusable(&format!("the field {error}"));
        }
    }
    match fields.user() {
        Some(user) => fields.admit(user, None, credentials),
        None => unusable("has not said who he is (user=)"),
    }
}

/// `FAIL`: for good, for now, or with a reason.
fn rejected(words: &Words<'_>, credentials: &Credentials) -> Verdict {
    let (mut reason, mut is_temporary, mut otherwise) = (None, false, None);
    for (name, value) in words.clone() {
        match (name.as_slice(), value.as_slice()) {
            (b"temp", _) | (b"code", b"temp_fail") => is_temporary = true,
            (b"authz", _) | (b"code", b"authz_fail") => otherwise = Some(NOT_HIS),
            (b"user_disabled", _) | (b"code", b"user_disabled") => otherwise = Some(DISABLED),
            (b"pass_expired", _) | (b"code", b"pass_expired") => otherwise = Some(EXPIRED),
            (b"reason", reason_bytes) => reason = printable(reason_bytes),
            _ => {}
        }
    }
    if is_temporary {
        return Verdict::TemporarilyUnavailable(format!(
            "Dovecot's auth can't verify user {:?} now ({}); the client was told to try again: look at Dovecot's log",
            credentials.user,
            reason.as_deref().unwrap_or("it does not say why"),
        ));
    }
    match reason.or(otherwise.map(str::to_owned)) {
        Some(reason) => Verdict::Refused(reason),
        None => Verdict::Wrong,
    }
}

#[cfg(test)]
mod tests;
