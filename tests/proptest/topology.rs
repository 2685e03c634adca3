//! Laws of placement: who moves when a topology changes, and that every member computes the same.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use maildirector::topology::{
    Backend, BackendId, Change, Draft, Incarnation, Member, MemberId, Moves, NewBackend, TagId, Timing,
    Topology, TopologySeed, UserId, UserKey, touched,
};
use md5::{Digest, Md5};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

/// Backends of the tests. The first two share the hash 3144914449 (virtual hosts 25 and 35).
const IPS: [&str; 8] = [
    "10.0.3.100",
    "10.0.4.1",
    "10.0.0.3",
    "192.168.255.1",
    "::10.0.0.4",
    "::ffff:10.0.0.5",
    "fd00::6",
    "2001:db8:0:1::7",
];

const TAGS: [&str; 3] = ["", "gold", "silver"];

/// Every change can come up, also such as can't be made.
fn any_change() -> impl Strategy<Value = Change> {
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
        1 => user().prop_map(|user| Change::Unpin { user }),
        1 => vec(user(), 1..4).prop_map(|users| Change::Release { users: users.into() }),
        1 => (1..6_u16, any::<bool>(), any::<bool>()).prop_map(|(id, serves, votes)| Change::AddMember(Member {
            serves,
            votes,
            ..director(id)
        })),
        1 => (1..6_u16).prop_map(|id| Change::RemoveMember { id: MemberId::from_index(id) }),
        1 => (0..9_u64).prop_map(|s| Change::SetLease { lease: Duration::from_secs(s) }),
    ]
}

/// Mostly the few hashes where something happens, so that moves, pins and collisions meet.
fn any_hash() -> impl Strategy<Value = u32> {
    prop_oneof![1 => any::<u32>(), 1 => 3_144_914_447..=3_144_914_451_u32, 1 => 1..6_u32, 1 => Just(u32::MAX)]
}

fn any_weight() -> impl Strategy<Value = u32> {
    prop_oneof![1 => Just(0_u32), 8 => 1..60_u32, 1 => 990..=1_000_u32]
}

