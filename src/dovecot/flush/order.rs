//! What the hook is told, and what its answer says: the protocol of Dovecot's script service, version 4.0.

use std::net::IpAddr;

use crate::director::FlushedFrom;
use crate::world::escape;

/// Of the text of an answer so many bytes are kept for the log.
const TEXT_BYTES_MAX: usize = 1_024;

/// One user who was moved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlushOrder {
    /// The upper half of his key: Dovecot's hash.
    pub hash: u32,
    /// Where he was.
    pub from: FlushedFrom,
    /// The address of the backend where he will be.
    pub to: IpAddr,
    /// Its name, or its address again.
    pub to_name: String,
}

/// What a server said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FlushAnswer {
    /// It is done.
    Done,
    /// It failed; what it wrote about that.
    Failed(String),
    /// Neither: it ended in the middle.
    Cut,
}

impl FlushOrder {
    /// The arguments, as Dovecot's director gives them.
    pub fn arguments(&self) -> [String; 6] {
        [
            "FLUSH".to_owned(),
            self.hash.to_string(),
            self.from.ip.to_string(),
            self.to.to_string(),
            if self.from.is_up { "up" } else { "down" }.to_owned(),
            self.from.vhosts.to_string(),
        ]
    }

    /// What a server behind a socket is sent.
    pub fn request(&self) -> Vec<u8> {
        let mut bytes = b"VERSION\tscript\t4\t0\n-\n".to_vec();
        for argument in self.arguments() {
            escape(argument.as_bytes(), &mut bytes);
            bytes.push(b'\n');
        }
        bytes.push(b'\n');
        bytes
    }

    /// A text with `%i`, `%h` and `%%` replaced.
    pub fn expand(&self, text: &str) -> String {
        let mut expanded = String::with_capacity(text.len());
        let mut chars = text.chars();
        while let Some(c) = chars.next() {
            let variable = if c == '%' { chars.next() } else { None };
            match variable {
                Some('i') => expanded.push_str(&self.to.to_string()),
                Some('h') => expanded.push_str(&self.to_name),
                Some(other) => expanded.push(other),
                None => expanded.push(c),
            }
        }
        expanded
    }
}

impl FlushAnswer {
    /// Of everything that a server wrote until it closed.
    pub fn of(bytes: &[u8]) -> Self {
        match bytes {
            [.., b'+', b'\n'] => FlushAnswer::Done,
            [text @ .., b'-', b'\n'] => FlushAnswer::Failed(shown(text)),
            _ => FlushAnswer::Cut,
        }
    }
}

/// Text for one line of the log.
pub(super) fn shown(text: &[u8]) -> String {
    let text = &text[..text.len().min(TEXT_BYTES_MAX)];
    let text = String::from_utf8_lossy(text);
    let words = text.trim().chars().map(|c| if c.is_control() { ' ' } else { c });
    let words: String = words.collect();
    if words.is_empty() {
        return "it said nothing about it".to_owned();
    }
    format!("it said: {words}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order() -> FlushOrder {
        FlushOrder {
            hash: 2_313_415_526,
            from: FlushedFrom {
                ip: [127, 0, 90, 2].into(),
                is_up: true,
                vhosts: 100,
            },
            to: [127, 0, 90, 1].into(),
            to_name: "mail1".to_owned(),
        }
    }

    #[test]
    fn a_server_is_told_what_dovecots_director_was_captured_saying() {
        let captured = "VERSION\tscript\t4\t0\n-\nFLUSH\n2313415526\n127.0.90.2\n127.0.90.1\nup\n100\n\n";
        assert_eq!(String::from_utf8(order().request()).as_deref(), Ok(captured));
    }

    #[test]
    fn answers_end_with_their_result() {
        assert_eq!(FlushAnswer::of(b"+\n"), FlushAnswer::Done);
        assert_eq!(FlushAnswer::of(b"moved\n+\n"), FlushAnswer::Done);
        for (bytes, text) in [
            (&b"-\n"[..], "it said nothing about it"),
            (b"no\x07room\n-\n", "it said: no room"),
        ] {
            assert_eq!(FlushAnswer::of(bytes), FlushAnswer::Failed(text.to_owned()));
        }
        for bytes in [&b""[..], b"+", b"\n", b"+\n "] {
            assert_eq!(FlushAnswer::of(bytes), FlushAnswer::Cut);
        }
    }

    #[test]
    fn variables_name_the_new_backend() {
        assert_eq!(order().expand("%i/%h%%%"), "127.0.90.1/mail1%%");
    }
}
