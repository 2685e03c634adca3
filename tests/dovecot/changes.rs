//! What an operator changes with stock `doveadm director`, and whom it moves.

use std::collections::BTreeSet;

use crate::clients::{deliver, read_imap};
use crate::doveadm::{computed_places, director};
use crate::net::{BACKENDS, MEMBERS, backend_ip};
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
    site.flush_all(1);
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

/// A backend that nobody is sent to, for no user has its tag.
const SPARE: &str = "10.99.0.9";

pub fn a_changed_configuration_is_taken_over_without_closing_a_session(site: &mut Site) {
    site.must_be_calm();
    let mark = site.crowd.mark();
    let servers = "director_mail_servers = \"";
    let with_spare = format!("{servers}{SPARE}@gold ");
    let hosts = |site: &Site, member| director(site.proxy(member), &["status"]);
    for member in 1..=MEMBERS {
        site.member(member).rewrite(servers, &with_spare);
        let (code, said) = site.member(member).reload();
        assert_eq!(code, Some(0), "{said}");
        let expected = if member == 1 {
            "is added"
        } else {
            "is there already"
        };
        assert!(said.contains(&format!("{SPARE} {expected}")), "{said}");
        assert!(hosts(site, member).contains(SPARE));
        assert_eq!(site.member(member).differences(), [""; 0]);
    }

    // What a running member can't change is refused, and so is what it can't read: with all that stands beside it.
    let refused = [
        (
            "director_user_kick_delay = \"1s\"",
            "director_user_kick_delay = \"2s\"",
        ),
        (
            "director_user_kick_delay = \"1s\"",
            "director_user_kick_delays = \"1s\"",
        ),
    ];
    for (sound, unsound) in refused {
        site.member(2).rewrite(sound, unsound);
        site.member(2).rewrite(&with_spare, servers);
        let (code, said) = site.member(2).reload();
        assert_eq!(code, Some(78), "{said}");
        assert!(said.contains("director_user_kick_delay"), "{said}");
        assert!(
            hosts(site, 1).contains(&format!("{SPARE} ")),
            "nothing was taken over"
        );
        let up = |row: &&str| row.contains(SPARE) && row.contains("up");
        assert_eq!(hosts(site, 1).lines().filter(up).count(), 1, "{}", hosts(site, 1));
        site.member(2).rewrite(servers, &with_spare);
        site.member(2).rewrite(unsound, sound);
    }

    for member in 1..=MEMBERS {
        site.member(member).rewrite(&with_spare, servers);
        let (code, said) = site.member(member).reload();
        assert_eq!(code, Some(0), "{said}");
        assert!(said.contains("doveadm director remove 10.99.0.9"), "{said}");
    }
    assert_eq!(site.member(3).differences(), ["10.99.0.9 presence there"]);
    director(site.proxy(1), &["remove", SPARE]);
    assert_eq!(site.member(3).differences(), [""; 0]);
    assert_eq!(site.crowd.users_closed_since(mark), BTreeSet::new());
}

pub fn what_was_changed_at_run_time_survives_a_restart_of_the_whole_ring(site: &mut Site) {
    site.must_be_calm();
    let backend = backend_ip(2);
    director(site.proxy(1), &["update", &backend, "50"]);
    let changed = [format!("{backend} vhosts 50")];
    assert_eq!(site.member(3).differences(), changed);
    site.member_mut(3).stop();
    site.member_mut(3).start();
    site.member(3).must_serve();
    assert_eq!(site.member(3).differences(), changed, "after a restart of one");
    for member in 1..=MEMBERS {
        site.member_mut(member).stop();
    }
    for member in 1..=MEMBERS {
        site.member_mut(member).start();
    }
    for member in 1..=MEMBERS {
        site.member(member).must_serve();
        assert_eq!(
            site.member(member).differences(),
            changed,
            "after a restart of all"
        );
    }
    director(site.proxy(2), &["update", &backend, "100"]);
    assert_eq!(site.member(1).differences(), [""; 0]);
    site.crowd_must_return();
}
