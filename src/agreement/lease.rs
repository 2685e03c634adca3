//! The lease as its holder sees it: what was asked, who granted, until when it may serve.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use super::ids::Nonce;
use super::rules::{Rule, Rules};
use crate::topology::{Epoch, MemberId, Topology};
use crate::world::Instant;

/// Askings remembered. One that sixteen others have followed could bring little more than a fifth of a lease.
const ASKED_MAX: usize = 16;

/// One asking that waits for its majority.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Asked {
    nonce: Nonce,
    topology: Arc<Topology>,
    sent: Instant,
    granted: BTreeSet<MemberId>,
}

/// The leases of one run of a director: at most one for its epoch and one for the epoch before.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Lease {
    rules: Rules,
    close_bound: Duration,
    next_nonce: u64,
    asked: VecDeque<Asked>,
    held: Vec<(Epoch, Instant)>,
}

impl Lease {
    /// No lease yet. The usable part of each ends `close_bound` early: the time that the slowest front door
    /// needs to close a session, so that all are closed when the lease runs out.
    pub fn new(rules: Rules, close_bound: Duration) -> Self {
        Lease {
            rules,
            close_bound,
            next_nonce: 0,
            asked: VecDeque::new(),
            held: Vec::new(),
        }
    }

    /// Start an asking at the epoch of `topology`.
    pub fn ask(&mut self, topology: &Arc<Topology>, now: Instant) -> Nonce {
        let nonce = Nonce(self.next_nonce);
        self.next_nonce += 1;
        if self.asked.len() == ASKED_MAX {
            self.asked.pop_front();
        }
        let topology = Arc::clone(topology);
        self.asked.push_back(Asked {
            nonce,
            topology,
            sent: now,
            granted: BTreeSet::new(),
        });
        nonce
    }

    /// A voter granted. Returns whether that made a lease or a longer one.
    pub fn granted(&mut self, nonce: Nonce, voter: MemberId, now: Instant) -> bool {
        let Some(index) = self.asked.iter().position(|a| a.nonce == nonce) else {
            return false;
        };
        let close_bound = self.close_bound;
        if self.rules.keep(Rule::MajorityGrantsOneNonce) {
            let asked = &mut self.asked[index];
            if !asked.topology.member(voter).is_some_and(|m| m.votes) {
                return false;
            }
            asked.granted.insert(voter);
        } else {
            for asked in self.asked.range_mut(index..) {
                asked.granted.insert(voter);
            }
        }
        let index = self
            .asked
            .iter()
            .rposition(|a| a.granted.len() >= a.topology.majority());
        let Some(index) = index else {
            return false;
        };
        let asked = &self.asked[index];
        let start = if self.rules.keep(Rule::LeaseStartsAtSending) {
            asked.sent
        } else {
            now
        };
        let until = start.plus(asked.topology.timing().lease).minus(close_bound);
        let epoch = asked.topology.epoch();
        self.asked.drain(..=index);
        self.hold(epoch, until)
    }

    fn hold(&mut self, epoch: Epoch, until: Instant) -> bool {
        match self.held.iter_mut().find(|(e, _)| *e == epoch) {
            Some((_, held)) if *held >= until => return false,
            Some((_, held)) => *held = until,
            None => self.held.push((epoch, until)),
        }
        true
    }

    /// The director is at `epoch` now: leases and askings from before the epoch before it are void.
    pub fn advanced_to(&mut self, epoch: Epoch) {
        if self.rules.keep(Rule::OldLeasesEndBeforeConfirming) {
            self.held.retain(|(e, _)| e.next() >= epoch);
            self.asked.retain(|a| a.topology.epoch().next() >= epoch);
        }
    }

    /// Whether a lease runs that was asked for at `epoch`.
    pub fn is_renewed(&self, epoch: Epoch, now: Instant) -> bool {
        self.epochs(now).any(|e| e == epoch)
    }

    /// Whether a value for the epoch after `epoch` could be confirmed: the lease was asked for at `epoch`, or there is none.
    /// If so, it stays that way: askings of the epoch before bring no lease any more.
    pub fn is_ready(&mut self, epoch: Epoch, now: Instant) -> bool {
        let has_none = self.until().is_none_or(|until| until <= now);
        if !self.is_renewed(epoch, now) && !has_none {
            return false;
        }
        self.asked.retain(|a| a.topology.epoch() >= epoch);
        true
    }

    /// Whether a value for the epoch after `epoch` may be confirmed: it is ready for one. Then everything older is void from
    /// now on.
    pub fn may_confirm(&mut self, epoch: Epoch, now: Instant) -> bool {
        if !self.rules.keep(Rule::OldLeasesEndBeforeConfirming) {
            return true;
        }
        if !self.is_ready(epoch, now) {
            return false;
        }
        self.held.retain(|(e, _)| *e >= epoch);
        true
    }