fn any_backend() -> impl Strategy<Value = NewBackend> {
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
fn any_topology() -> impl Strategy<Value = Topology> {
    (
        vec(any_backend(), 1..7),
        vec(any_change(), 0..6),
        vec((any_hash(), any::<Index>()), 0..12),
    )
        .prop_map(|(backends, changes, pins)| {
            let mut named = BTreeMap::new();
            named.extend(backends.into_iter().map(|backend| (backend.ip, backend)));
            let first = first_topology(named.into_values().collect());
            let topology = after(&first, &changes).0;
            let listed: Vec<&Backend> = topology.backends().collect();
            let pin = |&(hash, ref place): &(u32, Index)| {
                let backend = place.get(&listed);
                (user(hash, backend.tag), backend.id)
            };
            topology.advanced(&pins.iter().map(pin).collect::<Vec<_>>())
        })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn a_change_moves_nobody_outside_what_it_touches(
        old in any_topology(),
        changes in vec(any_change(), 1..5),
        hashes in vec(any::<u32>(), 64),
    ) {
        let new = after(&old, &changes).0.advanced(&[]);
        let touched = touched(&old, &new);
        prop_assert!(touched.spans.is_sorted_by_key(|span| (span.first, span.tag)));
        prop_assert!(touched.users.is_sorted());
        for user in users_to_ask(&[&old, &new], &hashes) {
            let in_span = touched.spans.iter().any(|span| span.covers(user));
            prop_assert_eq!(in_span, old.hashed(user) != new.hashed(user), "{}", user);
            let named = touched.users.binary_search(&user).is_ok();
            prop_assert_eq!(named, old.pin(user) != new.pin(user), "{}", user);
            prop_assert!(in_span || named || old.place(user) == new.place(user), "{}", user);
        }
    }

    #[test]
    fn another_weight_moves_users_only_to_or_from_that_backend(
        old in any_topology(),
        place in any::<Index>(),
        vhosts in any_weight(),
        hashes in vec(any::<u32>(), 64),
    ) {
        let backend = nth_backend(&old, place);
        let (new, moves) = after(&old, &[Change::SetVhosts { ip: backend.ip, vhosts }]);
        let touched = touched(&old, &new);
        prop_assert!(moves.is_empty());
        prop_assert!(touched.users.is_empty());
        for user in users_to_ask(&[&old, &new], &hashes) {
            let (before, now) = (old.place(user), new.place(user));
            if before == now {
                continue;
            }
            prop_assert!(touched.spans.iter().any(|span| span.covers(user)), "{}", user);
            // At a hash where points collide the bisection may take either, whoever came or went.
            if !is_collision(&[&old, &new], user) {
                let (gains, loses) = (now == Some(backend.id), before == Some(backend.id));
                prop_assert!(gains || loses, "{}", user);
                prop_assert_eq!(gains, backend.is_up && vhosts > backend.vhosts, "{}", user);
            }
        }
    }

    #[test]
    fn an_added_backend_takes_users_only_to_itself(
        old in any_topology(),
        new_backend in any_backend(),
        hashes in vec(any::<u32>(), 64),
    ) {
        let ip = new_backend.ip;
        prop_assume!(old.backend_at(ip).is_none());
        let (new, _) = after(&old, &[Change::AddBackend(new_backend)]);
        let added = new.backend_at(ip).expect("it was just added").id;
        for user in users_to_ask(&[&old, &new], &hashes) {
            let now = new.place(user);
            prop_assert!(now == old.place(user) || now == Some(added) || is_collision(&[&new], user), "{}", user);
        }
    }

    #[test]
    fn a_removed_backend_moves_only_its_own_users(
        old in any_topology(),
        place in any::<Index>(),
        hashes in vec(any::<u32>(), 64),
    ) {
        prop_assume!(old.backends().len() > 1);
        let removed = nth_backend(&old, place);
        let (new, moves) = after(&old, &[Change::RemoveBackend { ip: removed.ip }]);
        for user in users_to_ask(&[&old, &new], &hashes) {
            let before = old.place(user);
            if before == Some(removed.id) {
                prop_assert!(moves.covers(user, removed.id));
                prop_assert_ne!(new.place(user), before, "{}", user);
            } else {
                prop_assert!(new.place(user) == before || is_collision(&[&old], user), "{}", user);
            }
        }
    }

    #[test]
    fn every_backend_gets_its_share_of_the_circle(
        weights in vec(50..=200_u32, 2..8),
        third_octet in any::<u8>(),
    ) {
        let backends = (1..).zip(&weights).map(|(last, &vhosts)| NewBackend {
            ip: IpAddr::from([10, 9, third_octet, last]),
            hostname: None,
            vhosts,
            tag: "".into(),
        });
        let topology = first_topology(backends.collect());
        let total: u32 = weights.iter().sum();
        for (backend, &vhosts) in topology.backends().zip(&weights) {
            let share = share_of_circle(&topology, backend.id);
            let fair = f64::from(vhosts) / f64::from(total);
            // The arcs of n points sum up to within a few times 1 / sqrt(n) of their mean.
            let spread = 6.0 * fair / f64::from(vhosts).sqrt();
            prop_assert!((share - fair).abs() < spread, "{} has {share:.3}, not {fair:.3}", backend.ip);
        }
    }

    #[test]
    fn the_same_changes_make_the_same_topology_everywhere(
        base in any_topology(),
        changes in vec(any_change(), 1..8),
    ) {
        let (one, moves) = after(&base, &changes);
        let (other, other_moves) = after(&decoded(&encoded(&base)).expect("what was just written"), &changes);
        prop_assert_eq!(&one, &other);
        prop_assert_eq!(moves, other_moves);
        prop_assert_eq!(encoded(&one), encoded(&other));
        prop_assert_eq!(one.fingerprint(), other.fingerprint());
        prop_assert_eq!(one.hosts_hash(), other.hosts_hash());
    }

    #[test]
    fn a_batch_does_what_its_changes_do_one_by_one(
        base in any_topology(),
        changes in vec(any_change(), 1..8),
    ) {
        let mut single = Draft::of(&base);
        let possible = |change: &Change| single.apply(std::slice::from_ref(change)).is_ok();
        let changes: Vec<Change> = changes.into_iter().filter(possible).collect();
        prop_assume!(!changes.is_empty());
        let mut batch = Draft::of(&base);
        prop_assert_eq!(batch.apply(&changes), Ok(()));
        prop_assert_eq!(batch.finish(), single.finish());
    }

    #[test]
    fn a_batch_that_fails_changes_nothing(
        base in any_topology(),
        first in vec(any_change(), 0..4),
        changes in vec(any_change(), 2..6),
    ) {
        let mut draft = Draft::of(&base);
        for change in &first {
            let _ = draft.apply(std::slice::from_ref(change));
        }
        let before = draft.clone().finish();
        let failing = [&changes[..], &[Change::RemoveBackend { ip: IpAddr::from([9, 9, 9, 9]) }]].concat();
        prop_assert!(draft.apply(&failing).is_err());
        let after = draft.finish();
        prop_assert_eq!(&after, &before);
        prop_assert_eq!(points(&after.0), points(&before.0));
    }

    #[test]
    fn a_ring_is_that_of_a_plain_reference(
        topology in any_topology(),
        changes in vec(any_change(), 0..5),
        hashes in vec(any_hash(), 32),
    ) {
        let topology = after(&topology, &changes).0;
        for (tag, _) in topology.tags() {
            let reference = reference_ring(&topology, tag);
            let ring = topology.ring(tag).expect("every tag has a ring");
            let listed: Vec<_> = ring.points().iter().map(|point| (point.hash, ip_of(&topology, point.backend))).collect();
            prop_assert_eq!(&listed, &reference);
            let edges = reference.iter().flat_map(|&(hash, _)| [hash.saturating_sub(1), hash, hash.saturating_add(1)]);
            for hash in edges.chain(hashes.iter().copied()) {
                let picked = ring.pick(hash).map(|id| ip_of(&topology, id));
                prop_assert_eq!(picked, reference_pick(&reference, hash), "hash {}", hash);
            }
        }
    }

    #[test]
    fn advancing_lays_pins_over_the_ring_and_keeps_none_in_vain(
        base in any_topology(),
        pins in vec((any_hash(), any::<Index>()), 0..12),
        hashes in vec(any::<u32>(), 16),
    ) {
        let pin = |&(hash, ref place): &(u32, Index)| {
            let backend = nth_backend(&base, *place);
            (user(hash, backend.tag), backend.id)
        };
        let pins: BTreeMap<_, _> = pins.iter().map(pin).collect();
        let next = base.advanced(&pins.iter().map(|(&user, &to)| (user, to)).collect::<Vec<_>>());
        prop_assert_eq!(next.epoch(), base.epoch().next());
        for user in users_to_ask(&[&base, &next], &hashes) {
            let expected = pins.get(&user).copied().or(base.place(user));
            prop_assert_eq!(next.place(user), expected, "{}", user);
        }
        for (user, to) in next.pins() {
            prop_assert_ne!(next.hashed(user), Some(to), "{}", user);
        }
    }

    #[test]
    fn what_is_written_reads_as_the_same_topology(topology in any_topology()) {
        let bytes = encoded(&topology);
        let read = decoded(&bytes).expect("what was just written");
        prop_assert_eq!(&read, &topology);
        prop_assert_eq!(points(&read), points(&topology));
        prop_assert_eq!(encoded(&read), bytes);
        let text = serde_json::to_string(&topology).expect("a topology can be written as text");
        prop_assert_eq!(serde_json::from_str::<Topology>(&text).expect("what was just written"), topology);
    }

    #[test]
    fn a_hostile_topology_is_an_error_or_keeps_all_rules(
        topology in any_topology(),
        wounds in vec((any::<Index>(), any::<u8>()), 1..4),
        cut in proptest::option::of(any::<Index>()),
        changes in vec(any_change(), 0..3),
        hashes in vec(any::<u32>(), 8),
    ) {
        let mut bytes = encoded(&topology);
        for (place, byte) in wounds {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        if let Some(read) = decoded(&bytes) {
            prop_assert!(read.voters() > 0 && read.backends().len() > 0);
            prop_assert_eq!(decoded(&encoded(&read)), Some(read.clone()));
            let next = after(&read, &changes).0.advanced(&[]);
            let _ = touched(&topology, &next);
            for user in users_to_ask(&[&read, &next], &hashes) {
                let place = next.place(user);
                prop_assert!(place.is_none_or(|id| next.backend(id).is_some_and(|b| b.tag == user.tag)));
            }
        }
    }

    #[test]
    fn bytes_out_of_nowhere_never_make_it_panic(bytes in vec(any::<u8>(), 0..300)) {
        let _ = decoded(&bytes);
    }
}

/// The topology after those of the changes that can be made, one by one.
fn after(base: &Topology, changes: &[Change]) -> (Topology, Moves) {
    let mut draft = Draft::of(base);
    for change in changes {
        let _ = draft.apply(std::slice::from_ref(change));
    }
    draft.finish()
}

fn first_topology(backends: Vec<NewBackend>) -> Topology {
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
        hash_format: "%Lu".into(),
    })
    .expect("a valid seed")
}

