//! The client's side: takes his commands one at a time, and his message. Who is where is left to the engine.

use std::fmt::Display;
use std::sync::Arc;

use super::arguments::{Argument, extension_of};
use super::dots::Unstuffer;
use crate::proxy::submission::words::{self, LINE_BYTES_MAX};
use crate::proxy::submission::xclient::Announcement;
use crate::proxy::{Claims, FrontSettings, Input};

/// Recipients of a transaction.
pub(super) const RECIPIENTS_MAX: usize = 1_000;
/// Commands that are unknown or wrong, before the client is taken for lost.
const BAD_COMMANDS_MAX: u32 = 10;
/// Commands from one message to the next.
const COMMANDS_MAX: u32 = 10_000;
/// Bytes that the length of a chunk may be told in (RFC 3030): below 2^64.
const CHUNK_DIGITS_MAX: usize = 19;

/// What is to be done, once what was written is on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// More bytes have to come.
    More,
    /// A TLS handshake; then the front is told. There is no transaction any more.
    StartTls,
    /// There is no transaction any more.
    Reset,
    /// He wants this one to get the mail: the reply is the engine's, and the front is told whether it was a yes.
    Recipient(Argument),
    /// The message begins.
    Begin {
        /// By BDAT and not by DATA.
        is_chunked: bool,
    },
    /// A part of it.
    Content(Vec<u8>),
    /// It is longer than was announced as the most: it is nobody's any more, but its rest still comes.
    TooLarge,
    /// It has ended: the engine says one reply for each recipient who was told yes.
    End,
    /// The end of the connection.
    Close,
}

/// One client's connection.
#[derive(Debug)]
pub struct Front {
    settings: Arc<FrontSettings>,
    is_tls: bool,
    is_greeted: bool,
    is_closed: bool,
    announcement: Announcement,
    size_max: Option<u64>,
    mail: Option<Argument>,
    recipients: usize,
    /// The message has begun, by BDAT.
    is_chunked: bool,
    content_bytes: u64,
    awaited: Awaited,
    commands: u32,
    bad_commands: u32,
}

/// What the client's next bytes are.
#[derive(Debug)]
enum Awaited {
    Command,
    Data(Unstuffer),
    /// So many bytes.
    Chunk {
        bytes: u64,
        is_last: bool,
    },
    /// So many bytes of a chunk that nobody wants.
    Unwanted {
        bytes: u64,
    },
}

impl Front {
    /// A connection that has just come.
    pub fn new(settings: Arc<FrontSettings>, is_tls: bool) -> Self {
        let sizes = settings.capabilities.iter();
        let size_max = sizes
            .filter_map(|capability| capability.strip_prefix("SIZE ")?.trim().parse().ok())
            .find(|size| *size > 0);
        Front {
            settings,
            is_tls,
            is_greeted: false,
            is_closed: false,
            announcement: Announcement::default(),
            size_max,
            mail: None,
            recipients: 0,
            is_chunked: false,
            content_bytes: 0,
            awaited: Awaited::Command,
            commands: 0,
            bad_commands: 0,
        }
    }

    /// Says the greeting.
    pub fn greet(&self, out: &mut Vec<u8>) {
        let FrontSettings { host, greeting, .. } = &*self.settings;
        say(out, format_args!("220 {host} {greeting}"));
    }

    /// Takes what it can, as far as the first step that is not [`Step::More`].
    pub fn feed(&mut self, input: &mut Input, out: &mut Vec<u8>) -> Step {
        loop {
            if self.is_closed {
                return Step::Close;
            }
            let step = match self.awaited {
                Awaited::Command => match input.take_line(LINE_BYTES_MAX) {
                    Ok(None) => return Step::More,
                    Ok(Some(line)) => self.command(&line, out),
                    Err(_) => self.close(out, "500 5.5.2 Line too long."),
                },
                _ => match self.take_content(input, out) {
                    Some(step) => step,
                    None => return Step::More,
                },
            };
            if step == Step::StartTls {
                // Nobody knows who has written what came in the clear.
                input.clear();
            }
            if step != Step::More {
                return step;
            }
        }
    }

