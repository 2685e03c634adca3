//! The words that commands and responses of ManageSieve are made of (RFC 5804, section 4): atoms, strings, parentheses.
//! What they mean is left to `front` and `back`.

use crate::proxy::RESPONSE_BYTES_MAX;

/// Bytes that a quoted string may have. Clients that send longer ones for SASL are understood, as by Dovecot.
pub(super) const QUOTED_BYTES_MAX: usize = 1024;
/// Bytes of the longest response of a mechanism, in base64.
pub(super) const BASE64_BYTES_MAX: usize = RESPONSE_BYTES_MAX.div_ceil(3) * 4;

/// One word. It may be a password, so it is not shown.
#[derive(Clone, PartialEq, Eq)]
#[cfg_attr(test, derive(Debug))]
pub(super) enum Word {
    /// A name of a command, of a response or of its code.
    Atom(Vec<u8>),
    /// A string, quoted or as a literal: what it stands for.
    Text(Vec<u8>),
    /// `(`
    Open,
    /// `)`
    Close,
}

/// A whole command, capability, challenge or response.
#[derive(PartialEq, Eq)]
#[cfg_attr(test, derive(Debug))]
pub(super) struct Sentence {
    /// What it says.
    pub(super) words: Vec<Word>,
    /// Its bytes, with the end of its last line.
    pub(super) length: usize,
}

/// Who speaks: literals are written `{n+}` by clients and `{n}` by servers.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Speaker {
    /// Sends without waiting for leave.
    Client,
    /// Servers that write `{n+}` are understood, too.
    Server,
}

/// What a sentence may have, in bytes.
pub(super) struct Limits {
    /// One line without its end.
    pub(super) line: usize,
    /// One literal.
    pub(super) literal: usize,
    /// All lines and literals.
    pub(super) whole: usize,
}

/// Why there is no sentence and never will be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Broken {
    /// Against the grammar. What comes after `length` bytes, the end of a line, may be another sentence.
    Malformed { length: usize },
    /// Longer than the limits. Where it ends is not known.
    LineTooLong,
    /// As above; its bytes are already on their way.
    LiteralTooLong,
}

/// Against the grammar.
struct Malformed;

/// The sentence that `bytes` begin with, once it is whole.
///
/// # Errors
/// It is against the grammar or the limits.
pub(super) fn parse(bytes: &[u8], speaker: Speaker, limits: &Limits) -> Result<Option<Sentence>, Broken> {
    let mut words = Vec::new();
    let mut length = 0;
    loop {
        let line_limit = limits.line.min(limits.whole.saturating_sub(length));
        let Some(end) = line_end(&bytes[length..], line_limit)? else {
            return Ok(None);
        };
        let line = &bytes[length..length + end];
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        length += end + 1;
        let Ok(literal) = scan(line, speaker, &mut words) else {
            return Err(Broken::Malformed { length });
        };
        let Some(literal) = literal else {
            return Ok(Some(Sentence { words, length }));
        };
        if literal > limits.literal || literal > limits.whole.saturating_sub(length) {
            return Err(Broken::LiteralTooLong);
        }
        let Some(text) = bytes[length..].get(..literal) else {
            return Ok(None);
        };
        words.push(Word::Text(text.to_vec()));
        length += literal;
    }
}

/// As a quoted string. Control characters become spaces, and what is too long is cut.
pub(super) fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for char in text[..text.floor_char_boundary(QUOTED_BYTES_MAX)].chars() {
        match char {
            '"' | '\\' => quoted.extend(['\\', char]),
            char if char.is_control() => quoted.push(' '),
            char => quoted.push(char),
        }
    }
    quoted.push('"');
    quoted
}

/// Where the LF is. One byte more than the limit may wait for it: a CR.
fn line_end(bytes: &[u8], limit: usize) -> Result<Option<usize>, Broken> {
    let end = memchr::memchr(b'\n', bytes);
    let line = &bytes[..end.unwrap_or(bytes.len())];
    let length = line.strip_suffix(b"\r").unwrap_or(line).len();
    if length > limit {
        return Err(Broken::LineTooLong);
    }
    Ok(end)
}

/// Adds a line's words. It may end in the size of a literal, which is returned.
fn scan(line: &[u8], speaker: Speaker, words: &mut Vec<Word>) -> Result<Option<usize>, Malformed> {
    let mut rest = line;
    let mut is_apart = words.is_empty();
    while let Some((first, after)) = rest.split_first() {
        if !is_apart && !matches!(first, b' ' | b')') {
            return Err(Malformed);
        }
        is_apart = matches!(first, b' ' | b'(');
        match first {
            b' ' => rest = after,
            b'(' => {
                words.push(Word::Open);
                rest = after;
            }
            b')' => {
                words.push(Word::Close);
                rest = after;
            }
            b'"' => {
                let (text, after) = scan_quoted(after)?;
                words.push(Word::Text(text));
                rest = after;
            }
            b'{' => return literal_size(after, speaker).map(Some),
            _ => {
                let end = rest.iter().position(|byte| !is_of_atom(*byte));
                let (atom, after) = rest.split_at(end.unwrap_or(rest.len()));
                if atom.is_empty() {
                    return Err(Malformed);
                }
                words.push(Word::Atom(atom.to_vec()));
                rest = after;
            }
        }
    }
    Ok(None)
}

