//! Hand-made traps, each with the order of its events.

use std::time::Duration;

use maildirector::topology::{BackendId, Change};

use crate::ring::{LEASE, Ring, SOON, Shape, backend, id};

const THREE: Shape = Shape {
    directors: 3,
    witnesses: 0,
};
const TWO_AND_A_WITNESS: Shape = Shape {
    directors: 2,
    witnesses: 1,
};
const NAMES: [&str; 6] = ["alice", "bob", "carol", "dave", "erin", "frank"];

/// More than a lease by the slowest clock, and the time to be told so.
const LEASE_AND_A_BIT: Duration = Duration::from_millis(2_200);

/// Take the backend of a user away, as a health check does.
fn down_and_flush(ring: &Ring, backend: BackendId) -> Vec<Change> {
    let ips = ring.each(|d| d.topology().backend(backend).map(|b| b.ip));
    let ip = ips[0].expect("known to all");
    vec![Change::Down { ip, at_unix_s: 5 }, Change::Flush { ip: Some(ip) }]
}

fn expect_agreement(ring: &mut Ring) {
    ring.expect_within(SOON, "all serve and agree", |ring| {
        ring.does_everybody_serve() && ring.does_everybody_agree()
    });
}

/// Every director in `at` sends these users to the same backends.
fn expect_alike(ring: &mut Ring, at: &[u16]) {
    for name in NAMES {
        let backends: Vec<_> = at.iter().map(|member| ring.login(*member, name)).collect();
        assert!(backends[0].is_some(), "{name} is not served");
        assert!(
            backends.iter().all(|b| *b == backends[0]),
            "{name} is on {backends:?}"
        );
    }
}

#[test]
fn three_hosts_start_and_place_alike() {
    let mut ring = Ring::serving(1, THREE);
    expect_alike(&mut ring, &[1, 2, 3]);
    ring.command(2, vec![Change::AddBackend(backend(9))]);
    expect_agreement(&mut ring);
    assert_eq!(ring.epochs(), [1, 1, 1]);
    expect_alike(&mut ring, &[3, 2, 1]);
}

/// Member 1, the coordinator, is cut off with users on it; the others move its users; it comes back.
#[test]
fn a_host_cut_off_refuses_after_its_lease_while_the_others_change_and_then_all_agree() {
    let mut ring = Ring::serving(2, THREE);
    let before = ring.login(1, "alice").expect("served");
    ring.isolate(id(1));
    let change = down_and_flush(&ring, before);
    let command = ring.send_command(id(2), change);
    ring.run(LEASE / 2);
    assert!(ring.is_serving(1), "a lease outlives a short cut");
    ring.run(LEASE_AND_A_BIT);
    assert_eq!(ring.login(1, "alice"), None);
    ring.expect_within(SOON, "the others change", |ring| {
        matches!(ring.reply(command), Some(Ok(_)))
    });
    assert_eq!(ring.epochs()[0], 0);
    let after = ring.login(2, "alice").expect("served");
    assert_ne!(before, after);
    ring.rejoin(id(1));
    expect_agreement(&mut ring);
    expect_alike(&mut ring, &[1, 2, 3]);
    assert_eq!(ring.login(1, "alice"), Some(after));
}

/// A cut shorter than what a lease has left closes nothing.
#[test]
fn a_short_cut_costs_no_session() {
    let mut ring = Ring::serving(3, THREE);
    expect_alike(&mut ring, &[1, 2, 3]);
    let before = ring.world.borrow().open_sessions();
    ring.run(LEASE / 5);
    ring.isolate(id(2));
    ring.run(LEASE / 4);
    ring.rejoin(id(2));
    ring.run(LEASE * 3);
    assert_eq!(ring.world.borrow().open_sessions(), before);
}

/// What member 1 says is lost, what others say to it arrives; its connections die by its silence.
#[test]
fn a_host_that_hears_but_is_not_heard_stops_and_the_others_go_on() {
    let mut ring = Ring::serving(4, THREE);
    let before = ring.login(1, "alice").expect("served");
    for other in [2, 3] {
        ring.cut_oneway(id(1), id(other));
    }
    ring.run(LEASE_AND_A_BIT);
    assert!(!ring.is_serving(1));
    let change = down_and_flush(&ring, before);
    ring.command(3, change);
    assert!(ring.login(2, "alice").is_some_and(|b| b != before));
    for other in [2, 3] {
        ring.heal_oneway(id(1), id(other));
    }
    expect_agreement(&mut ring);
    expect_alike(&mut ring, &[1, 2, 3]);
}

/// Member 3 hears nobody, so its grants go out but its own leases end.
#[test]
fn a_host_that_is_heard_but_hears_nothing_stops_too() {
    let mut ring = Ring::serving(5, THREE);
    for other in [1, 2] {
        ring.cut_oneway(id(other), id(3));
    }
    ring.run(LEASE_AND_A_BIT);
    assert!(!ring.is_serving(3));
    assert!(ring.is_serving(1) && ring.is_serving(2));
    ring.command(2, vec![Change::AddBackend(backend(9))]);
    for other in [1, 2] {
        ring.heal_oneway(id(other), id(3));
    }
    expect_agreement(&mut ring);
    expect_alike(&mut ring, &[1, 2, 3]);
}

