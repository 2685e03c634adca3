//! How long a core whose faults have stopped may take: the bounds of L1, added up from what the protocol waits for.
//!
//! Everything is a multiple of the lease L by some member's clock, but for messages, syncs and doors. A clock is slow by R
//! at most, so a span counts for more by 1/(1-R) here. *L'* is L(1+R)/(1-R), as long as a voter's note and its grace are.
//!
//! | term | what is waited for | span |
//! |---|---|---|
//! | late | what the faults have left on its way: messages that are late, a slow disk's write, a door's closing, a halted process | from the plan |
//! | sight | a coordinator that is gone counts as one for three renew intervals after it was heard last; one that hears nothing says that it is leased until its lease ends | 3L/5, or L + L/20 |
//! | takeover | a round whose coordinator is gone is not heard of for the round bound; who waits says so in the next asking; who is outbid backs off | L/2 + L/5 + L/10 |
//! | gone | leases of lost holders, and graces of voters that restarted: a note of L', stated to a coordinator that stretches it once more | L'(1+R)/(1-R) |
//! | round | Prepare, Promise and Held, Propose, Accepted and Confirmed, Commit; sessions are closed before Confirmed; each director renews once before it is ready; one message is sent again | 6 messages, 2 syncs, closing, 2 L/20 |
//! | held | a round waits for the holds of a director that is heard and does not answer | 2L/5 |
//!
//! All of sight, takeover and gone are counted from what a lost member did last, so they run out side by side and the longest
//! of them counts, once. Only a deaf member goes on: it counts as coordinator, and sends its round again, until its lease ends, and
//! voters hear and note its askings for ever, so that each round waits for its lease. *Settling* (everybody in the core
//! serves, is seated, at one epoch, with nobody frozen and nobody waiting for a flush hook) takes late + the hooks + the longest of them + the rounds that the ring still wants by itself:
//! one of its own, one that is taken over, two for each wiped voter. An *answer*, to a login or a command, takes the round that is
//! under way and its own.

use std::time::Duration;

/// What of a world decides how long it may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Circumstances {
    /// L, the longest that there was.
    pub(crate) lease: Duration,
    /// R.
    pub(crate) drift_ppm: u32,
    /// A message at its slowest, with the lateness of the timer that sends it.
    pub(crate) hop_ns: u64,
    /// A sync at its slowest, behind another one.
    pub(crate) sync_ns: u64,
    /// The slowest doors.
    pub(crate) close_ns: u64,
    /// A user's flush hook, behind all others'.
    pub(crate) flush_ns: u64,
    /// What the faults have left on its way.
    pub(crate) late_ns: u64,
    /// Until the health check asks for what it saw.
    pub(crate) health_ns: u64,
    /// Who can be heard for good and does not answer: each round waits for his holds.
    pub(crate) has_silent_witnesses: bool,
    /// Voters go on noting leases of members that can't confirm: each round waits for them.
    pub(crate) has_deaf: bool,
    /// Members outside the core come and go, and may coordinate meanwhile; for so long each time.
    pub(crate) comes_and_goes_ns: Option<u64>,
    /// Rounds that the ring wants by itself: a takeover, seats for wiped voters.
    pub(crate) rounds_left: u32,
    /// Members who come or go meanwhile, one round after the other: the lease of each who goes, and the grace of each who
    /// gets a vote, begins only then.
    pub(crate) members_change: u32,
    /// Rounds for backends that fail or are drained may come before any other.
    pub(crate) has_own_rounds: bool,
}

/// The bounds, in nanoseconds of true time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Patience {
    /// From the end of the faults until the core has settled.
    pub(crate) settle_ns: u64,
    /// From the end of the faults until lost leases and graces are over.
    pub(crate) gone_ns: u64,
    /// From the settling until the leases and graces that began in it are over; 0 where the members stay.
    pub(crate) later_ns: u64,
    /// For a login or a command, from its asking or the settling or the end of lost leases, whichever is last.
    pub(crate) answer_ns: u64,
    /// A renew interval, L/5.
    pub(crate) interval_ns: u64,
}

const PPM: u64 = 1_000_000;

