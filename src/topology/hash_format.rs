//! Dovecot's `director_username_hash`: how a user's name becomes his key.
//!
//! The format is read once (`parse`) into a template, which is applied to names (`template`). Both
//! follow `var-expand.c` of Dovecot 2.3, so that every name hashes as it did there.

mod parse;
mod template;

use std::error::Error;
use std::fmt;

use md5::{Digest, Md5};
use serde::{Deserialize, Serialize};

use super::UserKey;
use template::Piece;

/// The longest format, in bytes.
pub const FORMAT_BYTES_MAX: usize = 512;

/// A `director_username_hash` that was understood.
///
/// Variables are `%u` or `%{user}` (the whole name), `%n` or `%{username}` (before the first `@`), `%d`
/// or `%{domain}` (after it) and `%%`; with Dovecot's widths, offsets and modifiers, and its hashes, as
/// in `%{sha256:user}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HashFormat {
    text: Box<str>,
    rule: Rule,
}

/// The formats that nearly everybody uses need no template and no memory.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Rule {
    /// `%u`
    Whole,
    /// `%Lu`
    Lowered,
    /// Anything else.
    Template(Vec<Piece>),
}

impl HashFormat {
    /// Reads a format.
    ///
    /// # Errors
    /// It names a variable that there is not, or that is not the same on every member (`%{hostname}`,
    /// `%{env:..}`), or asks for more than a limit allows.
    pub fn parse(text: &str) -> Result<Self, HashFormatError> {
        if text.len() > FORMAT_BYTES_MAX {
            return Err(HashFormatError::TooLong {
                bytes: text.len(),
                max: FORMAT_BYTES_MAX,
            });
        }
        let rule = match text {
            "%u" => Rule::Whole,
            "%Lu" => Rule::Lowered,
            _ => Rule::Template(parse::template(text)?),
        };
        Ok(HashFormat {
            text: text.into(),
            rule,
        })
    }

    /// The key of a user. Allocates nothing for `%u` and `%Lu`.
    pub fn key(&self, username: &str) -> UserKey {
        match &self.rule {
            Rule::Whole => UserKey::of_expanded(username.as_bytes()),
            Rule::Lowered => lowered_key(username.as_bytes()),
            Rule::Template(pieces) => {
                let mut expanded = Vec::with_capacity(username.len() + self.text.len());
                template::expand(pieces, username, &mut expanded);
                UserKey::of_expanded(&expanded)
            }
        }
    }

    /// Appends what is hashed for this user.
    pub fn expand(&self, username: &str, out: &mut Vec<u8>) {
        match &self.rule {
            Rule::Whole => out.extend(username.as_bytes()),
            Rule::Lowered => out.extend(username.bytes().map(|byte| byte.to_ascii_lowercase())),
            Rule::Template(pieces) => template::expand(pieces, username, out),
        }
    }

    /// The format as it was given.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl Default for HashFormat {
    fn default() -> Self {
        HashFormat {
            text: "%Lu".into(),
            rule: Rule::Lowered,
        }
    }
}

impl fmt::Display for HashFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Lower case is that of ASCII alone, as in Dovecot: `É` stays.
fn lowered_key(username: &[u8]) -> UserKey {
    let mut md5 = Md5::new();
    let mut lowered = [0; 64];
    for chunk in username.chunks(lowered.len()) {
        let lowered = &mut lowered[..chunk.len()];
        lowered.copy_from_slice(chunk);
        lowered.make_ascii_lowercase();
        md5.update(lowered);
    }
    UserKey::of_digest(md5.finalize().into())
}

/// Why a `director_username_hash` was refused. Operator's mistake.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum HashFormatError {
    /// The format is too long.
    TooLong {
        /// Its length.
        bytes: usize,
        /// The most allowed.
        max: usize,
    },
    /// There is no such variable for a user's name, or it would not be the same on every member.
    UnknownVariable {
        /// What stands after the `%`.
        name: Box<str>,
    },
    /// A width or offset is too large, or an output padded to it would be.
    NumberOutOfRange {
        /// The largest allowed there.
        max: u32,
    },
    /// The rounds of a hash are not a number from 1 to the limit.
    RoundsOutOfRange {
        /// The most allowed.
        max: u32,
    },
    /// An argument of a hash can't be understood.
    BadArgument {
        /// The argument.
        argument: Box<str>,
    },
}

impl fmt::Display for HashFormatError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HashFormatError::TooLong { bytes, max } => {
                write!(f, "a format of {bytes} bytes is longer than {max}")
            }
            HashFormatError::UnknownVariable { name } => {
                write!(
                    f,
                    "unknown variable %{name}; there are %u, %n, %d, their long names, and hashes of them"
                )
            }
            HashFormatError::NumberOutOfRange { max } => write!(f, "a width or offset is more than {max}"),
            HashFormatError::RoundsOutOfRange { max } => write!(f, "rounds are not a number from 1 to {max}"),
            HashFormatError::BadArgument { argument } => {
                write!(f, "the argument {argument:?} of a hash is unknown")
            }
        }
    }
}

impl Error for HashFormatError {}

#[cfg(test)]
mod tests;
