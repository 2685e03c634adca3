//! The table of holds, one rule at a time.

use std::hash::DefaultHasher;

use super::leaf::RUN_MAX;
use super::*;

const EXPIRE: Duration = Duration::from_secs(900);

/// More users than one node takes.
const MANY: u32 = 40_000;

fn at(millis: u64) -> Instant {
    Instant::ORIGIN.plus(Duration::from_millis(millis))
}

fn user(hash: u32) -> UserId {
    twin(hash, 7)
}

/// One of many users with the same hash.
fn twin(hash: u32, rest: u32) -> UserId {
    let key = UserKey::from_bits(u64::from(hash) << 32 | u64::from(rest));
    UserId {
        key,
        tag: TagId::DEFAULT,
    }
}

fn backend(index: u32) -> BackendId {
    BackendId::from_index(index)
}

/// Spread over the circle, and in no order.
fn spread(number: u32) -> u32 {
    (number + 1).wrapping_mul(0x9e37_79b1)
}

fn holding(hashes: &[u32]) -> Holds {
    let mut holds = Holds::default();
    for hash in hashes {
        holds.insert(user(*hash), &format!("u{hash}"), backend(1), 0, at(0));
    }
    holds
}

fn hashes<'a>(holds: impl Iterator<Item = Hold<'a>>) -> Vec<u32> {
    holds.map(|hold| hold.user.key.hash()).collect()
}

fn sessions(holds: &Holds, user: UserId) -> Option<u16> {
    holds.find(user).map(|hold| hold.sessions)
}

fn digest(holds: &Holds) -> u64 {
    let mut hasher = DefaultHasher::new();
    holds.hash(&mut hasher);
    hasher.finish()
}

#[test]
fn a_new_hold_shows_what_was_recorded() {
    let mut holds = Holds::default();
    let serial = holds.insert(user(5), "anna@example.com", backend(3), 1, at(1_000));
    let expected = Hold {
        user: user(5),
        name: "anna@example.com",
        backend: backend(3),
        sessions: 1,
        serial,
        is_evicting: false,
        touched: at(1_000),
    };
    assert_eq!(holds.find(user(5)), Some(expected));
    assert_eq!(holds.find(user(6)), None);
    assert_eq!((holds.len(), holds.is_empty()), (1, false));
}

#[test]
fn a_login_joins_the_hold_and_refreshes_it() {
    let mut holds = Holds::default();
    let serial = holds.insert(user(5), "anna", backend(3), 1, at(0));
    let opened = Opened {
        backend: backend(3),
        serial,
    };
    assert_eq!(holds.open_session(user(5), at(400)), Ok(opened));
    assert_eq!(sessions(&holds, user(5)), Some(2));
    assert_eq!(holds.open_uncounted(user(5), at(700)), Ok(opened));
    assert_eq!(sessions(&holds, user(5)), Some(2));
    assert_eq!(holds.find(user(5)).map(|hold| hold.touched), Some(at(700)));
    assert_eq!(holds.open_session(user(6), at(0)), Err(OpenError::NoHold));
    assert_eq!(holds.open_uncounted(user(6), at(0)), Err(OpenError::NoHold));
}

#[test]
fn a_login_during_an_eviction_changes_nothing() {
    let mut holds = holding(&[5]);
    assert!(holds.set_evicting(user(5), true));
    let before = holds.clone();
    assert_eq!(holds.open_session(user(5), at(400)), Err(OpenError::Evicting));
    assert_eq!(holds.open_uncounted(user(5), at(400)), Err(OpenError::Evicting));
    assert_eq!(holds, before);
    assert!(holds.set_evicting(user(5), false));
    assert!(holds.open_session(user(5), at(400)).is_ok());
    assert!(!holds.set_evicting(user(6), true));
}

#[test]
fn no_session_is_added_to_a_full_hold() {
    let mut holds = Holds::default();
    holds.insert(user(5), "anna", backend(3), SESSIONS_MAX, at(0));
    let before = holds.clone();
    let refused = holds
        .open_session(user(5), at(400))
        .expect_err("the hold is full");
    assert_eq!(refused, OpenError::TooManySessions);
    assert_eq!(
        refused.to_string(),
        "the user has 65535 open sessions, more are not counted"
    );
    assert_eq!(holds, before);
}

