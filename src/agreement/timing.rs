//! How long things last: every span is derived from the lease and the drift bound of the topology.
//!
//! | span | default | why |
//! |---|---|---|
//! | lease L | 10 s | the longest that a change waits for a director that died; a director cut off for less notices nothing |
//! | drift R | 1 % | machines without NTP stay within 0.1 %; virtual ones after a migration have been seen at 0.5 % |
//! | renew | L/5 = 2 s | four may be lost in a row before the lease runs out; without a lease of the present epoch, L/20 |
//! | resend | L/20 = 0.5 s | a lost message of a round costs this |
//! | held bound | 2L/5 = 4 s | how long a round waits for a director's list of holds before it goes on without |
//! | round bound | L/2 = 5 s | a round not heard of for so long is taken over |
//!
//! A shorter lease makes changes faster when a director has died without a word and isolates a director sooner when
//! the network hiccups: below 2 s, a garbage-collecting hypervisor or a spanning-tree reconvergence closes sessions.

use std::time::Duration;

use crate::topology::Timing;

const PPM: u128 = 1_000_000;

/// The default lease, L.
pub const LEASE_DEFAULT: Duration = Duration::from_secs(10);
/// The default bound on clock rates, R, in parts per million.
pub const DRIFT_PPM_DEFAULT: u32 = 10_000;
/// The default time that a hold outlives its last session, Dovecot's `director_user_expire`.
pub const USER_EXPIRE_DEFAULT: Duration = Duration::from_secs(15 * 60);

/// The timing of a topology that asks for nothing special.
pub const TIMING_DEFAULT: Timing = Timing {
    lease: LEASE_DEFAULT,
    drift_ppm: DRIFT_PPM_DEFAULT,
    user_expire: USER_EXPIRE_DEFAULT,
};

/// A span that has surely passed on any other machine's clock when `span` stretched so has passed here:
/// span * (1+R) / (1-R), rounded up.
pub fn stretched(span: Duration, drift_ppm: u32) -> Duration {
    let drift = u128::from(drift_ppm).min(PPM / 2);
    let nanos = (span.as_nanos() * (PPM + drift)).div_ceil(PPM - drift);
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

/// Between two askings for a lease.
pub fn renew_every(timing: Timing) -> Duration {
    timing.lease / 5
}

/// Between two sendings of a message of a round that is not answered.
pub fn resend_every(timing: Timing) -> Duration {
    timing.lease / 20
}

/// How long a round waits for a director's holds.
pub fn held_bound(timing: Timing) -> Duration {
    timing.lease * 2 / 5
}

/// After how long without a word a round counts as left.
pub fn round_bound(timing: Timing) -> Duration {
    timing.lease / 2
}

/// How recent a sign of life must be for its sender to count as present.
pub fn heard_bound(timing: Timing) -> Duration {
    renew_every(timing) * 3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stretching_never_shortens_and_rounds_up() {
        assert_eq!(
            stretched(Duration::from_secs(98), 10_000),
            Duration::from_nanos(99_979_797_980)
        );
        assert_eq!(stretched(Duration::from_secs(10), 0), Duration::from_secs(10));
        assert!(stretched(Duration::from_nanos(1), 1) > Duration::from_nanos(1));
        assert_eq!(stretched(Duration::MAX, 10_000), Duration::from_nanos(u64::MAX));
    }
}
