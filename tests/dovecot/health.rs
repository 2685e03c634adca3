//! The directors' own probes of stock Dovecot: IMAP with STARTTLS and a login, POP3, LMTP with a recipient, Submission
//! and ManageSieve, on every backend from every director.

use std::time::Duration;

use crate::doveadm::director;
use crate::net::{BACKENDS, MEMBERS, backend_ip, cut_backend, mend_backend};
use crate::site::Site;
use crate::waiting::{eventually, throughout};

/// Two probes that run out of time, two pauses, and as much again for a busy machine.
const NOTICED_WITHIN: Duration = Duration::from_secs(20);

/// Whether all directors show the backend so.
fn is_shown(site: &Site, backend: usize, state: &str) -> bool {
    (1..=MEMBERS).all(|member| site.member(member).shows(backend) == Some(state))
}

pub fn a_hung_backend_is_found_by_a_majority_and_comes_back_by_itself(site: &mut Site) {
    site.must_be_calm();
    eventually("every backend is up everywhere", NOTICED_WITHIN, || {
        (1..=BACKENDS)
            .all(|backend| is_shown(site, backend, "up"))
            .then_some(())
    });
    let users = site.crowd.users().to_vec();
    let hung = site.truth.places(&users)[&users[5]];

    // One director with a broken cable takes nothing down.
    cut_backend(hung, 1);
    eventually("director 1 misses the backend", NOTICED_WITHIN, || {
        (site.member(1).shows(hung) == Some("failing")).then_some(())
    });
    throughout("the backend is in service", Duration::from_secs(3), || {
        site.member(1).shows(hung) == Some("failing") && site.member(2).shows(hung) == Some("up")
    });
    mend_backend(hung, 1);
    eventually("director 1 finds it again", NOTICED_WITHIN, || {
        is_shown(site, hung, "up").then_some(())
    });

    site.backend(hung).hang();
    eventually("it is out of service everywhere", NOTICED_WITHIN, || {
        is_shown(site, hung, "failed").then_some(())
    });
    let row = director(site.proxy(2), &["status"]);
    let row = row
        .lines()
        .find(|row| row.starts_with(&format!("{} ", backend_ip(hung))));
    let is_down = row.is_some_and(|row| row.split_whitespace().any(|word| word == "down"));
    assert!(is_down, "doveadm shows it down: {row:?}");
    eventually("its users have left it", NOTICED_WITHIN, || {
        let sample = site.truth.sample();
        users
            .iter()
            .all(|user| !sample.get(user).is_some_and(|at| at.contains_key(&hung)))
            .then_some(())
    });
    site.crowd_must_return();
    let places = site.truth.places(&users);

    // The brake: two of three are more than half.
    let other = hung % BACKENDS + 1;
    site.backend(other).hang();
    let kept = format!(
        "finds backend {} failing, and it stays in service",
        backend_ip(other)
    );
    eventually("the brake holds and says so", NOTICED_WITHIN, || {
        (1..=MEMBERS)
            .any(|member| site.member(member).has_said(&kept))
            .then_some(())
    });
    throughout("the second one stays", Duration::from_secs(3), || {
        (1..=MEMBERS).all(|member| site.member(member).shows(other) != Some("failed"))
    });
    site.backend(other).go_on();
    eventually("all find the second one again", NOTICED_WITHIN, || {
        is_shown(site, other, "up").then_some(())
    });

    site.backend(hung).go_on();
    eventually("it is back everywhere", NOTICED_WITHIN, || {
        is_shown(site, hung, "up").then_some(())
    });
    site.crowd_must_return();
    assert_eq!(
        site.truth.places(&users),
        places,
        "nobody moves because it is back"
    );
    site.flush_all(2);
}
