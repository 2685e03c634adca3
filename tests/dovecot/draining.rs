//! `maildirector drain` of a stock backend: nobody new comes, who is there stays, and leaves at the deadline.

use std::time::Duration;

use crate::doveadm::director;
use crate::net::{MEMBERS, backend_ip};
use crate::site::Site;
use crate::waiting::{eventually, throughout};

/// The users of a backend of three, at the rate of the order, and as much again for a busy machine.
const EMPTY_WITHIN: Duration = Duration::from_secs(40);

/// Users with sessions on the backend.
fn users_at(site: &Site, backend: usize) -> usize {
    let sample = site.truth.sample();
    sample
        .values()
        .filter(|places| places.contains_key(&backend))
        .count()
}

pub fn a_drained_backend_is_left_in_peace_and_emptied_at_its_deadline(site: &mut Site) {
    site.must_be_calm();
    let users = site.crowd.users().to_vec();
    let drained = site.truth.places(&users)[&users[7]];
    let ip = backend_ip(drained);
    let before = users_at(site, drained);

    let said = site
        .member(1)
        .drain(&[&ip, "--deadline", "10s", "--rate", "20/s"]);
    assert!(said.contains(&format!("{ip} takes no new users")), "{said}");
    let vhosts = director(site.proxy(2), &["status"]);
    let row = vhosts.lines().find(|row| row.starts_with(&format!("{ip} ")));
    let has_no_weight = row.is_some_and(|row| row.split_whitespace().any(|word| word == "0"));
    assert!(has_no_weight, "doveadm shows it without weight: {row:?}");
    throughout(
        "nobody has to go before the deadline",
        Duration::from_secs(4),
        || users_at(site, drained) == before,
    );
    // The ring keeps the order, not the director that was asked.
    site.member_mut(1).kill();
    site.member_mut(1).start();
    site.member(1).must_serve();
    let said = site.member(3).drain(&[&ip, "--status", "--json"]);
    assert!(said.contains("\"state\":\"draining\""), "{said}");

    eventually("all have gone elsewhere", EMPTY_WITHIN, || {
        (users_at(site, drained) == 0).then_some(())
    });
    site.crowd_must_return();
    eventually("it is told so", EMPTY_WITHIN, || {
        let said = site.member(2).drain(&[&ip, "--status"]);
        said.contains("empty").then_some(())
    });
    assert_eq!(users_at(site, drained), 0, "nobody comes back");

    let said = site.member(2).drain(&[&ip, "--cancel"]);
    assert!(said.contains("in service"), "{said}");
    site.flush_all(2);
    assert!((1..=MEMBERS).all(|member| site.member(member).shows(drained) == Some("up")));
    assert!(users_at(site, drained) > 0, "it has users again");
}
