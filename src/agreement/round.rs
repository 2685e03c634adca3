//! A coordinator's attempt to turn one epoch into the next. Sending, freezing and installing are left to the machine.
//!
//! ```text
//! Preparing --majority promised, holds known or not waited for--> Proposing --majority accepted and clear--> Commit
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::ids::{Ballot, Boot, ValueId};
use super::message::Statement;
use super::rules::{Rule, Rules};
use super::timing::stretched;
use super::value::{Proposal, Value};
use crate::topology::{BackendId, Epoch, MemberId, Moves, Topology, UserId};
use crate::world::Instant;

/// A voter's statement as the coordinator keeps it: on its own clock, stretched by the drift bound.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Noted {
    leases: Vec<(MemberId, Boot, Instant)>,
    grace_until: Instant,
}

impl Noted {
    /// A statement that arrived at `now`. Counting from the arrival is late, never early.
    pub fn received(statement: &Statement, drift_ppm: u32, now: Instant) -> Self {
        let ends = |remaining| now.plus(stretched(remaining, drift_ppm));
        Noted {
            leases: statement
                .leases
                .iter()
                .map(|s| (s.member, s.boot, ends(s.remaining)))
                .collect(),
            grace_until: ends(statement.grace),
        }
    }

    /// Another statement of the same run of a voter in the same ballot. Who must be waited for is in both: a lease that only the
    /// later one names was granted after the acceptance, and so to who had confirmed. Without this, a director that
    /// confirmed but can't reach the coordinator would be waited for anew with each of its renewals.
    fn narrow(&mut self, later: &Noted) {
        self.leases.retain_mut(|(member, boot, until)| {
            let again = later.leases.iter().find(|(m, b, _)| m == member && b == boot);
            again.is_some_and(|(.., later)| {
                *until = (*until).min(*later);
                true
            })
        });
        self.grace_until = self.grace_until.min(later.grace_until);
    }

    /// When nobody can be serving any more of whom this voter knew, but those for whom `is_bound` holds.
    pub fn clear_at(&self, is_bound: impl Fn(MemberId, Boot) -> bool) -> Instant {
        let leases = self
            .leases
            .iter()
            .filter(|(member, boot, _)| !is_bound(*member, *boot));
        leases
            .map(|(_, _, until)| *until)
            .fold(self.grace_until, Instant::max)
    }
}

/// When a majority of the voters is clear, if so many have stated anything.
pub fn majority_clear_at(clear_at: impl Iterator<Item = Instant>, majority: usize) -> Option<Instant> {
    let mut times: Vec<Instant> = clear_at.collect();
    times.sort_unstable();
    times.get(majority.checked_sub(1)?).copied()
}

/// Where a round stands.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Phase {
    Preparing {
        promises: BTreeMap<MemberId, Option<(Ballot, Arc<Value>)>>,
        held: BTreeMap<MemberId, Vec<(UserId, BackendId)>>,
    },
    Proposing {
        value: Arc<Value>,
        accepted: BTreeMap<MemberId, (Boot, Noted)>,
        confirmed: BTreeSet<(MemberId, Boot)>,
    },
}

/// One round under one ballot.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Round {
    rules: Rules,
    ballot: Ballot,
    epoch: Epoch,
    proposal: Arc<Proposal>,
    held_until: Instant,
    phase: Phase,
}

impl Round {
    /// Begin to prepare what turns `epoch` into the next. Holds are waited for until `held_until`.
    pub fn new(
        rules: Rules,
        ballot: Ballot,
        epoch: Epoch,
        proposal: Arc<Proposal>,
        held_until: Instant,
    ) -> Self {
        let phase = Phase::Preparing {
            promises: BTreeMap::new(),
            held: BTreeMap::new(),
        };
        Round {
            rules,
            ballot,
            epoch,
            proposal,
            held_until,
            phase,
        }
    }

