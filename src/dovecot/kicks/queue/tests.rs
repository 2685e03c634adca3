//! Passes, rounds, errors and broken connections, answer by answer.

use super::*;

const DELAY: Duration = Duration::from_secs(2);

fn queue(by: KickBy) -> Queue {
    Queue::new(by, DELAY)
}

fn at(ms: u64) -> Instant {
    Instant::ORIGIN.plus(Duration::from_millis(ms))
}

fn user(token: u64) -> Kick {
    Kick::User {
        token,
        key: key(token),
    }
}

fn key(number: u64) -> UserKey {
    UserKey::from_bits(number << 32)
}

/// The lines of a round that is answered well.
fn round(queue: &mut Queue, now: Instant, done: &mut Vec<KickDone>) -> Vec<String> {
    let (lines, count) = lines(queue, now);
    queue.answered(now, &vec![Said::Kicked; count], done);
    lines
}

fn lines(queue: &mut Queue, now: Instant) -> (Vec<String>, usize) {
    let mut out = Vec::new();
    let count = queue.round(now, &mut out);
    let lines: Vec<_> = str::from_utf8(&out)
        .expect("text")
        .lines()
        .map(str::to_owned)
        .collect();
    assert_eq!(lines.len(), count, "each line is answered once");
    (lines, count)
}

#[test]
fn kick_is_done_when_it_was_answered_twice_a_delay_apart() {
    let mut queue = queue(KickBy::Anvil);
    let mut done = Vec::new();
    assert_eq!(queue.next_wakeup(), None);
    assert!(queue.push(user(7)));
    assert_eq!(queue.next_wakeup(), Some(Instant::ORIGIN));
    assert_eq!(
        round(&mut queue, at(100), &mut done),
        ["KICK-ALT-USER\tuser_director_hash\t7"]
    );
    assert_eq!(queue.next_wakeup(), Some(at(2_100)));
    assert!(round(&mut queue, at(2_099), &mut done).is_empty());
    assert!(done.is_empty());
    assert_eq!(round(&mut queue, at(2_100), &mut done).len(), 1);
    assert_eq!(done, [KickDone { token: 7 }]);
    assert_eq!((queue.len(), queue.next_wakeup()), (0, None));
}

#[test]
fn ipc_is_asked_by_hash_and_by_the_told_hash() {
    let mut queue = queue(KickBy::Ipc);
    queue.push(user(7));
    assert_eq!(
        lines(&mut queue, at(0)).0,
        [
            "proxy\t*\tKICK-DIRECTOR-HASH\t7",
            "proxy\t*\tKICK-ALT\tuser_director_hash\t7"
        ]
    );
}

#[test]
fn kick_under_way_is_not_begun_again() {
    let mut queue = queue(KickBy::Anvil);
    assert!(queue.push(user(7)));
    assert!(!queue.push(user(7)));
    let mut done = Vec::new();
    round(&mut queue, at(0), &mut done);
    assert!(!queue.push(user(7)));
    round(&mut queue, at(2_000), &mut done);
    assert!(queue.push(user(7)), "a kick that is done may be wanted again");
}

#[test]
fn error_to_one_line_keeps_only_its_kick_from_being_done() {
    let mut queue = queue(KickBy::Ipc);
    queue.push(user(1));
    queue.push(user(2));
    lines(&mut queue, at(0));
    let error = Said::Error("lost connection".into());
    let mut done = Vec::new();
    queue.answered(
        at(0),
        &[Said::Kicked, error, Said::Kicked, Said::Kicked],
        &mut done,
    );
    assert_eq!(queue.next_wakeup(), Some(at(1_000)), "tried again after a while");
    assert_eq!(round(&mut queue, at(1_000), &mut done).len(), 2);
    assert_eq!(round(&mut queue, at(2_000), &mut done).len(), 2);
    assert_eq!(done, [KickDone { token: 2 }]);
    assert_eq!(round(&mut queue, at(3_000), &mut done).len(), 2);
    assert_eq!(done.len(), 2, "both passes of the first came after its error");
}

#[test]
fn broken_connection_sends_the_round_again_in_order() {
    let mut queue = queue(KickBy::Anvil);
    (1..=3).for_each(|token| assert!(queue.push(user(token))));
    let (before, _) = lines(&mut queue, at(0));
    queue.failed();
    let mut done = Vec::new();
    assert_eq!(round(&mut queue, at(0), &mut done), before);
    let (before, _) = lines(&mut queue, at(2_000));
    queue.failed();
    assert_eq!(
        round(&mut queue, at(2_000), &mut done),
        before,
        "in the second pass too"
    );
    assert_eq!(done.len(), 3);
}