    /// Give up every lease.
    pub fn void(&mut self) {
        self.held.clear();
        self.asked.clear();
    }

    /// The end of the lease that runs longest, past or to come.
    pub fn until(&self) -> Option<Instant> {
        self.held.iter().map(|(_, until)| *until).max()
    }

    /// The epochs of the leases that still run at `now`.
    pub fn epochs(&self, now: Instant) -> impl Iterator<Item = Epoch> + '_ {
        self.held
            .iter()
            .filter(move |(_, until)| *until > now)
            .map(|(epoch, _)| *epoch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agreement::timing::TIMING_DEFAULT;
    use crate::topology::{HealthPolicy, Incarnation, Member, NewBackend, TopologySeed};

    const NOW: Instant = Instant::from_nanos(1_000_000_000_000);
    const SECOND: Duration = Duration::from_secs(1);

    fn topology() -> Arc<Topology> {
        let member = |i| Member {
            id: MemberId::from_index(i),
            serves: true,
            votes: true,
            incarnation: Incarnation::from_bits(0),
        };
        let backend = NewBackend {
            ip: [10, 0, 0, 1].into(),
            hostname: None,
            vhosts: 1,
            tag: "".into(),
        };
        let seed = TopologySeed {
            members: (1..=3).map(member).collect(),
            backends: vec![backend],
            timing: TIMING_DEFAULT,
            health: HealthPolicy::default(),
            hash_format: "%u".to_owned(),
        };
        Arc::new(Topology::new(seed).expect("a plain configuration"))
    }

    fn voter(index: u16) -> MemberId {
        MemberId::from_index(index)
    }

    fn lease() -> Lease {
        Lease::new(Rules::default(), Duration::ZERO)
    }

    #[test]
    fn it_runs_from_the_sending_of_what_a_majority_granted() {
        let (mut lease, topology) = (lease(), topology());
        let nonce = lease.ask(&topology, NOW);
        assert!(!lease.granted(nonce, voter(1), NOW.plus(SECOND)));
        assert!(
            !lease.granted(nonce, voter(1), NOW.plus(SECOND)),
            "the same voter counts once"
        );
        assert!(
            !lease.granted(nonce, voter(9), NOW.plus(SECOND)),
            "a stranger does not count"
        );
        assert!(lease.granted(nonce, voter(2), NOW.plus(SECOND * 2)));
        assert_eq!(lease.until(), Some(NOW.plus(TIMING_DEFAULT.lease)));
    }

    #[test]
    fn grants_of_two_askings_are_not_added() {
        let (mut lease, topology) = (lease(), topology());
        let first = lease.ask(&topology, NOW);
        let second = lease.ask(&topology, NOW.plus(SECOND));
        assert!(!lease.granted(first, voter(1), NOW.plus(SECOND)));
        assert!(!lease.granted(second, voter(2), NOW.plus(SECOND)));
        assert_eq!(lease.until(), None);
    }

    #[test]
    fn the_usable_part_ends_early_by_what_closing_takes() {
        let mut lease = Lease::new(Rules::default(), SECOND * 2);
        let nonce = lease.ask(&topology(), NOW);
        lease.granted(nonce, voter(1), NOW);
        lease.granted(nonce, voter(2), NOW);
        assert_eq!(lease.until(), Some(NOW.plus(TIMING_DEFAULT.lease - SECOND * 2)));
    }

    #[test]
    fn it_counts_for_its_epoch_and_the_next() {
        let (mut lease, topology) = (lease(), topology());
        let nonce = lease.ask(&topology, NOW);
        lease.granted(nonce, voter(1), NOW);
        lease.granted(nonce, voter(2), NOW);
        let one = Epoch::ZERO.next();
        lease.advanced_to(one);
        assert!(lease.until().is_some());
        assert!(!lease.may_confirm(one, NOW), "asked for an epoch ago");
        assert!(lease.may_confirm(one, NOW.plus(TIMING_DEFAULT.lease)), "run out");
        lease.advanced_to(one.next());
        assert_eq!(lease.until(), None);
    }

    #[test]
    fn confirming_voids_askings_of_the_epoch_before() {
        let (mut lease, topology) = (lease(), topology());
        let nonce = lease.ask(&topology, NOW);
        let one = Epoch::ZERO.next();
        lease.advanced_to(one);
        assert!(lease.may_confirm(one, NOW));
        lease.granted(nonce, voter(1), NOW);
        assert!(!lease.granted(nonce, voter(2), NOW));
    }
}
