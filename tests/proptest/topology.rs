//! Laws of placement: who moves when a topology changes, and that every member computes the same.

mod reference;
pub(crate) mod worlds;

use std::collections::BTreeMap;
use std::net::IpAddr;

use maildirector::topology::{BackendId, Change, Draft, NewBackend, Topology, UserKey, touched};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use reference::{ip_of, is_collision, points, reference_pick, reference_ring, share_of_circle, users_to_ask};
use worlds::{
    after, any_backend, any_change, any_hash, any_topology, any_weight, first_topology, nth_backend, user,
};

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
            let is_named = |user| touched.users.binary_search(&user).is_ok();
            prop_assert_eq!(is_named(user), old.own_pin(user) != new.own_pin(user), "{}", user);
            let named = is_named(user) || is_named(user.everybody());
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
    fn a_draft_without_changes_is_its_base(base in any_topology()) {
        let (same, moves) = Draft::of(&base).finish();
        prop_assert_eq!(same, base);
        prop_assert!(moves.is_empty());
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
            let is_exception = next.own_pin(user.everybody()).is_some() && !user.key.is_everybody();
            prop_assert!(is_exception || next.hashed(user) != Some(to), "{}", user);
        }
    }

    #[test]
    fn a_move_of_everybody_moves_all_of_the_hash_and_nobody_else(
        base in any_topology(),
        hash in any_hash(),
        place in any::<Index>(),
        others in vec(any::<u32>(), 16),
    ) {
        let to = nth_backend(&base, place);
        let key = UserKey::everybody_of(hash);
        let (next, moves) = after(&base, &[Change::Move { key, ip: to.ip }]);
        for next in [&next, &next.advanced(&[])] {
            let hashes: Vec<u32> = others.iter().copied().chain([hash]).collect();
            for user in users_to_ask(&[&base, next], &hashes) {
                if user.key.hash() == key.hash() && user.tag == to.tag {
                    prop_assert_eq!(next.place(user), Some(to.id), "{}", user);
                    prop_assert!(backends_of(&base).all(|held_on| moves.covers(user, held_on)));
                } else {
                    prop_assert_eq!(next.place(user), base.place(user), "{}", user);
                    prop_assert!(!backends_of(&base).any(|held_on| moves.covers(user, held_on)));
                }
            }
        }
    }

    #[test]
    fn what_pins_of_everybody_mean_can_be_told_without_an_index(topology in any_topology(), hashes in vec(any_hash(), 8)) {
        let pins: BTreeMap<_, _> = topology.pins().collect();
        for user in users_to_ask(&[&topology], &hashes) {
            let own = pins.get(&user).copied();
            prop_assert_eq!(topology.own_pin(user), own);
            prop_assert_eq!(topology.pin(user), own.or(pins.get(&user.everybody()).copied()));
            let of_hash: Vec<_> = topology.pins_of(user.key.hash()).collect();
            prop_assert!(of_hash.iter().all(|pin| pins.get(&pin.0) == Some(&pin.1)));
            let counted = pins.keys().filter(|pinned| pinned.key.hash() == user.key.hash()).count();
            prop_assert_eq!(of_hash.len(), counted);
        }
    }

    #[test]
    fn placing_one_after_the_other_says_the_same(
        topology in any_topology(),
        pinned in vec((any_hash(), any::<Index>()), 0..4),
        hashes in vec(any::<u32>(), 64),
        is_in_order in any::<bool>(),
    ) {
        let pins = pinned.into_iter().map(|(hash, place)| {
            let backend = nth_backend(&topology, place);
            (user(hash, backend.tag), backend.id)
        });
        let topology = topology.advanced(&pins.collect::<Vec<_>>());
        let mut users = users_to_ask(&[&topology], &hashes);
        if is_in_order {
            users.sort_unstable();
        }
        let mut place = topology.placing();
        for user in users {
            prop_assert_eq!(place(user), topology.place(user), "{}", user);
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

fn encoded(topology: &Topology) -> Vec<u8> {
    bincode::serde::encode_to_vec(topology, bincode::config::standard()).expect("a topology can be written")
}

fn decoded(bytes: &[u8]) -> Option<Topology> {
    let config = bincode::config::standard().with_limit::<65_536>();
    bincode::serde::decode_from_slice(bytes, config)
        .ok()
        .map(|(topology, _)| topology)
}

fn backends_of(topology: &Topology) -> impl Iterator<Item = BackendId> + '_ {
    topology.backends().map(|backend| backend.id)
}
