//! What a member has taken upon itself for the next epoch, for whoever explains a run afterwards. Nothing here changes
//! anything, and nothing here decides anything.

use super::machine::Director;
use crate::agreement::{Ballot, Stated, ValueId};
use crate::world::Instant;

/// Where one member stands in the rounds for the epoch after its own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RoundStatus {
    /// The highest ballot that its voter has promised; `None` when it promised none for the next epoch.
    pub promised: Option<Ballot>,
    /// The ballot under which its voter accepted last, and what; `None` when it accepted nothing for the next epoch.
    pub accepted: Option<(Ballot, ValueId)>,
    /// The values that its director has confirmed.
    pub confirmed: Vec<ValueId>,
    /// The round that it coordinates.
    pub coordinates: Option<Ballot>,
    /// The leases that its voter has noted and that have not run out by its clock.
    pub noted: Vec<Stated>,
}

impl Director {
    /// Where this member stands in the rounds for the next epoch at `now`.
    pub fn round_status(&self, now: Instant) -> RoundStatus {
        let accepted = self.voter.accepted();
        RoundStatus {
            promised: self.voter.promised(),
            accepted: accepted.map(|(ballot, value)| (*ballot, value.id)),
            confirmed: self.followed.confirmed_ids(),
            coordinates: self.coordination.round.as_ref().map(|round| round.ballot()),
            noted: self.voter.noted(now),
        }
    }
}