    /// The handshake after [`Step::StartTls`] is done: what was said in the clear is forgotten.
    pub fn tls_started(&mut self) {
        self.is_tls = true;
        self.is_greeted = false;
        self.announcement = Announcement::default();
    }

    /// A recipient was told yes.
    pub fn recipient_accepted(&mut self) {
        self.recipients += 1;
    }

    /// The transaction's sender; there is one when a recipient is asked for.
    pub fn mail(&self) -> Option<&Argument> {
        self.mail.as_ref()
    }

    /// What XCLIENT has said of the client. Anybody may send it: the engine decides whether to believe it.
    pub fn claims(&self) -> &Claims {
        &self.announcement.claims
    }

    /// Whether the client is amid a message.
    pub fn is_in_content(&self) -> bool {
        !matches!(self.awaited, Awaited::Command)
    }

    fn command(&mut self, line: &[u8], out: &mut Vec<u8>) -> Step {
        self.commands += 1;
        if self.commands > COMMANDS_MAX {
            return self.close(out, "421 4.7.0 Too many commands.");
        }
        let (verb, arguments) = words::command_of(line);
        // Its bytes are on the way, and must never be taken for commands.
        if verb == b"BDAT" {
            return self.bdat(arguments, out);
        }
        if !words::is_command(&verb, arguments) {
            return self.refuse(out, "500 5.5.2 Invalid command syntax");
        }
        match verb.as_slice() {
            b"LHLO" => self.lhlo(arguments, out),
            b"HELO" | b"EHLO" => self.refuse(out, "500 5.5.1 This is LMTP: say LHLO"),
            b"NOOP" => say(out, "250 2.0.0 OK"),
            b"VRFY" => say(out, "252 2.3.3 Try RCPT instead"),
            b"XCLIENT" => self.xclient(arguments, out),
            b"STARTTLS" | b"RSET" | b"QUIT" | b"DATA" if !arguments.is_empty() => {
                self.refuse(out, "501 5.5.4 Invalid parameters")
            }
            b"STARTTLS" => self.start_tls(out),
            b"RSET" => {
                self.forget();
                say(out, "250 2.0.0 OK");
                Step::Reset
            }
            b"QUIT" => self.close(out, "221 2.0.0 Bye"),
            b"MAIL" | b"RCPT" | b"DATA" if !self.is_greeted => self.refuse(out, "503 5.5.1 LHLO first"),
            b"MAIL" | b"RCPT" | b"DATA" if self.is_chunked => self.refuse(out, "503 5.5.1 BDAT has begun"),
            b"MAIL" => self.mail_from(arguments, out),
            b"RCPT" => self.rcpt_to(arguments, out),
            b"DATA" if self.recipients == 0 => self.refuse_data(out),
            b"DATA" => {
                self.awaited = Awaited::Data(Unstuffer::default());
                say(out, "354 OK");
                Step::Begin { is_chunked: false }
            }
            _ => self.refuse(out, "500 5.5.1 Unknown command"),
        }
    }

    fn lhlo(&mut self, arguments: &[u8], out: &mut Vec<u8>) -> Step {
        if arguments.is_empty() {
            return self.refuse(out, "501 5.5.4 Missing hostname");
        }
        self.is_greeted = true;
        words::say_offers(&self.settings, self.is_tls, None, out);
        self.forget();
        Step::Reset
    }

    fn start_tls(&mut self, out: &mut Vec<u8>) -> Step {
        if self.is_tls {
            return self.refuse(out, "502 5.5.1 TLS is already active.");
        }
        if !self.settings.offers_starttls {
            return self.refuse(out, "502 5.5.1 TLS support is not enabled.");
        }
        self.forget();
        say(out, "220 2.0.0 Begin TLS negotiation now.");
        Step::StartTls
    }

