//! TLS at the directors' own proxies, as `openssl s_client` and mbsync see it: certificates, names, versions, logins.

use std::collections::BTreeSet;
use std::io::Write;
use std::process::{Command, Output, Stdio};

use crate::backend::PASSWORD;
use crate::clients::{Tls, deliver_at, fetch_all_at};
use crate::companions::{backends_whose_logs, one_for_each_backend, open_relay_server};
use crate::net::{MEMBERS, member_ip};
use crate::own::LMTP_PORT;
use crate::site::Site;

/// A protocol at its port, and how `openssl s_client` asks for TLS there; nothing from the first byte.
type Door = (u16, Option<&'static str>);

const DOORS: [Door; 6] = [
    (1143, Some("imap")),
    (1993, None),
    (1110, Some("pop3")),
    (14190, Some("sieve")),
    (1587, Some("smtp")),
    (LMTP_PORT, Some("lmtp")),
];

/// What a visit is like beside its door.
struct Visit<'a> {
    site: &'a Site,
    member: usize,
    /// Further arguments of `openssl s_client`.
    arguments: &'a [&'a str],
    /// What is said after the handshake.
    says: &'a str,
}

impl<'a> Visit<'a> {
    /// At the first member, only to say goodbye.
    fn in_passing(site: &'a Site, arguments: &'a [&'a str], door: Door) -> Self {
        Visit {
            site,
            member: 1,
            arguments,
            says: goodbye(door),
        }
    }

    /// Speaks with a door until the other side closes; the chain has to lead to the authority of the test.
    fn pay(&self, (port, starttls): Door) -> Output {
        let mut command = Command::new("timeout");
        command.args(["20", "openssl", "s_client", "-brief", "-ign_eof", "-crlf"]);
        command.args(["-verify_return_error", "-CAfile"]);
        command.arg(self.site.folder.join("ring-ca/ca.pem"));
        command.args(["-connect", &format!("{}:{port}", member_ip(self.member))]);
        if let Some(protocol) = starttls {
            command.args(["-starttls", protocol]);
        }
        let child = command
            .args(self.arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        let mut child = child.expect("openssl is installed");
        let mut input = child.stdin.take().expect("it is a pipe");
        // One that was refused reads nothing.
        let _ = input.write_all(self.says.as_bytes());
        drop(input);
        child.wait_with_output().expect("it was started here")
    }

    /// What both sides said; the handshake must succeed.
    fn must(&self, door: Door) -> String {
        let output = self.pay(door);
        let said = all(&output);
        assert!(output.status.success(), "{door:?}: {}, {said}", output.status);
        assert!(said.contains("Verification: OK"), "{door:?}: {said}");
        said
    }

    /// Why there was no handshake.
    fn must_fail(&self, door: Door) -> String {
        let output = self.pay(door);
        let said = all(&output);
        assert!(!output.status.success(), "{door:?}: {said}");
        said
    }
}

fn all(output: &Output) -> String {
    let both = [&output.stdout[..], &output.stderr].concat();
    String::from_utf8_lossy(&both).into_owned()
}

/// What ends a conversation at this door.
fn goodbye((port, _): Door) -> &'static str {
    match port {
        1143 | 1993 => "a LOGOUT\n",
        14190 => "LOGOUT\n",
        _ => "QUIT\n",
    }
}

/// A login with all that it needs, and the goodbye.
fn login(door: Door, user: &str) -> String {
    let plain = openssl_base64(&format!("\0{user}\0{PASSWORD}"));
    let login = match door.0 {
        1143 | 1993 => format!("l LOGIN {user} {PASSWORD}\n"),
        1110 => format!("USER {user}\nPASS {PASSWORD}\n"),
        14190 => format!("AUTHENTICATE \"PLAIN\" \"{plain}\"\n"),
        1587 => format!("EHLO client.example\nAUTH PLAIN {plain}\n"),
        _ => {
            format!("LHLO mx.example\nMAIL FROM:<>\nRCPT TO:<{user}>\nDATA\nSubject: TLS\n\nby s_client\n.\n")
        }
    };
    login + goodbye(door)
}

fn openssl_base64(text: &str) -> String {
    let mut child = Command::new("openssl")
        .args(["base64", "-A"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("openssl is installed");
    let mut input = child.stdin.take().expect("it is a pipe");
    input.write_all(text.as_bytes()).expect("it reads");
    drop(input);
    let output = child.wait_with_output().expect("it was started here");
    String::from_utf8(output.stdout).expect("it is ASCII")
}

pub fn own_tls_has_the_certificate_for_each_name_and_no_old_version(site: &mut Site) {
    open_relay_server();
    for door in DOORS {
        let visit = |arguments: &[&str]| Visit::in_passing(site, arguments, door).must(door);
        let refused = |arguments: &[&str]| Visit::in_passing(site, arguments, door).must_fail(door);
        for name in ["member-1.mail", "member-2.mail"] {
            let said = visit(&["-servername", name, "-verify_hostname", name]);
            assert!(said.contains(&format!("Verified peername: {name}")), "{said}");
        }
        // The first one for everybody else.
        visit(&["-noservername", "-verify_hostname", "member-1.mail"]);
        visit(&["-servername", "mail.example", "-verify_hostname", "member-1.mail"]);
        let said = refused(&[
            "-servername",
            "member-3.mail",
            "-verify_hostname",
            "member-3.mail",
        ]);
        assert!(said.contains("hostname mismatch"), "{door:?}: {said}");
        for (version, name) in [("-tls1_2", "TLSv1.2"), ("-tls1_3", "TLSv1.3")] {
            let said = visit(&[version]);
            assert!(
                said.contains(&format!("Protocol version: {name}")),
                "{door:?}: {said}"
            );
        }
        // By itself this client speaks the old version only at its lowest level of security. That level is not what is
        // refused.
        let lowest = ["-cipher", "ALL:@SECLEVEL=0"];
        visit(&[&["-tls1_2"], &lowest[..]].concat());
        let said = refused(&[&["-tls1_1"], &lowest[..]].concat());
        assert!(said.contains("alert handshake failure"), "{door:?}: {said}");
    }
}

pub fn own_tls_lets_users_log_in_by_openssl(site: &mut Site) {
    open_relay_server();
    for (user, backend) in &one_for_each_backend("owntls") {
        for (number, door) in DOORS.into_iter().enumerate() {
            let member = number % MEMBERS + 1;
            let says = login(door, user);
            let visit = Visit {
                site,
                member,
                arguments: &[],
                says: &says,
            };
            let said = format!("\n{}", visit.must(door)).replace('\r', "");
            let yes = match door.0 {
                1143 | 1993 => "\nl OK ".to_owned(),
                1110 => "\n+OK Logged in".to_owned(),
                14190 => "\nOK \"Logged in".to_owned(),
                1587 => "\n235 2.7.0 ".to_owned(),
                _ => format!("\n250 2.0.0 <{user}> "),
            };
            assert!(said.contains(&yes), "{door:?} of {user}: {said}");
        }
        for service in ["imap", "pop3", "managesieve", "submission"] {
            let said = format!("{service}-login: Info: Login: user=<{user}>");
            let there = backends_whose_logs(&site.folder, |line| line.contains(&said));
            assert_eq!(there, BTreeSet::from([*backend]), "{service} of {user}");
        }
    }
}

pub fn own_tls_lets_mbsync_fetch_whole_mailboxes(site: &mut Site) {
    for (number, (user, _)) in one_for_each_backend("ownmbsync").iter().enumerate() {
        let bodies = ["the first", "the second"];
        for body in bodies {
            deliver_at(1, LMTP_PORT, user, body);
        }
        let member = number % MEMBERS + 1;
        for (port, tls) in [(1143, Tls::Starttls), (1993, Tls::Implicit)] {
            let all = fetch_all_at(member, port, tls, user, &site.folder);
            assert_eq!(all.len(), bodies.len(), "mbsync gave {user}: {all:?}");
            for body in bodies {
                assert!(all.iter().any(|mail| mail.contains(body)), "{user}: {all:?}");
            }
        }
    }
}
