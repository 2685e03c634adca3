//! Each change: what it does to the topology, what it moves, and when it is refused.

mod drain;
mod health;
mod members;
mod refusals;

use std::time::Duration;

use super::*;
use crate::topology::samples::{
    changed, director, id_at, ip, new, refused, three_backends, user, user_of, witness,
};
use crate::topology::{LEASE_MAX, LEASE_MIN, NewBackend, UserKey, VHOSTS_MAX};

#[test]
fn an_added_backend_is_up_and_has_the_next_id() {
    let base = three_backends();
    let (next, moves) = changed(&base, &[Change::AddBackend(new(9, "silver"))]);
    let added = next.backend_at(ip(9)).expect("the new backend");
    assert_eq!(added.id, BackendId::from_index(3));
    assert!(added.is_up);
    assert_eq!(next.tag_name(added.tag), Some("silver"));
    assert_eq!(
        next.ring(added.tag)
            .expect("a ring of the new tag")
            .points()
            .len(),
        100
    );
    assert_eq!(next.epoch(), base.epoch());
    assert!(moves.is_empty());
}

#[test]
fn a_backend_that_is_removed_and_added_again_is_another_one() {
    let base = three_backends();
    let old = id_at(&base, 2);
    let user = user_of(&base, 0, 2);
    let (next, moves) = changed(
        &base,
        &[
            Change::RemoveBackend { ip: ip(2) },
            Change::AddBackend(new(2, "")),
        ],
    );
    assert_eq!(next.backend(old), None);
    assert_ne!(id_at(&next, 2), old);
    assert_eq!(next.place(user), Some(id_at(&next, 2)));
    assert!(moves.covers(user, old));
    assert!(!moves.covers(user, id_at(&next, 2)));
}

#[test]
fn removing_a_backend_drops_its_pins_and_moves_its_users() {
    let base = three_backends();
    let user = user_of(&base, 0, 1);
    let base = base.advanced(&[(user, id_at(&base, 2))]);
    let (next, moves) = changed(&base, &[Change::RemoveBackend { ip: ip(2) }]);
    assert_eq!(base.place(user), Some(id_at(&base, 2)));
    assert_eq!(next.pins().len(), 0);
    assert_eq!(next.place(user), Some(id_at(&next, 1)));
    assert!(moves.covers(user, id_at(&base, 2)));
    assert!(!moves.covers(user, id_at(&base, 1)));
}

#[test]
fn another_tag_takes_the_backend_out_of_one_ring_into_another() {
    let base = three_backends();
    let (next, moves) = changed(
        &base,
        &[Change::SetTag {
            ip: ip(2),
            tag: "gold".into(),
        }],
    );
    assert_eq!(next.ring(next.tag("").unwrap()).unwrap().points().len(), 100);
    assert_eq!(next.ring(next.tag("gold").unwrap()).unwrap().points().len(), 200);
    assert!(moves.covers(user(&next, 7, ""), id_at(&next, 2)));
}

#[test]
fn the_same_tag_again_changes_nothing() {
    let base = three_backends();
    let user = user_of(&base, 0, 1);
    let base = base.advanced(&[(user, id_at(&base, 2))]);
    let (next, moves) = changed(
        &base,
        &[Change::SetTag {
            ip: ip(2),
            tag: "".into(),
        }],
    );
    assert_eq!(next, base);
    assert!(moves.is_empty());
}

#[test]
fn a_backend_that_is_down_keeps_its_pins_and_moves_nobody() {
    let base = three_backends();
    let pinned = user_of(&base, 0, 1);
    let base = base.advanced(&[(pinned, id_at(&base, 2))]);
    let (next, moves) = changed(
        &base,
        &[Change::Down {
            ip: ip(2),
            at_unix_s: 77,
        }],
    );
    let backend = next.backend_at(ip(2)).expect("it is still listed");
    assert!(!backend.is_up);
    assert_eq!(backend.changed_at_unix_s, 77);
    assert_eq!(next.place(pinned), Some(backend.id));
    assert_eq!(next.place(user_of(&base, 0, 2)), Some(id_at(&next, 1)));
    assert!(moves.is_empty());
}

#[test]
fn what_is_up_or_down_already_keeps_the_time_of_its_change() {
    let base = three_backends();
    assert_eq!(
        changed(
            &base,
            &[Change::Up {
                ip: ip(1),
                at_unix_s: 5
            }]
        )
        .0,
        base
    );
    let down = Change::Down {
        ip: ip(1),
        at_unix_s: 5,
    };
    let later = Change::Down {
        ip: ip(1),
        at_unix_s: 6,
    };
    assert_eq!(
        changed(&base, &[down.clone(), later]).0,
        changed(&base, &[down]).0
    );
}

#[test]
fn a_weight_of_zero_takes_no_users_and_the_same_weight_changes_nothing() {
    let base = three_backends();
    let (next, _) = changed(&base, &[Change::SetVhosts { ip: ip(3), vhosts: 0 }]);
    assert_eq!(next.place(user(&next, 7, "gold")), None);
    assert_eq!(
        changed(
            &base,
            &[Change::SetVhosts {
                ip: ip(3),
                vhosts: 100
            }]
        )
        .0,
        base
    );
}

