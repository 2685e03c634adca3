//! Each change: what it does to the topology, what it moves, and when it is refused.

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
fn a_new_lease_waits_for_the_longer_of_itself_and_the_one_before() {
    let base = three_backends();
    let shorter = Change::SetLease {
        lease: Duration::from_secs(2),
    };
    let (next, _) = changed(&base, &[shorter]);
    let next = next.advanced(&[]);
    assert_eq!(next.timing().lease, Duration::from_secs(2));
    assert_eq!(next.lease_wait(), Duration::from_secs(5));
    let longer = Change::SetUserExpire {
        user_expire: Duration::from_secs(60),
    };
    let (after, _) = changed(&next, &[longer]);
    assert_eq!(after.lease_wait(), Duration::from_secs(2));
    assert_eq!(after.timing().user_expire, Duration::from_secs(60));
}

#[test]
fn a_round_changes_one_voter() {
    let base = three_backends();
    let (four, five) = (Change::AddMember(director(4)), Change::AddMember(director(5)));
    let leave = |id| Change::RemoveMember {
        id: MemberId::from_index(id),
    };
    assert_eq!(
        refused(&base, &[four.clone(), five.clone()]),
        ChangeError::OneVoterPerRound
    );
    assert_eq!(
        refused(&base, &[leave(1), four.clone()]),
        ChangeError::OneVoterPerRound
    );
    assert_eq!(
        changed(&base, &[four.clone(), leave(4), five.clone()]).0.voters(),
        4
    );
    // Also when the second comes in another batch of the same draft, and not in the draft after.
    let mut draft = Draft::of(&base);
    draft.apply(std::slice::from_ref(&four)).expect("the first voter");
    assert_eq!(
        draft.apply(std::slice::from_ref(&five)),
        Err(ChangeError::OneVoterPerRound)
    );
    assert_eq!(changed(&draft.finish().0, &[five]).0.voters(), 5);
}

#[test]
fn a_voter_with_other_storage_is_another_voter() {
    let base = three_backends();
    let leave = Change::RemoveMember {
        id: MemberId::from_index(1),
    };
    let wiped = Member {
        incarnation: Incarnation::from_bits(99),
        ..director(1)
    };
    assert_eq!(
        refused(&base, &[leave.clone(), Change::AddMember(wiped)]),
        ChangeError::OneVoterPerRound
    );
    assert_eq!(changed(&base, &[leave, Change::AddMember(director(1))]).0, base);
}

#[test]
fn members_that_do_not_vote_come_and_go_freely() {
    let base = three_backends();
    let joining = (10..20).map(|id| {
        Change::AddMember(Member {
            votes: false,
            ..director(id)
        })
    });
    let (next, _) = changed(&base, &joining.collect::<Vec<_>>());
    assert_eq!((next.members().len(), next.voters(), next.majority()), (13, 3, 2));
}

#[test]
fn the_last_of_each_kind_stays() {
    let mut topology = three_backends();
    for last in [2, 3] {
        topology = changed(&topology, &[Change::RemoveBackend { ip: ip(last) }]).0;
        topology = changed(
            &topology,
            &[Change::RemoveMember {
                id: MemberId::from_index(last.into()),
            }],
        )
        .0;
    }
    let leave = Change::RemoveMember {
        id: MemberId::from_index(1),
    };
    assert_eq!(
        refused(&topology, &[Change::RemoveBackend { ip: ip(1) }]),
        ChangeError::LastBackend
    );
    assert_eq!(
        refused(&topology, std::slice::from_ref(&leave)),
        ChangeError::LastVoter
    );
    let with_witness = changed(&topology, &[Change::AddMember(witness(2))]).0;
    assert_eq!(refused(&with_witness, &[leave]), ChangeError::LastDirector);
}

