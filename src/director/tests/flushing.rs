//! The flush hook: for whom it runs, and who waits for it.

use super::*;

/// What the hooks of a member were asked for, without what was seen before.
fn hooks(ring: &mut Ring, at: u16) -> Vec<(UserId, FlushedFrom, BackendId)> {
    ring.hooks.remove(&id(at)).unwrap_or_default()
}

fn with_hook(flushes: usize) -> Ring {
    let mut ring = Ring::new(3);
    ring.limits.flushes = flushes;
    for at in 1..=3 {
        ring.boot(id(at));
    }
    ring.run(Duration::from_secs(3));
    ring
}

#[test]
fn a_moved_user_is_let_in_when_the_hook_has_run_at_each_director() {
    let mut ring = with_hook(2);
    let from = ring.login(1, "alice").expect("no change has moved anybody");
    let (order, to) = away_from(&ring, from, "alice");
    ring.command(3, vec![order]);
    ring.run(Duration::from_secs(2));
    for at in [1, 2] {
        assert_eq!(ring.login(at, "alice"), None, "she waits for the hook");
        assert_eq!(ring.login(at, "alice"), None);
        let [(user, flushed_from, flushed_to)] = hooks(&mut ring, at)[..] else {
            panic!("one hook for all her logins")
        };
        assert_eq!((user, flushed_to), (self::user("alice"), to));
        assert_eq!((flushed_from.is_up, flushed_from.vhosts), (true, 100));
        ring.give(id(at), Input::Flushed { user, to });
        assert_eq!(ring.login(at, "alice"), Some(to));
        assert_eq!(hooks(&mut ring, at), []);
        assert_eq!(ring.members[&id(at)].flushes_running(), 0);
    }
    let others = ["bob", "carol", "dave"].map(|name| ring.login(1, name));
    assert!(
        others.iter().all(Option::is_some),
        "nobody else waits: {others:?}"
    );
}

#[test]
fn hooks_beyond_the_limit_wait_for_those_before() {
    let mut ring = with_hook(1);
    let names = ["alice", "bob", "carol"];
    for name in names {
        let from = ring.members[&id(1)].topology().place(user(name)).expect("served");
        let (order, _) = away_from(&ring, from, name);
        ring.command(3, vec![order]);
        ring.run(Duration::from_secs(2));
    }
    for name in names {
        assert_eq!(ring.login(1, name), None);
    }
    for name in names {
        let asked: Vec<UserId> = hooks(&mut ring, 1).into_iter().map(|(user, ..)| user).collect();
        assert_eq!(asked, [user(name)]);
        let to = ring.members[&id(1)].topology().place(user(name)).expect("served");
        let user = user(name);
        ring.give(id(1), Input::Flushed { user, to });
    }
    for name in names {
        assert_eq!(
            ring.login(1, name),
            ring.members[&id(1)].topology().place(user(name))
        );
    }
}

#[test]
fn a_hook_for_a_backend_that_the_user_has_left_meanwhile_runs_again() {
    let mut ring = with_hook(5);
    let from = ring.login(1, "alice").expect("served");
    let (order, to) = away_from(&ring, from, "alice");
    ring.command(3, vec![order]);
    ring.run(Duration::from_secs(2));
    assert_eq!(ring.login(1, "alice"), None);
    let topology = ring.members[&id(1)].topology().clone();
    let third = topology
        .backends()
        .find(|backend| backend.id != from && backend.id != to)
        .expect("three");
    let (ip, third) = (third.ip, third.id);
    let key = UserKey::everybody_of(user("alice").key.hash());
    ring.command(3, vec![Change::Move { key, ip }]);
    ring.run(Duration::from_secs(2));
    hooks(&mut ring, 1);
    let user = user("alice");
    ring.give(id(1), Input::Flushed { user, to });
    let again: Vec<BackendId> = hooks(&mut ring, 1).into_iter().map(|(_, _, to)| to).collect();
    assert_eq!(again, [third]);
    ring.give(id(1), Input::Flushed { user, to: third });
    assert_eq!(ring.login(1, "alice"), Some(third));
}

#[test]
fn a_director_that_missed_a_change_has_the_hook_run_for_whoever_is_placed_elsewhere() {
    let mut ring = with_hook(5);
    let from = ring.members[&id(1)]
        .topology()
        .place(user("alice"))
        .expect("served");
    let (order, to) = away_from(&ring, from, "alice");
    ring.cut = vec![(id(1), id(3)), (id(2), id(3))];
    ring.command(1, vec![order]);
    ring.run(TIMING_DEFAULT.lease * 3);
    ring.cut.clear();
    ring.run(TIMING_DEFAULT.lease);
    hooks(&mut ring, 3);
    assert_eq!(ring.login(3, "alice"), None);
    let asked: Vec<(UserId, BackendId)> = hooks(&mut ring, 3)
        .into_iter()
        .map(|(user, _, to)| (user, to))
        .collect();
    assert_eq!(asked, [(user("alice"), to)]);
    assert!(ring.login(3, "bob").is_some());
}
