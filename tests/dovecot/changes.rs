//! What an operator changes with stock `doveadm director`, and whom it moves.

use std::collections::BTreeSet;

use crate::clients::{deliver, read_imap};
use crate::doveadm::{computed_places, director};
use crate::net::{BACKENDS, backend_ip};
use crate::site::Site;

/// The backend after this one, and around.
pub fn another(backend: usize) -> usize {
    backend % BACKENDS + 1
}

pub fn a_backend_that_is_down_and_flushed_gives_its_users_away_and_nobody_else_moves(site: &mut Site) {
    site.must_be_calm();
    let users = site.crowd.users().to_vec();
    let before = site.truth.places(&users);
    let leaving = before[&users[0]];
    let there: BTreeSet<String> = users
        .iter()
        .filter(|user| before[*user] == leaving)
        .cloned()
        .collect();
    deliver(2, &users[0], "before the flush");

    let mark = site.crowd.mark();
    director(site.proxy(1), &["down", &backend_ip(leaving)]);
    assert_eq!(site.truth.places(&users), before, "down alone moves nobody");
    director(site.proxy(2), &["flush", &backend_ip(leaving)]);
    site.crowd_must_return();
    let after = site.truth.places(&users);
    for user in &users {
        let (from, to) = (before[user], after[user]);
        assert!(to != leaving, "{user} is still at backend {leaving}");
        assert!(
            from == leaving || from == to,
            "{user} moved from backend {from} to {to}"
        );
    }
    assert_eq!(
        site.crowd.users_closed_since(mark),
        there,
        "who was closed, and who was there"
    );
    assert!(
        read_imap(3, &users[0]).contains("before the flush"),
        "the mail of {} is there",
        users[0]
    );

    director(site.proxy(3), &["up", &backend_ip(leaving)]);
    assert_eq!(site.truth.places(&users), after, "up alone moves nobody");
    director(site.proxy(1), &["flush", "all"]);
    site.crowd_must_return();
    assert_eq!(
        site.truth.places(&users),
        computed_places(&users),
        "flush all sends everybody home"
    );
}

pub fn a_moved_user_takes_all_sessions_along(site: &mut Site) {
    site.must_be_calm();
    let users = site.crowd.users().to_vec();
    let mut expected = site.truth.places(&users);
    let (mover, mark) = (&users[1], site.crowd.mark());
    let to = another(expected[mover]);
    director(site.proxy(3), &["move", mover, &backend_ip(to)]);
    site.crowd_must_return();
    expected.insert(mover.clone(), to);
    assert_eq!(site.truth.places(&users), expected);
    assert_eq!(
        site.crowd.users_closed_since(mark),
        BTreeSet::from([mover.clone()])
    );
}