#[test]
fn kick_of_all_goes_before_others_in_bounded_lines() {
    let backends: Vec<IpAddr> = (0..40).map(|n| IpAddr::from([10, 0, 0, n])).collect();
    let mut queue = queue(KickBy::Ipc);
    queue.push(user(7));
    queue.push(Kick::All {
        token: 1,
        backends,
        keys: vec![key(9)],
    });
    let mut done = Vec::new();
    let sent = round(&mut queue, at(0), &mut done);
    assert_eq!(sent.len(), 3 + 2);
    assert!(sent[0].starts_with("proxy\t*\tKICK-HOST\t10.0.0.0\t10.0.0.1\t"));
    assert!(sent[2].ends_with("\t10.0.0.39"));
    assert!(sent.iter().all(|line| line.len() < 1_000));
    round(&mut queue, at(2_000), &mut done);
    assert_eq!(done.len(), 2);
}

#[test]
fn kick_of_all_by_anvil_takes_as_many_rounds_as_it_needs() {
    let mut queue = queue(KickBy::Anvil);
    queue.push(Kick::All {
        token: 1,
        backends: Vec::new(),
        keys: (1..=600).map(key).collect(),
    });
    let mut done = Vec::new();
    let mut sent = Vec::new();
    while queue.next_wakeup() == Some(Instant::ORIGIN) {
        let lines = round(&mut queue, at(0), &mut done);
        assert!(lines.len() <= ROUND_LINES);
        sent.extend(lines);
    }
    assert_eq!(sent.len(), 600);
    sent.dedup();
    assert_eq!(sent.len(), 600, "each once");
    assert!(done.is_empty());
    let due = queue.next_wakeup().expect("a second pass");
    for _ in 0..3 {
        round(&mut queue, due, &mut done);
    }
    assert_eq!(done, [KickDone { token: 1 }]);
}

#[test]
fn kick_of_nobody_is_done_without_a_line() {
    let mut queue = queue(KickBy::Ipc);
    queue.push(Kick::All {
        token: 1,
        backends: Vec::new(),
        keys: Vec::new(),
    });
    let mut done = Vec::new();
    assert!(round(&mut queue, at(0), &mut done).is_empty());
    assert!(round(&mut queue, at(2_000), &mut done).is_empty());
    assert_eq!(done.len(), 1);
}

#[test]
fn all_are_done_when_nobody_is_left() {
    let mut queue = queue(KickBy::Ipc);
    (1..=3).for_each(|token| assert!(queue.push(user(token))));
    lines(&mut queue, at(0));
    queue.failed();
    let mut done = Vec::new();
    queue.nobody_left(&mut done);
    assert_eq!(done.len(), 3);
    assert_eq!((queue.len(), queue.next_wakeup()), (0, None));
}

#[test]
fn second_pass_is_not_kept_waiting_by_new_kicks() {
    let mut queue = queue(KickBy::Anvil);
    queue.push(user(1));
    let mut done = Vec::new();
    round(&mut queue, at(0), &mut done);
    (2..2_000).for_each(|token| assert!(queue.push(user(token))));
    round(&mut queue, at(2_000), &mut done);
    assert_eq!(done, [KickDone { token: 1 }]);
}

#[test]
fn a_kick_by_a_field_is_done_like_others_but_not_tried_again() {
    let field = PassdbField::new("user_x", "bob").expect("plain");
    let with = |token| Kick::With {
        token,
        field: field.clone(),
    };
    let mut queue = queue(KickBy::Ipc);
    let mut done = Vec::new();
    queue.push(with(1));
    assert_eq!(
        round(&mut queue, at(0), &mut done),
        ["proxy\t*\tKICK-ALT\tuser_x\tbob"]
    );
    assert_eq!(round(&mut queue, at(2_000), &mut done).len(), 1);
    assert_eq!(done, [KickDone { token: 1 }]);
    queue.push(with(2));
    assert_eq!(lines(&mut queue, at(3_000)).1, 1);
    queue.answered(at(3_000), &[Said::Error("Unknown field".into())], &mut done);
    assert_eq!(done[1..], [KickDone { token: 2 }]);
    assert_eq!((queue.len(), queue.next_wakeup()), (0, None));
}
