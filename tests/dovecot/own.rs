//! The directors' own proxies, beside Dovecot's: the same users, the same backends.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::Value;

use crate::backend::PASSWORD;
use crate::changes::another;
use crate::command::{must, run};
use crate::companions::{backends_whose_logs, one_for_each_backend, open_relay_server};
use crate::crowd::Crowd;
use crate::deaths::CLOSED_WITHIN;
use crate::doveadm::director;
use crate::net::{MEMBERS, backend_ip, cut, member_ip, mend};
use crate::site::Site;
use crate::waiting::eventually;

/// Where mail servers deliver.
pub const LMTP_PORT: u16 = 1024;

/// What every member's own proxies speak, at which port, with which TLS.
pub const PROXIES: [(&str, u16, &str); 6] = [
    ("imap", 1143, "starttls"),
    ("imap", 1993, "tls"),
    ("pop3", 1110, "starttls"),
    ("sieve", 14190, "starttls"),
    ("submission", 1587, "starttls"),
    ("lmtp", LMTP_PORT, "starttls"),
];

const TALKS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/dovecot/own_talks.py");
/// For those who log in through own proxies.
pub const ARRIVAL_MAX: Duration = Duration::from_secs(60);

/// Users of the great crowd with sessions through own proxies too.
pub fn crowd(site: &Site) -> Crowd {
    let proxies: Vec<String> = (1..=MEMBERS)
        .map(|member| format!("{}:1143", member_ip(member)))
        .collect();
    Crowd::start_at(&proxies, site.crowd.users()[..30].to_vec(), MEMBERS)
}

pub fn clients_of_every_protocol_log_in_at_the_directors_own_proxies(site: &mut Site) {
    open_relay_server();
    let ca = site.folder.join("ring-ca/ca.pem");
    let ca = ca.to_str().expect("ASCII");
    for (user, backend) in &one_for_each_backend("own") {
        for (member, protocol) in [
            (1, "imap"),
            (2, "imaps"),
            (3, "pop3"),
            (1, "sieve"),
            (2, "submission"),
        ] {
            must(&["python3", TALKS, protocol, &member_ip(member), user, PASSWORD, ca]);
        }
        for (scheme, port) in [("imap", 1143), ("imaps", 1993), ("pop3", 1110)] {
            let url = format!("{scheme}://{}:{port}/", member_ip(3));
            let login = format!("{user}:{PASSWORD}");
            let curl = [
                "curl",
                "--silent",
                "--show-error",
                "--max-time",
                "20",
                "--ssl-reqd",
            ];
            must(&[&curl[..], &["--insecure", "--user", &login, &url]].concat());
        }
        let server = format!("{}:1587", member_ip(3));
        let swaks = ["swaks", "--silent", "2", "--server", &server, "--auth", "PLAIN"];
        let login = [
            "--auth-user",
            user,
            "--auth-password",
            PASSWORD,
            "--quit-after",
            "AUTH",
        ];
        must(&[&swaks[..], &login].concat());
        for service in ["imap", "pop3", "managesieve", "submission"] {
            let said = format!("{service}-login: Info: Login: user=<{user}>");
            let there = backends_whose_logs(&site.folder, |line| line.contains(&said));
            assert_eq!(there, BTreeSet::from([*backend]), "{service} of {user}");
            let told = |line: &str| line.contains(&said) && line.contains("rip=10.77.0.1,");
            let there = backends_whose_logs(&site.folder, told);
            assert_eq!(
                there.len(),
                1,
                "the backend knows where the {service} client of {user} is"
            );
        }
    }
}

pub fn a_wrong_password_gets_the_backends_own_words(_site: &mut Site) {
    let at = member_ip(1);
    let output = run(&["python3", TALKS, "refused", &at, "ownrefused", "wrong", ""]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        said.contains("[AUTHENTICATIONFAILED] Authentication failed."),
        "it said {said}"
    );
}

