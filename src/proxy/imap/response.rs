//! A backend's responses as they come, line by line and literal by literal. What they mean is left to the back.

use std::fmt;

use super::text::{Literal, split_literal, split_word};
use crate::proxy::Input;

/// Bytes that a backend may say in all before the login is done.
const RESPONSES_BYTES_MAX: usize = 64 << 10;

/// What a backend has said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Response {
    /// `+`: the rest of the command may come.
    Continuation,
    /// What stands after the `*`, with its literals, without the last line's end.
    Untagged(Vec<u8>),
    /// The end of a command.
    Tagged {
        /// The command's.
        tag: Vec<u8>,
        /// How it went.
        status: Status,
        /// What stands after the tag, with the status, without the line's end.
        line: Vec<u8>,
    },
}

/// How a command went (RFC 3501, section 7.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    /// It is done.
    Ok,
    /// It has failed.
    No,
    /// It was not understood.
    Bad,
}

/// Why a backend can't be listened to any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unreadable {
    /// It does not stop.
    TooMuch,
    /// It does not speak IMAP.
    Garbage,
}

/// The response that is just coming.
#[derive(Default)]
pub(super) struct Listening {
    /// As far as it has come.
    partial: Vec<u8>,
    /// Bytes of the literal that comes next.
    awaited: Option<usize>,
    /// Bytes that were taken in all.
    size: usize,
}

impl Listening {
    /// The next response, once it is whole.
    ///
    /// # Errors
    /// The backend can't be used.
    pub(super) fn advance(&mut self, input: &mut Input) -> Result<Option<Response>, Unreadable> {
        loop {
            let left = RESPONSES_BYTES_MAX.saturating_sub(self.size);
            if let Some(size) = self.awaited {
                if size > left {
                    return Err(Unreadable::TooMuch);
                }
                let Some(bytes) = input.unread().get(..size) else {
                    return Ok(None);
                };
                self.partial.extend_from_slice(bytes);
                self.size += size;
                input.consume(size);
                self.awaited = None;
                continue;
            }
            let Some(line) = input.take_line(left).map_err(|_| Unreadable::TooMuch)? else {
                return Ok(None);
            };
            // Both bytes of its end, although a careless backend may have sent the LF only.
            self.size += line.len() + 2;
            if line.iter().any(|byte| matches!(byte, 0 | b'\r')) {
                return Err(Unreadable::Garbage);
            }
            self.partial.extend_from_slice(&line);
            let Some(size) = self.literal_after(&line) else {
                return response(std::mem::take(&mut self.partial)).map(Some);
            };
            self.partial.extend_from_slice(b"\r\n");
            self.awaited = Some(size);
        }
    }

    /// Bytes of the literal that this line announces. The text of a status is meant for people, and a literal is nothing
    /// that could stand in it.
    fn literal_after(&self, line: &[u8]) -> Option<usize> {
        let untagged = self.partial.strip_prefix(b"* ")?;
        let (word, _) = split_word(untagged);
        let is_text = [&b"OK"[..], b"NO", b"BAD", b"BYE", b"PREAUTH"]
            .iter()
            .any(|status| word.eq_ignore_ascii_case(status));
        if is_text {
            return None;
        }
        match split_literal(line) {
            (
                _,
                Some(Literal {
                    size,
                    is_synchronising: true,
                }),
            ) => Some(size),
            _ => None,
        }
    }
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Unreadable::TooMuch => "the backend says too much",
            Unreadable::Garbage => "the backend does not speak IMAP",
        })
    }
}

fn response(whole: Vec<u8>) -> Result<Response, Unreadable> {
    if whole == b"+" || whole.starts_with(b"+ ") {
        return Ok(Response::Continuation);
    }
    let (tag, line) = split_word(&whole);
    if tag == b"*" && !line.is_empty() {
        return Ok(Response::Untagged(line.to_vec()));
    }
    let status = match split_word(line).0.to_ascii_uppercase().as_slice() {
        b"OK" => Status::Ok,
        b"NO" => Status::No,
        b"BAD" => Status::Bad,
        _ => return Err(Unreadable::Garbage),
    };
    Ok(Response::Tagged {
        tag: tag.to_vec(),
        status,
        line: line.to_vec(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(bytes: &[u8]) -> (Vec<Response>, Option<Unreadable>) {
        let mut listening = Listening::default();
        let mut input = Input::default();
        input.extend(bytes);
        let mut responses = Vec::new();
        loop {
            match listening.advance(&mut input) {
                Ok(Some(response)) => responses.push(response),
                Ok(None) => return (responses, None),
                Err(reason) => return (responses, Some(reason)),
            }
        }
    }

    fn untagged(text: &[u8]) -> Response {
        Response::Untagged(text.to_vec())
    }

    #[test]
    fn responses_are_told_apart() {
        let tagged = Response::Tagged {
            tag: b"L".to_vec(),
            status: Status::No,
            line: b"no [ALERT] x".to_vec(),
        };
        let expected = vec![
            untagged(b"OK ready"),
            Response::Continuation,
            Response::Continuation,
            tagged,
        ];
        assert_eq!(
            heard(b"* OK ready\r\n+\r\n+ abc\nL no [ALERT] x\r\n"),
            (expected, None)
        );
    }

    #[test]
    fn a_literal_belongs_to_its_response() {
        assert_eq!(
            heard(b"* METADATA \"\" (/a {6}\r\nL OK\r\n /b {1}\r\nx)\r\n"),
            (
                vec![untagged(b"METADATA \"\" (/a {6}\r\nL OK\r\n /b {1}\r\nx)")],
                None
            )
        );
        assert_eq!(
            heard(b"* ok text {6}\r\n* BYE {1}\r\n"),
            (vec![untagged(b"ok text {6}"), untagged(b"BYE {1}")], None)
        );
    }

    #[test]
    fn other_protocols_are_garbage() {
        for line in [
            &b"\r\n"[..],
            b"+OK ready\r\n",
            b"220 ready\r\n",
            b"*\r\n",
            b"* \r\n",
            b"L\r\n",
            b"* OK a\rb\r\n",
            b"* OK a\0b\r\n",
            b"\x16\x03\x01\x02\n",
        ] {
            assert_eq!(heard(line), (Vec::new(), Some(Unreadable::Garbage)));
        }
    }

    #[test]
    fn too_much_is_not_waited_for() {
        let too_much = (Vec::new(), Some(Unreadable::TooMuch));
        assert_eq!(heard(&[b'x'; 70_000]), too_much);
        assert_eq!(heard(b"* X {65536}\r\n"), too_much);
        assert_eq!(heard(b"* X {99999999999999999999}\r\n"), too_much);
        let (responses, reason) = heard(&b"* OK\r\n".repeat(20_000));
        assert_eq!((responses.len(), reason), (10_923, Some(Unreadable::TooMuch)));
    }
}
