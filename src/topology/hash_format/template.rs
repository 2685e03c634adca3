//! Applying a format to a name.

use std::borrow::Cow;

use md5::Md5;
use sha2::{Digest, Sha256, Sha384, Sha512};

use crate::topology::digest::pjw_hash;

/// A part of a format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// Stands for itself.
    Literal(Box<[u8]>),
    /// Stands for a part of the name.
    Field(Field),
}

/// A variable, with what is done to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Field {
    pub(super) source: Source,
    pub(super) modifiers: Vec<Modifier>,
    /// Bytes to pass over; when negative, bytes to keep at the end.
    pub(super) offset: i32,
    /// Bytes to keep, all when 0; when negative, bytes to leave away at the end.
    pub(super) width: i32,
    /// The width is reached with zeros in front, and nothing is cut.
    pub(super) is_zero_padded: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Source {
    Variable(Variable),
    Hash(Box<HashOf>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Variable {
    /// The whole name.
    User,
    /// What stands before the first `@`; all of it without one.
    Username,
    /// What stands after the first `@`.
    Domain,
    /// The sign itself.
    Percent,
}

/// `%{<algorithm>;<arguments>:<source>}`
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct HashOf {
    pub(super) algorithm: Algorithm,
    pub(super) source: Source,
    pub(super) rounds: u32,
    pub(super) salt: Vec<Piece>,
    /// How many leading bits are kept; all when there is none.
    pub(super) bits: Option<u32>,
    pub(super) encoding: Encoding,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Algorithm {
    Md5,
    Sha256,
    Sha384,
    Sha512,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    /// In small letters; Dovecot's `hexuc` gives them too.
    Hex,
    Base64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Modifier {
    Lower,
    Upper,
    /// A backslash before quotes and backslashes.
    Escape,
    /// A decimal number in hexadecimal; anything else is 0.
    Hex,
    Reverse,
    /// Dovecot's own hash, modulo the width, in at least as many digits as the offset.
    Hash,
    /// The same of an MD5.
    NewHash,
    Md5,
    /// `a.b` as `a,dc=b`.
    LdapDn,
    /// No white space at the end.
    Trim,
}

impl Algorithm {
    pub(super) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "md5" => Algorithm::Md5,
            "sha256" => Algorithm::Sha256,
            "sha384" => Algorithm::Sha384,
            "sha512" => Algorithm::Sha512,
            _ => return None,
        })
    }

    fn digest(self, salt: &[u8], value: &[u8]) -> Vec<u8> {
        fn of<D: Digest>(salt: &[u8], value: &[u8]) -> Vec<u8> {
            D::new()
                .chain_update(salt)
                .chain_update(value)
                .finalize()
                .to_vec()
        }
        match self {
            Algorithm::Md5 => of::<Md5>(salt, value),
            Algorithm::Sha256 => of::<Sha256>(salt, value),
            Algorithm::Sha384 => of::<Sha384>(salt, value),
            Algorithm::Sha512 => of::<Sha512>(salt, value),
        }
    }
}

impl Modifier {
    pub(super) fn of(letter: char) -> Option<Self> {
        Some(match letter {
            'L' => Modifier::Lower,
            'U' => Modifier::Upper,
            'E' => Modifier::Escape,
            'X' => Modifier::Hex,
            'R' => Modifier::Reverse,
            'H' => Modifier::Hash,
            'N' => Modifier::NewHash,
            'M' => Modifier::Md5,
            'D' => Modifier::LdapDn,
            'T' => Modifier::Trim,
            _ => return None,
        })
    }
}

/// Appends what the format makes of the name.
pub(super) fn expand(pieces: &[Piece], username: &str, out: &mut Vec<u8>) {
    for piece in pieces {
        match piece {
            Piece::Literal(literal) => out.extend(literal),
            Piece::Field(field) => field.expand(username, out),
        }
    }
}

impl Field {
    fn expand(&self, username: &str, out: &mut Vec<u8>) {
        let mut value = self.source.value(username);
        let (mut offset, mut width) = (self.offset, self.width);
        for modifier in &self.modifiers {
            value = modifier.apply(value, &mut offset, &mut width);
        }
        let skipped = offset.unsigned_abs() as usize;
        let value = match offset {
            ..0 => &value[value.len().saturating_sub(skipped)..],
            _ => value.get(skipped..).unwrap_or(&[]),
        };
        let span = width.unsigned_abs() as usize;
        if self.is_zero_padded && width > 0 {
            out.extend(std::iter::repeat_n(b'0', span.saturating_sub(value.len())));
        }
        out.extend(match width {
            0 => value,
            _ if self.is_zero_padded => value,
            // Dovecot, asked to leave away more than there is, leaves away nothing.
            ..0 => &value[..value.len().checked_sub(span).unwrap_or(value.len())],
            _ => &value[..span.min(value.len())],
        });
    }
}

impl Source {
    fn value<'a>(&self, username: &'a str) -> Cow<'a, [u8]> {
        let (before, after) = username.split_once('@').unwrap_or((username, ""));
        match self {
            Source::Variable(Variable::User) => username.as_bytes().into(),
            Source::Variable(Variable::Username) => before.as_bytes().into(),
            Source::Variable(Variable::Domain) => after.as_bytes().into(),
            Source::Variable(Variable::Percent) => b"%".into(),
            Source::Hash(hash) => hash.value(username).into(),
        }
    }
}