fn director(id: u16) -> Member {
    Member {
        id: MemberId::from_index(id),
        serves: true,
        votes: true,
        incarnation: Incarnation::from_bits(7),
    }
}

/// Users with these hashes, those around every point, and those who are pinned, under every tag.
fn users_to_ask(topologies: &[&Topology], hashes: &[u32]) -> Vec<UserId> {
    let mut users = Vec::new();
    for topology in topologies {
        for (tag, _) in topology.tags() {
            let points = topology.ring(tag).expect("every tag has a ring").points();
            let around = points.iter().flat_map(|point| {
                [
                    point.hash.saturating_sub(1),
                    point.hash,
                    point.hash.saturating_add(1),
                ]
            });
            let ends = [1, u32::MAX];
            users.extend(
                around
                    .chain(ends)
                    .chain(hashes.iter().copied())
                    .map(|hash| user(hash, tag)),
            );
        }
        users.extend(topology.pins().map(|(user, _)| user));
    }
    users.sort_unstable();
    users.dedup();
    users
}

/// Whether several points of the user's tag have exactly his hash.
fn is_collision(topologies: &[&Topology], user: UserId) -> bool {
    topologies
        .iter()
        .filter_map(|topology| topology.ring(user.tag))
        .any(|ring| {
            ring.points()
                .iter()
                .filter(|point| point.hash == user.key.hash())
                .count()
                > 1
        })
}

