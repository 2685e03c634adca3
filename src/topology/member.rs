//! A member of the ring, as the topology names it.

use serde::{Deserialize, Serialize};

use super::{ChangeError, Incarnation, MemberId};

/// The most members of a ring.
pub const MEMBERS_MAX: usize = 100;

/// A process of the ring: a director, a voter, or both; a witness only votes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Member {
    /// Its number; the lowest that holds a lease coordinates.
    pub id: MemberId,
    /// It serves logins.
    pub serves: bool,
    /// It takes part in decisions.
    pub votes: bool,
    /// The life of its storage that votes; another one may not.
    pub incarnation: Incarnation,
}

impl Member {
    pub(super) fn check(&self) -> Result<(), ChangeError> {
        if !self.serves && !self.votes {
            return Err(ChangeError::MemberWithoutDuty { id: self.id });
        }
        Ok(())
    }
}