#[test]
fn a_flush_drops_pins_and_moves_who_does_not_belong() {
    let base = three_backends();
    let (one, two) = (user_of(&base, 0, 1), user_of(&base, 0, 2));
    let base = base.advanced(&[(one, id_at(&base, 2)), (two, id_at(&base, 1))]);
    let (next, moves) = changed(&base, &[Change::Flush { ip: Some(ip(2)) }]);
    assert_eq!(next.pins().collect::<Vec<_>>(), [(two, id_at(&base, 1))]);
    assert!(moves.covers(one, id_at(&base, 2)));
    assert!(!moves.covers(two, id_at(&base, 1)));
    let (next, moves) = changed(&base, &[Change::Flush { ip: None }]);
    assert_eq!(next.pins().len(), 0);
    assert!(moves.covers(two, id_at(&base, 1)));
    assert_eq!(moves.backends().len(), 3);
}

#[test]
fn a_move_replaces_the_pin_under_the_tag_of_the_backend() {
    let base = three_backends();
    let user = user_of(&base, 0, 1);
    let (next, moves) = changed(
        &base,
        &[Change::Move {
            key: user.key,
            ip: ip(2),
        }],
    );
    assert_eq!(next.place(user), Some(id_at(&base, 2)));
    assert!(moves.covers(user, id_at(&base, 1)));
    let (back, _) = changed(
        &next,
        &[Change::Move {
            key: user.key,
            ip: ip(1),
        }],
    );
    assert_eq!(back.place(user), Some(id_at(&base, 1)));
    let (gold, moves) = changed(
        &base,
        &[Change::Move {
            key: user.key,
            ip: ip(3),
        }],
    );
    let golden = UserId {
        tag: base.tag("gold").unwrap(),
        ..user
    };
    assert_eq!(gold.pin(golden), Some(id_at(&base, 3)));
    assert_eq!(gold.pin(user), None);
    assert_eq!(moves.users().collect::<Vec<_>>(), [golden]);
}

#[test]
fn a_pin_that_the_same_draft_made_is_dropped_by_what_follows() {
    let base = three_backends();
    let user = user_of(&base, 0, 1);
    let to_two = Change::Move {
        key: user.key,
        ip: ip(2),
    };
    for after in [
        Change::Flush { ip: Some(ip(2)) },
        Change::Unpin { user },
        Change::RemoveBackend { ip: ip(2) },
    ] {
        assert_eq!(changed(&base, &[to_two.clone(), after]).0.pin(user), None);
    }
    // The old pin does not come back when the new one goes.
    let pinned = changed(&base, &[to_two]).0;
    let moved_back = Change::Move {
        key: user.key,
        ip: ip(1),
    };
    assert_eq!(
        changed(&pinned, &[moved_back.clone(), Change::Flush { ip: Some(ip(1)) }])
            .0
            .pin(user),
        None
    );
    // And a pin made after a flush stays.
    assert_eq!(
        changed(&pinned, &[Change::Flush { ip: None }, moved_back])
            .0
            .pin(user),
        Some(id_at(&base, 1))
    );
}

#[test]
fn unpinning_moves_the_user_and_releasing_does_not() {
    let base = three_backends();
    let user = user_of(&base, 0, 1);
    let two = id_at(&base, 2);
    let pinned = base.advanced(&[(user, two)]);
    let (next, moves) = changed(&pinned, &[Change::Unpin { user }]);
    assert_eq!(next.pin(user), None);
    assert!(moves.covers(user, two));
    let (next, moves) = changed(&pinned, &[Change::Release { users: [user].into() }]);
    assert_eq!(next.pin(user), None);
    assert!(moves.is_empty());
}

#[test]
fn a_move_of_everybody_drops_the_pins_of_single_users_of_the_hash() {
    let base = three_backends();
    let (one, neighbour) = (user_of(&base, 0, 1), user_of(&base, 0, 2));
    let namesake = UserId {
        key: UserKey::from_bits(one.key.to_bits() ^ 1),
        ..one
    };
    let golden = UserId {
        tag: base.tag("gold").unwrap(),
        ..one
    };
    let (first, second) = (id_at(&base, 1), id_at(&base, 2));
    let pinned = base.advanced(&[(one, second), (neighbour, first)]);
    let everybody = Change::Move {
        key: UserKey::everybody_of(one.key.hash()),
        ip: ip(2),
    };
    let (moved, moves) = changed(&pinned, std::slice::from_ref(&everybody));
    assert_eq!(
        moved.pins().collect::<Vec<_>>(),
        [(one.everybody(), second), (neighbour, first)]
    );
    for user in [one, namesake, one.everybody()] {
        assert_eq!(moved.place(user), Some(second));
        assert!(moves.covers(user, first));
    }
    assert_eq!(moved.place(golden), base.place(golden));
    assert!(!moves.covers(golden, id_at(&base, 3)));
    assert!(!moves.covers(neighbour, second));
    // One of them can be an exception, even to where the ring sends him.
    let back = Change::Move {
        key: one.key,
        ip: ip(1),
    };
    let excepted = changed(&moved, std::slice::from_ref(&back)).0.advanced(&[]);
    assert_eq!(
        (excepted.place(one), excepted.place(namesake)),
        (Some(first), Some(second))
    );
    assert_eq!(
        changed(&excepted, std::slice::from_ref(&everybody)).0.place(one),
        Some(second)
    );
    assert_eq!(changed(&pinned, &[back, everybody]).0.place(one), Some(second));
}

