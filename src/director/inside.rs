//! What a member has promised, accepted, confirmed and put off, for who looks for the cause of something: simulators
//! and people. What admins ask every day stands in `status`. Nothing here changes anything.

use super::machine::Director;
use crate::agreement::{Ballot, Boot, ValueId};
use crate::topology::{Epoch, MemberId, UserId};
use crate::world::Instant;

/// What this member has said as a voter, at its epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VoteStatus {
    /// The highest ballot promised for the next epoch.
    pub promised: Option<Ballot>,
    /// The value accepted for the next epoch, with the ballot of the acceptance.
    pub accepted: Option<(Ballot, ValueId)>,
    /// Runs of directors that it granted leases to, with the end of each note.
    pub notes: Vec<(MemberId, Boot, Instant)>,
    /// Until when it assumes leases that it does not know of.
    pub grace_until: Instant,
}

/// The round that this member drives as coordinator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoundStatus {
    /// The attempt.
    pub ballot: Ballot,
    /// The epoch that it is to end.
    pub epoch: Epoch,
    /// The value, once it is fixed; until then promises and holds are gathered.
    pub value: Option<ValueId>,
    /// Voters that have promised, or accepted the value.
    pub voters: Vec<MemberId>,
    /// Directors that have told their holds, or confirmed the value.
    pub directors: Vec<MemberId>,
    /// When the value will be decided if nothing else arrives; `None` while too few voters have accepted.
    pub commits_at: Option<Instant>,
}

/// A value that binds this director.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BindingStatus {
    /// Its name.
    pub value: ValueId,
    /// Whether this director has confirmed it.
    pub is_confirmed: bool,
    /// Users whose sessions must be closed first.
    pub waits: Vec<UserId>,
}

/// Admins' commands that are not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommandsStatus {
    /// Not sent yet.
    pub queued: usize,
    /// On their way to the coordinator: the number of the first, and the one after the last.
    pub on_the_way: Option<(u64, u64)>,
}

/// How far the storage is behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SavesStatus {
    /// Records that this run wanted saved.
    pub wanted: u64,
    /// So many of them are known to be synced.
    pub synced: u64,
    /// Messages that may not be said before that.
    pub unsaid: usize,
}

impl Director {
    /// What this member has said as a voter.
    pub fn vote_status(&self) -> VoteStatus {
        let accepted = self.voter.accepted();
        VoteStatus {
            promised: self.voter.promised(),
            accepted: accepted.map(|(ballot, value)| (*ballot, value.id)),
            notes: self.voter.notes().collect(),
            grace_until: self.voter.grace_until(),
        }
    }

    /// The round that this member drives, if it does.
    pub fn round_status(&self) -> Option<RoundStatus> {
        let round = self.coordination.round.as_ref()?;
        Some(RoundStatus {
            ballot: round.ballot(),
            epoch: round.epoch(),
            value: round.value().map(|value| value.id),
            voters: round.answers_of_voters(),
            directors: round.answers_of_directors(),
            commits_at: round.commits_at(self.topology().majority()),
        })
    }

    /// Whether this member asks voters and directors before a round.
    pub fn is_surveying(&self) -> bool {
        self.coordination.is_surveying()
    }

    /// The values that bind this director until the next epoch, oldest first.
    pub fn bindings(&self) -> Vec<BindingStatus> {
        let bindings = self.followed.bindings();
        bindings
            .map(|(value, is_confirmed, waits)| BindingStatus {
                value,
                is_confirmed,
                waits,
            })
            .collect()
    }

    /// The ballots whose Prepare makes users wait here.
    pub fn freezing_ballots(&self) -> Vec<Ballot> {
        self.followed.freezing().collect()
    }

    /// Users whose sessions are being closed for a change.
    pub fn evicting_users(&self) -> Vec<UserId> {
        self.followed.evicting().collect()
    }

    /// Logins that wait here, with the time of their arrival, oldest first.
    pub fn logins_waiting(&self) -> impl Iterator<Item = (UserId, Instant)> + '_ {
        self.queue.iter()
    }

    /// Commands that wait here.
    pub fn commands_status(&self) -> CommandsStatus {
        CommandsStatus {
            queued: self.commands.queued(),
            on_the_way: self.commands.on_the_way(),
        }
    }

    /// How far the storage is behind.
    pub fn saves_status(&self) -> SavesStatus {
        let (wanted, synced) = self.disk.saves();
        SavesStatus {
            wanted,
            synced,
            unsaid: self.disk.unsaid(),
        }
    }
}
