//! The backend's side: brings the user in with the proof that he has given, and tells the backend where he is. Which backend
//! it is, and the handshake, are left to the engine.

use std::collections::VecDeque;

use super::capabilities::Capabilities;
use super::id::introduction;
use super::login::login;
use super::response::{Listening, Response, Status};
use super::text::{shown, split_word};
use crate::proxy::{BackLogin, BackStep, Input};

const CAPABILITY_TAG: char = 'C';
const STARTTLS_TAG: char = 'S';
const ID_TAG: char = 'I';
const LOGIN_TAG: char = 'L';

/// One login at a backend.
pub struct Back {
    login: BackLogin,
    stage: Stage,
    listening: Listening,
    /// Since the last handshake.
    capabilities: Option<Capabilities>,
    is_secured: bool,
    /// What the backend gets for each `+`.
    parts: VecDeque<Vec<u8>>,
    /// Untagged responses to the login.
    untagged: Vec<u8>,
    is_id_unanswered: bool,
}

/// What is waited for.
enum Stage {
    Greeting,
    Capabilities,
    StartTls,
    Handshake,
    /// The handshake is done, and nothing said since.
    Secured,
    Login,
}

impl Back {
    /// Nothing is said yet.
    pub fn new(login: BackLogin) -> Self {
        Back {
            login,
            stage: Stage::Greeting,
            listening: Listening::default(),
            capabilities: None,
            is_secured: false,
            parts: VecDeque::new(),
            untagged: Vec::new(),
            is_id_unanswered: false,
        }
    }

    /// Takes what the backend has said, up to the end of the login. Also to be called when nothing has come: at the start,
    /// and after a handshake.
    pub fn feed(&mut self, input: &mut Input, out: &mut Vec<u8>) -> BackStep {
        match self.stage {
            Stage::Handshake => return BackStep::More,
            Stage::Secured => self.ask_capabilities(out),
            _ => {}
        }
        loop {
            let response = match self.listening.advance(input) {
                Ok(Some(response)) => response,
                Ok(None) => return BackStep::More,
                Err(reason) => return BackStep::Failed(reason.to_string()),
            };
            let step = match response {
                Response::Continuation => self.go_on(out),
                Response::Untagged(text) => self.hear(&text, out),
                Response::Tagged { tag, status, line } => self.conclude(&tag, status, &line, out),
            };
            match step {
                // What somebody adds in the clear must not be taken for what the backend says by TLS.
                Some(BackStep::StartTls) if !input.unread().is_empty() => {
                    return failed("the backend says more before the TLS handshake that was agreed on");
                }
                Some(step) => return step,
                None => {}
            }
        }
    }

    /// The handshake after a [`BackStep::StartTls`] is done. Capabilities that came in the clear are forgotten (RFC 3501,
    /// section 6.2.1).
    pub fn tls_started(&mut self) {
        self.is_secured = true;
        self.capabilities = None;
        self.stage = Stage::Secured;
    }

    fn ask_capabilities(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(format!("{CAPABILITY_TAG} CAPABILITY\r\n").as_bytes());
        self.stage = Stage::Capabilities;
    }

    fn go_on(&mut self, out: &mut Vec<u8>) -> Option<BackStep> {
        let Some(part) = self.parts.pop_front() else {
            return Some(failed("the backend waits for more than there is"));
        };
        out.extend_from_slice(&part);
        None
    }

    fn hear(&mut self, text: &[u8], out: &mut Vec<u8>) -> Option<BackStep> {
        let (word, rest) = split_word(text);
        if word.eq_ignore_ascii_case(b"BYE") {
            return Some(failed_with("the backend says goodbye", rest));
        }
        match self.stage {
            Stage::Greeting if word.eq_ignore_ascii_case(b"OK") => {
                self.capabilities = Capabilities::of_code(rest);
                self.proceed(out)
            }
            Stage::Greeting if word.eq_ignore_ascii_case(b"PREAUTH") => {
                Some(failed("the backend lets anybody in without a login (PREAUTH)"))
            }
            Stage::Greeting => Some(failed("the backend does not greet as IMAP does")),
            Stage::Capabilities => {
                if let Some(capabilities) = Capabilities::of_response(text) {
                    self.capabilities = Some(capabilities);
                }
                None
            }
            // The client has not asked who the backend is.
            Stage::Login if !word.eq_ignore_ascii_case(b"ID") => {
                self.untagged.extend_from_slice(b"* ");
                self.untagged.extend_from_slice(text);
                self.untagged.extend_from_slice(b"\r\n");
                None
            }
            _ => None,
        }
    }