fn share_of_circle(topology: &Topology, id: BackendId) -> f64 {
    let points = topology.ring(TagId::DEFAULT).expect("the default ring").points();
    let before = points.iter().cycle().skip(points.len() - 1);
    let arcs = points.iter().zip(before).filter(|(point, _)| point.backend == id);
    arcs.map(|(point, before)| f64::from(point.hash.wrapping_sub(before.hash)))
        .sum::<f64>()
        / 2_f64.powi(32)
}

/// What section "mail-host.c" of Dovecot does, in as few words as possible.
fn reference_ring(topology: &Topology, tag: TagId) -> Vec<(u32, IpAddr)> {
    let mut points = Vec::new();
    for backend in topology
        .backends()
        .filter(|backend| backend.tag == tag && backend.is_up)
    {
        for i in 0..backend.vhosts {
            let digest = Md5::digest(format!("{}-{i}", text_of(backend.ip)));
            points.push((
                u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]]),
                backend.ip,
            ));
        }
    }
    points.sort();
    points
}

fn reference_pick(points: &[(u32, IpAddr)], hash: u32) -> Option<IpAddr> {
    let (mut low, mut high) = (0, points.len());
    while low < high {
        let middle = (low + high) / 2;
        if points[middle].0 == hash {
            return Some(points[middle].1);
        }
        if points[middle].0 < hash {
            low = middle + 1
        } else {
            high = middle
        }
    }
    points.get(low).or(points.first()).map(|&(_, ip)| ip)
}

/// The address as the list of this file writes it, which is how glibc writes it.
fn text_of(ip: IpAddr) -> &'static str {
    IPS.into_iter()
        .find(|text| address(text) == ip)
        .expect("backends of these tests are in the list")
}

fn address(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn ip_of(topology: &Topology, id: BackendId) -> IpAddr {
    topology
        .backend(id)
        .expect("a backend on a ring is in the topology")
        .ip
}

fn nth_backend(topology: &Topology, place: Index) -> Backend {
    topology
        .backends()
        .nth(place.index(topology.backends().len()))
        .expect("within the length")
        .clone()
}

fn points(topology: &Topology) -> Vec<Vec<maildirector::topology::Point>> {
    topology
        .tags()
        .map(|(tag, _)| {
            topology
                .ring(tag)
                .expect("every tag has a ring")
                .points()
                .to_vec()
        })
        .collect()
}

/// A user with this hash; the lower half of his key follows from it, so that equal hashes are one user.
fn user(hash: u32, tag: TagId) -> UserId {
    UserId { key: key(hash), tag }
}

fn key(hash: u32) -> UserKey {
    UserKey::from_bits(u64::from(hash) << 32 | u64::from(hash))
}

fn encoded(topology: &Topology) -> Vec<u8> {
    bincode::serde::encode_to_vec(topology, bincode::config::standard()).expect("a topology can be written")
}

fn decoded(bytes: &[u8]) -> Option<Topology> {
    let config = bincode::config::standard().with_limit::<65_536>();
    bincode::serde::decode_from_slice(bytes, config)
        .ok()
        .map(|(topology, _)| topology)
}