pub fn sessions_at_own_proxies_and_at_dovecots_are_on_one_backend(site: &mut Site) {
    site.must_be_calm();
    let mut crowd = crowd(site);
    crowd.must_be_whole(ARRIVAL_MAX);
    crowd.go_home();
    let users = crowd.users().to_vec();
    // Nobody at two backends, through whichever proxy.
    let before = site.truth.places(&users);
    let listed: Vec<Value> = (1..=MEMBERS)
        .flat_map(|member| site.member(member).who())
        .collect();
    assert_eq!(listed.len(), users.len() * MEMBERS, "sessions that `who` lists");
    for session in &listed {
        let user = session["user"].as_str().expect("a name");
        assert_eq!(session["backend"], backend_ip(before[user]), "of {user}");
        assert!(session["bytes_out"].as_u64() > Some(0), "{session}");
    }

    let (mover, mark) = (&users[7], crowd.mark());
    let to = another(before[mover]);
    director(site.proxy(1), &["move", mover, &backend_ip(to)]);
    site.crowd_must_return();
    crowd.must_be_whole(ARRIVAL_MAX);
    assert_eq!(site.truth.places([mover])[mover], to);
    assert_eq!(crowd.users_closed_since(mark), BTreeSet::from([mover.clone()]));
    assert!(crowd.farewells_since(mark) > 0, "he was told why");

    let (kicked, mark) = (&users[8], crowd.mark());
    site.member(2).kick(kicked);
    eventually("the kicked user's sessions are closed", CLOSED_WITHIN, || {
        (crowd.users_closed_since(mark) == BTreeSet::from([kicked.clone()])).then_some(())
    });
    crowd.must_be_whole(ARRIVAL_MAX);
    site.crowd_must_return();
    assert_eq!(site.truth.places([kicked])[kicked], before[kicked]);
}

pub fn a_director_cut_off_ends_the_sessions_at_its_own_proxies(site: &mut Site) {
    site.must_be_calm();
    let mut crowd = crowd(site);
    crowd.must_be_whole(ARRIVAL_MAX);
    crowd.go_home();
    let mark = crowd.mark();
    for other in [1, 2] {
        cut(3, other);
        cut(other, 3);
    }
    eventually(
        "the sessions at its own proxies are closed",
        CLOSED_WITHIN,
        || (crowd.sessions_through(3) == 0).then_some(()),
    );
    assert_eq!(crowd.proxies_closed_since(mark), BTreeSet::from([3]));
    assert!(crowd.farewells_since(mark) > 0, "they were told why");
    crowd.must_be_whole(ARRIVAL_MAX);
    site.crowd_must_return();
    site.truth.places(crowd.users());
    for other in [1, 2] {
        mend(3, other);
        mend(other, 3);
    }
    site.must_be_calm();
}

pub fn a_director_killed_takes_only_its_own_sessions_along(site: &mut Site) {
    site.must_be_calm();
    let mut crowd = crowd(site);
    crowd.must_be_whole(ARRIVAL_MAX);
    crowd.go_home();
    let mark = crowd.mark();
    site.member_mut(2).kill();
    site.member_mut(2).start();
    crowd.must_be_whole(ARRIVAL_MAX);
    assert_eq!(crowd.proxies_closed_since(mark), BTreeSet::from([2]));
    site.member(2).must_serve();
    crowd.go_home();

    // One that is asked to stop says so to each client first.
    let mark = crowd.mark();
    site.member_mut(1).stop();
    eventually("everybody has noticed", CLOSED_WITHIN, || {
        (crowd.sessions_through(1) == 0).then_some(())
    });
    assert_eq!(
        crowd.farewells_since(mark),
        crowd.users().len(),
        "everybody was told why"
    );
    site.member_mut(1).start();
    crowd.must_be_whole(ARRIVAL_MAX);
    assert_eq!(crowd.proxies_closed_since(mark), BTreeSet::from([1]));
    site.member(1).must_serve();
    site.truth.places(crowd.users());
}
