//! The lines of one connection on their way to a client: those that want a backend get one, all others pass.
//!
//! ```text
//!  bytes read -> room() -> take_lines() -> Lookups(batch) -> desk -> answered(batch) --+-> bytes to write
//!                              |                               |                       |
//!                              +-> Lines: nothing to ask ------|---- pass() -----------+
//!                                                              +-> late(id), expire() -+
//! ```
//!
//! No socket and no clock: bytes and `now` come in, bytes go out. Lines leave in the order in which they came,
//! except those whose answer is late: these are kept aside, and whatever follows them goes on at once. The buffers go
//! round between this, the desk and the reader; only a line that is kept aside is copied.

use std::collections::BTreeMap;
use std::fmt;
use std::io::Write;
use std::ops::Range;
use std::time::Duration;

use memchr::memchr;

use super::name_in_field::{name_bytes, unescape_name};
use super::rule::{MarksHash, Own, Rule, wish};
use super::{Answer, Asked, Batch, Replies};
use crate::director::RefuseReason;
use crate::topology::UserKey;
use crate::world::{ESCAPE, Instant};

/// The longest line, in bytes without its LF; that of Dovecot's director.
pub const LINE_BYTES_MAX: usize = 16_384;

/// How long a late answer is waited for. The director itself answers sooner, by its `login_wait`.
pub const LATE_ANSWER_MAX: Duration = Duration::from_secs(60);

/// The first read of a connection, in bytes; most connections never need more.
const CHUNK_BYTES_MIN: usize = 4_096;

/// The largest read of a busy connection, in bytes.
const CHUNK_BYTES_MAX: usize = 65_536;

/// How much one connection may keep aside for late answers, and how late these may be. What exceeds it fails at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WaitLimits {
    /// Lines.
    pub lines: usize,
    /// Bytes of these lines.
    pub bytes: usize,
    /// From when an answer was true until it is written. Must leave some of `director_user_kick_delay` for the way to
    /// the login process: a user who is moved meanwhile is kicked twice, that long apart, and a login that is told of
    /// the former backend after the second kick would split him.
    pub answer_age: Duration,
}

impl Default for WaitLimits {
    fn default() -> Self {
        WaitLimits {
            lines: 4_096,
            bytes: 2 << 20,
            answer_age: Duration::from_secs(1),
        }
    }
}

/// A line was longer than [`LINE_BYTES_MAX`]; the connection can only be closed. The sender's fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LineTooLong;

impl fmt::Display for LineTooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a line is longer than {LINE_BYTES_MAX} bytes")
    }
}

impl std::error::Error for LineTooLong {}

/// What the bytes read so far amount to.
#[derive(Debug)]
pub enum Taken {
    /// No line is whole yet.
    Nothing,
    /// Only lines that want nothing: to be written by [`Completer::pass`].
    Lines,
    /// Lines of which some want a backend: to be asked for, then written by [`Completer::answered`].
    Lookups(Batch),
}

/// What became of the lookups of a connection since it was last asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Lines that wanted a backend.
    pub lookups: u64,
    /// Of these, those kept aside for a late answer.
    pub late: u64,
    /// Of these, those that failed.
    pub failed: u64,
    /// One of the failures.
    pub failure: Option<Failure>,
}

/// A login that was answered with a temporary failure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Whose.
    pub user: Box<str>,
    /// Why.
    pub why: FailureReason,
}

/// Why a login was answered with a temporary failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FailureReason {
    /// The director refused.
    Refused(RefuseReason),
    /// The connection already waits for too many late answers.
    TooManyWaiting {
        /// What it may keep aside.
        limits: WaitLimits,
    },
    /// The director has not answered at all.
    NoAnswer,
}

impl fmt::Display for FailureReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FailureReason::Refused(reason) => reason.fmt(f),
            FailureReason::TooManyWaiting { limits } => write!(
                f,
                "too many logins of this connection wait, the limit is {} or {} bytes",
                limits.lines, limits.bytes
            ),
            FailureReason::NoAnswer => {
                write!(
                    f,
                    "the director has not answered within {} s",
                    LATE_ANSWER_MAX.as_secs()
                )
            }
        }
    }
}

/// The lines of one connection; see the module.
#[derive(Debug)]
pub struct Completer {
    rule: Rule,
    limits: WaitLimits,
    replies: Replies,
    /// Whole lines, then the start of the next one, then texts that stand in no line as they are.
    bytes: Vec<u8>,
    asked: Vec<Asked>,
    lines: Vec<Line>,
    /// Where the whole lines end.
    whole: usize,
    /// Where what was read ends.
    read: usize,
    next_id: u64,
    /// By id, so the oldest first.
    waiting: BTreeMap<u64, Waiting>,
    waiting_bytes: usize,
    tally: Tally,
}

/// A line that wants a backend, beside its [`Asked`].
#[derive(Clone, Debug)]
struct Line {
    /// Without LF and the CR before it.
    text: Range<usize>,
    /// Where the next line starts.
    next: usize,
    ending: Ending,
}