#[test]
fn only_a_session_of_this_very_hold_is_closed() {
    let mut holds = Holds::default();
    let first = holds.insert(user(5), "anna", backend(3), 1, at(0));
    holds.remove(user(5));
    let second = holds.insert(user(5), "anna", backend(4), 1, at(0));
    assert!(!holds.close_session(user(5), first, at(400)));
    assert_eq!(sessions(&holds, user(5)), Some(1));
    assert!(holds.close_session(user(5), second, at(400)));
    assert!(
        !holds.close_session(user(5), second, at(800)),
        "no session is left"
    );
    assert!(!holds.close_session(user(6), second, at(800)));
    assert_eq!(holds.find(user(5)).map(|hold| hold.touched), Some(at(400)));
}

#[test]
fn a_second_insert_replaces_the_hold() {
    let mut holds = Holds::default();
    let first = holds.insert(user(5), "anna", backend(3), 2, at(900));
    holds.insert(user(6), "bert", backend(3), 0, at(0));
    let second = holds.insert(user(5), "anna@example.com", backend(4), 0, at(500));
    assert_ne!(first, second);
    assert_eq!(holds.len(), 2);
    let hold = holds.find(user(5)).expect("held");
    assert_eq!(
        (hold.name, hold.sessions, hold.touched),
        ("anna@example.com", 0, at(500))
    );
    assert_eq!(holds.find(user(6)).map(|hold| hold.name), Some("bert"));
    assert_eq!(
        holds.count_by_backend().collect::<Vec<_>>(),
        [(backend(3), 1), (backend(4), 1)]
    );
}

#[test]
fn a_removed_hold_says_what_it_was() {
    let mut holds = Holds::default();
    let serial = holds.insert(user(5), "anna", backend(3), 2, at(0));
    let removed = Removed {
        name: "anna".into(),
        backend: backend(3),
        serial,
    };
    assert_eq!(holds.remove(user(5)), Some(removed));
    assert_eq!(holds.remove(user(5)), None);
    assert_eq!(holds.count_on(backend(3)), 0);
    assert_eq!(holds.count_by_backend().len(), 0);
}

#[test]
fn clearing_leaves_no_hold_and_reuses_no_serial() {
    let mut holds = Holds::default();
    let first = holds.insert(user(5), "anna", backend(3), 1, at(0));
    holds.clear();
    assert_eq!(holds, Holds::default());
    assert_eq!((holds.bytes(), holds.count_on(backend(3))), (0, 0));
    assert_ne!(holds.insert(user(5), "anna", backend(3), 1, at(0)), first);
}

#[test]
fn a_hold_never_ends_early_and_at_most_a_tick_late() {
    for nanos in [0, 1, 99_999_999, 100_000_000, 100_000_001] {
        let touched = Instant::from_nanos(nanos);
        let mut holds = Holds::default();
        holds.insert(user(5), "anna", backend(3), 0, at(0));
        assert!(holds.touch(user(5), touched));
        let hold = holds.find(user(5)).expect("held");
        let end = touched.plus(EXPIRE);
        assert!(
            hold.is_live(end.minus(Duration::from_nanos(1)), EXPIRE),
            "touched at {nanos}"
        );
        assert!(!hold.is_live(end.plus(TICK), EXPIRE), "touched at {nanos}");
    }
}

#[test]
fn a_refresh_never_goes_back_in_time() {
    let mut holds = holding(&[5]);
    assert!(holds.touch(user(5), at(900)));
    assert!(holds.touch(user(5), at(300)));
    assert_eq!(holds.find(user(5)).map(|hold| hold.touched), Some(at(900)));
    assert!(!holds.touch(user(6), at(900)));
}

#[test]
fn a_hold_touched_beyond_the_last_tick_stays() {
    let mut holds = holding(&[5]);
    let far = Instant::from_nanos(u64::from(u32::MAX) * TICK_NANOS);
    holds.touch(user(5), far);
    holds.sweep(far.plus(10 * EXPIRE), EXPIRE, 10, &mut Vec::new());
    assert_eq!(holds.len(), 1);
}

