//! What clients see of a ring that nothing happens to.

use std::time::Duration;

use crate::clients::{deliver, fetch_all, read_imap, read_pop3};
use crate::crowd::Crowd;
use crate::doveadm::{computed_places, director};
use crate::member::USER_EXPIRE;
use crate::net::{BACKENDS, MEMBERS, backend_ip};
use crate::proxy::{LOCAL_USER, fixed_user};
use crate::site::Site;
use crate::waiting::throughout;

/// For everybody to log in at once, on a small machine.
const ARRIVAL_MAX: Duration = Duration::from_secs(90);

/// The member after this one, and around.
fn next(member: usize) -> usize {
    member % MEMBERS + 1
}

/// Who gets a mail through each member's proxy, and what is in it.
fn letters() -> impl Iterator<Item = (usize, String, String)> {
    (1..=MEMBERS).map(|member| {
        (
            member,
            format!("user{member:03}"),
            format!("a letter through proxy {member}"),
        )
    })
}

pub fn mail_delivered_through_one_proxy_is_read_through_the_others(site: &mut Site) {
    for (member, user, text) in letters() {
        deliver(member, &user, &text);
        let (second, third) = (next(member), next(next(member)));
        let by_imap = read_imap(second, &user);
        assert!(
            by_imap.contains(&text),
            "IMAP through proxy {second} gave {user}: {by_imap}"
        );
        let by_pop3 = read_pop3(third, &user);
        assert!(
            by_pop3.contains(&text),
            "POP3 through proxy {third} gave {user}: {by_pop3}"
        );
        let all = fetch_all(member, &user, &site.folder);
        assert!(
            all.len() == 1 && all[0].contains(&text),
            "mbsync gave {user}: {all:?}"
        );
    }
}

pub fn users_with_many_sessions_stay_together(site: &mut Site) {
    site.crowd.must_be_whole(ARRIVAL_MAX);
    let users = site.crowd.users();
    let places = site.truth.places(users);
    assert_eq!(
        places,
        computed_places(users),
        "places as `maildirector place` tells"
    );
    for backend in 1..=BACKENDS {
        assert!(
            places.values().any(|place| *place == backend),
            "nobody at backend {backend}"
        );
    }
    let sample = site.truth.sample();
    for user in users {
        let sessions = &sample[user][&places[user]];
        assert_eq!(sessions.len(), MEMBERS, "sessions of {user} at the backend");
    }
    for member in 1..=MEMBERS {
        let told = director(site.proxy(member), &["status", &users[0]]);
        let current = format!("Current: {}", backend_ip(places[&users[0]]));
        assert!(
            told.contains(&current),
            "director {member} says of {}: {told}",
            users[0]
        );
    }
}

pub fn a_host_from_the_passdb_wins(site: &mut Site) {
    let users: Vec<String> = (1..=BACKENDS).map(fixed_user).collect();
    let hosts = users.iter().cloned().zip(1..=BACKENDS).collect();
    assert_ne!(
        computed_places(&users),
        hosts,
        "the hosts differ from what the hash says"
    );
    let crowd = Crowd::start(users.clone(), MEMBERS);
    crowd.must_be_whole(ARRIVAL_MAX);
    assert_eq!(site.truth.places(&users), hosts);
}

pub fn a_login_without_proxy_field_is_untouched(site: &mut Site) {
    let crowd = Crowd::start(vec![LOCAL_USER.to_owned()], MEMBERS);
    crowd.must_be_whole(ARRIVAL_MAX);
    for member in 1..=MEMBERS {
        let who = site.proxy(member).doveadm(&["who", "-1"]);
        assert!(who.contains(LOCAL_USER), "at proxy {member} there are: {who}");
    }
    let sample = site.truth.sample();
    assert!(
        !sample.contains_key(LOCAL_USER),
        "a backend has {:?}",
        sample[LOCAL_USER]
    );
}

pub fn sessions_hold_their_users_beyond_the_expiry(site: &mut Site) {
    site.must_be_calm();
    let mark = site.crowd.mark();
    // Beyond it by what a refresh may be late.
    let span = USER_EXPIRE + Duration::from_secs(5);
    throughout("nobody is closed", span, || {
        site.crowd.users_closed_since(mark).is_empty()
    });
    for member in 1..=MEMBERS {
        let (held, users) = (site.member(member).users(), site.crowd.users().len() as u64);
        assert!(
            held >= users,
            "director {member} holds {held} users, its proxy has sessions of {users}"
        );
    }
}

pub fn mail_is_where_it_was(_site: &mut Site) {
    for (_, user, text) in letters() {
        for member in 1..=MEMBERS {
            let read = read_imap(member, &user);
            assert!(
                read.contains(&text),
                "IMAP through proxy {member} gave {user}: {read}"
            );
        }
    }
}
