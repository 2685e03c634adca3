//! A hold ends `user_expire` after its last session.

use std::time::Duration;

use maildirector::director::Holds;

use super::Broken;
use crate::outcome::Invariant;

/// How long after everybody has gone a hold may be left: the longest `user_expire`, and a sweep of the table, which
/// looks at a sixteenth of what is left sixteen times in a `user_expire` and so takes longer while the table empties.
pub(crate) fn holds_end_bound_ns(user_expire: Duration) -> u64 {
    user_expire.as_nanos() as u64 * 9 / 2 + 1_000_000_000
}

/// What holds are left after such a time without sessions.
pub(crate) fn holds_end(member: u8, holds: &Holds, quiet_ns: u64, bound_ns: u64) -> Result<(), Broken> {
    let Some(first) = holds.iter().next().filter(|_| quiet_ns > bound_ns) else {
        return Ok(());
    };
    let words = format!(
        "member {member} has {} holds, {} ms after the last session; {} with {} sessions{}",
        holds.len(),
        quiet_ns / 1_000_000,
        first.name,
        first.sessions,
        if first.is_evicting { " being closed" } else { "" }
    );
    Err(Broken::new(Invariant::HoldsEnd, words))
}

#[cfg(test)]
mod tests {
    use maildirector::topology::{BackendId, TagId, UserId, UserKey};
    use maildirector::world::Instant;

    use super::*;

    #[test]
    fn a_hold_that_stays_is_noticed() {
        let bound_ns = holds_end_bound_ns(Duration::from_secs(10));
        let mut holds = Holds::default();
        assert!(holds_end(0, &holds, bound_ns + 1, bound_ns).is_ok());
        let user = UserId {
            key: UserKey::from_bits(1 << 40),
            tag: TagId::DEFAULT,
        };
        holds.insert(user, "bob", BackendId::from_index(0), 1, Instant::ORIGIN);
        assert!(holds_end(0, &holds, bound_ns, bound_ns).is_ok());
        assert!(holds_end(0, &holds, bound_ns + 1, bound_ns).is_err());
    }
}
