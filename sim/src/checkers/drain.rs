//! Backends are emptied in peace: nobody is moved off one before its deadline, no more at a time than ordered, and nobody
//! is left for ever.

use maildirector::agreement::Proposal;
use maildirector::topology::{Backend, BackendId, Change, Topology};

use super::Broken;
use crate::outcome::Invariant;

/// Clocks that are told the time now and then are off by so much, and by so many percent of what has passed since.
const OFF_MS: u64 = 2_000;
const OFF_PERCENT: u64 = 3;
/// In so many leases the next are surely moved.
const LEASES: u64 = 6;

/// What a coordinator proposes by itself to move off drained backends, `now_ms` after the beginning of the world.
pub(crate) fn drain_in_peace(topology: &Topology, proposal: &Proposal, now_ms: u64) -> Result<(), Broken> {
    let moved = proposal.upkeep.iter().filter_map(|change| match change {
        Change::Unpin { user } => topology.own_pin(*user),
        _ => None,
    });
    let moved: Vec<BackendId> = moved.collect();
    for backend in topology.backends() {
        let count = moved.iter().filter(|at| **at == backend.id).count();
        if count == 0 {
            continue;
        }
        let Some(drain) = backend.drain else {
            let words = format!("{count} users are moved off {}, which is not drained", backend.id);
            return Err(Broken::new(Invariant::DrainInPeace, words));
        };
        let earliest_ms = (drain.until_unix_s * 1_000).saturating_sub(OFF_MS + now_ms * OFF_PERCENT / 100);
        if now_ms < earliest_ms {
            let words = format!(
                "{count} users are moved off {} {} ms before its deadline",
                backend.id,
                drain.until_unix_s * 1_000 - now_ms
            );
            return Err(Broken::new(Invariant::DrainInPeace, words));
        }
        if count > drain.per_second as usize {
            let words = format!(
                "{count} users are moved off {} at a time, {} a second were ordered",
                backend.id, drain.per_second
            );
            return Err(Broken::new(Invariant::DrainInPeace, words));
        }
    }
    Ok(())
}

/// Who is left on a drained backend after its deadline, when nobody was moved for so long and nothing is wrong.
pub(crate) fn drain_done(
    topology: &Topology,
    backend: &Backend,
    left: usize,
    still_ms: u64,
) -> Result<(), Broken> {
    let other = topology
        .ring(backend.tag)
        .is_some_and(|ring| !ring.points().is_empty());
    if left == 0 || !other {
        return Ok(());
    }
    let words = format!(
        "{} is to be empty, and {left} users were left there for {still_ms} ms",
        backend.id
    );
    Err(Broken::new(Invariant::DrainDone, words))
}

/// Within how long after the last change somebody else has surely been moved, when nothing goes wrong.
pub(crate) fn drain_bound_ms(lease_ms: u64) -> u64 {
    LEASES * lease_ms + 3 * OFF_MS
}

#[cfg(test)]
mod tests {
    use maildirector::topology::{Draft, Drain, UserId, UserKey};

    use super::super::agreement::tests::topology;
    use super::*;

    fn drained(per_second: u32) -> (Topology, Proposal) {
        let drain = Drain {
            since_unix_s: 0,
            until_unix_s: 100,
            per_second,
        };
        let base = topology(&[100, 100]);
        let ip = base.backends().next().expect("there are two").ip;
        let mut draft = Draft::of(&base);
        draft.apply(&[Change::Drain { ip, drain }]).expect("it is there");
        let at = base.backend_at(ip).expect("it is there").id;
        let user = |bits: u64| UserId {
            key: UserKey::from_bits(bits << 32),
            tag: maildirector::topology::TagId::DEFAULT,
        };
        let users = [user(1), user(2)];
        let topology = draft.finish().0.advanced(&users.map(|user| (user, at)));
        let upkeep = users.map(|user| Change::Unpin { user }).to_vec();
        let requests = Vec::new();
        (topology, Proposal { requests, upkeep })
    }

    #[test]
    fn too_early_and_too_many_are_noticed() {
        let (topology, proposal) = drained(2);
        assert!(drain_in_peace(&topology, &proposal, 100_000).is_ok());
        assert!(drain_in_peace(&topology, &proposal, 90_000).is_err());
        let (topology, proposal) = drained(1);
        assert!(drain_in_peace(&topology, &proposal, 100_000).is_err());
    }

    #[test]
    fn somebody_left_is_noticed_where_there_is_another_place() {
        let (topology, _) = drained(1);
        let backend = topology.backends().next().expect("there are two");
        assert!(drain_done(&topology, backend, 1, 1).is_err());
        assert!(drain_done(&topology, backend, 0, 1).is_ok());
    }
}