    fn conclude(&mut self, tag: &[u8], status: Status, line: &[u8], out: &mut Vec<u8>) -> Option<BackStep> {
        let is = |expected: char| tag == [expected as u8];
        match (&self.stage, status) {
            (Stage::Capabilities, Status::Ok) if is(CAPABILITY_TAG) => {
                let (_, text) = split_word(line);
                self.capabilities = self.capabilities.take().or_else(|| Capabilities::of_code(text));
                if self.capabilities.is_none() {
                    return Some(failed("the backend does not say what it can do"));
                }
                self.proceed(out)
            }
            (Stage::Capabilities, _) if is(CAPABILITY_TAG) => {
                Some(failed_with("the backend does not say what it can do", line))
            }
            (Stage::StartTls, Status::Ok) if is(STARTTLS_TAG) => {
                self.stage = Stage::Handshake;
                Some(BackStep::StartTls)
            }
            (Stage::StartTls, _) if is(STARTTLS_TAG) => {
                Some(failed_with("the backend refuses STARTTLS", line))
            }
            (Stage::Login, _) if is(ID_TAG) && self.is_id_unanswered => {
                self.is_id_unanswered = false;
                None
            }
            // An answer to ID that comes later would reach the client, who has not asked.
            (Stage::Login, _) if is(LOGIN_TAG) && !self.is_id_unanswered => Some(self.finish(status, line)),
            _ => Some(failed("the backend answers what it was not asked")),
        }
    }

    /// Whatever comes next, now that it is known what the backend can do, or has to be asked.
    fn proceed(&mut self, out: &mut Vec<u8>) -> Option<BackStep> {
        let Some(capabilities) = &self.capabilities else {
            self.ask_capabilities(out);
            return None;
        };
        if self.login.wants_starttls && !self.is_secured {
            if !capabilities.has("STARTTLS") {
                return Some(failed("the backend does not offer STARTTLS"));
            }
            out.extend_from_slice(format!("{STARTTLS_TAG} STARTTLS\r\n").as_bytes());
            self.stage = Stage::StartTls;
            return None;
        }
        let Some(parts) = login(LOGIN_TAG, &self.login.credentials, capabilities) else {
            let mechanism = self.login.credentials.mechanism.name();
            return Some(failed(&format!("the backend offers no login for {mechanism}")));
        };
        if let Some(origin) = self.login.origin.as_ref().filter(|_| capabilities.has("ID")) {
            out.extend_from_slice(format!("{ID_TAG} ID ").as_bytes());
            out.extend_from_slice(&introduction(origin));
            out.extend_from_slice(b"\r\n");
            self.is_id_unanswered = true;
        }
        self.parts = parts.into();
        self.stage = Stage::Login;
        self.go_on(out)
    }

    /// A refusal comes without what was said before it: that may tell of capabilities, and the client is not at the backend.
    fn finish(&mut self, status: Status, line: &[u8]) -> BackStep {
        let line = [line, b"\r\n"].concat();
        if status != Status::Ok {
            return BackStep::Rejected(line);
        }
        let mut reply = std::mem::take(&mut self.untagged);
        reply.extend_from_slice(&line);
        BackStep::Accepted(reply)
    }
}

fn failed(reason: &str) -> BackStep {
    BackStep::Failed(reason.to_owned())
}

fn failed_with(reason: &str, words: &[u8]) -> BackStep {
    BackStep::Failed(format!("{reason}: {}", shown(words)))
}

#[cfg(test)]
mod tests;
