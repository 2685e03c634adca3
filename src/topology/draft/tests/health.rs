//! Backends that probes take out of service and let back, and the brake.

use super::*;

fn fail(last: u8) -> Change {
    Change::Fail {
        ip: ip(last),
        at_unix_s: 7,
        evicts: false,
    }
}

fn recover(last: u8) -> Change {
    Change::Recover {
        ip: ip(last),
        at_unix_s: 9,
    }
}

/// Four backends of the default tag.
fn four_backends() -> Topology {
    let more = [Change::AddBackend(new(4, "")), Change::AddBackend(new(5, ""))];
    changed(&three_backends(), &more).0
}

#[test]
fn a_failed_backend_has_no_points_until_it_recovers() {
    let base = four_backends();
    let user = user_of(&base, 0, 1);
    let (failed, moves) = changed(&base, &[fail(1)]);
    let backend = failed.backend_at(ip(1)).expect("it is still there");
    assert_eq!((backend.is_up, backend.is_failed), (true, true));
    assert_eq!((backend.points(), backend.changed_at_unix_s), (0, 7));
    assert_ne!(failed.place(user), Some(id_at(&base, 1)));
    assert!(moves.is_empty(), "whoever has sessions there stays for now");
    let (back, moves) = changed(&failed, &[recover(1)]);
    assert_eq!(back.place(user), Some(id_at(&base, 1)));
    assert!(moves.is_empty(), "whoever has sessions elsewhere stays there");
    assert_eq!(
        changed(&base, &[recover(1)]).0,
        base,
        "it does not recover from nothing"
    );
}

#[test]
fn the_users_of_a_failed_backend_are_moved_when_that_is_said() {
    let base = four_backends();
    let user = user_of(&base, 0, 1);
    let evicting = Change::Fail {
        ip: ip(1),
        at_unix_s: 7,
        evicts: true,
    };
    for before in [&base, &changed(&base, &[fail(1)]).0] {
        let (_, moves) = changed(before, std::slice::from_ref(&evicting));
        assert!(moves.covers(user, id_at(&base, 1)));
    }
}

#[test]
fn the_brake_counts_what_is_up_in_the_tag_and_nothing_else() {
    let base = four_backends();
    let (half, _) = changed(&base, &[fail(1), fail(4)]);
    let braked = refused(&half, &[fail(5)]);
    assert!(
        matches!(braked, ChangeError::Braked { ip: at, failed: 3, up: 4, .. } if at == ip(5)),
        "{braked:?}"
    );
    // One that recovers makes room, in the same batch too.
    changed(&half, &[recover(4), fail(5)]);
    // A human's `down` takes one out of the count: two of three would be failed.
    let (fewer, _) = changed(
        &base,
        &[
            Change::Down {
                ip: ip(5),
                at_unix_s: 8,
            },
            fail(1),
        ],
    );
    assert!(matches!(
        refused(&fewer, &[fail(4)]),
        ChangeError::Braked { failed: 2, up: 3, .. }
    ));
}

#[test]
fn the_last_backend_of_a_tag_that_works_stays() {
    let base = three_backends();
    assert_eq!(
        refused(&base, &[fail(3)]),
        ChangeError::LastWorkingBackend { ip: ip(3) }
    );
}

#[test]
fn a_human_is_never_overruled() {
    let base = four_backends();
    let down = Change::Down {
        ip: ip(1),
        at_unix_s: 8,
    };
    for before in [&base, &changed(&base, &[fail(1)]).0] {
        let (down, _) = changed(before, std::slice::from_ref(&down));
        let backend = down.backend_at(ip(1)).expect("it is still there");
        assert_eq!((backend.is_up, backend.is_failed), (false, false));
        assert_eq!(
            refused(&down, &[fail(1)]),
            ChangeError::BackendIsDown { ip: ip(1) }
        );
        assert_eq!(changed(&down, &[recover(1)]).0, down);
    }
}
