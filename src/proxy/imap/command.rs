//! A client's commands as they come, line by line and literal by literal, cut into words. What a command means, and whether
//! a literal that the client asks for may come, is left to the front.

use super::text::{LINE_BYTES_MAX, Literal, split_literal, split_word};
use crate::proxy::{Input, RESPONSE_BYTES_MAX};

/// Bytes that a line with a SASL response may have, besides tag, command and mechanism: those of its base64.
pub(super) const SASL_BYTES_MAX: usize = RESPONSE_BYTES_MAX.div_ceil(3) * 4;
/// Bytes that a literal may have.
const LITERAL_BYTES_MAX: usize = 4096;
/// Bytes that a whole command may have, with its literals.
const COMMAND_BYTES_MAX: usize = 64 << 10;
/// Bytes that a tag may have.
const TAG_BYTES_MAX: usize = 64;
/// Bytes that stand before the initial response at most: tag, AUTHENTICATE, mechanism.
const BEFORE_RESPONSE_BYTES_MAX: usize = TAG_BYTES_MAX + 64;

/// A word of a command's arguments.
#[derive(PartialEq, Eq)]
pub(super) enum Word {
    /// Neither quoted nor a literal.
    Atom(Vec<u8>),
    /// A quoted string or a literal.
    String(Vec<u8>),
    /// `(`
    Open,
    /// `)`
    Close,
}

/// A command.
pub(super) struct Command {
    /// What it is answered with: the client's tag, or `*` when that can't be used.
    pub(super) tag: Vec<u8>,
    /// In upper case.
    pub(super) name: Vec<u8>,
    /// Everything after the name.
    pub(super) arguments: Vec<Word>,
    /// Its tag and arguments are well formed.
    pub(super) is_valid: bool,
}

/// What has come.
pub(super) enum Arrival {
    /// Not enough.
    Nothing,
    /// A command.
    Whole(Command),
    /// The client waits for leave to send a literal of so many bytes, see [`Gathering::allow`].
    Asks(usize),
}

/// More than is taken. What comes next can't be told apart any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TooMuch {
    /// In a line, or in lines and literals together.
    Line,
    /// In a literal that the client sends without leave.
    Literal,
}

/// The command that is just coming.
#[derive(Default)]
pub(super) struct Gathering {
    command: Option<Command>,
    /// Bytes of the literal that comes next.
    awaited: Option<usize>,
    /// Bytes of the command so far.
    size: usize,
    /// The last byte ends a word, the next one can't start one.
    is_after_word: bool,
}

impl Gathering {
    /// Takes what there is.
    ///
    /// # Errors
    /// It is more than may be; the connection must be closed.
    pub(super) fn advance(&mut self, input: &mut Input) -> Result<Arrival, TooMuch> {
        loop {
            if let Some(size) = self.awaited {
                let Some(bytes) = input.unread().get(..size) else {
                    return Ok(Arrival::Nothing);
                };
                let bytes = bytes.to_vec();
                input.consume(size);
                self.add_literal(bytes);
            }
            let limit = self.line_limit(input);
            let Some(line) = input.take_line(limit).map_err(|_| TooMuch::Line)? else {
                return Ok(Arrival::Nothing);
            };
            self.size += line.len();
            if self.size > COMMAND_BYTES_MAX {
                return Err(TooMuch::Line);
            }
            let (text, literal) = split_literal(&line);
            self.add_line(text);
            if literal.is_some() && self.is_after_word {
                self.spoil();
            }
            match literal {
                None => return Ok(self.take().map_or(Arrival::Nothing, Arrival::Whole)),
                Some(Literal {
                    size,
                    is_synchronising: true,
                }) => return Ok(Arrival::Asks(size)),
                Some(Literal { size, .. }) if self.is_too_big(size) => return Err(TooMuch::Literal),
                Some(Literal { size, .. }) => self.allow(size),
            }
        }
    }

    /// A literal of this size is not taken.
    pub(super) fn is_too_big(&self, size: usize) -> bool {
        size > LITERAL_BYTES_MAX || self.size + size > COMMAND_BYTES_MAX
    }

    /// The command as far as it has come.
    pub(super) fn command(&self) -> Option<&Command> {
        self.command.as_ref()
    }

    /// The literal that the client asks for may come; the caller tells him so.
    pub(super) fn allow(&mut self, size: usize) {
        self.awaited = Some(size);
        self.size += size;
    }