#[test]
fn a_sweep_takes_out_what_is_no_longer_live() {
    let mut holds = holding(&[1, 2, 3, 4]);
    assert!(holds.open_session(user(2), at(0)).is_ok());
    assert!(holds.set_evicting(user(3), true));
    assert!(holds.touch(user(4), at(100)));
    let mut ended = Vec::new();
    holds.sweep(at(0).plus(EXPIRE), EXPIRE, 10, &mut ended);
    assert_eq!(ended, [user(1)]);
    assert_eq!(hashes(holds.iter()), [2, 3, 4]);
    assert_eq!(holds.count_on(backend(1)), 3);
}

#[test]
fn sweeps_go_round_the_table_bit_by_bit() {
    let mut holds = holding(&[1, 2, 3, 4, 5]);
    let (late, mut ended) = (at(0).plus(EXPIRE), Vec::new());
    holds.sweep(late, EXPIRE, 2, &mut ended);
    assert_eq!(ended, [user(1), user(2)]);
    // A hold that goes and one that comes in between disturb nothing.
    holds.remove(user(3));
    holds.insert(user(1), "u1", backend(1), 0, at(0));
    holds.sweep(late, EXPIRE, 2, &mut ended);
    assert_eq!(ended, [user(1), user(2), user(4), user(5)]);
    holds.sweep(late, EXPIRE, 2, &mut ended);
    assert_eq!(ended.last(), Some(&user(1)));
    holds.sweep(late, EXPIRE, 2, &mut ended);
    assert_eq!((ended.len(), holds.len()), (5, 0));
}

#[test]
fn a_scan_includes_both_ends_and_all_users_of_a_hash() {
    let mut holds = holding(&[1, 10, 20, 30, u32::MAX]);
    holds.insert(twin(20, 0), "first", backend(1), 0, at(0));
    holds.insert(twin(20, u32::MAX), "last", backend(1), 0, at(0));
    assert_eq!(hashes(holds.scan(10, 20)), [10, 20, 20, 20]);
    assert_eq!(hashes(holds.scan(0, 1)), [1]);
    assert_eq!(hashes(holds.scan(u32::MAX, u32::MAX)), [u32::MAX]);
    assert_eq!(holds.scan(11, 19).count(), 0);
    assert_eq!(holds.scan(20, 10).count(), 0);
    assert_eq!(holds.scan(0, u32::MAX).count(), holds.len());
    assert_eq!(Holds::default().scan(0, u32::MAX).count(), 0);
}

#[test]
fn users_who_differ_in_their_tag_have_holds_of_their_own() {
    let mut holds = Holds::default();
    let tagged = |tag| UserId {
        tag: TagId::from_index(tag),
        ..user(5)
    };
    for tag in (0..300).rev() {
        holds.insert(
            tagged(tag),
            &format!("anna of {tag}"),
            backend(u32::from(tag)),
            0,
            at(0),
        );
    }
    for tag in 0..300 {
        assert_eq!(
            holds.find(tagged(tag)).map(|hold| hold.backend),
            Some(backend(u32::from(tag)))
        );
    }
    assert!(holds.iter().map(|hold| hold.user).is_sorted());
}

#[test]
fn equal_content_is_equal_whatever_came_before() {
    let forwards = holding(&(1..=MANY).collect::<Vec<_>>());
    let mut backwards = Holds::default();
    for hash in (1..=2 * MANY).rev() {
        backwards.insert(user(hash), &format!("u{hash}"), backend(1), 0, at(0));
    }
    (MANY + 1..=2 * MANY).for_each(|hash| drop(backwards.remove(user(hash))));
    // The holds are the same, but each was numbered on its own way.
    assert_ne!(forwards, backwards);
    let mut forwards_again = Holds::default();
    for hold in backwards.iter() {
        forwards_again.next_serial = hold.serial;
        forwards_again.insert(hold.user, hold.name, hold.backend, hold.sessions, hold.touched);
    }
    assert_eq!(forwards_again, backwards);
    assert_eq!(digest(&forwards_again), digest(&backwards));
    backwards.sweep(at(0), EXPIRE, 1, &mut Vec::new());
    assert_ne!(forwards_again, backwards, "the next sweeps differ");
}