    /// A voter promised.
    pub fn promised(&mut self, voter: MemberId, accepted: Option<(Ballot, Arc<Value>)>) {
        if let Phase::Preparing { promises, .. } = &mut self.phase {
            promises.insert(voter, accepted);
        }
    }

    /// A director told its holds.
    pub fn held(&mut self, director: MemberId, holds: Vec<(UserId, BackendId)>) {
        if let Phase::Preparing { held, .. } = &mut self.phase {
            held.insert(director, holds);
        }
    }

    /// Whether enough is known to fix the value. `expected` are the directors that seem to be alive.
    pub fn is_prepared(
        &self,
        majority: usize,
        expected: impl Iterator<Item = MemberId>,
        now: Instant,
    ) -> bool {
        let Phase::Preparing { promises, held } = &self.phase else {
            return false;
        };
        let mut expected = expected;
        promises.len() >= majority && (now >= self.held_until || expected.all(|d| held.contains_key(&d)))
    }

    /// Fix the value, once: an accepted one that may have been chosen, else the proposal with the pins for what is
    /// held. `with` is the topology with the proposal and `moves` what the proposal itself moves; `directors` is
    /// every serving member: a proposal that drops pins becomes an empty one when any of them has not told its holds.
    pub fn fix_value(
        &mut self,
        with: &Topology,
        moves: &Moves,
        directors: impl Iterator<Item = MemberId>,
        pins_max: usize,
    ) -> Option<Arc<Value>> {
        let Phase::Preparing { promises, held } = &self.phase else {
            return None;
        };
        let accepted = promises.values().flatten();
        let highest = if self.rules.keep(Rule::HighestAcceptedIsProposed) {
            accepted.max_by_key(|(ballot, _)| *ballot)
        } else {
            accepted.min_by_key(|(ballot, _)| *ballot).filter(|_| false)
        };
        let value = match highest {
            Some((_, value)) => Arc::clone(value),
            None => {
                let mut directors = directors;
                let is_blind = self.proposal.has_release() && !directors.all(|d| held.contains_key(&d));
                let proposal = if is_blind && self.rules.keep(Rule::PinsInUseStay) {
                    Arc::default()
                } else {
                    Arc::clone(&self.proposal)
                };
                let mut pins: BTreeMap<UserId, BackendId> = BTreeMap::new();
                if self.rules.keep(Rule::PinsInUseStay) || !self.proposal.has_release() {
                    for (user, backend) in held.values().flatten() {
                        let is_wanted = with.backend(*backend).is_some()
                            && with.place(*user) != Some(*backend)
                            && !moves.covers(*user, *backend);
                        if is_wanted && pins.len() < pins_max {
                            pins.entry(*user).or_insert(*backend);
                        }
                    }
                }
                Arc::new(Value {
                    id: ValueId(self.ballot),
                    proposal,
                    pins: pins.into_iter().collect(),
                })
            }
        };
        let confirmed = BTreeSet::new();
        self.phase = Phase::Proposing {
            value: Arc::clone(&value),
            accepted: BTreeMap::new(),
            confirmed,
        };
        Some(value)
    }

    /// A run of a voter accepted in this ballot, perhaps once more. Statements of two runs can't be put together: what the
    /// first has noted, the second covers by its grace alone. So the first run's stand.
    pub fn accepted(&mut self, voter: MemberId, boot: Boot, noted: Noted) {
        let Phase::Proposing { accepted, .. } = &mut self.phase else {
            return;
        };
        match accepted.get_mut(&voter) {
            None => {
                accepted.insert(voter, (boot, noted));
            }
            Some((known_boot, known)) if *known_boot == boot && self.rules.keep(Rule::LostLeasesRunOut) => {
                known.narrow(&noted);
            }
            Some(_) => {}
        }
    }

    /// A run of a director confirmed a value.
    pub fn confirmed(&mut self, director: MemberId, boot: Boot, id: ValueId) {
        if let Phase::Proposing { value, confirmed, .. } = &mut self.phase
            && (value.id == id || !self.rules.keep(Rule::ConfirmationNamesItsValue))
        {
            confirmed.insert((director, boot));
        }
    }

