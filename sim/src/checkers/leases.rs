//! S3, leases: a director admits a login and forwards bytes only under a lease that has not run out.
//!
//! The lease is computed again here, from the askings that were seen leaving and the grants that were seen arriving,
//! so that a director that counts wrongly is noticed.

use std::time::Duration;

use maildirector::agreement::Nonce;
use maildirector::topology::{Epoch, MemberId, Topology};
use maildirector::world::Instant;

use super::Broken;
use crate::outcome::Invariant;

/// Askings remembered per run.
const ASKED_MAX: usize = 24;

#[derive(Clone, Copy, Debug)]
struct Asked {
    nonce: Nonce,
    epoch: Epoch,
    until: Instant,
    voters: u128,
    granted: u128,
    majority: u32,
}

/// The leases of one run of a director.
#[derive(Debug, Default)]
pub(crate) struct Leases {
    asked: Vec<Asked>,
    next: usize,
    held: Vec<(Epoch, Instant)>,
}

impl Leases {
    /// The run of `me` asked for a lease under this topology. What it tells itself is not seen here: it may have
    /// granted itself at once.
    pub(crate) fn asked(
        &mut self,
        me: MemberId,
        nonce: Nonce,
        topology: &Topology,
        close_bound: Duration,
        now: Instant,
    ) {
        let asked = Asked {
            nonce,
            epoch: topology.epoch(),
            until: now.plus(topology.timing().lease).minus(close_bound),
            voters: topology
                .members()
                .filter(|m| m.votes)
                .fold(0, |voters, m| voters | bit(m.id)),
            granted: 0,
            majority: topology.majority() as u32,
        };
        if self.asked.len() < ASKED_MAX {
            self.asked.push(asked);
        } else {
            self.asked[self.next] = asked;
            self.next = (self.next + 1) % ASKED_MAX;
        }
        self.granted(nonce, me);
    }

    /// A voter's grant to this very run has arrived.
    pub(crate) fn granted(&mut self, nonce: Nonce, voter: MemberId) {
        let Some(asked) = self.asked.iter_mut().find(|asked| asked.nonce == nonce) else {
            return;
        };
        asked.granted |= bit(voter) & asked.voters;
        if asked.granted.count_ones() < asked.majority {
            return;
        }
        let (epoch, until) = (asked.epoch, asked.until);
        self.held.retain(|(held, _)| held.next() >= epoch);
        match self.held.iter_mut().find(|(held, _)| *held == epoch) {
            Some((_, held)) => *held = until.max(*held),
            None => self.held.push((epoch, until)),
        }
    }

    /// Until when a run at this epoch may serve: by leases of its epoch and the one before.
    pub(crate) fn until(&self, epoch: Epoch) -> Option<Instant> {
        let counts = |held: Epoch| held == epoch || held.next() == epoch;
        self.held
            .iter()
            .filter(|(held, _)| counts(*held))
            .map(|(_, until)| *until)
            .max()
    }

    /// The run serves at `now`, and believes that its lease runs to `believed`.
    pub(crate) fn serves(
        &self,
        member: u8,
        epoch: Epoch,
        believed: Option<Instant>,
        now: Instant,
    ) -> Result<(), Broken> {
        let due = self.until(epoch);
        let broken = |words: String| Err(Broken::new(Invariant::Leases, words));
        match (believed, due) {
            (Some(believed), _) if now >= believed => broken(format!(
                "member {member} serves at {now} of its clock, its own lease ended at {believed}"
            )),
            (None, _) => broken(format!("member {member} serves without a lease")),
            (Some(believed), Some(due)) if now >= due => broken(format!(
                "member {member} serves at {now} of its clock; it thinks until {believed}, but was granted until {due}"
            )),
            (Some(_), None) => broken(format!(
                "member {member} serves at {epoch}, no majority has granted it that"
            )),
            (Some(_), Some(_)) => Ok(()),
        }
    }
}

fn bit(id: MemberId) -> u128 {
    1 << (id.index() % 128)
}

#[cfg(test)]
mod tests {
    use super::super::agreement::tests::topology;
    use super::*;

    const VOTER: MemberId = MemberId::from_index(0);
    const OTHER: MemberId = MemberId::from_index(9);

    fn at(s: u64) -> Instant {
        Instant::from_nanos(s * 1_000_000_000)
    }

    #[test]
    fn a_lease_runs_from_its_asking_and_needs_a_voter() {
        let topology = topology(&[100]);
        let mut leases = Leases::default();
        leases.asked(OTHER, Nonce(1), &topology, Duration::ZERO, at(5));
        assert_eq!(leases.until(Epoch::ZERO), None);
        leases.granted(Nonce(1), VOTER);
        assert_eq!(leases.until(Epoch::ZERO), Some(at(15)));
        assert_eq!(leases.until(Epoch::from_number(1)), Some(at(15)));
        assert_eq!(leases.until(Epoch::from_number(2)), None);
    }

    #[test]
    fn serving_past_the_lease_or_on_a_false_one_is_noticed() {
        let topology = topology(&[100]);
        let mut leases = Leases::default();
        leases.asked(OTHER, Nonce(1), &topology, Duration::ZERO, at(5));
        leases.granted(Nonce(1), VOTER);
        assert!(leases.serves(0, Epoch::ZERO, Some(at(15)), at(14)).is_ok());
        assert!(leases.serves(0, Epoch::ZERO, Some(at(15)), at(15)).is_err());
        assert!(leases.serves(0, Epoch::ZERO, Some(at(20)), at(16)).is_err());
        assert!(leases.serves(0, Epoch::ZERO, None, at(14)).is_err());
        assert!(
            leases
                .serves(0, Epoch::from_number(2), Some(at(15)), at(14))
                .is_err()
        );
    }
}
