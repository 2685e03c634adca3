//! The backend's side: logs one user in there. Which backend it is, and what happens when it can't be used, is left to the
//! engine.

use std::collections::VecDeque;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use super::reply::{Replies, Reply};
use super::{words, xclient};
use crate::proxy::{BackLogin, BackStep, Input, Mechanism};

/// Bytes that an AUTH command with its CRLF may have, to carry its response (RFC 4954, section 4).
const COMMAND_BYTES_MAX: usize = 512;

/// One login at a backend.
#[derive(Debug)]
pub struct Back {
    login: BackLogin,
    phase: Phase,
    replies: Replies,
}

/// What the backend's next reply is to. TLS and XCLIENT come before AUTH, in this order, each followed by an EHLO.
#[derive(Debug)]
enum Phase {
    /// Nothing: that is the greeting.
    Greeting,
    /// EHLO, as it is said first, after STARTTLS, or to the end with AUTH.
    Ehlo(Purpose),
    StartTls,
    /// Nothing: the engine does the handshake.
    Handshake,
    /// Nothing: the handshake is done, EHLO is still to be said.
    Encrypted,
    /// XCLIENT, with these commands to follow.
    Xclient(VecDeque<String>),
    /// AUTH without the response, which is to follow.
    AuthBegun,
    /// The response.
    Response,
    /// The answer to what a failing OAuth has as its last challenge.
    FailureTaken,
    /// Nothing: the login is over.
    Over,
}

/// What is next once the backend has told what it offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    StartTls,
    Identity,
    Login {
        /// EHLO was said in the client's name, which the backend need not like.
        is_in_clients_name: bool,
    },
}

/// What a backend's EHLO offers.
#[derive(Default)]
struct Offers {
    has_starttls: bool,
    /// In upper case.
    mechanisms: Vec<Vec<u8>>,
    /// XCLIENT's attributes in upper case.
    attributes: Vec<Vec<u8>>,
}

impl Back {
    /// A connection to the backend, with nothing said yet; with implicit TLS after its handshake.
    pub fn new(login: BackLogin) -> Self {
        Back {
            login,
            phase: Phase::Greeting,
            replies: Replies::default(),
        }
    }

    /// Takes what the backend has said, as far as the first step that is not [`BackStep::More`]. To be fed once, with
    /// whatever is there, after [`tls_started`](Self::tls_started). What comes after the login is left in `input`.
    pub fn feed(&mut self, input: &mut Input, out: &mut Vec<u8>) -> BackStep {
        if matches!(self.phase, Phase::Encrypted) {
            self.say_ehlo(Purpose::Identity, out);
        }
        loop {
            if matches!(self.phase, Phase::Handshake | Phase::Over) {
                return BackStep::More;
            }
            let step = match self.replies.take(input) {
                Ok(None) => return BackStep::More,
                Ok(Some(reply)) => self.understand(&reply, out),
                Err(text) => self.fail(text),
            };
            if step == BackStep::StartTls {
                // Nobody knows who has written what came in the clear.
                input.clear();
            }
            if step != BackStep::More {
                return step;
            }
        }
    }

    /// The handshake after [`BackStep::StartTls`] is done.
    pub fn tls_started(&mut self) {
        self.phase = Phase::Encrypted;
    }

    fn understand(&mut self, reply: &Reply, out: &mut Vec<u8>) -> BackStep {
        match (std::mem::replace(&mut self.phase, Phase::Over), reply.code) {
            (Phase::Greeting, 220) => {
                let purpose = if self.login.wants_starttls {
                    Purpose::StartTls
                } else {
                    Purpose::Identity
                };
                self.say_ehlo(purpose, out)
            }
            (Phase::Ehlo(purpose), 250) => self.go_on(purpose, &Offers::of(reply), out),
            (
                Phase::Ehlo(Purpose::Login {
                    is_in_clients_name: true,
                }),
                500..,
            ) => self.say_ehlo(
                Purpose::Login {
                    is_in_clients_name: false,
                },
                out,
            ),
            (Phase::StartTls, 220) => {
                self.phase = Phase::Handshake;
                BackStep::StartTls
            }
            (Phase::Xclient(commands), 220) => self.tell_identity(commands, out),
            (Phase::AuthBegun, 334) => {
                let response = self.response();
                self.say(Phase::Response, &response, out)
            }
            (Phase::Response, 334) => self.take_failure(reply, out),
            (Phase::AuthBegun | Phase::Response | Phase::FailureTaken, 235) => {
                BackStep::Accepted(reply.bytes.clone())
            }
            (Phase::AuthBegun | Phase::Response | Phase::FailureTaken, 400..) => {
                BackStep::Rejected(reply.bytes.clone())
            }
            (phase, _) => self.fail(format!(
                "{} was answered with {}",
                phase.name(),
                reply.printable()
            )),
        }
    }

