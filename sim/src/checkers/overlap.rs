//! S4, overlap: directors with running leases are at two epochs at most, and who is at the older one has frozen every
//! user whom the newer one places elsewhere.

use maildirector::topology::{Epoch, Topology, UserId};

use super::Broken;
use crate::outcome::Invariant;

/// Two directors with running leases.
pub(crate) fn at_two_epochs(one: (u8, Epoch), other: (u8, Epoch)) -> Result<(), Broken> {
    let (older, newer) = if one.1 <= other.1 {
        (one, other)
    } else {
        (other, one)
    };
    if older.1.next() >= newer.1 {
        return Ok(());
    }
    let words = format!(
        "member {} has a lease at {} while member {} has one at {}",
        older.0, older.1, newer.0, newer.1
    );
    Err(Broken::new(Invariant::Overlap, words))
}

/// A director with a running lease under `older`, while another has one under `newer`.
pub(crate) fn frozen_where_moved(
    member: u8,
    older: &Topology,
    newer: &Topology,
    users: impl Iterator<Item = UserId>,
    is_frozen: impl Fn(UserId) -> bool,
) -> Result<(), Broken> {
    for user in users {
        let (here, there) = (older.place(user), newer.place(user));
        if here != there && !is_frozen(user) {
            let words = format!(
                "member {member} would admit user {user} at {} to {here:?}, others are at {} and admit him to {there:?}",
                older.epoch(),
                newer.epoch(),
            );
            return Err(Broken::new(Invariant::Overlap, words));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use maildirector::topology::{TagId, UserKey};

    use super::super::agreement::tests::topology;
    use super::*;

    fn users() -> impl Iterator<Item = UserId> {
        let user = |n: u64| UserId {
            key: UserKey::from_bits(n << 56),
            tag: TagId::DEFAULT,
        };
        (1..200).map(user)
    }

    #[test]
    fn three_epochs_at_once_are_noticed() {
        let epoch = Epoch::from_number;
        assert!(at_two_epochs((0, epoch(3)), (1, epoch(4))).is_ok());
        assert!(at_two_epochs((0, epoch(4)), (1, epoch(4))).is_ok());
        assert!(at_two_epochs((0, epoch(5)), (1, epoch(3))).is_err());
    }

    #[test]
    fn a_moved_user_who_is_not_frozen_is_noticed() {
        let (older, newer) = (topology(&[100]), topology(&[100, 100]));
        assert!(frozen_where_moved(0, &older, &newer, users(), |_| true).is_ok());
        assert!(frozen_where_moved(0, &older, &newer, users(), |_| false).is_err());
        assert!(frozen_where_moved(0, &older, &older, users(), |_| false).is_ok());
    }
}
