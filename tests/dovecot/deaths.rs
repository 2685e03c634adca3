//! Directors that are killed, restarted, stopped.

use std::time::Duration;

use crate::changes::another;
use crate::clients::can_log_in;
use crate::doveadm::director;
use crate::member::LEASE;
use crate::net::{MEMBERS, backend_ip};
use crate::site::Site;
use crate::waiting::{eventually, throughout};

/// For a guard, or a director that lost its lease, to close what it must.
pub const CLOSED_WITHIN: Duration = Duration::from_secs(15);

pub fn a_director_killed_and_restarted_within_its_lease_loses_no_session(site: &mut Site) {
    site.must_be_calm();
    let users = site.crowd.users().to_vec();
    let (places, mark) = (site.truth.places(&users), site.crowd.mark());
    let held = site.member(2).users();
    site.member_mut(2).kill();
    site.member_mut(2).start();
    site.member(2).must_serve();
    let known = site.member(2).users();
    assert!(
        known >= held,
        "the killed director held {held} users, the new one knows {known}"
    );
    assert!(can_log_in(2, &users[0]), "a login through the restarted director");
    // By then whoever watches over the killed one's lease would have acted.
    throughout("no session is closed", LEASE + Duration::from_secs(2), || {
        site.crowd.users_closed_since(mark).is_empty()
    });
    assert_eq!(site.truth.places(&users), places);
}

pub fn a_rolling_restart_loses_no_session(site: &mut Site) {
    site.must_be_calm();
    let users = site.crowd.users().to_vec();
    let (places, mark) = (site.truth.places(&users), site.crowd.mark());
    for (member, user) in (1..=MEMBERS).zip(&users) {
        site.member_mut(member).stop();
        site.member_mut(member).start();
        site.member(member).must_serve();
        assert!(can_log_in(member, user), "a login through director {member}");
    }
    throughout("no session is closed", LEASE + Duration::from_secs(2), || {
        site.crowd.users_closed_since(mark).is_empty()
    });
    assert_eq!(site.truth.places(&users), places);
}

pub fn a_director_that_stays_dead_lets_its_users_go(site: &mut Site) {
    site.must_be_calm();
    let users = site.crowd.users().to_vec();
    let (mover, mark) = (&users[2], site.crowd.mark());
    let to = another(site.truth.places([mover])[mover]);
    site.member_mut(3).kill();
    director(site.proxy(1), &["move", mover, &backend_ip(to)]);
    eventually("the dead director's sessions are closed", CLOSED_WITHIN, || {
        (site.crowd.sessions_through(3) == 0).then_some(())
    });
    site.crowd_must_return();
    assert_eq!(site.truth.places([mover])[mover], to);
    let closed_others = site.crowd.proxies_closed_since(mark);
    assert!(
        closed_others.contains(&3),
        "sessions were closed at {closed_others:?}"
    );

    site.member_mut(3).start();
    site.must_be_calm();
    assert_eq!(
        site.truth.places([mover])[mover],
        to,
        "the director that is back keeps to it"
    );
}

pub fn a_director_stopped_beyond_its_lease_serves_nothing_old_when_it_goes_on(site: &mut Site) {
    site.must_be_calm();
    let users = site.crowd.users().to_vec();
    let mover = &users[3];
    let to = another(site.truth.places([mover])[mover]);
    site.member(2).freeze();
    director(site.proxy(3), &["move", mover, &backend_ip(to)]);
    eventually(
        "the stopped director's sessions are closed",
        CLOSED_WITHIN,
        || (site.crowd.sessions_through(2) == 0).then_some(()),
    );
    site.crowd_must_return();
    assert_eq!(site.truth.places([mover])[mover], to);
    site.member(2).thaw();
    site.must_be_calm();
    assert_eq!(
        site.truth.places([mover])[mover],
        to,
        "the director that goes on keeps to it"
    );
}
