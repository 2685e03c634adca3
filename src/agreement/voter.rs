//! What one voter has promised, accepted and granted. Sending and saving are left to the machine.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::ids::{Ballot, Boot, ValueId};
use super::message::{Stated, Statement};
use super::rules::{Rule, Rules};
use super::timing::stretched;
use super::value::Value;
use crate::topology::{MemberId, Timing};
use crate::world::Instant;

/// Notes kept at most; a run of a member costs one for the length of a lease, so only a member that restarts many
/// times a second comes near. Beyond it no new run gets a lease until notes run out.
pub const NOTES_MAX: usize = 1024;

/// The voting part of a member at one epoch.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Voter {
    rules: Rules,
    promised: Option<Ballot>,
    accepted: Option<(Ballot, Arc<Value>)>,
    notes: BTreeMap<(MemberId, Boot), Instant>,
    /// Runs whose askings named the accepted value as confirmed.
    confirmed: BTreeSet<(MemberId, Boot)>,
    grace_until: Instant,
}

/// A voter's answer to an asking.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Granted and noted.
    Granted,
    /// The director must confirm this first.
    Lacks(Arc<Value>),
    /// Too many notes; ask again later.
    Full,
}

impl Voter {
    /// A voter with what its storage kept. It starts without notes: call [`Voter::start_grace`] unless nobody
    /// can hold a lease yet.
    pub fn new(rules: Rules, promised: Option<Ballot>, accepted: Option<(Ballot, Arc<Value>)>) -> Self {
        Voter {
            rules,
            promised,
            accepted,
            notes: BTreeMap::new(),
            confirmed: BTreeSet::new(),
            grace_until: Instant::ORIGIN,
        }
    }

    /// Assume leases of unknown holders for as long as a note lasts: after a restart, and for a new voter.
    pub fn start_grace(&mut self, lease: Duration, drift_ppm: u32, now: Instant) {
        if self.rules.keep(Rule::RestartBringsGrace) {
            self.grace_until = self.grace_until.max(now.plus(stretched(lease, drift_ppm)));
        }
    }

    /// A director of this voter's own epoch asks for a lease.
    pub fn asked(
        &mut self,
        director: MemberId,
        boot: Boot,
        confirmed: &[ValueId],
        timing: Timing,
        now: Instant,
    ) -> Verdict {
        if let Some((_, value)) = &self.accepted {
            let has_confirmed = if self.rules.keep(Rule::ConfirmationNamesItsValue) {
                confirmed.contains(&value.id)
            } else {
                !confirmed.is_empty()
            };
            if !has_confirmed && self.rules.keep(Rule::GrantOnlyToConfirmed) {
                return Verdict::Lacks(Arc::clone(value));
            }
            if confirmed.contains(&value.id) {
                self.confirmed.insert((director, boot));
            }
        }
        if self.notes.len() >= NOTES_MAX {
            self.notes.retain(|_, until| *until > now);
            if self.notes.len() >= NOTES_MAX && !self.notes.contains_key(&(director, boot)) {
                return Verdict::Full;
            }
        }
        let span = if self.rules.keep(Rule::NotesOutlastLeases) {
            stretched(timing.lease, timing.drift_ppm)
        } else {
            timing.lease / 2
        };
        let until = self.notes.entry((director, boot)).or_insert(now);
        *until = (*until).max(now.plus(span));
        Verdict::Granted
    }

    /// A coordinator wants a promise. `Err` names the promise in its way.
    pub fn prepare(&mut self, ballot: Ballot) -> Result<Option<(Ballot, Arc<Value>)>, Ballot> {
        if let Some(promised) = self.promised
            && promised > ballot
        {
            return Err(promised);
        }
        let is_raised = self.promised.is_none_or(|p| p < ballot);
        self.promised = Some(ballot);
        if is_raised && !self.rules.keep(Rule::AcceptedOutlivesPromise) {
            self.accepted = None;
            self.confirmed.clear();
        }
        Ok(self.accepted.clone())
    }

    /// A coordinator wants its value accepted. `Err` names the promise in its way.
    pub fn propose(&mut self, ballot: Ballot, value: &Arc<Value>) -> Result<(), Ballot> {
        if let Some(promised) = self.promised
            && promised > ballot
        {
            return Err(promised);
        }
        if self.rules.keep(Rule::AcceptingRaisesThePromise) {
            self.promised = Some(ballot);
        }
        if self
            .accepted
            .as_ref()
            .is_none_or(|(_, known)| known.id != value.id)
        {
            self.confirmed.clear();
        }
        self.accepted = Some((ballot, Arc::clone(value)));
        Ok(())
    }

    /// The next epoch is known: what was promised and accepted for it is settled. Notes stay, leases outlive epochs.
    pub fn installed(&mut self) {
        self.promised = None;
        self.accepted = None;
        self.confirmed.clear();
    }

    /// Every lease that may still be in use, and what is left of the grace. Left out are runs that told this voter that
    /// they have confirmed the value accepted here: the coordinator may not hear them, and need not.
    pub fn statement(&self, is_member: impl Fn(MemberId) -> bool, now: Instant) -> Statement {
        let leases = self
            .notes
            .iter()
            .filter(|(run, until)| **until > now && !self.confirmed.contains(run))
            .filter(|((member, _), _)| is_member(*member) || self.rules.keep(Rule::FormerMembersAreWaitedFor))
            .map(|((member, boot), until)| Stated {
                member: *member,
                boot: *boot,
                remaining: until.since(now),
            })
            .collect();
        Statement {
            leases,
            grace: self.grace_until.since(now),
        }
    }

