//! Nobody is let in while the flush hook runs for him.

use maildirector::topology::UserId;

use super::Broken;
use crate::outcome::Invariant;

/// A user is let in at a director where his hook may still be running.
pub(crate) fn flush_first(user: UserId, is_running: bool) -> Result<(), Broken> {
    if !is_running {
        return Ok(());
    }
    let words = format!("user {user} was let in while the flush hook was running for him");
    Err(Broken::new(Invariant::FlushFirst, words))
}

#[cfg(test)]
mod tests {
    use maildirector::topology::{TagId, UserKey};

    use super::*;

    #[test]
    fn only_who_is_let_in_too_soon_is_noticed() {
        let user = UserId {
            key: UserKey::from_bits(5 << 32),
            tag: TagId::DEFAULT,
        };
        assert!(flush_first(user, false).is_ok());
        assert!(flush_first(user, true).is_err());
    }
}