/// What completing a line needs, apart from its text.
#[derive(Clone, Debug)]
struct Ending {
    /// The request's id, within the line.
    id: Range<usize>,
    own: Option<Own>,
    /// The hash to be told, if any.
    hash: Option<u32>,
}

/// A line kept aside.
#[derive(Debug)]
struct Waiting {
    text: Box<[u8]>,
    ending: Ending,
    user: Box<str>,
    until: Instant,
}

impl Completer {
    /// A connection without bytes.
    pub fn new(rule: Rule, limits: WaitLimits, replies: Replies) -> Self {
        Completer {
            rule,
            limits,
            replies,
            bytes: Vec::new(),
            asked: Vec::new(),
            lines: Vec::new(),
            whole: 0,
            read: 0,
            next_id: 0,
            waiting: BTreeMap::new(),
            waiting_bytes: 0,
            tally: Tally::default(),
        }
    }

    /// Where bytes are to be appended as they are read. Large reads make it grow to 64 KiB, so that an idle
    /// connection costs little and a busy one few reads.
    pub fn room(&mut self) -> &mut Vec<u8> {
        let capacity = self.bytes.capacity();
        let was_filled = self.read == capacity && capacity < CHUNK_BYTES_MAX;
        if was_filled || capacity - self.bytes.len() < CHUNK_BYTES_MIN {
            self.bytes
                .reserve((2 * capacity).clamp(CHUNK_BYTES_MIN, CHUNK_BYTES_MAX));
        }
        &mut self.bytes
    }

    /// Finds the lines in what was read, and the keys of the users among them by `key`. Lines found must be written,
    /// by [`Completer::pass`] or [`Completer::answered`], before this is called again.
    ///
    /// # Errors
    /// A line is too long.
    pub fn take_lines(&mut self, key: impl Fn(&str) -> UserKey) -> Result<Taken, LineTooLong> {
        let prefix = self.rule.completes.prefix();
        self.read = self.bytes.len();
        let mut start = 0;
        while let Some(length) = memchr(b'\n', &self.bytes[start..self.read]) {
            if length > LINE_BYTES_MAX {
                return Err(LineTooLong);
            }
            if self.bytes[start..].starts_with(prefix) {
                self.take_line(start..start + length, &key);
            }
            start += length + 1;
        }
        if self.read - start > LINE_BYTES_MAX {
            return Err(LineTooLong);
        }
        self.whole = start;
        if start == 0 {
            return Ok(Taken::Nothing);
        }
        if self.lines.is_empty() {
            return Ok(Taken::Lines);
        }
        self.tally.lookups += self.lines.len() as u64;
        Ok(Taken::Lookups(Batch {
            asked: std::mem::take(&mut self.asked),
            bytes: std::mem::take(&mut self.bytes),
            replies: self.replies.clone(),
        }))
    }

    /// Writes lines that want nothing.
    pub fn pass(&mut self, out: &mut Vec<u8>) {
        out.extend(&self.bytes[..self.whole]);
        self.keep_rest();
    }

    /// Writes the lines of a batch that has come back; those still open are kept aside. `age` is the time since its
    /// answers were true.
    pub fn answered(&mut self, batch: Batch, age: Duration, now: Instant, out: &mut Vec<u8>) {
        assert_eq!(
            batch.asked.len(),
            self.lines.len(),
            "a batch comes back with its own lookups"
        );
        let mut lines = std::mem::take(&mut self.lines);
        let mut written = 0;
        for (line, asked) in lines.iter().zip(&batch.asked) {
            out.extend(&batch.bytes[written..line.text.start]);
            written = line.next;
            let text = &batch.bytes[line.text.clone()];
            match &asked.answer {
                Some(answer) => {
                    self.complete(text, &line.ending, (answer, age), || batch.name(asked), out);
                }
                None => self.keep_aside(text, line, asked.id, batch.name(asked), now, out),
            }
        }
        out.extend(&batch.bytes[written..self.whole]);
        lines.clear();
        self.lines = lines;
        self.bytes = batch.bytes;
        self.asked = batch.asked;
        self.asked.clear();
        self.keep_rest();
    }

    /// Writes a line that was kept aside. An answer to none of them changes nothing. `age` is the time since the answer
    /// was true.
    pub fn late(&mut self, id: u64, answer: &Answer, age: Duration, out: &mut Vec<u8>) {
        if let Some(line) = self.waiting.remove(&id) {
            self.waiting_bytes -= line.text.len();
            self.complete(&line.text, &line.ending, (answer, age), || &line.user, out);
        }
    }

    /// Fails the lines whose answer has not come within [`LATE_ANSWER_MAX`].
    pub fn expire(&mut self, now: Instant, out: &mut Vec<u8>) {
        while let Some(oldest) = self.waiting.first_entry()
            && oldest.get().until <= now
        {
            let line = oldest.remove();
            self.waiting_bytes -= line.text.len();
            self.fail(&line.text, &line.ending, FailureReason::NoAnswer, &line.user, out);
        }
    }

