//! One thing that is wrong with a configuration, in the words that the operator reads.

use std::error::Error;
use std::fmt;

/// One thing that is wrong with a configuration. Nothing was changed; the operator's matter.
///
/// Printed as `FILE:LINE: key: message (hint)`, so that editors jump to it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Fault {
    /// The file, as the caller named it.
    pub file: Box<str>,
    /// The line, counted from 1. What is missing altogether is reported for line 1, or for its table's heading.
    pub line: usize,
    /// The setting, with its table: `ring.listen`. Empty when the text is no TOML.
    pub key: Box<str>,
    /// What is wrong: lower case, no full stop, with the value.
    pub message: Box<str>,
    /// What to write instead, when that is known.
    pub hint: Option<Box<str>>,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: ", self.file, self.line)?;
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        f.write_str(&self.message)?;
        match &self.hint {
            Some(hint) => write!(f, " ({hint})"),
            None => Ok(()),
        }
    }
}

impl Error for Fault {}
