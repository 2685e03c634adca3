//! The backend's side: one login there, from its greeting to its verdict.
//!
//! Which backend it is and what becomes of a failure is left to the engine, and so is TLS.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::lines::{COMMAND_BYTES_MAX, PASS_BYTES_MAX, without_controls};
use super::xclient;
use crate::proxy::{BackLogin, BackStep, Input, Mechanism};

/// Bytes that a line of the backend may have: more than the 510 of RFC 2449, section 4, which not all keep to.
const LINE_BYTES_MAX: usize = 8192;
/// Bytes that a backend may send in all until it has decided.
const REPLIES_BYTES_MAX: usize = 64 << 10;
/// Bytes of the backend's that are shown in a log.
const SHOWN_BYTES_MAX: usize = 200;
/// In place of a line that isn't shown: what comes after the proof was sent could repeat it.
const UNSHOWN: &[u8] = b"";

/// The answer to a name or password that no POP3 command can carry: it can't be the right one.
const UNSPEAKABLE: &[u8] = b"-ERR [AUTH] Authentication failed.";

/// One login at a backend.
#[derive(Debug)]
pub struct Back {
    login: BackLogin,
    state: State,
    /// The greeting says that the backend takes XCLIENT.
    takes_xclient: bool,
    /// The backend's CAPA lists the login's mechanism.
    lists_mechanism: bool,
    /// Bytes that the backend has sent.
    received: usize,
}

/// What is awaited from the backend.
#[derive(Clone, Copy, Debug)]
enum State {
    Greeting,
    StlsReply,
    Handshake,
    /// Nothing: TLS has begun, and it is this side's turn.
    Secured,
    XclientReply,
    CapaReply,
    CapaLine,
    /// Leave to send the response, after an AUTH without one.
    AuthChallenge,
    AuthVerdict,
    /// A refusal, after the dummy response to a challenge that has explained it.
    AuthRefusal,
    UserReply,
    PassReply,
    Over,
}

/// What a line of the backend begins with.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reply {
    Positive,
    Negative,
    Challenge,
    Garbage,
}

impl Back {
    /// A login on a connection that has just been made.
    pub fn new(login: BackLogin) -> Self {
        Back {
            login,
            state: State::Greeting,
            takes_xclient: false,
            lists_mechanism: false,
            received: 0,
        }
    }

    /// Takes as many whole lines as there are, until one asks for something to be done. After
    /// [`Accepted`](BackStep::Accepted), what is left in `input` is the session's.
    pub fn feed(&mut self, input: &mut Input, out: &mut Vec<u8>) -> BackStep {
        if matches!(self.state, State::Secured) {
            self.identify(out);
        }
        loop {
            match self.state {
                State::Handshake => return BackStep::More,
                State::Over => return BackStep::Failed("the login is over".to_owned()),
                _ => {}
            }
            let line = match input.take_line(LINE_BYTES_MAX) {
                Ok(Some(line)) => line,
                Ok(None) => return BackStep::More,
                Err(_) => return self.failed("it has sent a line that is too long", UNSHOWN),
            };
            self.received += line.len() + b"\r\n".len();
            if self.received > REPLIES_BYTES_MAX {
                return self.failed("it has sent too much before the login", UNSHOWN);
            }
            match self.line(&line, out) {
                Some(BackStep::StartTls) => {
                    // Nobody knows who has written what comes between the reply and the handshake.
                    input.clear();
                    return BackStep::StartTls;
                }
                Some(step) => return step,
                None => {}
            }
        }
    }

    /// The handshake after [`BackStep::StartTls`] is done; the back is to be fed, even if nothing has come.
    pub fn tls_started(&mut self) {
        self.state = State::Secured;
    }

    fn line(&mut self, line: &[u8], out: &mut Vec<u8>) -> Option<BackStep> {
        let reply = Reply::of(line);
        match self.state {
            State::Greeting => self.greeting(reply, line, out),
            State::StlsReply => Some(self.stls(reply, line)),
            State::XclientReply => self.xclient(reply, line, out),
            State::CapaReply => self.capa(reply, line, out),
            State::CapaLine => self.capability(line, out),
            State::AuthChallenge => self.challenge(reply, line, out),
            State::AuthVerdict => self.verdict(reply, line, out),
            State::AuthRefusal if reply == Reply::Negative => Some(self.rejected(line)),
            State::AuthRefusal => {
                Some(self.failed("it has not refused a login after saying that it does", UNSHOWN))
            }
            State::UserReply => self.user(reply, line, out),
            State::PassReply => Some(self.pass(reply, line)),
            State::Handshake | State::Secured | State::Over => None,
        }
    }