    /// When [`Completer::expire`] has something to do.
    pub fn next_wakeup(&self) -> Option<Instant> {
        self.waiting.first_key_value().map(|(_, line)| line.until)
    }

    /// What happened since the last call.
    pub fn take_tally(&mut self) -> Tally {
        std::mem::take(&mut self.tally)
    }

    /// Notes what a line wants, if it wants a backend.
    fn take_line(&mut self, line: Range<usize>, key_of: impl Fn(&str) -> UserKey) {
        let text = &self.bytes[line.clone()];
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        let end = line.start + text.len();
        let command = self.rule.completes.prefix().len();
        let Some(wish) = wish(text, command) else { return };
        let at = |within: &Range<usize>| line.start + within.start..line.start + within.end;
        let name = self.plain_text(at(&wish.name), self.rule.master_user_separator);
        let tag = self.plain_text(at(&wish.tag), None);
        let hashed = &self.bytes[name.clone()];
        let key = key_of(str::from_utf8(hashed).expect("a plain text is UTF-8"));
        let is_marked = match self.rule.marks_hash {
            MarksHash::Never => false,
            MarksHash::WhenRenamed => wish
                .user
                .as_ref()
                .is_none_or(|user| self.bytes[at(user)] != *hashed),
            MarksHash::Always => true,
        };
        self.lines.push(Line {
            text: line.start..end,
            next: line.end + 1,
            ending: Ending {
                id: wish.id,
                own: wish.own,
                hash: is_marked.then(|| key.hash()),
            },
        });
        self.asked.push(Asked {
            id: self.next_id,
            key,
            name: short(name),
            tag: short(tag),
            answer: None,
        });
        self.next_id += 1;
    }

    /// Where a field's meaning stands, up to the separator: in its line, or, where that differs, behind what was
    /// read. Ends at a NUL, as in Dovecot; what is not UTF-8 is replaced, the same way on every member.
    fn plain_text(&mut self, field: Range<usize>, separator: Option<u8>) -> Range<usize> {
        let text = &self.bytes[field.clone()];
        if memchr(ESCAPE, text).is_none() {
            let length = name_bytes(text, separator);
            if str::from_utf8(&text[..length]).is_ok() {
                return field.start..field.start + length;
            }
        }
        let mut meant = Vec::with_capacity(text.len());
        unescape_name(text, separator, &mut meant);
        let start = self.bytes.len();
        self.bytes.extend(String::from_utf8_lossy(&meant).as_bytes());
        start..self.bytes.len()
    }

    /// Drops the lines that were written, and keeps the start of the next one.
    fn keep_rest(&mut self) {
        self.bytes.truncate(self.read);
        self.bytes.copy_within(self.whole.., 0);
        self.bytes.truncate(self.read - self.whole);
        self.whole = 0;
    }

    fn complete<'a>(
        &mut self,
        text: &[u8],
        ending: &Ending,
        (answer, age): (&Answer, Duration),
        user: impl FnOnce() -> &'a str,
        out: &mut Vec<u8>,
    ) {
        let place = match answer {
            Answer::Backend(place) if age <= self.limits.answer_age => place,
            Answer::Backend(_) => {
                let stale = RefuseReason::Stale { waited: age };
                return self.fail(text, ending, FailureReason::Refused(stale), user(), out);
            }
            Answer::Refused(reason) => {
                return self.fail(text, ending, FailureReason::Refused(*reason), user(), out);
            }
        };
        out.extend(text);
        if !ending.own.is_some_and(|own| own.is(place.ip())) {
            out.extend(place.suffix());
            if let Some(hash) = ending.hash {
                write!(out, "\tuser_director_hash={hash}").expect("a Vec takes all bytes");
            }
        }
        out.push(b'\n');
    }

    fn fail(&mut self, text: &[u8], ending: &Ending, why: FailureReason, user: &str, out: &mut Vec<u8>) {
        out.extend(b"FAIL\t");
        out.extend(&text[ending.id.clone()]);
        out.extend(b"\tcode=temp_fail\n");
        self.tally.failed += 1;
        if self.tally.failure.is_none() {
            self.tally.failure = Some(Failure {
                user: user.into(),
                why,
            });
        }
    }

    fn keep_aside(&mut self, text: &[u8], line: &Line, id: u64, user: &str, now: Instant, out: &mut Vec<u8>) {
        let limits = self.limits;
        if self.waiting.len() >= limits.lines || self.waiting_bytes + text.len() > limits.bytes {
            let why = FailureReason::TooManyWaiting { limits };
            return self.fail(text, &line.ending, why, user, out);
        }
        self.tally.late += 1;
        self.waiting_bytes += text.len();
        let waiting = Waiting {
            text: text.into(),
            ending: line.ending.clone(),
            user: user.into(),
            until: now.plus(LATE_ANSWER_MAX),
        };
        self.waiting.insert(id, waiting);
    }
}

fn short(range: Range<usize>) -> Range<u32> {
    let short = |at: usize| u32::try_from(at).expect("a read and its texts are far below 4 GiB");
    short(range.start)..short(range.end)
}

#[cfg(test)]
mod tests;
