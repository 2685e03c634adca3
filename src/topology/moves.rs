//! The users that a change itself moves, as opposed to those it merely finds in the wrong place.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{BackendId, UserId};

/// What a change itself must move: such users are never pinned where they are, their sessions are
/// closed.
///
/// Ask only about a user whose placement is another than where he is held: one who belongs where he is
/// stays.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Moves {
    backends: BTreeSet<BackendId>,
    users: BTreeSet<UserId>,
}

impl Moves {
    pub(super) fn add_backends(&mut self, backends: BTreeSet<BackendId>) {
        self.backends.extend(backends);
    }

    pub(super) fn add_user(&mut self, user: UserId) {
        self.users.insert(user);
    }

    /// Takes over what another set of moves must move.
    pub fn merge(&mut self, other: &Moves) {
        self.backends.extend(&other.backends);
        self.users.extend(&other.users);
    }

    /// Whether `user`, held on `held_on`, must leave it.
    pub fn covers(&self, user: UserId, held_on: BackendId) -> bool {
        self.backends.contains(&held_on)
            || self.users.contains(&user)
            || self.users.contains(&user.everybody())
    }

    /// The backends that everybody must leave who is there without belonging there.
    pub fn backends(&self) -> impl ExactSizeIterator<Item = BackendId> + '_ {
        self.backends.iter().copied()
    }

    /// The users who must leave where they are unless they belong there, single ones and everybody of a hash.
    pub fn users(&self) -> impl ExactSizeIterator<Item = UserId> + '_ {
        self.users.iter().copied()
    }

    /// Whether nobody has to move.
    pub fn is_empty(&self) -> bool {
        self.backends.is_empty() && self.users.is_empty()
    }
}
