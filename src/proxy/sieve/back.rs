//! One login at a backend that speaks ManageSieve. Which backend, and what happens when it can't be used, is left to others.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::words::{Limits, QUOTED_BYTES_MAX, Speaker, Word, parse};
use super::xclient::command_of;
use crate::proxy::{BackLogin, BackStep, Input, Mechanism};

/// Bytes that a backend may send before the user is in.
const RECEIVED_BYTES_MAX: usize = 64 << 10;
/// Bytes of a backend's words in a failure.
const SAID_BYTES_MAX: usize = 200;

/// One login at a backend.
#[derive(Debug)]
pub struct Back {
    login: BackLogin,
    stage: Stage,
    offer: Offer,
    received: usize,
}

/// What the backend's next response belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Greeting,
    StartTls,
    CapabilitiesAfterTls,
    XClient,
    Authenticate { may_challenge: bool },
}

/// What the backend can do, as far as it matters here.
#[derive(Debug, Default)]
struct Offer {
    has_starttls: bool,
    has_xclient: bool,
    has_mechanism: bool,
}

/// What a response says (RFC 5804, section 4: response-ok, response-nobye).
#[derive(Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Ok,
    NoOrBye,
}

impl Back {
    /// For a connection to a backend that has just been made.
    pub fn new(login: BackLogin) -> Self {
        Back {
            login,
            stage: Stage::Greeting,
            offer: Offer::default(),
            received: 0,
        }
    }

    /// Takes what the backend has sent, up to the first step that is not [`BackStep::More`]. What comes after the response
    /// to the login stays.
    pub fn feed(&mut self, input: &mut Input, out: &mut Vec<u8>) -> BackStep {
        loop {
            let room = RECEIVED_BYTES_MAX - self.received;
            let limits = Limits {
                line: room,
                literal: room,
                whole: room,
            };
            let sentence = match parse(input.unread(), Speaker::Server, &limits) {
                Ok(None) => return BackStep::More,
                Ok(Some(sentence)) if sentence.length <= room => sentence,
                Ok(Some(_)) | Err(_) => return self.failed_over("what is malformed or too long"),
            };
            let bytes = input.unread()[..sentence.length].to_vec();
            input.consume(sentence.length);
            self.received += sentence.length;
            let step = self.hear(&sentence.words, bytes, out);
            if step == BackStep::StartTls {
                // Whatever has come already was not said under TLS.
                input.clear();
            }
            if step != BackStep::More {
                return step;
            }
        }
    }

    /// The handshake after [`BackStep::StartTls`] is done. The backend says its capabilities anew by itself.
    pub fn tls_started(&mut self) {
        self.stage = Stage::CapabilitiesAfterTls;
        self.offer = Offer::default();
    }

    fn hear(&mut self, words: &[Word], bytes: Vec<u8>, out: &mut Vec<u8>) -> BackStep {
        let Some(outcome) = outcome_of(words) else {
            return self.hear_string(words, out);
        };
        match (self.stage, outcome) {
            (Stage::Authenticate { .. }, Outcome::Ok) => BackStep::Accepted(bytes),
            (Stage::Authenticate { .. }, Outcome::NoOrBye) => BackStep::Rejected(bytes),
            (_, Outcome::NoOrBye) => {
                BackStep::Failed(format!("the backend refuses {}: {}", self.topic(), said(&bytes)))
            }
            (Stage::Greeting, Outcome::Ok) if self.login.wants_starttls => self.start_tls(out),
            (Stage::StartTls, Outcome::Ok) => BackStep::StartTls,
            (Stage::Greeting | Stage::CapabilitiesAfterTls, Outcome::Ok) => self.introduce(out),
            (Stage::XClient, Outcome::Ok) => self.authenticate(out),
        }
    }

    /// A capability or a challenge.
    fn hear_string(&mut self, words: &[Word], out: &mut Vec<u8>) -> BackStep {
        match (self.stage, words) {
            (Stage::Greeting | Stage::CapabilitiesAfterTls, [Word::Text(name), values @ ..]) => {
                self.note_capability(name, values);
                BackStep::More
            }
            (Stage::Authenticate { may_challenge: true }, [Word::Text(_)]) => {
                self.stage = Stage::Authenticate { may_challenge: false };
                self.answer_challenge(out)
            }
            _ => self.failed_over("what does not belong there"),
        }
    }

