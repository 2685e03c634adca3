//! Links between directors that are cut, and mended.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::changes::another;
use crate::clients::can_log_in;
use crate::deaths::CLOSED_WITHIN;
use crate::doveadm::director;
use crate::lookups::ask;
use crate::member::LEASE;
use crate::net::{MEMBERS, backend_ip, cut, mend};
use crate::site::Site;
use crate::waiting::{eventually, throughout};

/// Until a link that lost its cable is given up, or one with a cable stands.
const LINK_MAX: Duration = Duration::from_secs(30);

pub fn one_cut_link_is_noticed_by_nobody(site: &mut Site) {
    site.must_be_calm();
    let users = site.crowd.users().to_vec();
    let mut expected = site.truth.places(&users);
    let mover = &users[4];
    // Whole, then in one direction only.
    for directions in [&[(1, 2), (2, 1)][..], &[(2, 3)]] {
        let mark = site.crowd.mark();
        for (from, to) in directions {
            cut(*from, *to);
        }
        let (near, far) = directions[0];
        eventually("the cut link is given up", LINK_MAX, || {
            (!site.member(near).linked_with().contains(&(far as u64))).then_some(())
        });
        throughout("all directors serve", LEASE + Duration::from_secs(1), || {
            (1..=MEMBERS).all(|member| site.member(member).standing().as_deref() == Some("serving"))
        });
        let to = another(expected[mover]);
        director(site.proxy(near), &["move", mover, &backend_ip(to)]);
        site.crowd_must_return();
        expected.insert(mover.clone(), to);
        assert_eq!(site.truth.places(&users), expected);
        assert_eq!(
            site.crowd.users_closed_since(mark),
            BTreeSet::from([mover.clone()])
        );
        for (from, to) in directions {
            mend(*from, *to);
        }
        eventually("the mended link stands", LINK_MAX, || {
            site.member(near)
                .linked_with()
                .contains(&(far as u64))
                .then_some(())
        });
    }
}

pub fn a_director_cut_off_closes_its_sessions_and_serves_again_when_mended(site: &mut Site) {
    site.must_be_calm();
    let users = site.crowd.users().to_vec();
    let mover = &users[5];
    let to = another(site.truth.places([mover])[mover]);
    let mark = site.crowd.mark();
    for other in [1, 2] {
        cut(3, other);
        cut(other, 3);
    }
    eventually("director 3 knows that it is isolated", CLOSED_WITHIN, || {
        (site.member(3).standing()? == "isolated").then_some(())
    });
    assert_eq!(ask(3, "/readyz").0, 503, "an isolated director wants no clients");
    assert_eq!(ask(3, "/healthz").0, 200, "and yet it works");
    assert_eq!(
        ask(3, "/v1/lookup?user=ann").0,
        503,
        "nobody is told where a user is"
    );
    eventually("its sessions are closed", CLOSED_WITHIN, || {
        (site.crowd.sessions_through(3) == 0).then_some(())
    });
    director(site.proxy(2), &["move", mover, &backend_ip(to)]);
    site.crowd_must_return();
    assert_eq!(site.truth.places([mover])[mover], to);
    let closed = site.crowd.proxies_closed_since(mark);
    assert!(
        closed.contains(&3),
        "sessions were closed through the proxies {closed:?}"
    );
    assert!(!can_log_in(3, mover), "nobody is served by who was cut off");

    for other in [1, 2] {
        mend(3, other);
        mend(other, 3);
    }
    site.must_be_calm();
    assert_eq!(
        site.truth.places([mover])[mover],
        to,
        "the director that is back keeps to it"
    );
}