    /// The dialogue starts anew after it, with the greeting (Postfix's XCLIENT_README).
    fn xclient(&mut self, arguments: &[u8], out: &mut Vec<u8>) -> Step {
        if self.mail.is_some() {
            return self.refuse(out, "503 5.5.1 Mail transaction in progress");
        }
        if let Err(text) = self.announcement.add(arguments) {
            return self.refuse(out, format_args!("501 5.5.4 {text}"));
        }
        self.is_greeted = false;
        self.greet(out);
        Step::Reset
    }

    fn mail_from(&mut self, arguments: &[u8], out: &mut Vec<u8>) -> Step {
        if self.mail.is_some() {
            return self.refuse(out, "503 5.5.1 MAIL already given");
        }
        let Some(mail) = path_behind(b"FROM:", arguments) else {
            return self.refuse(out, "501 5.5.4 Invalid FROM");
        };
        if let Some(refusal) = self.objection(&mail, mail.parameter("SMTPUTF8").is_some()) {
            return self.refuse(out, refusal);
        }
        if let Some(body) = mail.parameter("BODY")
            && !["7BIT", "8BITMIME"]
                .iter()
                .any(|known| body.eq_ignore_ascii_case(known))
        {
            return self.refuse(out, "501 5.5.4 Unsupported BODY");
        }
        if let Some(size) = mail.parameter("SIZE") {
            let Ok(size) = size.parse::<u64>() else {
                return self.refuse(out, "501 5.5.4 Invalid SIZE");
            };
            if self.size_max.is_some_and(|max| size > max) {
                return say(out, "552 5.3.4 Message size exceeds fixed limit");
            }
        }
        self.mail = Some(mail);
        say(out, "250 2.1.0 OK")
    }

    fn rcpt_to(&mut self, arguments: &[u8], out: &mut Vec<u8>) -> Step {
        let Some(mail) = &self.mail else {
            return self.refuse(out, "503 5.5.1 MAIL needed first");
        };
        if self.recipients >= RECIPIENTS_MAX {
            return say(out, "452 4.5.3 Too many recipients");
        }
        let has_utf8 = mail.parameter("SMTPUTF8").is_some();
        let Some(recipient) = path_behind(b"TO:", arguments).filter(|path| !path.address.is_empty()) else {
            return self.refuse(out, "501 5.5.4 Invalid TO");
        };
        match self.objection(&recipient, has_utf8) {
            Some(refusal) => self.refuse(out, refusal),
            None => Step::Recipient(recipient),
        }
    }

