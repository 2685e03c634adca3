//! The lines of Dovecot's auth protocol (Dovecot 2.3, "Dovecot Authentication Protocol", version 1.x): words with tabs between
//! them.

use std::net::SocketAddr;

use base64::{Engine as _, engine::general_purpose::STANDARD};

use crate::proxy::Credentials;
use crate::world::{escape, unescape};

/// Bytes that a line may have, with its end (`AUTH_CLIENT_MAX_LINE_LENGTH`).
pub const LINE_BYTES_MAX: usize = 16 << 10;

/// Whose credentials are verified, as far as the connection knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer<'a> {
    /// The protocol, as Dovecot names it: `imap`, `pop3`, `sieve`, `submission`.
    pub service: &'a str,
    /// Our side of his connection.
    pub local: SocketAddr,
    /// His side.
    pub remote: SocketAddr,
    /// He speaks TLS.
    pub is_tls: bool,
    /// What his session is called in logs; may be empty.
    pub session: &'a str,
}

/// What the server says, its words still escaped. They may have a password, so there is no `Debug`.
#[derive(Clone)]
pub(super) enum Line<'a> {
    /// `VERSION`, with the major number if it is one.
    Version(Option<u32>),
    /// `MECH`: one more mechanism.
    Mechanism(&'a [u8]),
    /// `DONE`: the greeting is over.
    Done,
    /// `OK`: the credentials hold.
    Okay(u32, Words<'a>),
    /// `FAIL`: they don't, or nobody knows.
    Fail(u32, Words<'a>),
    /// `CONT`: the mechanism wants more.
    More(u32),
    /// An answer, but nobody knows to what.
    Malformed,
    /// Anything else.
    Unknown,
}

/// The words behind the number of an answer.
#[derive(Clone)]
pub(super) struct Words<'a>(Option<&'a [u8]>);

impl<'a> Line<'a> {
    pub(super) fn of(line: &'a [u8]) -> Self {
        let (command, rest) = split(line);
        let mut words = Words(rest);
        let first = words.next_raw();
        let answer = |make: fn(u32, Words<'a>) -> Line<'a>| match first.and_then(number) {
            Some(id) => make(id, words),
            None => Line::Malformed,
        };
        match command {
            b"VERSION" => Line::Version(first.and_then(number)),
            b"MECH" => first.map_or(Line::Unknown, Line::Mechanism),
            b"DONE" => Line::Done,
            b"OK" => answer(Line::Okay),
            b"FAIL" => answer(Line::Fail),
            b"CONT" => answer(|id, _| Line::More(id)),
            _ => Line::Unknown,
        }
    }
}

impl<'a> Words<'a> {
    fn next_raw(&mut self) -> Option<&'a [u8]> {
        let (word, rest) = split(self.0?);
        self.0 = rest;
        Some(word)
    }
}

/// Name and value of each word, unescaped. A word without a `=` has an empty value.
impl Iterator for Words<'_> {
    type Item = (Vec<u8>, Vec<u8>);

    fn next(&mut self) -> Option<Self::Item> {
        let mut word = Vec::new();
        unescape(self.next_raw()?, &mut word);
        let end = memchr::memchr(b'=', &word).unwrap_or(word.len());
        let value = word.get(end + 1..).unwrap_or_default().to_vec();
        let mut name = word;
        name.truncate(end);
        Some((name, value))
    }
}

/// Asks for a verdict. Nothing is written if the line would be too long.
pub(super) fn push_ask(id: u32, credentials: &Credentials, peer: &Peer<'_>, out: &mut Vec<u8>) -> bool {
    let mut line = format!("AUTH\t{id}\t{}", credentials.mechanism.name()).into_bytes();
    let mut add = |key: &str, value: &str| {
        line.push(b'\t');
        line.extend_from_slice(key.as_bytes());
        escape(value.as_bytes(), &mut line);
    };
    // 2.3 reads the service, 2.4 the protocol; each ignores the other.
    add("service=", peer.service);
    add("protocol=", peer.service);
    add("lip=", &peer.local.ip().to_string());
    add("rip=", &peer.remote.ip().to_string());
    add("lport=", &peer.local.port().to_string());
    add("rport=", &peer.remote.port().to_string());
    if peer.is_tls {
        add("secured=", "tls");
    }
    if !peer.session.is_empty() {
        add("session=", peer.session);
    }
    // Everything behind it belongs to it.
    add("resp=", &STANDARD.encode(credentials.response.bytes()));
    line.push(b'\n');
    // The server's buffer is as long, and has to have room for one byte more.
    let fits = line.len() < LINE_BYTES_MAX;
    if fits {
        out.extend_from_slice(&line);
    }
    fits
}

fn split(line: &[u8]) -> (&[u8], Option<&[u8]>) {
    match memchr::memchr(b'\t', line) {
        Some(end) => (&line[..end], Some(&line[end + 1..])),
        None => (line, None),
    }
}

fn number(word: &[u8]) -> Option<u32> {
    let is_number = word.iter().all(u8::is_ascii_digit);
    let text = std::str::from_utf8(word).ok().filter(|_| is_number)?;
    text.parse().ok()
}