#[test]
fn many_users_come_and_go_and_leave_no_memory_behind() {
    let mut holds = Holds::default();
    for number in 0..MANY {
        holds.insert(
            user(spread(number)),
            &format!("user{number}"),
            backend(number % 7),
            0,
            at(0),
        );
    }
    assert!(holds.iter().map(|hold| hold.user).is_sorted());
    let full = holds.bytes();
    assert!(full < 40 * MANY as usize, "{full} bytes");
    for number in (0..MANY).filter(|number| number % 100 != 0) {
        let removed = holds.remove(user(spread(number))).expect("held");
        assert_eq!(*removed.name, *format!("user{number}"));
    }
    assert_eq!(holds.len(), 400);
    assert_eq!(holds.count_by_backend().map(|(_, count)| count).sum::<u32>(), 400);
    for number in (0..MANY).step_by(100) {
        let name = format!("user{number}");
        assert_eq!(
            holds.find(user(spread(number))).map(|hold| hold.name),
            Some(name.as_str())
        );
    }
    assert!(holds.bytes() < full / 20, "{} of {full} bytes", holds.bytes());
    holds.sweep(at(0).plus(EXPIRE), EXPIRE, 400, &mut Vec::new());
    assert!(holds.is_empty());
    holds.clear();
    assert_eq!(holds.bytes(), 0);
}

#[test]
fn names_chosen_for_one_hash_are_held_like_others() {
    let mut holds = holding(&[3, 5]);
    for number in 0..MANY {
        holds.insert(
            twin(4, spread(number)),
            &format!("mallory{number}"),
            backend(1),
            0,
            at(0),
        );
    }
    assert_eq!(holds.scan(4, 4).count(), MANY as usize);
    assert!(holds.iter().map(|hold| hold.user).is_sorted());
    for number in 0..MANY {
        let name = format!("mallory{number}");
        assert_eq!(
            holds.find(twin(4, spread(number))).map(|hold| hold.name),
            Some(name.as_str())
        );
    }
}

#[test]
fn a_run_takes_the_longest_names() {
    let mut holds = Holds::default();
    let longest = "ä".repeat(NAME_BYTES_MAX / 2);
    for hash in 1..=3 * RUN_MAX as u32 {
        holds.insert(user(hash), &longest, backend(1), 0, at(0));
        holds.insert(twin(hash, 0), "", backend(1), 0, at(0));
    }
    let expected = |hold: &Hold<'_>| {
        if hold.user.key.to_bits() as u32 == 0 {
            ""
        } else {
            &longest
        }
    };
    assert!(holds.iter().all(|hold| hold.name == expected(&hold)));
    (1..=3 * RUN_MAX as u32).for_each(|hash| drop(holds.remove(user(hash))));
    assert!(holds.iter().all(|hold| hold.name.is_empty()));
}

#[test]
#[should_panic(expected = "at most 255 bytes")]
fn a_name_that_is_too_long_is_the_callers_fault() {
    Holds::default().insert(user(5), &"a".repeat(NAME_BYTES_MAX + 1), backend(1), 0, at(0));
}

#[test]
fn a_large_table_made_in_one_go_is_like_one_filled_in_order() {
    let mut gathered = Gathered::with_room(MANY as usize);
    let mut hashes: Vec<u32> = (0..MANY).map(spread).collect();
    for hash in &hashes {
        gathered.held(Journalled {
            user: user(*hash),
            name: &format!("u{hash}"),
            // Some ids are too high for the list that counts them.
            backend: backend(hash % 3 * 1_000_000),
        });
    }
    hashes.sort_unstable();
    let mut expected = Holds::default();
    for hash in &hashes {
        expected.insert(
            user(*hash),
            &format!("u{hash}"),
            backend(hash % 3 * 1_000_000),
            0,
            at(700),
        );
    }
    let mut table = Holds::of_gathered(gathered, usize::MAX, at(700), |_, _| ());
    assert_eq!(table, expected);
    assert_eq!(table.next_serial, expected.next_serial);
    assert!(table.count_by_backend().eq(expected.count_by_backend()));
    assert!(hashes.iter().all(|hash| table.find(user(*hash)).is_some()));
    assert!(table.bytes() < 40 * MANY as usize, "{} bytes", table.bytes());
    table.sweep(at(700).plus(EXPIRE), EXPIRE, MANY as usize, &mut Vec::new());
    assert!(table.is_empty());
}
