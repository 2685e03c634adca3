//! The lease as its holder sees it: what was asked, who granted, until when it may serve.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use super::ids::Nonce;
use super::rules::{Rule, Rules};
use crate::topology::{Epoch, MemberId, Topology};
use crate::world::Instant;

/// Askings remembered; older ones could bring a lease only when their answers took longer than a lease lasts.
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
        if self.rules.keep(Rule::LeaseCountsForTwoEpochs) {
            self.held.retain(|(e, _)| e.next() >= epoch);
            self.asked.retain(|a| a.topology.epoch().next() >= epoch);
        }
    }

    /// Whether a value for the epoch after `epoch` may be confirmed: the lease was asked for at `epoch`, or there is
    /// none. If so, everything older is void from now on.
    pub fn may_confirm(&mut self, epoch: Epoch, now: Instant) -> bool {
        if !self.rules.keep(Rule::OldLeasesEndBeforeConfirming) {
            return true;
        }
        let is_own = self.held.iter().any(|(e, until)| *e == epoch && *until > now);
        if !is_own && self.until().is_some_and(|until| until > now) {
            return false;
        }
        self.held.retain(|(e, _)| *e >= epoch);
        self.asked.retain(|a| a.topology.epoch() >= epoch);
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