#[test]
fn a_pin_of_everybody_goes_like_others() {
    let base = three_backends();
    let user = user_of(&base, 0, 1);
    let key = UserKey::everybody_of(user.key.hash());
    let pinned = changed(&base, &[Change::Move { key, ip: ip(2) }]).0;
    let everybody = user.everybody();
    for gone in [
        Change::Flush { ip: Some(ip(2)) },
        Change::RemoveBackend { ip: ip(2) },
        Change::SetTag {
            ip: ip(2),
            tag: "gold".into(),
        },
        Change::Unpin { user: everybody },
        Change::Release {
            users: [everybody].into(),
        },
    ] {
        let (next, moves) = changed(&pinned, std::slice::from_ref(&gone));
        assert_eq!(next.pin(user), None, "{gone:?}");
        let is_release = matches!(gone, Change::Release { .. });
        assert_eq!(moves.covers(user, id_at(&pinned, 2)), !is_release, "{gone:?}");
    }
    assert_eq!(
        refused(&pinned, &[Change::Unpin { user }]),
        ChangeError::NoSuchPin { user }
    );
    let alone = changed(&pinned, &[Change::SetVhosts { ip: ip(1), vhosts: 0 }]).0;
    assert_eq!(alone.advanced(&[]).pins().len(), 0, "the ring says so anyway");
}

#[test]
fn while_the_lease_changes_waits_use_the_longest_that_may_run() {
    let base = three_backends();
    let lease = |seconds| Change::SetLease {
        lease: Duration::from_secs(seconds),
    };
    let wait = |topology: &Topology| topology.lease_wait().as_secs();
    // Two drafts of one epoch, the second on the first: leases of 5 s were granted, none of 2 s.
    let (shorter, _) = changed(&base, &[lease(2)]);
    let (shortest, _) = changed(&shorter, &[lease(1)]);
    assert_eq!((wait(&base), wait(&shorter), wait(&shortest)), (5, 5, 5));
    let first = shortest.advanced(&[]);
    let second = first.advanced(&[]);
    assert_eq!(first.timing().lease, Duration::from_secs(1));
    assert_eq!((wait(&first), wait(&second)), (5, 1));
    let longer = changed(&second, &[lease(9)]).0.advanced(&[]);
    assert_eq!((wait(&longer), wait(&longer.advanced(&[]))), (9, 9));
    let expire = Change::SetUserExpire {
        user_expire: Duration::from_secs(60),
    };
    assert_eq!(
        changed(&base, &[expire]).0.timing().user_expire,
        Duration::from_secs(60)
    );
}

#[test]
fn a_batch_that_fails_late_changes_nothing() {
    let base = three_backends();
    let user = user_of(&base, 0, 1);
    let mut draft = Draft::of(&base);
    let batch = [
        Change::SetVhosts { ip: ip(1), vhosts: 7 },
        Change::Move {
            key: user.key,
            ip: ip(2),
        },
        Change::AddBackend(new(9, "silver")),
        Change::AddMember(director(4)),
        Change::RemoveBackend { ip: ip(99) },
    ];
    assert_eq!(
        draft.apply(&batch),
        Err(ChangeError::UnknownBackend { ip: ip(99) })
    );
    let (next, moves) = draft.finish();
    assert_eq!(next, base);
    assert!(moves.is_empty());
}

#[test]
fn a_ring_whose_backends_did_not_change_is_shared() {
    let base = three_backends();
    let (next, _) = changed(&base, &[Change::SetVhosts { ip: ip(1), vhosts: 7 }]);
    let shared =
        |topology: &Topology, tag: &str| topology.rings.get(topology.tag(tag).unwrap()).cloned().unwrap();
    assert!(Arc::ptr_eq(&shared(&base, "gold"), &shared(&next, "gold")));
    assert!(!Arc::ptr_eq(&shared(&base, ""), &shared(&next, "")));
    let (flushed, _) = changed(&base, &[Change::Flush { ip: None }]);
    assert!(Arc::ptr_eq(&shared(&base, ""), &shared(&flushed, "")));
}

#[test]
fn only_changes_that_users_wait_for_are_urgent() {
    assert!(
        Change::Down {
            ip: ip(1),
            at_unix_s: 1
        }
        .is_urgent()
    );
    assert!(Change::Flush { ip: None }.is_urgent());
    assert!(
        !Change::Up {
            ip: ip(1),
            at_unix_s: 1
        }
        .is_urgent()
    );
    assert!(!Change::RemoveBackend { ip: ip(1) }.is_urgent());
}
