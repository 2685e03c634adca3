//! Spans between two rings, above all at their ends and where hashes collide.

use super::*;
use crate::topology::samples::{changed, id_at, ip, new, three_backends, user_of};
use crate::topology::{Change, Draft, NewBackend, Point};

#[test]
fn a_topology_touches_nothing_against_itself() {
    let topology = three_backends();
    assert!(touched(&topology, &topology.clone()).is_empty());
    assert!(touched(&topology, &topology.advanced(&[])).is_empty());
}

#[test]
fn a_change_of_one_tag_touches_no_other() {
    let base = three_backends();
    let (next, _) = changed(
        &base,
        &[Change::Down {
            ip: ip(1),
            at_unix_s: 1,
        }],
    );
    let touched = touched(&base, &next);
    assert!(touched.spans.iter().all(|span| span.tag == TagId::DEFAULT));
    assert!(touched.spans.is_sorted_by(|a, b| a.last + 1 < b.first));
    assert!(touched.users.is_empty());
}

#[test]
fn the_arc_across_the_end_of_the_circle_is_cut_in_two() {
    let base = three_backends();
    let ring = base.ring(TagId::DEFAULT).expect("a ring");
    let (first, last) = (ring.points()[0], ring.points()[ring.points().len() - 1]);
    let owner = base.backend(first.backend).expect("a backend").ip;
    let (next, _) = changed(&base, &[Change::SetVhosts { ip: owner, vhosts: 0 }]);
    let spans = touched(&base, &next).spans;
    assert_eq!(spans[0].first, 0);
    assert_eq!(spans[spans.len() - 1].last, u32::MAX);
    assert!(spans[spans.len() - 1].first <= last.hash + 1);
}

#[test]
fn a_ring_that_empties_or_fills_touches_the_whole_circle() {
    let base = three_backends();
    let gold = base.tag("gold").expect("a tag");
    let (without, _) = changed(
        &base,
        &[Change::Down {
            ip: ip(3),
            at_unix_s: 1,
        }],
    );
    let whole = [Span {
        tag: gold,
        first: 0,
        last: u32::MAX,
    }];
    assert_eq!(touched(&base, &without).spans, whole);
    assert_eq!(touched(&without, &base).spans, whole);
    let (more, _) = changed(&base, &[Change::AddBackend(new(9, "silver"))]);
    let silver = more.tag("silver").expect("a tag");
    assert_eq!(
        touched(&base, &more).spans,
        [Span {
            tag: silver,
            first: 0,
            last: u32::MAX
        }]
    );
    let (idle, _) = changed(
        &base,
        &[Change::AddBackend(NewBackend {
            vhosts: 0,
            ..new(9, "silver")
        })],
    );
    assert!(touched(&base, &idle).is_empty());
}

#[test]
fn a_hash_where_points_collide_is_compared_by_itself() {
    // Virtual host 25 of the one and 35 of the other share a hash; the bisection takes either.
    let hash = 3_144_914_449;
    let base = three_backends();
    let mut draft = Draft::of(&base);
    for (ip, vhosts) in [("10.0.3.100", 26), ("10.0.4.1", 35)] {
        let ip = ip.parse().expect("an address");
        draft
            .apply(&[Change::AddBackend(NewBackend {
                ip,
                vhosts,
                ..new(9, "")
            })])
            .expect("a new backend");
    }
    let before = draft.clone().finish().0;
    draft
        .apply(&[Change::SetVhosts {
            ip: [10, 0, 4, 1].into(),
            vhosts: 36,
        }])
        .expect("a known backend");
    let after = draft.finish().0;
    let pick = |topology: &Topology, hash| topology.ring(TagId::DEFAULT).and_then(|ring| ring.pick(hash));
    let spans = touched(&before, &after).spans;
    for probe in [hash - 1, hash, hash + 1] {
        let is_touched = spans.iter().any(|span| (span.first..=span.last).contains(&probe));
        assert_eq!(
            is_touched,
            pick(&before, probe) != pick(&after, probe),
            "hash {probe}"
        );
    }
    assert_eq!(pick(&before, hash - 1), pick(&after, hash - 1));
}

#[test]
fn spans_of_all_small_rings_are_exactly_where_picks_differ() {
    const HASHES: [u32; 6] = [0, 1, 2, u32::MAX - 2, u32::MAX - 1, u32::MAX];
    let points: Vec<Point> = HASHES
        .iter()
        .flat_map(|&hash| {
            (0..2).map(move |id| Point {
                hash,
                backend: BackendId::from_index(id),
            })
        })
        .collect();
    // Every subset of the points with up to 3 of them is a ring.
    let subsets = (0_u32..1 << points.len()).filter(|subset| subset.count_ones() <= 3);
    let ring = |subset: u32| {
        let chosen = points
            .iter()
            .enumerate()
            .filter(|(place, _)| subset >> place & 1 == 1);
        VhostRing::from_points(chosen.map(|(_, &point)| point).collect())
    };
    let rings: Vec<VhostRing> = subsets.map(ring).collect();
    for (old, new) in rings
        .iter()
        .flat_map(|old| rings.iter().map(move |new| (old, new)))
    {
        let mut spans = Vec::new();
        differing_spans(TagId::DEFAULT, old, new, &mut spans);
        assert!(
            spans.is_sorted_by(|a, b| a.last < b.first && b.first - a.last > 1),
            "{spans:?}"
        );
        for hash in HASHES.into_iter().chain([3, 1 << 31, u32::MAX - 3]) {
            let is_touched = spans.iter().any(|span| (span.first..=span.last).contains(&hash));
            assert_eq!(
                is_touched,
                old.pick(hash) != new.pick(hash),
                "hash {hash} of {:?}",
                (old.points(), new.points())
            );
        }
    }
}

#[test]
fn users_whose_pins_differ_are_named() {
    let base = three_backends();
    let (one, two, three) = (
        user_of(&base, 0, 1),
        user_of(&base, 1 << 30, 1),
        user_of(&base, 1 << 31, 1),
    );
    let to = id_at(&base, 2);
    let old = base.advanced(&[(one, to), (two, to)]);
    let new = base.advanced(&[(one, to), (three, to)]);
    assert_eq!(touched(&old, &new).users, [two, three]);
    assert_eq!(touched(&base, &new).users, [one, three]);
    assert!(touched(&old, &new).spans.is_empty());
}
