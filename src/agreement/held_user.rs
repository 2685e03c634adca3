//! Users as members tell each other of them on behalf of their admins.

use serde::{Deserialize, Serialize};

use crate::topology::{BackendId, UserId};

/// A user whom a director holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct HeldUser {
    /// Who.
    pub user: UserId,
    /// Where.
    pub backend: BackendId,
    /// In how many seconds the hold ends, if nothing more is heard of him.
    pub ends_in_s: u32,
}

/// Some of those whom a director holds in a stretch of the hash circle.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct HeldUsers {
    /// In order; all of one hash, or none.
    pub users: Vec<HeldUser>,
    /// The hash from which on there may be more; `None` at the end of the stretch.
    pub next: Option<u32>,
}
