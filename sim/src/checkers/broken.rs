//! A broken invariant, in words.

use crate::outcome::Invariant;

/// Which invariant broke, and what was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Broken {
    pub(crate) invariant: Invariant,
    pub(crate) words: String,
}

impl Broken {
    pub(crate) fn new(invariant: Invariant, words: impl Into<String>) -> Self {
        Broken {
            invariant,
            words: words.into(),
        }
    }
}
