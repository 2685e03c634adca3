//! Reads a backend's replies (RFC 5321, section 4.2). What is to be done about them is left to [`Back`](super::Back).

use super::words::{self, LINE_BYTES_MAX};
use crate::proxy::Input;

/// Bytes that a backend may say in all before the user is in.
const BYTES_MAX: usize = 64 << 10;

/// One whole reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// Of three digits.
    pub code: u16,
    /// As it came: every line with its code, ended by CRLF.
    pub bytes: Vec<u8>,
}

/// What a backend has said so far.
#[derive(Clone, Debug, Default)]
pub(in crate::proxy) struct Replies {
    /// The lines of a reply that is not whole yet.
    begun: Option<Reply>,
    bytes_read: usize,
}

impl Reply {
    /// What stands behind the code in each line.
    pub(in crate::proxy) fn texts(&self) -> impl Iterator<Item = &[u8]> {
        self.bytes
            .split(|byte| *byte == b'\n')
            .map(|line| line.strip_suffix(b"\r").unwrap_or(line))
            .filter(|line| !line.is_empty())
            .map(|line| line.get(4..).unwrap_or_default())
    }

    /// For a log.
    pub(in crate::proxy) fn printable(&self) -> String {
        words::printable(self.bytes.trim_ascii_end())
    }
}

impl Replies {
    /// The next reply, once it is whole.
    ///
    /// # Errors
    /// What the backend says is no reply, or too long; in words for a log.
    pub(in crate::proxy) fn take(&mut self, input: &mut Input) -> Result<Option<Reply>, String> {
        while let Some(line) = self.take_line(input)? {
            let (code, is_last) =
                code_of(&line).ok_or_else(|| format!("not a reply of SMTP: {}", words::printable(&line)))?;
            let reply = self.begun.get_or_insert(Reply {
                code,
                bytes: Vec::new(),
            });
            if reply.code != code {
                return Err(format!("a reply with two codes, {} and {code}", reply.code));
            }
            reply.bytes.extend_from_slice(&line);
            reply.bytes.extend_from_slice(b"\r\n");
            if is_last {
                return Ok(self.begun.take());
            }
        }
        Ok(None)
    }

    fn take_line(&mut self, input: &mut Input) -> Result<Option<Vec<u8>>, String> {
        let unread = input.unread().len();
        let line = input
            .take_line(LINE_BYTES_MAX)
            .map_err(|too_long| format!("a line of more than {} bytes", too_long.limit))?;
        self.bytes_read += unread - input.unread().len();
        if self.bytes_read > BYTES_MAX {
            return Err(format!("more than {BYTES_MAX} bytes of replies"));
        }
        Ok(line)
    }
}

/// The code, and whether the line is its reply's last. Control characters are refused: the line may be shown to the client.
fn code_of(line: &[u8]) -> Option<(u16, bool)> {
    if line.iter().any(|byte| byte.is_ascii_control() && *byte != b'\t') {
        return None;
    }
    let (digits, rest) = line.split_at_checked(3)?;
    let [b'2'..=b'5', b'0'..=b'9', b'0'..=b'9'] = digits else {
        return None;
    };
    let code = digits
        .iter()
        .fold(0, |code, digit| code * 10 + u16::from(digit - b'0'));
    match rest.first() {
        None | Some(b' ') => Some((code, true)),
        Some(b'-') => Some((code, false)),
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replies_of(bytes: &[u8]) -> Result<Vec<Reply>, String> {
        let mut input = Input::default();
        input.extend(bytes);
        let mut replies = Replies::default();
        let mut all = Vec::new();
        while let Some(reply) = replies.take(&mut input)? {
            all.push(reply);
        }
        Ok(all)
    }

    #[test]
    fn a_reply_may_have_many_lines() {
        let all = replies_of(b"250-mx.example\r\n250-SIZE 7\n250\r\n221 2.0.0 Bye\r\n250-half\r\n")
            .expect("replies");
        let codes: Vec<u16> = all.iter().map(|reply| reply.code).collect();
        assert_eq!(codes, [250, 221]);
        assert_eq!(all[0].bytes, b"250-mx.example\r\n250-SIZE 7\r\n250\r\n");
        let texts: Vec<&[u8]> = all[0].texts().collect();
        assert_eq!(texts, [&b"mx.example"[..], b"SIZE 7", b""]);
    }

    #[test]
    fn what_is_no_reply_is_said() {
        for (bytes, error) in [
            (&b"* OK IMAP\r\n"[..], "not a reply of SMTP: * OK IMAP"),
            (b"\r\n", "not a reply of SMTP: "),
            (b"25\r\n", "not a reply of SMTP: 25"),
            (b"650 x\r\n", "not a reply of SMTP: 650 x"),
            (b"250x\r\n", "not a reply of SMTP: 250x"),
            (b"250 a\rb\r\n", "not a reply of SMTP: 250 a?b"),
            (b"250 a\0b\r\n", "not a reply of SMTP: 250 a?b"),
            (b"250-a\r\n251 b\r\n", "a reply with two codes, 250 and 251"),
        ] {
            assert_eq!(replies_of(bytes), Err(error.to_owned()), "{bytes:?}");
        }
    }

    #[test]
    fn an_endless_backend_is_cut_short() {
        let line = [b'2'; 8194];
        assert_eq!(
            replies_of(&line),
            Err("a line of more than 8192 bytes".to_owned())
        );
        let lines = b"250-x\r\n".repeat(10_000);
        assert_eq!(
            replies_of(&lines),
            Err("more than 65536 bytes of replies".to_owned())
        );
    }
}