    fn greeting(&mut self, reply: Reply, line: &[u8], out: &mut Vec<u8>) -> Option<BackStep> {
        match reply {
            Reply::Positive => {}
            Reply::Negative => return Some(self.failed("it has greeted with a refusal", line)),
            Reply::Challenge | Reply::Garbage => {
                return Some(self.failed("its greeting is not of POP3", line));
            }
        }
        self.takes_xclient = xclient::is_announced(line);
        if self.login.wants_starttls {
            // Without asking for capabilities first: who doesn't offer STLS refuses it.
            self.send("STLS\r\n", State::StlsReply, out);
        } else {
            self.identify(out);
        }
        None
    }

    fn stls(&mut self, reply: Reply, line: &[u8]) -> BackStep {
        if reply != Reply::Positive {
            return self.failed("it has refused STLS", line);
        }
        self.state = State::Handshake;
        BackStep::StartTls
    }

    /// Tells of the client, if it is to be told and wanted; then goes on.
    fn identify(&mut self, out: &mut Vec<u8>) {
        match &self.login.origin {
            Some(origin) if self.takes_xclient => {
                let command = xclient::command(origin);
                self.send(command, State::XclientReply, out);
            }
            _ => self.send("CAPA\r\n", State::CapaReply, out),
        }
    }

    /// A refusal isn't the user's fault, and keeps him from nothing but a right address in the backend's log. Dovecot's own
    /// proxy takes it for a failure.
    fn xclient(&mut self, reply: Reply, line: &[u8], out: &mut Vec<u8>) -> Option<BackStep> {
        if !matches!(reply, Reply::Positive | Reply::Negative) {
            return Some(self.failed("its reply to XCLIENT is not of POP3", line));
        }
        self.send("CAPA\r\n", State::CapaReply, out);
        None
    }

    /// The reply to CAPA (RFC 2449, section 5), which old backends refuse.
    fn capa(&mut self, reply: Reply, line: &[u8], out: &mut Vec<u8>) -> Option<BackStep> {
        match reply {
            Reply::Positive => {
                self.state = State::CapaLine;
                None
            }
            Reply::Negative => self.begin_login(out),
            Reply::Challenge | Reply::Garbage => Some(self.failed("its reply to CAPA is not of POP3", line)),
        }
    }

    fn capability(&mut self, line: &[u8], out: &mut Vec<u8>) -> Option<BackStep> {
        if line == b"." {
            return self.begin_login(out);
        }
        let mut words = line.split(|byte| *byte == b' ');
        if words
            .next()
            .is_some_and(|word| word.eq_ignore_ascii_case(b"SASL"))
        {
            let wanted = self.login.credentials.mechanism;
            self.lists_mechanism |= words.any(|name| Mechanism::of(name) == Some(wanted));
        }
        None
    }

    /// AUTH (RFC 5034, section 4) if the backend has the mechanism, else USER and PASS.
    fn begin_login(&mut self, out: &mut Vec<u8>) -> Option<BackStep> {
        let credentials = &self.login.credentials;
        let mechanism = credentials.mechanism.name();
        if self.lists_mechanism {
            let line = format!("AUTH {mechanism} {}", self.response());
            if line.len() <= COMMAND_BYTES_MAX {
                self.send(format!("{line}\r\n"), State::AuthVerdict, out);
            } else {
                self.send(format!("AUTH {mechanism}\r\n"), State::AuthChallenge, out);
            }
            return None;
        }
        let Some((name, _)) = credentials.name_and_password() else {
            return Some(self.failed(&format!("it does not offer {mechanism}"), UNSHOWN));
        };
        match plain_command("USER ", name, COMMAND_BYTES_MAX) {
            Some(command) => self.send(command, State::UserReply, out),
            None => return Some(self.rejected(UNSPEAKABLE)),
        }
        None
    }