/// What stands between the quotes, and what comes after.
fn scan_quoted(bytes: &[u8]) -> Result<(Vec<u8>, &[u8]), Malformed> {
    let mut text = Vec::new();
    let mut bytes = bytes.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => return Ok((text, bytes.as_slice())),
            b'\\' => match bytes.next() {
                Some(special @ (b'"' | b'\\')) => text.push(*special),
                _ => return Err(Malformed),
            },
            b'\0' | b'\r' => return Err(Malformed),
            byte => text.push(*byte),
        }
    }
    Err(Malformed)
}

/// From `n+}` or `n}`. A number that is too large for us is still a number.
fn literal_size(bytes: &[u8], speaker: Speaker) -> Result<usize, Malformed> {
    let inner = bytes.strip_suffix(b"}").ok_or(Malformed)?;
    let digits = match (inner.strip_suffix(b"+"), speaker) {
        (Some(digits), _) => digits,
        (None, Speaker::Server) => inner,
        (None, Speaker::Client) => return Err(Malformed),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(Malformed);
    }
    Ok(digits.iter().fold(0, |number: usize, digit| {
        number
            .saturating_mul(10)
            .saturating_add(usize::from(digit - b'0'))
    }))
}

/// It may stand in an atom.
pub(super) fn is_of_atom(byte: u8) -> bool {
    byte.is_ascii_graphic() && !matches!(byte, b'"' | b'(' | b')' | b'{' | b'\\')
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits {
        line: 40,
        literal: 10,
        whole: 60,
    };

    fn parsed(bytes: &[u8], speaker: Speaker) -> Result<Option<Sentence>, Broken> {
        parse(bytes, speaker, &LIMITS)
    }

    fn atom(name: &str) -> Word {
        Word::Atom(name.as_bytes().to_vec())
    }

    fn text(text: &str) -> Word {
        Word::Text(text.as_bytes().to_vec())
    }

    #[test]
    fn strings_are_quoted_or_literals() {
        let bytes = b"noop \"a\\\"\\\\b\" {4+}\r\nx\r\ny {0+}\r\n\r\nmore";
        let words = vec![atom("noop"), text("a\"\\b"), text("x\r\ny"), text("")];
        let length = bytes.len() - b"more".len();
        assert_eq!(
            parsed(bytes, Speaker::Client),
            Ok(Some(Sentence { words, length }))
        );
        for length in 0..length {
            assert_eq!(parsed(&bytes[..length], Speaker::Client), Ok(None));
        }
    }

    #[test]
    fn a_response_may_have_a_code_and_a_literal() {
        let bytes = b"NO (TAG {1}\r\n)) {3}\r\na\nb\n";
        let words = vec![
            atom("NO"),
            Word::Open,
            atom("TAG"),
            text(")"),
            Word::Close,
            text("a\nb"),
        ];
        let length = bytes.len();
        assert_eq!(
            parsed(bytes, Speaker::Server),
            Ok(Some(Sentence { words, length }))
        );
    }

    #[test]
    fn what_is_against_the_grammar_ends_with_its_line() {
        let malformed: [&[u8]; 13] = [
            b"NOOP \"open\r\n",
            b"NOOP \"a\\b\"\r\n",
            b"NOOP \"a\\\r\n",
            b"NOOP \"a\0\"\r\n",
            b"NOOP \"a\rb\"\r\n",
            b"NOOP\"a\"\r\n",
            b"NOOP \"a\"b\r\n",
            b"NOOP\tx\r\n",
            b"NO\xc3\xa4\r\n",
            b"NOOP {3}\r\n",
            b"NOOP {+}\r\n",
            b"NOOP {-1+}\r\n",
            b"NOOP {1+} x\r\n",
        ];
        for line in malformed {
            let bytes = [line, b"next\r\n"].concat();
            let length = line.len();
            assert_eq!(
                parsed(&bytes, Speaker::Client),
                Err(Broken::Malformed { length }),
                "{}",
                line.escape_ascii()
            );
        }
        assert_eq!(
            parsed(b"NOOP {1+}\r\nxy\r\n", Speaker::Client),
            Err(Broken::Malformed { length: 15 })
        );
    }

    #[test]
    fn nothing_is_longer_than_its_limit() {
        let line = [b'x'; 41];
        assert!(matches!(
            parsed(&[&line[..40], b"\r\n"].concat(), Speaker::Client),
            Ok(Some(_))
        ));
        assert_eq!(parsed(&[&line[..40], b"\r"].concat(), Speaker::Client), Ok(None));
        assert_eq!(parsed(&line, Speaker::Client), Err(Broken::LineTooLong));
        assert_eq!(
            parsed(&[&line[..], b"\r\n"].concat(), Speaker::Client),
            Err(Broken::LineTooLong)
        );
        for literal in ["{11+}\r\n", "{99999999999999999999999999+}\r\n"] {
            assert_eq!(
                parsed(literal.as_bytes(), Speaker::Client),
                Err(Broken::LiteralTooLong)
            );
        }
        let many = b"{0+}\r\n ".repeat(20);
        assert_eq!(parsed(&many, Speaker::Client), Err(Broken::LineTooLong));
    }

    #[test]
    fn what_is_quoted_can_not_break_out() {
        assert_eq!(quoted("a\"b\\c\r\nd\0e"), "\"a\\\"b\\\\c  d e\"");
        assert_eq!(quoted(&"ä".repeat(600)), format!("\"{}\"", "ä".repeat(512)));
    }
}