    fn note_capability(&mut self, name: &[u8], values: &[Word]) {
        match name.to_ascii_uppercase().as_slice() {
            b"STARTTLS" => self.offer.has_starttls = true,
            b"XCLIENT" => self.offer.has_xclient = true,
            b"SASL" => {
                let wanted = self.login.credentials.mechanism;
                self.offer.has_mechanism = values.iter().any(|value| match value {
                    Word::Text(names) => names
                        .split(|byte| *byte == b' ')
                        .any(|name| Mechanism::of(name) == Some(wanted)),
                    _ => false,
                });
            }
            _ => {}
        }
    }

    fn start_tls(&mut self, out: &mut Vec<u8>) -> BackStep {
        if !self.offer.has_starttls {
            return BackStep::Failed("the backend does not offer STARTTLS".to_owned());
        }
        out.extend_from_slice(b"STARTTLS\r\n");
        self.stage = Stage::StartTls;
        BackStep::More
    }

    /// Says who the client is, if that is wanted and possible.
    fn introduce(&mut self, out: &mut Vec<u8>) -> BackStep {
        let Some(origin) = self.login.origin.as_ref().filter(|_| self.offer.has_xclient) else {
            return self.authenticate(out);
        };
        out.extend_from_slice(command_of(origin).as_bytes());
        self.stage = Stage::XClient;
        BackStep::More
    }

    fn authenticate(&mut self, out: &mut Vec<u8>) -> BackStep {
        let credentials = &self.login.credentials;
        let mechanism = credentials.mechanism.name();
        if !self.offer.has_mechanism {
            return BackStep::Failed(format!("the backend does not offer SASL {mechanism}"));
        }
        let response = STANDARD.encode(credentials.response.bytes());
        let command = if response.len() <= QUOTED_BYTES_MAX {
            format!("AUTHENTICATE \"{mechanism}\" \"{response}\"\r\n")
        } else {
            format!(
                "AUTHENTICATE \"{mechanism}\" {{{}+}}\r\n{response}\r\n",
                response.len()
            )
        };
        out.extend_from_slice(command.as_bytes());
        self.stage = Stage::Authenticate { may_challenge: true };
        BackStep::More
    }

    /// With OAuth a challenge is why the token is refused; the refusal itself comes after the answer.
    fn answer_challenge(&self, out: &mut Vec<u8>) -> BackStep {
        match self.login.credentials.mechanism {
            // All was said with the command.
            Mechanism::Plain => return self.failed_over("a challenge"),
            Mechanism::XOauth2 => out.extend_from_slice(b"\"\"\r\n"),
            // A single ^A, as RFC 7628, section 3.2.3 wants it.
            Mechanism::OauthBearer => out.extend_from_slice(b"\"AQ==\"\r\n"),
        }
        BackStep::More
    }

    /// Without the backend's words: they may repeat what was said to it.
    fn failed_over(&self, what: &str) -> BackStep {
        BackStep::Failed(format!("the backend answers {} with {what}", self.topic()))
    }

    fn topic(&self) -> &'static str {
        match self.stage {
            Stage::Greeting => "the connection",
            Stage::StartTls => "STARTTLS",
            Stage::CapabilitiesAfterTls => "the TLS handshake",
            Stage::XClient => "XCLIENT",
            Stage::Authenticate { .. } => "AUTHENTICATE",
        }
    }
}

fn outcome_of(words: &[Word]) -> Option<Outcome> {
    let (Word::Atom(name), rest) = words.split_first()? else {
        return None;
    };
    if !matches!(after_code(rest)?, [] | [Word::Text(_)]) {
        return None;
    }
    match name.to_ascii_uppercase().as_slice() {
        b"OK" => Some(Outcome::Ok),
        b"NO" | b"BYE" => Some(Outcome::NoOrBye),
        _ => None,
    }
}

/// What comes after a response's code, which need not be there. Nothing when its parentheses don't match.
fn after_code(words: &[Word]) -> Option<&[Word]> {
    let mut depth = 0_usize;
    for (at, word) in words.iter().enumerate() {
        match word {
            Word::Open => depth += 1,
            Word::Close => depth = depth.checked_sub(1)?,
            Word::Atom(_) | Word::Text(_) => {}
        }
        if depth == 0 {
            // Text without a code is not skipped.
            return Some(&words[at + usize::from(*word == Word::Close)..]);
        }
    }
    (depth == 0).then_some(words)
}

/// The backend's words, for the log.
fn said(bytes: &[u8]) -> String {
    let bytes = &bytes[..bytes.len().min(SAID_BYTES_MAX)];
    let text: String = String::from_utf8_lossy(bytes)
        .trim_end()
        .chars()
        .map(|char| if char.is_control() { ' ' } else { char })
        .collect();
    text[..text.floor_char_boundary(SAID_BYTES_MAX)].to_owned()
}

#[cfg(test)]
mod tests;