    /// What is promised for the next epoch.
    pub fn promised(&self) -> Option<Ballot> {
        self.promised
    }

    /// What is accepted for the next epoch.
    pub fn accepted(&self) -> Option<&(Ballot, Arc<Value>)> {
        self.accepted.as_ref()
    }

    /// Leases that it granted and still notes, by member and run, with the end of each note.
    pub fn notes(&self) -> impl Iterator<Item = (MemberId, Boot, Instant)> + '_ {
        self.notes
            .iter()
            .map(|((member, boot), until)| (*member, *boot, *until))
    }

    /// Until when it assumes leases of unknown holders.
    pub fn grace_until(&self) -> Instant {
        self.grace_until
    }

    /// Forget notes that ran out.
    pub fn prune(&mut self, now: Instant) {
        self.notes.retain(|_, until| *until > now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agreement::timing::TIMING_DEFAULT;
    use crate::agreement::value::Proposal;

    const NOW: Instant = Instant::from_nanos(1_000_000_000_000);

    fn member(index: u16) -> MemberId {
        MemberId::from_index(index)
    }

    fn ballot(counter: u64) -> Ballot {
        Ballot {
            counter,
            member: member(1),
            boot: Boot::from_bits(1),
        }
    }

    fn value(counter: u64) -> Arc<Value> {
        let (id, proposal) = (ValueId(ballot(counter)), Arc::new(Proposal::default()));
        Arc::new(Value {
            id,
            proposal,
            pins: Vec::new(),
        })
    }

    fn voter() -> Voter {
        Voter::new(Rules::default(), None, None)
    }

    fn ask(voter: &mut Voter, director: u16, boot: u64, confirmed: &[ValueId], now: Instant) -> Verdict {
        voter.asked(
            member(director),
            Boot::from_bits(boot),
            confirmed,
            TIMING_DEFAULT,
            now,
        )
    }

    #[test]
    fn a_note_outlasts_the_lease_by_twice_the_drift() {
        let mut voter = voter();
        assert_eq!(ask(&mut voter, 2, 1, &[], NOW), Verdict::Granted);
        let statement = voter.statement(|_| true, NOW);
        assert_eq!(
            statement.leases[0].remaining,
            stretched(TIMING_DEFAULT.lease, TIMING_DEFAULT.drift_ppm)
        );
        let end = NOW.plus(stretched(TIMING_DEFAULT.lease, TIMING_DEFAULT.drift_ppm));
        assert!(voter.statement(|_| true, end).leases.is_empty());
    }

    #[test]
    fn who_has_not_confirmed_what_is_accepted_gets_it_instead_of_a_lease() {
        let mut voter = voter();
        voter.propose(ballot(1), &value(1)).expect("nothing promised");
        assert_eq!(ask(&mut voter, 2, 1, &[], NOW), Verdict::Lacks(value(1)));
        assert_eq!(
            ask(&mut voter, 2, 1, &[ValueId(ballot(7))], NOW),
            Verdict::Lacks(value(1))
        );
        assert!(voter.statement(|_| true, NOW).leases.is_empty());
        assert_eq!(
            ask(&mut voter, 2, 1, &[ValueId(ballot(1))], NOW),
            Verdict::Granted
        );
    }

    #[test]
    fn each_run_of_a_director_has_its_own_note() {
        let mut voter = voter();
        ask(&mut voter, 2, 1, &[], NOW);
        ask(&mut voter, 2, 9, &[], NOW);
        assert_eq!(voter.statement(|_| true, NOW).leases.len(), 2);
    }

    #[test]
    fn notes_of_former_members_are_stated() {
        let mut voter = voter();
        ask(&mut voter, 2, 1, &[], NOW);
        assert_eq!(voter.statement(|_| false, NOW).leases.len(), 1);
    }

    #[test]
    fn an_accepted_value_outlives_a_higher_promise() {
        let mut voter = voter();
        voter.propose(ballot(1), &value(1)).expect("nothing promised");
        assert_eq!(voter.prepare(ballot(2)), Ok(Some((ballot(1), value(1)))));
        assert_eq!(voter.propose(ballot(1), &value(1)), Err(ballot(2)));
        assert_eq!(voter.prepare(ballot(1)), Err(ballot(2)));
    }

    #[test]
    fn accepting_raises_the_promise() {
        let mut voter = voter();
        voter.propose(ballot(3), &value(3)).expect("nothing promised");
        assert_eq!(voter.prepare(ballot(2)), Err(ballot(3)));
    }

    #[test]
    fn notes_are_bounded_and_make_room_as_they_run_out() {
        let mut voter = voter();
        for boot in 0..NOTES_MAX as u64 {
            assert_eq!(ask(&mut voter, 2, boot, &[], NOW), Verdict::Granted);
        }
        assert_eq!(ask(&mut voter, 2, u64::MAX, &[], NOW), Verdict::Full);
        assert_eq!(ask(&mut voter, 2, 0, &[], NOW), Verdict::Granted);
        let later = NOW.plus(TIMING_DEFAULT.lease * 2);
        assert_eq!(ask(&mut voter, 2, u64::MAX, &[], later), Verdict::Granted);
    }

    #[test]
    fn a_grace_lasts_as_long_as_a_note() {
        let mut voter = voter();
        voter.start_grace(TIMING_DEFAULT.lease, TIMING_DEFAULT.drift_ppm, NOW);
        let span = stretched(TIMING_DEFAULT.lease, TIMING_DEFAULT.drift_ppm);
        assert_eq!(voter.statement(|_| true, NOW).grace, span);
        assert_eq!(voter.statement(|_| true, NOW.plus(span)).grace, Duration::ZERO);
    }
}
