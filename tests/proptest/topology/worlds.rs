//! Random backends, changes and topologies: few addresses, tags and hashes, so that things meet.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use maildirector::topology::{
    Backend, Change, Draft, HealthPolicy, Incarnation, Member, MemberId, Moves, NewBackend, TagId, Timing,
    Topology, TopologySeed, UserId, UserKey,
};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

/// Backends of the tests. The first two share the hash 3144914449 (virtual hosts 25 and 35).
pub(crate) const IPS: [&str; 8] = [
    "10.0.3.100",
    "10.0.4.1",
    "10.0.0.3",
    "192.168.255.1",
    "::10.0.0.4",
    "::ffff:10.0.0.5",
    "fd00::6",
    "2001:db8:0:1::7",
];

pub(crate) const TAGS: [&str; 3] = ["", "gold", "silver"];

/// Every change can come up, also such as can't be made.
pub(crate) fn any_change() -> impl Strategy<Value = Change> {
    let ip = || select(&IPS[..]).prop_map(address);
    let user =
        || (any_hash(), 0..TAGS.len() as u16).prop_map(|(hash, tag)| user(hash, TagId::from_index(tag)));
    prop_oneof![
        3 => any_backend().prop_map(Change::AddBackend),
        2 => ip().prop_map(|ip| Change::RemoveBackend { ip }),
        3 => (ip(), any_weight()).prop_map(|(ip, vhosts)| Change::SetVhosts { ip, vhosts }),
        2 => (ip(), select(&TAGS[..])).prop_map(|(ip, tag)| Change::SetTag { ip, tag: tag.into() }),
        1 => ip().prop_map(|ip| Change::Up { ip, at_unix_s: 1 }),
        1 => ip().prop_map(|ip| Change::Down { ip, at_unix_s: 2 }),
        1 => proptest::option::of(ip()).prop_map(|ip| Change::Flush { ip }),
        3 => (any_hash(), ip()).prop_map(|(hash, ip)| Change::Move { key: key(hash), ip }),
        2 => (any_hash(), ip()).prop_map(|(hash, ip)| Change::Move { key: UserKey::everybody_of(hash), ip }),
        1 => user().prop_map(|user| Change::Unpin { user }),
        1 => user().prop_map(|user| Change::Unpin { user: user.everybody() }),
        1 => vec(prop_oneof![3 => user(), 1 => user().prop_map(UserId::everybody)], 1..4).prop_map(|users| Change::Release { users: users.into() }),
        1 => (1..6_u16, any::<bool>(), any::<bool>()).prop_map(|(id, serves, votes)| Change::AddMember(Member {
            serves,
            votes,
            ..director(id)
        })),
        1 => (1..6_u16).prop_map(|id| Change::RemoveMember { id: MemberId::from_index(id) }),
        1 => (1..6_u16, 1..6_u8, any::<bool>()).prop_map(|(id, last, joins)| {
            let (id, address) = (MemberId::from_index(id + 3), ([10, 9, 0, last], 9090).into());
            if joins { Change::Join { id, address } } else { Change::Leave { id, address } }
        }),
        1 => (1..6_u16).prop_map(|id| Change::Unseat { id: MemberId::from_index(id) }),
        1 => (1..6_u16, 0..9_u64).prop_map(|(id, bits)| Change::Seat {
            id: MemberId::from_index(id),
            incarnation: Incarnation::from_bits(bits),
        }),
        1 => (0..9_u64).prop_map(|s| Change::SetLease { lease: Duration::from_secs(s) }),
    ]
}

/// Mostly the few hashes where something happens, so that moves, pins and collisions meet.
pub(crate) fn any_hash() -> impl Strategy<Value = u32> {
    prop_oneof![1 => any::<u32>(), 1 => 3_144_914_447..=3_144_914_451_u32, 1 => 1..6_u32, 1 => Just(u32::MAX)]
}

pub(crate) fn any_weight() -> impl Strategy<Value = u32> {
    prop_oneof![1 => Just(0_u32), 8 => 1..60_u32, 1 => 990..=1_000_u32]
}

pub(crate) fn any_backend() -> impl Strategy<Value = NewBackend> {
    let hostname = proptest::option::of("[a-z]{1,8}");
    (select(&IPS[..]), any_weight(), select(&TAGS[..]), hostname).prop_map(|(ip, vhosts, tag, hostname)| {
        NewBackend {
            ip: address(ip),
            hostname: hostname.map(String::into_boxed_str),
            vhosts,
            tag: tag.into(),
        }
    })
}

/// A topology with a history: some changes that could be made, and some pins.
pub(crate) fn any_topology() -> impl Strategy<Value = Topology> {
    (
        vec(any_backend(), 1..7),
        vec(any_change(), 0..6),
        vec((any_hash(), any::<Index>(), proptest::bool::weighted(0.2)), 0..12),
    )
        .prop_map(|(backends, changes, pins)| {
            let mut named = BTreeMap::new();
            named.extend(backends.into_iter().map(|backend| (backend.ip, backend)));
            let first = first_topology(named.into_values().collect());
            let topology = after(&first, &changes).0;
            let listed: Vec<&Backend> = topology.backends().collect();
            let pin = |&(hash, ref place, is_everybodys): &(u32, Index, bool)| {
                let backend = place.get(&listed);
                let user = user(hash, backend.tag);
                (if is_everybodys { user.everybody() } else { user }, backend.id)
            };
            topology.advanced(&pins.iter().map(pin).collect::<Vec<_>>())
        })
}

/// The topology after those of the changes that can be made, one by one.
pub(crate) fn after(base: &Topology, changes: &[Change]) -> (Topology, Moves) {
    let mut draft = Draft::of(base);
    for change in changes {
        let _ = draft.apply(std::slice::from_ref(change));
    }
    draft.finish()
}

pub(crate) fn first_topology(backends: Vec<NewBackend>) -> Topology {
    let timing = Timing {
        lease: Duration::from_secs(5),
        drift_ppm: 10_000,
        user_expire: Duration::from_secs(900),
    };
    let members = vec![director(1), director(2)];
    Topology::new(TopologySeed {
        members,
        backends,
        timing,
        health: HealthPolicy::default(),
        hash_format: "%Lu".into(),
    })
    .expect("a valid seed")
}

pub(crate) fn director(id: u16) -> Member {
    Member {
        id: MemberId::from_index(id),
        serves: true,
        votes: true,
        incarnation: Incarnation::from_bits(7),
    }
}

pub(crate) fn nth_backend(topology: &Topology, place: Index) -> Backend {
    topology
        .backends()
        .nth(place.index(topology.backends().len()))
        .expect("within the length")
        .clone()
}

/// A user with this hash; the lower half of his key follows from it, so that equal hashes are one user.
pub(crate) fn user(hash: u32, tag: TagId) -> UserId {
    UserId { key: key(hash), tag }
}

pub(crate) fn key(hash: u32) -> UserKey {
    UserKey::from_bits(u64::from(hash) << 32 | u64::from(hash))
}

pub(crate) fn address(text: &str) -> IpAddr {
    text.parse().expect("an address")
}