#[test]
fn what_does_not_exist_is_refused_by_name() {
    let base = three_backends();
    let (nowhere, id) = (ip(99), MemberId::from_index(99));
    let user = user(&base, 7, "");
    let untagged = UserId {
        tag: crate::topology::TagId::from_index(9),
        ..user
    };
    for change in [
        Change::RemoveBackend { ip: nowhere },
        Change::SetVhosts {
            ip: nowhere,
            vhosts: 1,
        },
        Change::SetTag {
            ip: nowhere,
            tag: "x".into(),
        },
        Change::Up {
            ip: nowhere,
            at_unix_s: 1,
        },
        Change::Down {
            ip: nowhere,
            at_unix_s: 1,
        },
        Change::Flush { ip: Some(nowhere) },
        Change::Move {
            key: UserKey::from_bits(7),
            ip: nowhere,
        },
    ] {
        assert_eq!(
            refused(&base, &[change]),
            ChangeError::UnknownBackend { ip: nowhere }
        );
    }
    assert_eq!(
        refused(&base, &[Change::RemoveMember { id }]),
        ChangeError::UnknownMember { id }
    );
    assert_eq!(
        refused(&base, &[Change::Unpin { user }]),
        ChangeError::NoSuchPin { user }
    );
    assert_eq!(
        refused(&base, &[Change::Unpin { user: untagged }]),
        ChangeError::UnknownTag { tag: untagged.tag }
    );
    assert_eq!(
        refused(&base, &[Change::AddBackend(new(1, ""))]),
        ChangeError::BackendExists { ip: ip(1) }
    );
    let one = MemberId::from_index(1);
    assert_eq!(
        refused(&base, &[Change::AddMember(director(1))]),
        ChangeError::MemberExists { id: one }
    );
}

#[test]
fn nothing_named_is_refused() {
    let base = three_backends();
    assert_eq!(refused(&base, &[]), ChangeError::NothingNamed);
    assert_eq!(
        refused(&base, &[Change::Release { users: [].into() }]),
        ChangeError::NothingNamed
    );
}

#[test]
fn what_is_out_of_range_is_refused() {
    let base = three_backends();
    let add = |new: NewBackend| refused(&base, &[Change::AddBackend(new)]);
    let hostname = |name: &str| NewBackend {
        hostname: Some(name.into()),
        ..new(9, "")
    };
    let too_heavy = ChangeError::VhostsOutOfRange {
        vhosts: 1_001,
        max: VHOSTS_MAX,
    };
    assert_eq!(
        refused(
            &base,
            &[Change::SetVhosts {
                ip: ip(1),
                vhosts: 1_001
            }]
        ),
        too_heavy
    );
    assert_eq!(
        add(NewBackend {
            vhosts: 1_001,
            ..new(9, "")
        }),
        too_heavy
    );
    assert_eq!(add(new(9, "a@b")), ChangeError::BadTag { tag: "a@b".into() });
    assert_eq!(
        add(new(9, &"x".repeat(65))),
        ChangeError::TagTooLong { bytes: 65, max: 64 }
    );
    assert_eq!(
        add(hostname("a\tb")),
        ChangeError::BadHostname {
            hostname: "a\tb".into()
        }
    );
    assert_eq!(
        add(hostname("")),
        ChangeError::BadHostname { hostname: "".into() }
    );
    assert_eq!(
        add(hostname(&"x".repeat(256))),
        ChangeError::HostnameTooLong { bytes: 256, max: 255 }
    );
    let idle = Member {
        serves: false,
        ..witness(9)
    };
    let idle = Member { votes: false, ..idle };
    assert_eq!(
        refused(&base, &[Change::AddMember(idle)]),
        ChangeError::MemberWithoutDuty { id: idle.id }
    );
    for lease in [Duration::ZERO, LEASE_MAX + Duration::from_nanos(1)] {
        let expected = ChangeError::LeaseOutOfRange {
            lease,
            min: LEASE_MIN,
            max: LEASE_MAX,
        };
        assert_eq!(refused(&base, &[Change::SetLease { lease }]), expected);
    }
    let user_expire = Duration::from_millis(999);
    let briefly = refused(&base, &[Change::SetUserExpire { user_expire }]);
    assert!(
        matches!(briefly, ChangeError::UserExpireOutOfRange { .. }),
        "{briefly}"
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
