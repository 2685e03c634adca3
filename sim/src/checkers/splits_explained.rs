//! With `partition = "available"`, only users whom a change moved meanwhile are split, and not for long after the
//! ring has healed.

use maildirector::topology::{BackendId, Topology, UserId};

use super::Broken;
use crate::outcome::Invariant;

/// One of two sessions of a user on two backends, and the topology of the director that it goes through.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Side<'a> {
    pub(crate) member: u8,
    pub(crate) backend: BackendId,
    /// `None` when the director is dead or is closing the session.
    pub(crate) topology: Option<&'a Topology>,
}

/// A user has sessions on two backends: a change must be the reason, one that one of the directors has not seen.
pub(crate) fn split_explained(user: UserId, one: Side<'_>, other: Side<'_>) -> Result<(), Broken> {
    let (Some(here), Some(there)) = (one.topology, other.topology) else {
        return Ok(());
    };
    if here.epoch() != there.epoch() && here.place(user) != there.place(user) {
        return Ok(());
    }
    let words = format!(
        "user {user} is on {} through member {} at {} and on {} through member {} at {}, and no change moved him",
        one.backend,
        one.member,
        here.epoch(),
        other.backend,
        other.member,
        there.epoch()
    );
    Err(Broken::new(Invariant::SplitsExplained, words))
}

/// So many users are still split when the ring has recovered.
pub(crate) fn healed_of_splits(split: usize) -> Result<(), Broken> {
    match split {
        0 => Ok(()),
        _ => {
            let words = format!("{split} users are still split though the ring has recovered");
            Err(Broken::new(Invariant::SplitsExplained, words))
        }
    }
}

#[cfg(test)]
mod tests {
    use maildirector::topology::{TagId, UserKey};

    use super::super::agreement::tests::topology;
    use super::*;

    #[test]
    fn a_split_without_a_change_is_noticed() {
        let (older, newer) = (topology(&[100]), topology(&[0, 100]).advanced(&[]));
        let user = UserId {
            key: UserKey::from_bits(1 << 50),
            tag: TagId::DEFAULT,
        };
        let side = |member, topology| Side {
            member,
            backend: BackendId::from_index(u32::from(member)),
            topology,
        };
        assert!(split_explained(user, side(0, Some(&older)), side(1, Some(&newer))).is_ok());
        assert!(split_explained(user, side(0, Some(&older)), side(1, Some(&older))).is_err());
        assert!(split_explained(user, side(0, None), side(1, Some(&older))).is_ok());
        assert!(healed_of_splits(1).is_err());
    }
}
