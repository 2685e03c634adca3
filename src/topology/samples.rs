//! Small topologies for the tests of this room.

use std::net::IpAddr;
use std::time::Duration;

use super::{
    BackendId, Change, ChangeError, Draft, HealthPolicy, Incarnation, Member, MemberId, Moves, NewBackend,
    Timing, Topology, TopologySeed, UserId, UserKey,
};

/// Three backends: .1 and .2 without a tag, .3 with the tag gold; three voters that serve.
pub(super) fn three_backends() -> Topology {
    Topology::new(seed()).expect("a valid seed")
}

pub(super) fn seed() -> TopologySeed {
    TopologySeed {
        members: (1..=3).map(director).collect(),
        backends: vec![new(1, ""), new(2, ""), new(3, "gold")],
        timing: Timing {
            lease: Duration::from_secs(5),
            drift_ppm: 10_000,
            user_expire: Duration::from_secs(900),
        },
        health: HealthPolicy::default(),
        hash_format: "%Lu".into(),
    }
}

pub(super) fn director(id: u16) -> Member {
    let incarnation = Incarnation::from_bits(id.into());
    Member {
        id: MemberId::from_index(id),
        serves: true,
        votes: true,
        incarnation,
    }
}

pub(super) fn witness(id: u16) -> Member {
    Member {
        serves: false,
        ..director(id)
    }
}

pub(super) fn new(last: u8, tag: &str) -> NewBackend {
    NewBackend {
        ip: ip(last),
        hostname: None,
        vhosts: 100,
        tag: tag.into(),
    }
}

pub(super) fn ip(last: u8) -> IpAddr {
    IpAddr::from([10, 0, 0, last])
}

pub(super) fn id_at(topology: &Topology, last: u8) -> BackendId {
    topology
        .backend_at(ip(last))
        .expect("a backend at this address")
        .id
}

/// A user with this hash.
pub(super) fn user(topology: &Topology, hash: u32, tag: &str) -> UserId {
    UserId {
        key: UserKey::from_bits(u64::from(hash) << 32 | 5),
        tag: topology.tag(tag).expect("a known tag"),
    }
}

/// The user at the first point of the backend from this hash on.
pub(super) fn user_of(topology: &Topology, hash: u32, last: u8) -> UserId {
    let backend = topology.backend_at(ip(last)).expect("a backend at this address");
    let points = topology.ring(backend.tag).expect("a ring").points();
    let point = points
        .iter()
        .find(|point| point.hash >= hash && point.backend == backend.id);
    user(
        topology,
        point.expect("a point").hash,
        topology.tag_name(backend.tag).expect("a known tag"),
    )
}

/// The topology after these changes, and what they must move.
pub(super) fn changed(topology: &Topology, changes: &[Change]) -> (Topology, Moves) {
    let mut draft = Draft::of(topology);
    draft.apply(changes).expect("changes that can be made");
    draft.finish()
}

/// Why the changes are refused.
pub(super) fn refused(topology: &Topology, changes: &[Change]) -> ChangeError {
    Draft::of(topology)
        .apply(changes)
        .expect_err("changes that can't be made")
}