    fn go_on(&mut self, purpose: Purpose, offers: &Offers, out: &mut Vec<u8>) -> BackStep {
        match purpose {
            Purpose::StartTls if offers.has_starttls => self.say(Phase::StartTls, "STARTTLS", out),
            Purpose::StartTls => self.fail("STARTTLS is not offered".to_owned()),
            Purpose::Identity => {
                let origin = self.login.origin.as_ref();
                let commands = origin.map(|origin| xclient::commands(origin, &offers.attributes));
                match commands {
                    Some(commands) if !commands.is_empty() => self.tell_identity(commands.into(), out),
                    _ => self.begin_auth(offers, out),
                }
            }
            Purpose::Login { .. } => self.begin_auth(offers, out),
        }
    }

    /// Says the next of the commands, or goes on in the client's name when there are no more.
    fn tell_identity(&mut self, mut commands: VecDeque<String>, out: &mut Vec<u8>) -> BackStep {
        let Some(command) = commands.pop_front() else {
            let is_in_clients_name = self.clients_name().is_some();
            return self.say_ehlo(Purpose::Login { is_in_clients_name }, out);
        };
        self.say(Phase::Xclient(commands), &command, out)
    }

    fn say_ehlo(&mut self, purpose: Purpose, out: &mut Vec<u8>) -> BackStep {
        let name = match purpose {
            Purpose::Login {
                is_in_clients_name: true,
            } => self.clients_name(),
            _ => None,
        };
        let ehlo = format!("EHLO {}", name.unwrap_or(&self.login.host));
        self.say(Phase::Ehlo(purpose), &ehlo, out)
    }

    /// How the client has called himself, if it may stand in a command.
    fn clients_name(&self) -> Option<&str> {
        let helo = self.login.origin.as_ref()?.helo.as_ref()?;
        words::name(helo.as_bytes())
    }

    fn begin_auth(&mut self, offers: &Offers, out: &mut Vec<u8>) -> BackStep {
        let mechanism = self.login.credentials.mechanism.name();
        if !offers
            .mechanisms
            .iter()
            .any(|offered| offered == mechanism.as_bytes())
        {
            return self.fail(format!("AUTH {mechanism} is not offered"));
        }
        let response = self.response();
        let initial = if response.is_empty() {
            "="
        } else {
            response.as_str()
        };
        let command = format!("AUTH {mechanism} {initial}");
        if command.len() + "\r\n".len() <= COMMAND_BYTES_MAX {
            return self.say(Phase::Response, &command, out);
        }
        self.say(Phase::AuthBegun, &format!("AUTH {mechanism}"), out)
    }

    fn response(&self) -> String {
        BASE64_STANDARD.encode(self.login.credentials.response.bytes())
    }

    /// A failing OAuth says why in a challenge, and refuses once that is answered: with a `^A` (RFC 7628, section 3.2.3), or
    /// with nothing (Google's XOAUTH2).
    fn take_failure(&mut self, reply: &Reply, out: &mut Vec<u8>) -> BackStep {
        match self.login.credentials.mechanism {
            Mechanism::OauthBearer => self.say(Phase::FailureTaken, "AQ==", out),
            Mechanism::XOauth2 => self.say(Phase::FailureTaken, "", out),
            Mechanism::Plain => self.fail(format!("AUTH PLAIN was answered with {}", reply.printable())),
        }
    }

    fn say(&mut self, next: Phase, line: &str, out: &mut Vec<u8>) -> BackStep {
        out.extend_from_slice(line.as_bytes());
        out.extend_from_slice(b"\r\n");
        self.phase = next;
        BackStep::More
    }

    fn fail(&mut self, text: String) -> BackStep {
        self.phase = Phase::Over;
        BackStep::Failed(text)
    }
}

impl Phase {
    /// What a reply is to, for a log.
    fn name(&self) -> &'static str {
        match self {
            Phase::Greeting => "the connection",
            Phase::Ehlo(_) => "EHLO",
            Phase::StartTls => "STARTTLS",
            Phase::Xclient(_) => "XCLIENT",
            Phase::AuthBegun | Phase::Response | Phase::FailureTaken => "AUTH",
            Phase::Handshake | Phase::Encrypted | Phase::Over => "nothing",
        }
    }
}

impl Offers {
    fn of(reply: &Reply) -> Self {
        let mut offers = Offers::default();
        // The first line is the host's.
        for text in reply.texts().skip(1) {
            let text = text.to_ascii_uppercase();
            let mut words = text.split(|byte| *byte == b' ').filter(|word| !word.is_empty());
            match words.next() {
                Some(b"STARTTLS") => offers.has_starttls = true,
                Some(b"AUTH") => offers.mechanisms.extend(words.map(<[u8]>::to_vec)),
                Some(b"XCLIENT") => offers.attributes.extend(words.map(<[u8]>::to_vec)),
                _ => {}
            }
        }
        offers
    }
}

#[cfg(test)]
mod tests;
