//! Where users were moved from, to and why: the last moves of this run, for `history`.

use std::collections::VecDeque;

use super::output::EvictReason;
use crate::topology::{BackendId, Epoch, UserId};
use crate::world::Instant;

/// One closed hold.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Moved {
    /// When its sessions were closed.
    pub at: Instant,
    /// Whose.
    pub user: UserId,
    /// As looked up.
    pub name: Box<str>,
    /// Where they were.
    pub from: BackendId,
    /// Where the user belonged then; `None` if no backend was left for him.
    pub to: Option<BackendId>,
    /// The epoch in force.
    pub epoch: Epoch,
    /// Why.
    pub why: EvictReason,
}

/// The last moves, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct History {
    moves: VecDeque<Moved>,
}

impl History {
    pub(super) fn push(&mut self, moved: Moved, limit: usize) {
        while self.moves.len() >= limit.max(1) {
            self.moves.pop_front();
        }
        self.moves.push_back(moved);
    }

    /// The moves of one user, oldest first.
    pub fn of(&self, user: UserId) -> impl Iterator<Item = &Moved> {
        self.moves.iter().filter(move |m| m.user == user)
    }

    /// All moves kept, oldest first.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Moved> {
        self.moves.iter()
    }
}