/// Everything from and to member 1 is held for three leases, and all of it arrives at once, late, while its sender has long
/// dialled anew.
#[test]
fn frames_that_arrive_three_leases_late_do_no_harm() {
    let mut ring = Ring::serving(6, THREE);
    let before = ring.login(1, "alice").expect("served");
    let change = down_and_flush(&ring, before);
    ring.send_command(id(1), change);
    ring.hold(id(1));
    ring.run(LEASE * 3);
    assert!(!ring.is_serving(1));
    ring.command(2, vec![Change::AddBackend(backend(9))]);
    ring.release(id(1));
    expect_agreement(&mut ring);
    expect_alike(&mut ring, &[1, 2, 3]);
}

/// Member 2 dies, the topology changes, it comes back with its disk.
#[test]
fn a_crashed_host_comes_back_with_its_disk_and_catches_up() {
    let mut ring = Ring::serving(7, THREE);
    expect_alike(&mut ring, &[1, 2, 3]);
    ring.crash(id(2));
    ring.run(LEASE);
    ring.command(3, vec![Change::AddBackend(backend(9))]);
    assert_eq!(ring.epochs(), [1, 1]);
    ring.bounce(id(2));
    expect_agreement(&mut ring);
    assert_eq!(ring.epochs(), [1, 1, 1]);
    expect_alike(&mut ring, &[2, 1, 3]);
}

/// All die at once and come back: what was decided is still decided, and nobody serves before the graces are over.
#[test]
fn a_ring_that_dies_whole_comes_back_at_its_epoch() {
    let mut ring = Ring::serving(8, THREE);
    ring.command(1, vec![Change::AddBackend(backend(9))]);
    expect_agreement(&mut ring);
    for member in 1..=3 {
        ring.crash(id(member));
    }
    ring.run(LEASE);
    for member in 1..=3 {
        ring.bounce(id(member));
    }
    expect_agreement(&mut ring);
    assert_eq!(ring.epochs(), [1, 1, 1]);
    ring.command(2, vec![Change::RemoveBackend { ip: backend(9).ip }]);
    expect_agreement(&mut ring);
    expect_alike(&mut ring, &[1, 2, 3]);
}

/// A crash and a restart faster than a lease: the grants given to the earlier run are still waited for.
#[test]
fn a_quick_restart_keeps_the_ring_serving() {
    let mut ring = Ring::serving(9, THREE);
    for member in [1, 2, 3] {
        ring.crash(id(member));
        ring.run(LEASE / 10);
        ring.bounce(id(member));
        let others: Vec<u16> = (1..=3).filter(|other| *other != member).collect();
        assert!(others.iter().all(|other| ring.is_serving(*other)));
        expect_agreement(&mut ring);
    }
    ring.command(1, vec![Change::AddBackend(backend(9))]);
    expect_agreement(&mut ring);
    expect_alike(&mut ring, &[1, 2, 3]);
}

/// The coordinating director dies; the other and the witness are a majority.
#[test]
fn two_directors_with_a_witness_survive_the_loss_of_either() {
    for lost in [1, 2] {
        let mut ring = Ring::serving(10 + u64::from(lost), TWO_AND_A_WITNESS);
        let left = 3 - lost;
        let before = ring.login(lost, "alice").expect("served");
        ring.crash(id(lost));
        let change = down_and_flush(&ring, before);
        ring.command(left, change);
        assert!(ring.login(left, "alice").is_some_and(|b| b != before));
        ring.bounce(id(lost));
        expect_agreement(&mut ring);
        expect_alike(&mut ring, &[1, 2]);
    }
}

/// Two directors that can't hear each other but both reach the witness: both may serve, and a change still commits without
/// splitting anybody, since the witness grants only to who has confirmed it.
#[test]
fn two_directors_that_only_share_a_witness_are_never_split() {
    let mut ring = Ring::serving(13, TWO_AND_A_WITNESS);
    let before = ring.login(1, "alice").expect("served");
    assert_eq!(ring.login(2, "alice"), Some(before));
    ring.cut_oneway(id(1), id(2));
    ring.cut_oneway(id(2), id(1));
    ring.run(LEASE * 2);
    assert!(ring.is_serving(1) && ring.is_serving(2));
    let change = down_and_flush(&ring, before);
    ring.command(1, change);
    ring.expect_within(SOON, "the other director learns it by the witness", |ring| {
        ring.does_everybody_agree() && ring.does_everybody_serve()
    });
    expect_alike(&mut ring, &[1, 2]);
    ring.heal_oneway(id(1), id(2));
    ring.heal_oneway(id(2), id(1));
    expect_agreement(&mut ring);
    expect_alike(&mut ring, &[1, 2]);
}

/// Members 1 and 3 can't hear each other, member 2 hears both: a change commits and reaches all.
#[test]
fn three_directors_in_a_chain_change_without_splitting_anybody() {
    let mut ring = Ring::serving(15, THREE);
    let before = ring.login(3, "alice").expect("served");
    ring.cut_oneway(id(1), id(3));
    ring.cut_oneway(id(3), id(1));
    ring.run(LEASE * 2);
    assert!(ring.does_everybody_serve());
    let change = down_and_flush(&ring, before);
    ring.command(1, change);
    expect_agreement(&mut ring);
    expect_alike(&mut ring, &[1, 2, 3]);
}

/// A witness that is lost is no loss to who serves.
#[test]
fn two_directors_go_on_without_their_witness() {
    let mut ring = Ring::serving(14, TWO_AND_A_WITNESS);
    ring.crash(id(3));
    ring.run(LEASE * 3);
    assert!(ring.is_serving(1) && ring.is_serving(2));
    ring.command(2, vec![Change::AddBackend(backend(9))]);
    expect_alike(&mut ring, &[1, 2]);
    ring.bounce(id(3));
    expect_agreement(&mut ring);
}
