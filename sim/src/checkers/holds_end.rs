//! A hold ends `user_expire` after its last session.

use std::time::Duration;

use super::Broken;
use crate::outcome::Invariant;

/// How long after everybody has gone a hold may be left: the longest `user_expire`, and a sweep of the table, which
/// looks at a sixteenth of what is left sixteen times in a `user_expire` and so takes longer while the table empties.
pub(crate) fn holds_end_bound_ns(user_expire: Duration) -> u64 {
    user_expire.as_nanos() as u64 * 9 / 2 + 1_000_000_000
}

/// So many holds are left after such a time without sessions.
pub(crate) fn holds_end(member: u8, holds: usize, quiet_ns: u64, bound_ns: u64) -> Result<(), Broken> {
    if holds == 0 || quiet_ns <= bound_ns {
        return Ok(());
    }
    let words = format!(
        "member {member} has {holds} holds, {} ms after the last session",
        quiet_ns / 1_000_000
    );
    Err(Broken::new(Invariant::HoldsEnd, words))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hold_that_stays_is_noticed() {
        let bound_ns = holds_end_bound_ns(Duration::from_secs(10));
        assert!(holds_end(0, 0, bound_ns + 1, bound_ns).is_ok());
        assert!(holds_end(0, 1, bound_ns, bound_ns).is_ok());
        assert!(holds_end(0, 1, bound_ns + 1, bound_ns).is_err());
    }
}
