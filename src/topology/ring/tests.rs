//! The ring's order and pick, above all where hashes collide.

use super::*;
use crate::topology::TagId;

#[test]
fn the_first_point_at_or_above_a_hash_answers() {
    let ring = ring(&[(10, 1), (20, 2), (30, 3)]);
    for (hash, backend) in [(0, 1), (10, 1), (11, 2), (20, 2), (21, 3), (30, 3)] {
        assert_eq!(ring.pick(hash), Some(id(backend)), "hash {hash}");
    }
}

#[test]
fn beyond_the_last_point_the_first_answers() {
    let ring = ring(&[(10, 1), (20, 2)]);
    assert_eq!(ring.pick(21), Some(id(1)));
    assert_eq!(ring.pick(u32::MAX), Some(id(1)));
}

#[test]
fn an_empty_ring_picks_nobody() {
    assert_eq!(ring(&[]).pick(7), None);
}

#[test]
fn among_points_of_the_same_hash_the_bisection_decides() {
    // Of 5 points the bisection looks at place 2 first, of 4 points too, of 3 at place 1.
    let five = ring(&[(10, 1), (20, 2), (20, 3), (20, 4), (30, 5)]);
    assert_eq!(five.pick(20), Some(id(3)));
    let four = ring(&[(10, 1), (20, 2), (20, 3), (30, 5)]);
    assert_eq!(four.pick(20), Some(id(3)));
    let three = ring(&[(20, 2), (20, 3), (30, 5)]);
    assert_eq!(three.pick(20), Some(id(3)));
    // Below the colliding hash it is always the first of them.
    assert_eq!(five.pick(19), Some(id(2)));
}

#[test]
fn colliding_points_at_both_ends_of_the_circle_are_found() {
    let ring = ring(&[(0, 1), (0, 2), (u32::MAX, 3), (u32::MAX, 4)]);
    assert_eq!(ring.pick(0), Some(id(2)));
    assert_eq!(ring.pick(1), Some(id(3)));
    assert_eq!(ring.pick(u32::MAX), Some(id(3)));
}

#[test]
fn the_pick_is_that_of_a_plain_search_whatever_the_size() {
    for size in [1, 2, 3, 15, 16, 17, 31, 32, 33, 1_000, 5_000] {
        let hashes = (0..size).map(|i: u32| i.wrapping_mul(2_654_435_769));
        let mut points: Vec<(u32, u32)> = hashes.zip(0..).collect();
        points.sort_unstable();
        let ring = ring(&points);
        for hash in points
            .iter()
            .flat_map(|&(hash, _)| [hash.wrapping_sub(1), hash, hash.wrapping_add(1)])
        {
            let plain = points.iter().find(|point| point.0 >= hash).unwrap_or(&points[0]);
            assert_eq!(ring.pick(hash), Some(id(plain.1)), "hash {hash} among {size}");
        }
    }
}

#[test]
fn points_of_one_hash_are_ordered_by_address_however_they_came() {
    // Virtual host 25 of the one and 35 of the other share the hash 3144914449.
    let low = backend(9, "10.0.3.100", 26);
    let high = backend(4, "10.0.4.1", 36);
    let together = VhostRing::of([&high, &low].into_iter());
    let ip_of = |id| if id == low.id { low.ip } else { high.ip };
    let low_joined = VhostRing::of([&high].into_iter()).changed(|_| false, [&low].into_iter(), ip_of);
    let high_joined = VhostRing::of([&low].into_iter()).changed(|_| false, [&high].into_iter(), ip_of);
    let collided = together
        .points()
        .iter()
        .filter(|point| point.hash == 3_144_914_449);
    assert_eq!(
        collided.map(|point| point.backend).collect::<Vec<_>>(),
        [low.id, high.id]
    );
    assert_eq!(low_joined.points(), together.points());
    assert_eq!(high_joined.points(), together.points());
}

#[test]
fn a_backend_that_leaves_takes_its_points_with_it() {
    let (stays, leaves) = (backend(1, "10.0.0.1", 50), backend(2, "fd00::2", 70));
    let both = VhostRing::of([&stays, &leaves].into_iter());
    let after = both.changed(|id| id == leaves.id, std::iter::empty(), |_| stays.ip);
    assert_eq!(both.points().len(), 120);
    assert_eq!(after.points(), VhostRing::of([&stays].into_iter()).points());
}

#[test]
fn a_backend_that_is_down_has_no_points() {
    let down = Backend {
        is_up: false,
        ..backend(1, "10.0.0.1", 50)
    };
    assert_eq!(VhostRing::of([&down].into_iter()).points(), []);
}

fn ring(points: &[(u32, u32)]) -> VhostRing {
    VhostRing::from_points(
        points
            .iter()
            .map(|&(hash, backend)| Point {
                hash,
                backend: id(backend),
            })
            .collect(),
    )
}

fn backend(index: u32, ip: &str, vhosts: u32) -> Backend {
    Backend {
        id: id(index),
        ip: ip.parse().expect("an address"),
        hostname: None,
        vhosts,
        tag: TagId::DEFAULT,
        is_up: true,
        is_failed: false,
        drain: None,
        changed_at_unix_s: 0,
    }
}

fn id(index: u32) -> BackendId {
    BackendId::from_index(index)
}
