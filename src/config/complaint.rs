//! What is wrong with one value, before it is known where the value stands.

use std::fmt;

/// The most characters of a value that a message repeats.
const QUOTED_CHARS_MAX: usize = 60;

/// What is wrong with a value, and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Complaint {
    pub message: String,
    pub hint: Option<String>,
}

impl Complaint {
    pub fn new(message: impl Into<String>) -> Self {
        Complaint {
            message: message.into(),
            hint: None,
        }
    }

    pub fn with_hint(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Complaint {
            message: message.into(),
            hint: Some(hint.into()),
        }
    }
}

/// Text from the file as it may stand in a message: quoted, on one line, not longer than a line.
pub(super) struct Quoted<'a>(pub &'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown: String = self.0.chars().take(QUOTED_CHARS_MAX).collect();
        let rest = if shown.len() < self.0.len() { "..." } else { "" };
        write!(f, "\"{}{rest}\"", shown.escape_debug())
    }
}