    /// When the value will be decided if nothing else arrives; `None` while too few voters have accepted.
    pub fn commits_at(&self, majority: usize) -> Option<Instant> {
        let Phase::Proposing {
            accepted, confirmed, ..
        } = &self.phase
        else {
            return None;
        };
        let needed = if self.rules.keep(Rule::MajorityToCommit) {
            majority
        } else {
            1
        };
        if accepted.len() < needed {
            return None;
        }
        if !self.rules.keep(Rule::StatedLeasesAreWaitedFor) {
            return Some(Instant::ORIGIN);
        }
        let has_confirmed = |member, boot| {
            if self.rules.keep(Rule::ConfirmationBelongsToBoot) {
                confirmed.contains(&(member, boot))
            } else {
                confirmed.iter().any(|(m, _)| *m == member)
            }
        };
        let clear_at = accepted.values().map(|(_, noted)| {
            let mut unconfirmed = noted.leases.iter().filter(|(m, b, _)| !has_confirmed(*m, *b));
            if !self.rules.keep(Rule::LostLeasesRunOut) && unconfirmed.next().is_some() {
                return Instant::ORIGIN.plus(Duration::MAX);
            }
            if !self.rules.keep(Rule::GraceCannotBeConfirmed) && !confirmed.is_empty() {
                let leases = Noted {
                    leases: noted.leases.clone(),
                    grace_until: Instant::ORIGIN,
                };
                return leases.clear_at(has_confirmed);
            }
            noted.clear_at(has_confirmed)
        });
        let stated = if self.rules.keep(Rule::StatementsOfAMajority) {
            needed
        } else {
            1
        };
        majority_clear_at(clear_at, stated)
    }

    /// The attempt's name.
    pub fn ballot(&self) -> Ballot {
        self.ballot
    }

    /// The epoch that it wants to end.
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// What it wanted to change.
    pub fn proposal(&self) -> &Arc<Proposal> {
        &self.proposal
    }

    /// The value, once it is fixed.
    pub fn value(&self) -> Option<&Arc<Value>> {
        match &self.phase {
            Phase::Preparing { .. } => None,
            Phase::Proposing { value, .. } => Some(value),
        }
    }

    /// When the value can be fixed if no more holds are told; `None` while too few voters have promised.
    pub fn prepares_at(&self, majority: usize) -> Option<Instant> {
        match &self.phase {
            Phase::Preparing { promises, .. } if promises.len() >= majority => Some(self.held_until),
            _ => None,
        }
    }

    /// Voters that have answered in the present phase.
    pub fn answers_of_voters(&self) -> Vec<MemberId> {
        match &self.phase {
            Phase::Preparing { promises, .. } => promises.keys().copied().collect(),
            Phase::Proposing { accepted, .. } => accepted.keys().copied().collect(),
        }
    }

    /// Directors that have answered in the present phase: told their holds, or confirmed the value.
    pub fn answers_of_directors(&self) -> Vec<MemberId> {
        match &self.phase {
            Phase::Preparing { held, .. } => held.keys().copied().collect(),
            Phase::Proposing { confirmed, .. } => confirmed.iter().map(|(member, _)| *member).collect(),
        }
    }

    /// Whether this voter has answered in the present phase.
    pub fn has_answer_of_voter(&self, voter: MemberId) -> bool {
        match &self.phase {
            Phase::Preparing { promises, .. } => promises.contains_key(&voter),
            Phase::Proposing { accepted, .. } => accepted.contains_key(&voter),
        }
    }

    /// Whether this run of a director has answered in the present phase.
    pub fn has_answer_of_director(&self, director: MemberId, boot: Option<Boot>) -> bool {
        match &self.phase {
            Phase::Preparing { held, .. } => held.contains_key(&director),
            Phase::Proposing { confirmed, .. } => {
                boot.is_some_and(|boot| confirmed.contains(&(director, boot)))
            }
        }
    }
}

#[cfg(test)]
mod tests;