impl Patience {
    /// The bounds for a world.
    pub(crate) fn of(world: &Circumstances) -> Patience {
        let lease_ns = world.lease.as_nanos() as u64;
        let drift = u64::from(world.drift_ppm).min(PPM / 2);
        let by_slow_clock = |ns: u64| ns / (PPM - drift) * PPM + PPM;
        let stretched = |ns: u64| ns / (PPM - drift) * (PPM + drift) + PPM;
        let part = |numerator: u64, denominator: u64| by_slow_clock(lease_ns * numerator / denominator);
        let gone_ns = by_slow_clock(stretched(stretched(lease_ns)));
        let held_ns = if world.has_silent_witnesses { part(2, 5) } else { 0 };
        let deaf_ns = if world.has_deaf { gone_ns } else { 0 };
        let round_ns =
            6 * world.hop_ns + 2 * world.sync_ns + world.close_ns + part(2, 20) + held_ns + deaf_ns;
        let takeover_ns = part(8, 10);
        let sight_ns = if world.has_deaf { part(21, 20) } else { part(3, 5) };
        let lost_ns = if world.has_deaf {
            sight_ns + takeover_ns
        } else {
            sight_ns.max(takeover_ns).max(gone_ns)
        };
        // Who coordinates from outside may go once while it does, and its lease with it.
        let turn_ns = world
            .comes_and_goes_ns
            .map_or(0, |turn_ns| turn_ns + lost_ns + round_ns);
        let later_ns = u64::from(world.members_change) * gone_ns;
        let rounds_ns = u64::from(world.rounds_left + 1) * round_ns;
        let around_ns = world.late_ns + world.health_ns + world.flush_ns;
        let settle_ns = around_ns + lost_ns + later_ns + rounds_ns + turn_ns;
        let rounds = if world.has_own_rounds { 4 } else { 2 };
        let answer_ns = rounds * round_ns + part(1, 10) + world.flush_ns + turn_ns;
        Patience {
            settle_ns,
            gone_ns: world.late_ns + gone_ns + later_ns,
            later_ns,
            answer_ns,
            interval_ns: lease_ns / 5,
        }
    }

    /// Until when what was asked must be answered; all times are counted from the end of the faults. `settled_ns` is when the core settled.
    pub(crate) fn answered_by_ns(&self, asked_ns: u64, settled_ns: Option<u64>) -> u64 {
        let free_ns = (settled_ns.unwrap_or(self.settle_ns) + self.later_ns).max(self.gone_ns);
        asked_ns.max(free_ns) + self.answer_ns
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn calm() -> Circumstances {
        Circumstances {
            lease: Duration::from_secs(10),
            drift_ppm: 10_000,
            hop_ns: 1_000_000,
            sync_ns: 1_000_000,
            close_ns: 0,
            flush_ns: 0,
            late_ns: 0,
            health_ns: 0,
            has_silent_witnesses: false,
            has_deaf: false,
            comes_and_goes_ns: None,
            rounds_left: 1,
            members_change: 0,
            has_own_rounds: false,
        }
    }

    #[test]
    fn a_calm_world_of_ten_seconds_settles_within_seven_intervals() {
        let patience = Patience::of(&calm());
        assert!(
            (12_000_000_000..14_000_000_000).contains(&patience.settle_ns),
            "{patience:?}"
        );
        assert!(
            (1_000_000_000..5_000_000_000).contains(&patience.answer_ns),
            "{patience:?}"
        );
    }

    #[test]
    fn what_is_wrong_for_good_makes_the_bounds_longer() {
        let calm_patience = Patience::of(&calm());
        let worse = [
            Circumstances {
                has_deaf: true,
                ..calm()
            },
            Circumstances {
                comes_and_goes_ns: Some(1_000_000_000),
                ..calm()
            },
            Circumstances {
                rounds_left: 5,
                ..calm()
            },
            Circumstances {
                members_change: 1,
                ..calm()
            },
        ];
        for circumstances in worse {
            assert!(Patience::of(&circumstances).settle_ns > calm_patience.settle_ns);
        }
    }

    #[test]
    fn an_answer_is_due_after_the_settling_and_the_last_lost_lease() {
        let patience = Patience {
            settle_ns: 50,
            gone_ns: 20,
            later_ns: 0,
            answer_ns: 5,
            interval_ns: 1,
        };
        assert_eq!(patience.answered_by_ns(0, None), 55);
        assert_eq!(patience.answered_by_ns(0, Some(10)), 25);
        assert_eq!(patience.answered_by_ns(0, Some(30)), 35);
        assert_eq!(patience.answered_by_ns(40, Some(30)), 45);
        let with_new_voters = Patience {
            later_ns: 20,
            ..patience
        };
        assert_eq!(with_new_voters.answered_by_ns(0, Some(30)), 55);
    }
}