    /// The command as far as it has come; the next line starts another one.
    pub(super) fn take(&mut self) -> Option<Command> {
        std::mem::take(self).command
    }

    /// Only an initial response (RFC 4959) makes a line long. Where a line is not whole, and so short that its command can't
    /// be seen yet, the limit does not matter.
    fn line_limit(&self, input: &Input) -> usize {
        let (tag, rest) = split_word(input.unread());
        let (name, _) = split_word(rest);
        if self.command.is_none() && is_tag(tag) && name.eq_ignore_ascii_case(b"AUTHENTICATE") {
            SASL_BYTES_MAX + BEFORE_RESPONSE_BYTES_MAX
        } else {
            LINE_BYTES_MAX
        }
    }

    fn add_literal(&mut self, bytes: Vec<u8>) {
        self.awaited = None;
        self.is_after_word = true;
        if bytes.contains(&0) {
            self.spoil();
        }
        if let Some(command) = &mut self.command {
            command.arguments.push(Word::String(bytes));
        }
    }

    fn add_line(&mut self, text: &[u8]) {
        if self.command.is_some() {
            return self.add_arguments(text);
        }
        let (tag, rest) = split_word(text);
        let (name, _) = split_word(rest);
        let is_valid = is_tag(tag);
        self.command = Some(Command {
            tag: if is_valid { tag } else { b"*" }.to_vec(),
            name: name.to_ascii_uppercase(),
            arguments: Vec::new(),
            is_valid,
        });
        self.is_after_word = true;
        self.add_arguments(&rest[name.len()..]);
    }

    fn add_arguments(&mut self, text: &[u8]) {
        let mut rest = text;
        while let Some((first, after)) = rest.split_first() {
            let taken = match first {
                b' ' => {
                    self.is_after_word = false;
                    Some((None, after))
                }
                b')' => {
                    self.is_after_word = true;
                    Some((Some(Word::Close), after))
                }
                _ if self.is_after_word => None,
                b'(' => Some((Some(Word::Open), after)),
                b'"' => {
                    self.is_after_word = true;
                    quoted_word(after).map(|(word, after)| (Some(word), after))
                }
                _ => {
                    self.is_after_word = true;
                    atom(rest).map(|(word, after)| (Some(word), after))
                }
            };
            let Some((word, after)) = taken else {
                return self.spoil();
            };
            if let Some(command) = &mut self.command {
                command.arguments.extend(word);
            }
            rest = after;
        }
    }

    fn spoil(&mut self) {
        if let Some(command) = &mut self.command {
            command.is_valid = false;
        }
    }
}

impl Word {
    /// What it says, if it may stand where an `astring` is wanted (RFC 3501, section 9).
    pub(super) fn astring(&self) -> Option<&[u8]> {
        match self {
            Word::Atom(text) | Word::String(text) => Some(text),
            Word::Open | Word::Close => None,
        }
    }
}

/// RFC 3501, section 9: `tag`.
fn is_tag(tag: &[u8]) -> bool {
    let is_allowed = |byte: &u8| is_in_atom(*byte) && *byte != b'+';
    (1..=TAG_BYTES_MAX).contains(&tag.len()) && tag.iter().all(is_allowed)
}

/// RFC 3501, section 9: `ASTRING-CHAR`.
fn is_in_atom(byte: u8) -> bool {
    byte.is_ascii_graphic() && !b"(){%*\"\\".contains(&byte)
}

/// The word at the start, up to a space or the end of a list.
fn atom(text: &[u8]) -> Option<(Word, &[u8])> {
    let is_end = |byte: &u8| matches!(byte, b' ' | b')');
    let end = text.iter().position(is_end).unwrap_or(text.len());
    let (word, after) = text.split_at(end);
    word.iter()
        .all(|byte| is_in_atom(*byte))
        .then(|| (Word::Atom(word.to_vec()), after))
}

/// A quoted string whose first quotation mark is already gone.
fn quoted_word(text: &[u8]) -> Option<(Word, &[u8])> {
    let mut word = Vec::new();
    let mut rest = text;
    loop {
        rest = match rest {
            [b'"', after @ ..] => return Some((Word::String(word), after)),
            [b'\\', byte @ (b'"' | b'\\'), after @ ..] => {
                word.push(*byte);
                after
            }
            [] | [b'\\' | 0 | b'\r', ..] => return None,
            [byte, after @ ..] => {
                word.push(*byte);
                after
            }
        };
    }
}

#[cfg(test)]
mod tests;
