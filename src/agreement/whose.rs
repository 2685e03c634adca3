//! Whose sessions an admin's kick closes.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::topology::UserKey;

/// The longest name of a passdb field that a kick may give, in bytes.
pub const FIELD_BYTES_MAX: usize = 128;

/// The longest value of such a field, in bytes. With its name and the command it fits into a line of 1 KiB.
pub const VALUE_BYTES_MAX: usize = 768;

/// Whose sessions are to be closed.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Whose {
    /// One user's, of every tag.
    User(UserKey),
    /// Everybody's whose login was given this field.
    With(PassdbField),
}

/// A field that the passdb gave to a login, as `user_id` of Dovecot's alternative user names. Only the processes that
/// have the sessions know them.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "(Box<str>, Box<str>)", into = "(Box<str>, Box<str>)")]
pub struct PassdbField {
    name: Box<str>,
    value: Box<str>,
}

/// A name or a value that no passdb field of a kick can have. Whoever gave it is at fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadField;

impl PassdbField {
    /// The field with this name, 1 to [`FIELD_BYTES_MAX`] bytes, and this value, at most [`VALUE_BYTES_MAX`].
    ///
    /// # Errors
    /// One of them is too long or has control characters, which would end the line of Dovecot's kick services, or the
    /// name is empty.
    pub fn new(name: &str, value: &str) -> Result<Self, BadField> {
        let is_plain = |text: &str| !text.chars().any(char::is_control);
        let is_short = name.len() <= FIELD_BYTES_MAX && value.len() <= VALUE_BYTES_MAX;
        if name.is_empty() || !is_short || !is_plain(name) || !is_plain(value) {
            return Err(BadField);
        }
        Ok(PassdbField {
            name: name.into(),
            value: value.into(),
        })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its value.
    pub fn value(&self) -> &str {
        &self.value
    }
}

impl TryFrom<(Box<str>, Box<str>)> for PassdbField {
    type Error = BadField;

    fn try_from((name, value): (Box<str>, Box<str>)) -> Result<Self, BadField> {
        Self::new(&name, &value)
    }
}

impl From<PassdbField> for (Box<str>, Box<str>) {
    fn from(field: PassdbField) -> Self {
        (field.name, field.value)
    }
}

impl fmt::Display for BadField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the field has no name, control characters, or more than {FIELD_BYTES_MAX} bytes in its name or \
             {VALUE_BYTES_MAX} in its value"
        )
    }
}

impl std::error::Error for BadField {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_break_a_line_is_no_field() {
        assert!(PassdbField::new("user_id", "").is_ok());
        for (name, value) in [("", "x"), ("a\tb", "x"), ("a", "x\ny"), ("a", "\u{1}t")] {
            assert_eq!(PassdbField::new(name, value), Err(BadField), "{name:?} {value:?}");
        }
        let long = |bytes| "x".repeat(bytes);
        assert!(PassdbField::new(&long(FIELD_BYTES_MAX), &long(VALUE_BYTES_MAX)).is_ok());
        assert!(PassdbField::new(&long(FIELD_BYTES_MAX + 1), "x").is_err());
        assert!(PassdbField::new("x", &long(VALUE_BYTES_MAX + 1)).is_err());
    }
}
