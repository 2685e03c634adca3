//! Stretches of the hash circle.

use serde::{Deserialize, Serialize};

use super::{TagId, UserId};

/// The hashes `first` to `last`, both included, of one tag; `first <= last`. An arc that wraps is cut in
/// two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Span {
    /// Whose circle.
    pub tag: TagId,
    /// The lowest hash.
    pub first: u32,
    /// The highest hash.
    pub last: u32,
}

impl Span {
    /// Whether the user's hash lies here.
    pub fn covers(&self, user: UserId) -> bool {
        user.tag == self.tag && (self.first..=self.last).contains(&user.key.hash())
    }
}
