//! S5, holds: every hold of a director at an epoch is on the backend that the epoch's topology gives, but for those
//! that are being closed.

use maildirector::director::Hold;
use maildirector::topology::Topology;

use super::Broken;
use crate::outcome::Invariant;

/// One hold of a director that serves under this topology.
pub(crate) fn hold_where_placed(member: u8, hold: &Hold<'_>, topology: &Topology) -> Result<(), Broken> {
    let placed = topology.place(hold.user);
    if hold.is_evicting || placed == Some(hold.backend) {
        return Ok(());
    }
    let words = format!(
        "member {member} holds {} on {}, {} places him on {placed:?}",
        hold.name,
        hold.backend,
        topology.epoch()
    );
    Err(Broken::new(Invariant::Holds, words))
}

#[cfg(test)]
mod tests {
    use maildirector::director::Holds;
    use maildirector::topology::{BackendId, TagId, UserId, UserKey};
    use maildirector::world::Instant;

    use super::super::agreement::tests::topology;
    use super::*;

    #[test]
    fn a_hold_elsewhere_is_noticed_unless_it_is_being_closed() {
        let user = UserId {
            key: UserKey::from_bits(1 << 40),
            tag: TagId::DEFAULT,
        };
        let topology = topology(&[100]);
        let mut holds = Holds::default();
        holds.insert(user, "bob", BackendId::from_index(0), 1, Instant::ORIGIN);
        assert!(hold_where_placed(0, &holds.find(user).unwrap(), &topology).is_ok());
        holds.insert(user, "bob", BackendId::from_index(7), 1, Instant::ORIGIN);
        assert!(hold_where_placed(0, &holds.find(user).unwrap(), &topology).is_err());
        holds.set_evicting(user, true);
        assert!(hold_where_placed(0, &holds.find(user).unwrap(), &topology).is_ok());
    }
}
