//! Directors that hand over to a new process of the same member.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::changes::another;
use crate::clients::can_log_in;
use crate::deaths::CLOSED_WITHIN;
use crate::doveadm::director;
use crate::member::LEASE;
use crate::net::{MEMBERS, backend_ip};
use crate::own::{ARRIVAL_MAX, crowd};
use crate::site::Site;
use crate::waiting::{eventually, throughout};

pub fn upgrades_close_no_session_neither_at_own_proxies_nor_in_dovecots_processes(site: &mut Site) {
    site.must_be_calm();
    let mut own = crowd(site);
    own.must_be_whole(ARRIVAL_MAX);
    own.go_home();
    let users = site.crowd.users().to_vec();
    let places = site.truth.places(&users);
    let (mark, dovecots) = (own.mark(), site.crowd.mark());
    // Member 1 twice: then three processes have sessions.
    for member in (1..=MEMBERS).chain([1]) {
        let sessions = site.member(member).who().len();
        site.member_mut(member).upgrade();
        site.member(member).must_serve();
        assert_eq!(
            site.member(member).who().len(),
            sessions,
            "the new process knows them"
        );
        assert!(
            can_log_in(member, &users[member]),
            "a login through member {member}"
        );
    }
    throughout("no session is closed", LEASE + Duration::from_secs(2), || {
        own.users_closed_since(mark).is_empty() && site.crowd.users_closed_since(dovecots).is_empty()
    });
    assert_eq!(site.truth.places(&users), places);

    // The new processes close what the old ones keep.
    let (mover, mark) = (&own.users()[5].clone(), own.mark());
    director(
        site.proxy(3),
        &["move", mover, &backend_ip(another(places[mover]))],
    );
    own.must_be_whole(ARRIVAL_MAX);
    site.crowd_must_return();
    assert_eq!(own.users_closed_since(mark), BTreeSet::from([mover.clone()]));
    assert!(own.farewells_since(mark) > 0, "he was told why");
    assert_eq!(site.truth.places([mover])[mover], another(places[mover]));

    // Without the new process nobody could tell the old one when its sessions have to end.
    let mark = own.mark();
    site.member_mut(2).kill();
    site.member_mut(2).start();
    own.must_be_whole(ARRIVAL_MAX);
    assert_eq!(own.proxies_closed_since(mark), BTreeSet::from([2]));
    site.member(2).must_serve();
    own.go_home();

    drop(own);
    for member in [1, 3] {
        eventually(
            "a process whose sessions have ended has, too",
            CLOSED_WITHIN,
            || (!site.member_mut(member).has_first_process()).then_some(()),
        );
    }
    site.must_be_calm();
}

pub fn an_upgrade_to_a_program_that_does_not_start_changes_nothing(site: &mut Site) {
    site.must_be_calm();
    let (users, mark) = (site.crowd.users().to_vec(), site.crowd.mark());
    site.member(1).rewrite("lease = ", "leese = ");
    let said = site.member(1).upgrade_by_signal_must_fail();
    site.member(1).rewrite("leese = ", "lease = ");
    assert!(said.contains("this process goes on"), "{said}");
    assert!(can_log_in(1, &users[0]), "a login through member 1");
    site.must_be_calm();
    assert_eq!(site.crowd.users_closed_since(mark), BTreeSet::new());
}