impl HashOf {
    fn value(&self, username: &str) -> Vec<u8> {
        let mut salt = Vec::new();
        expand(&self.salt, username, &mut salt);
        let mut value = self.source.value(username).into_owned();
        for _ in 0..self.rounds {
            value = self.algorithm.digest(&salt, &value);
        }
        if let Some(bits) = self.bits {
            keep_leading_bits(&mut value, bits as usize);
        }
        match self.encoding {
            Encoding::Hex => hex(&value),
            Encoding::Base64 => base64(&value),
        }
    }
}

impl Modifier {
    fn apply<'a>(self, mut value: Cow<'a, [u8]>, offset: &mut i32, width: &mut i32) -> Cow<'a, [u8]> {
        match self {
            Modifier::Lower => value.to_mut().make_ascii_lowercase(),
            Modifier::Upper => value.to_mut().make_ascii_uppercase(),
            Modifier::Reverse => value.to_mut().reverse(),
            Modifier::Escape => value = escaped(&value).into(),
            Modifier::Hex => value = format!("{:x}", decimal(&value)).into_bytes().into(),
            Modifier::Md5 => value = hex(&Md5::digest(&value)).into(),
            Modifier::LdapDn => {
                value = value
                    .split(|&byte| byte == b'.')
                    .collect::<Vec<_>>()
                    .join(&b",dc="[..])
                    .into()
            }
            Modifier::Trim => {
                let is_space = |byte: &u8| byte.is_ascii_whitespace() || *byte == b'\x0b';
                let end = value
                    .iter()
                    .rposition(|byte| !is_space(byte))
                    .map_or(0, |last| last + 1);
                value.to_mut().truncate(end);
            }
            // The width and the offset are conversions of C: a negative one is a huge modulus, and no
            // padding.
            Modifier::Hash => {
                let hash = pjw_hash(&value);
                let hash = if *width == 0 { hash } else { hash % *width as u32 };
                value = number(hash, offset, width).into();
            }
            Modifier::NewHash => {
                let digest: [u8; 16] = Md5::digest(&value).into();
                let hash = (u128::from_be_bytes(digest) >> 64) as u64;
                let hash = if *width == 0 {
                    hash
                } else {
                    hash % i64::from(*width) as u64
                };
                value = number(hash as u32, offset, width).into();
            }
        }
        value
    }
}

/// A hash in hexadecimal, which uses up offset and width.
fn number(hash: u32, offset: &mut i32, width: &mut i32) -> Vec<u8> {
    let digits = usize::try_from(*offset).unwrap_or(0);
    (*offset, *width) = (0, 0);
    format!("{hash:0digits$x}").into_bytes()
}

fn escaped(value: &[u8]) -> Vec<u8> {
    let mut escaped = Vec::with_capacity(value.len());
    for &byte in value {
        if matches!(byte, b'"' | b'\'' | b'\\') {
            escaped.push(b'\\');
        }
        escaped.push(byte);
    }
    escaped
}

fn decimal(value: &[u8]) -> u64 {
    let digits = std::str::from_utf8(value)
        .ok()
        .filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    digits.and_then(|digits| digits.parse().ok()).unwrap_or(0)
}

fn hex(bytes: &[u8]) -> Vec<u8> {
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .map(|digit| b"0123456789abcdef"[usize::from(digit)])
        .collect()
}

fn base64(bytes: &[u8]) -> Vec<u8> {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = Vec::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let bits = (0..3).fold(0, |bits, i| {
            bits << 8 | chunk.get(i).copied().map_or(0, usize::from)
        });
        let letters = (0..4).map(|i| {
            if i <= chunk.len() {
                LETTERS[bits >> (18 - 6 * i) & 63]
            } else {
                b'='
            }
        });
        text.extend(letters);
    }
    text
}

/// Keeps the first bits, as one number: what does not fill a byte is shifted to the right.
fn keep_leading_bits(bytes: &mut Vec<u8>, bits: usize) {
    if bits >= bytes.len() * 8 {
        return;
    }
    bytes.truncate(bits.div_ceil(8));
    let spare = (8 - bits % 8) % 8;
    let mut carry = 0;
    for byte in bytes {
        let low = *byte << ((8 - spare) % 8);
        *byte = *byte >> spare | carry;
        carry = if spare == 0 { 0 } else { low };
    }
}