    /// What is wrong with a path, as a reply.
    fn objection(&self, argument: &Argument, has_utf8: bool) -> Option<&'static str> {
        let is_offered = |parameter: &String| {
            extension_of(parameter).is_some_and(|extension| self.offers(extension)) && parameter.is_ascii()
        };
        if !argument.parameters.iter().all(is_offered) {
            return Some("555 5.5.4 Unsupported parameter");
        }
        if !argument.address.is_ascii() && !has_utf8 {
            return Some("553 5.6.7 SMTPUTF8 is needed for this address");
        }
        None
    }

    fn offers(&self, extension: &str) -> bool {
        let mut offered = self.settings.capabilities.iter();
        offered.any(|line| {
            let word = line.split(' ').next().unwrap_or_default();
            word.eq_ignore_ascii_case(extension)
        })
    }

    fn bdat(&mut self, arguments: &[u8], out: &mut Vec<u8>) -> Step {
        let Some((bytes, is_last)) = chunk_of(arguments) else {
            // Nobody knows how long it is, and its bytes are no commands.
            return self.close(out, "501 5.5.4 Invalid chunk size");
        };
        if self.recipients == 0 {
            self.awaited = Awaited::Unwanted { bytes };
            return Step::More;
        }
        self.awaited = Awaited::Chunk { bytes, is_last };
        if self.is_chunked {
            return Step::More;
        }
        self.is_chunked = true;
        Step::Begin { is_chunked: true }
    }

    /// Nothing when more bytes have to come.
    fn take_content(&mut self, input: &mut Input, out: &mut Vec<u8>) -> Option<Step> {
        match &mut self.awaited {
            Awaited::Command => Some(Step::More),
            Awaited::Unwanted { bytes: 0 } => {
                self.awaited = Awaited::Command;
                Some(self.refuse_data(out))
            }
            Awaited::Unwanted { bytes } => {
                let taken = up_to(input.unread().len(), *bytes);
                *bytes -= taken as u64;
                input.consume(taken);
                (taken > 0).then_some(Step::More)
            }
            Awaited::Chunk { bytes: 0, is_last } => {
                if *is_last {
                    return Some(self.end());
                }
                self.awaited = Awaited::Command;
                Some(say(out, "250 2.0.0 OK"))
            }
            Awaited::Chunk { bytes, .. } => {
                let taken = up_to(input.unread().len(), *bytes);
                *bytes -= taken as u64;
                let content = input.unread()[..taken].to_vec();
                input.consume(taken);
                (taken > 0).then(|| self.content(content))
            }
            Awaited::Data(unstuffer) => {
                let mut content = Vec::with_capacity(input.unread().len());
                let (taken, is_ended) = unstuffer.take(input.unread(), &mut content);
                input.consume(taken);
                if is_ended {
                    // The end itself is the next step.
                    self.awaited = Awaited::Chunk {
                        bytes: 0,
                        is_last: true,
                    };
                }
                match (content.is_empty(), taken) {
                    (true, 0) => None,
                    (true, _) => Some(Step::More),
                    (false, _) => Some(self.content(content)),
                }
            }
        }
    }

    fn content(&mut self, content: Vec<u8>) -> Step {
        self.content_bytes = self.content_bytes.saturating_add(content.len() as u64);
        if self.size_max.is_some_and(|max| self.content_bytes > max) {
            return Step::TooLarge;
        }
        Step::Content(content)
    }

    fn end(&mut self) -> Step {
        self.forget();
        self.commands = 0;
        Step::End
    }

    /// There is no transaction any more.
    fn forget(&mut self) {
        self.mail = None;
        self.recipients = 0;
        self.is_chunked = false;
        self.content_bytes = 0;
        self.awaited = Awaited::Command;
    }

    fn refuse_data(&mut self, out: &mut Vec<u8>) -> Step {
        // Who pipelines says it before he knows that nobody was taken.
        say(out, "503 5.5.1 No valid recipients")
    }

    /// The client has said something wrong. He may not do so for ever.
    fn refuse(&mut self, out: &mut Vec<u8>, reply: impl Display) -> Step {
        self.bad_commands += 1;
        if self.bad_commands > BAD_COMMANDS_MAX {
            return self.close(out, "421 4.7.0 Too many invalid commands.");
        }
        say(out, reply)
    }

    fn close(&mut self, out: &mut Vec<u8>, reply: &str) -> Step {
        self.is_closed = true;
        say(out, reply);
        Step::Close
    }
}

fn path_behind(word: &[u8], arguments: &[u8]) -> Option<Argument> {
    let (start, path) = arguments.split_at_checked(word.len())?;
    start.eq_ignore_ascii_case(word).then(|| Argument::parse(path))?
}

/// How long a chunk is, and whether it is the last.
fn chunk_of(arguments: &[u8]) -> Option<(u64, bool)> {
    let text = std::str::from_utf8(arguments).ok()?;
    let mut words = text.split(' ').filter(|word| !word.is_empty());
    let size = words.next()?;
    let is_number = size.len() <= CHUNK_DIGITS_MAX && size.bytes().all(|byte| byte.is_ascii_digit());
    let bytes = size.parse().ok().filter(|_| is_number)?;
    match (words.next(), words.next()) {
        (None, _) => Some((bytes, false)),
        (Some(last), None) if last.eq_ignore_ascii_case("LAST") => Some((bytes, true)),
        _ => None,
    }
}

fn up_to(there: usize, wanted: u64) -> usize {
    usize::try_from(wanted).map_or(there, |wanted| there.min(wanted))
}

/// Writes a line; then it's the client's turn.
fn say(out: &mut Vec<u8>, line: impl Display) -> Step {
    out.extend_from_slice(format!("{line}\r\n").as_bytes());
    Step::More
}

#[cfg(test)]
mod tests;