    fn challenge(&mut self, reply: Reply, line: &[u8], out: &mut Vec<u8>) -> Option<BackStep> {
        match reply {
            Reply::Challenge => {
                self.send(format!("{}\r\n", self.response()), State::AuthVerdict, out);
                None
            }
            Reply::Negative => Some(self.rejected(line)),
            Reply::Positive | Reply::Garbage => Some(self.failed("its reply to AUTH is not of POP3", line)),
        }
    }

    /// To refuse a token, a backend explains itself in a challenge first, which wants a dummy response: `^A` in
    /// OAUTHBEARER (RFC 7628, section 3.2.3), nothing in XOAUTH2.
    fn verdict(&mut self, reply: Reply, line: &[u8], out: &mut Vec<u8>) -> Option<BackStep> {
        let dummy = match (reply, self.login.credentials.mechanism) {
            (Reply::Positive, _) => return Some(self.accepted(line)),
            (Reply::Negative, _) => return Some(self.rejected(line)),
            (Reply::Challenge, Mechanism::OauthBearer) => "AQ==\r\n",
            (Reply::Challenge, Mechanism::XOauth2) => "\r\n",
            _ => return Some(self.failed("its reply to AUTH is not of POP3", UNSHOWN)),
        };
        self.send(dummy, State::AuthRefusal, out);
        None
    }

    fn user(&mut self, reply: Reply, line: &[u8], out: &mut Vec<u8>) -> Option<BackStep> {
        match reply {
            Reply::Positive => {}
            Reply::Negative => return Some(self.rejected(line)),
            Reply::Challenge | Reply::Garbage => {
                return Some(self.failed("its reply to USER is not of POP3", line));
            }
        }
        let credentials = &self.login.credentials;
        let command = credentials
            .name_and_password()
            .and_then(|(_, password)| plain_command("PASS ", password, PASS_BYTES_MAX));
        match command {
            Some(command) => self.send(command, State::PassReply, out),
            None => return Some(self.rejected(UNSPEAKABLE)),
        }
        None
    }

    fn pass(&mut self, reply: Reply, line: &[u8]) -> BackStep {
        match reply {
            Reply::Positive => self.accepted(line),
            Reply::Negative => self.rejected(line),
            Reply::Challenge | Reply::Garbage => self.failed("its reply to PASS is not of POP3", UNSHOWN),
        }
    }

    fn response(&self) -> String {
        STANDARD.encode(self.login.credentials.response.bytes())
    }

    fn send(&mut self, command: impl AsRef<[u8]>, next: State, out: &mut Vec<u8>) {
        out.extend_from_slice(command.as_ref());
        self.state = next;
    }

    fn accepted(&mut self, line: &[u8]) -> BackStep {
        self.state = State::Over;
        BackStep::Accepted(client_line(line))
    }

    fn rejected(&mut self, line: &[u8]) -> BackStep {
        self.state = State::Over;
        BackStep::Rejected(client_line(line))
    }

    /// The end, for this reason, with what the backend has said if it has said something.
    fn failed(&mut self, reason: &str, line: &[u8]) -> BackStep {
        self.state = State::Over;
        if line.is_empty() {
            return BackStep::Failed(reason.to_owned());
        }
        let shown = String::from_utf8_lossy(&line[..line.len().min(SHOWN_BYTES_MAX)]);
        BackStep::Failed(format!("{reason}: {}", shown.replace(char::is_control, "?")))
    }
}

impl Reply {
    fn of(line: &[u8]) -> Self {
        match line {
            [b'+', b'O', b'K', ..] => Reply::Positive,
            [b'-', b'E', b'R', b'R', ..] => Reply::Negative,
            [b'+'] | [b'+', b' ', ..] => Reply::Challenge,
            _ => Reply::Garbage,
        }
    }
}

/// The backend's line as the client is to see it.
fn client_line(line: &[u8]) -> Vec<u8> {
    let mut line = without_controls(line);
    line.extend_from_slice(b"\r\n");
    line
}

/// A command with an argument that is written as it is; nothing when the argument would break the line or `limit`.
fn plain_command(verb: &str, argument: &[u8], limit: usize) -> Option<Vec<u8>> {
    if argument.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)) || verb.len() + argument.len() > limit {
        return None;
    }
    Some([verb.as_bytes(), argument, b"\r\n"].concat())
}

#[cfg(test)]
mod tests;
