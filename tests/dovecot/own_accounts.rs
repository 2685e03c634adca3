//! Who is verified before a backend is asked: by a passwd-file, and by stock Dovecot's auth server.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::backend::PASSWORD;
use crate::command::{must, run};
use crate::companions::{backends_whose_logs, one_for_each_backend};
use crate::net::{backend_ip, member_ip};
use crate::proxy::{LOCAL_USER, fixed_user};
use crate::site::Site;

/// Where every member has IMAP for the accounts of a file, and for those of Dovecot's auth server.
const FILE_PORT: u16 = 1_144;
const AUTH_PORT: u16 = 1_145;
/// Their passwords in the file, which no backend knows.
const OWN_PASSWORD: &str = "known here only";

/// The proxies that verify, in the n-th member's configuration.
pub fn proxies(site: &Path, number: usize) -> String {
    let (me, site) = (member_ip(number), site.display());
    let one = |port: u16, verifier: String| {
        format!(
            "[[proxy]]
protocol = \"imap\"
address = \"{me}:{port}\"
cleartext = true
{verifier}
backend_tls = \"starttls\"

"
        )
    };
    one(FILE_PORT, format!("passwd_file = \"{site}/accounts\""))
        + &one(
            AUTH_PORT,
            format!("auth_socket = \"{site}/p{number}/run/auth-client\""),
        )
}

/// Writes the file.
pub fn write_accounts(site: &Path) {
    let hash = must(&["doveadm", "pw", "-s", "SHA512-CRYPT", "-p", OWN_PASSWORD]);
    let hash = hash.trim();
    let mut text = format!("# Who, and where.\nrenamed:{hash}::::::destuser=filed0 pass={PASSWORD}\n");
    for number in 0..60 {
        text += &format!("filed{number}:{hash}::::::proxy pass={PASSWORD}\n");
    }
    text += &format!(
        "placed:{{PLAIN}}{OWN_PASSWORD}::::::host={} pass={PASSWORD}\n",
        backend_ip(3)
    );
    text += &format!("locked:{{PLAIN}}{OWN_PASSWORD}::::::nologin reason=Moved\n");
    text += "passed:::::::nopassword\n";
    fs::write(site.join("accounts"), text).expect("the folder of the test is writable");
}

/// Whether curl gets in, and what it heard.
fn log_in(member: usize, port: u16, user: &str, password: &str) -> (bool, String) {
    let url = format!("imap://{}:{port}/", member_ip(member));
    let login = format!("{user}:{password}");
    let output = run(&["curl", "--verbose", "--max-time", "20", "--user", &login, &url]);
    (
        output.status.success(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    )
}

fn must_be_at(site: &Site, user: &str, backend: usize) {
    let said = format!("imap-login: Info: Login: user=<{user}>");
    let there = backends_whose_logs(&site.folder, |line| line.contains(&said));
    assert_eq!(there, BTreeSet::from([backend]), "{user}");
}

pub fn accounts_of_a_file_say_who_comes_in_and_where(site: &mut Site) {
    for (user, backend) in &one_for_each_backend("filed") {
        let (is_in, heard) = log_in(1, FILE_PORT, user, OWN_PASSWORD);
        assert!(is_in, "{heard}");
        must_be_at(site, user, *backend);
    }
    for (user, password) in [("filed0", PASSWORD), ("nobody", OWN_PASSWORD)] {
        let (is_in, heard) = log_in(1, FILE_PORT, user, password);
        assert!(!is_in, "{user}: {heard}");
        assert!(
            heard.contains("NO [AUTHENTICATIONFAILED] Authentication failed."),
            "{user}: {heard}"
        );
    }
    let (is_in, heard) = log_in(2, FILE_PORT, "locked", OWN_PASSWORD);
    assert!(
        !is_in && heard.contains("NO [AUTHORIZATIONFAILED] Moved"),
        "{heard}"
    );
    for user in ["placed", "renamed"] {
        let (is_in, heard) = log_in(2, FILE_PORT, user, OWN_PASSWORD);
        assert!(is_in, "{user}: {heard}");
    }
    must_be_at(site, "placed", 3);
    let (is_in, heard) = log_in(3, FILE_PORT, "passed", PASSWORD);
    assert!(is_in, "the backend verifies: {heard}");

    let accounts = site.folder.join("accounts");
    let text = fs::read_to_string(&accounts).expect("it was written here");
    fs::write(
        &accounts,
        format!("{text}added:{{PLAIN}}{OWN_PASSWORD}::::::pass={PASSWORD}\n"),
    )
    .expect("writable");
    let (code, said) = site.member(1).reload();
    assert_eq!(code, Some(0), "{said}");
    let (is_in, heard) = log_in(1, FILE_PORT, "added", OWN_PASSWORD);
    assert!(is_in, "{heard}");
    fs::write(&accounts, format!("{text}broken:{{ROT13}}x\n")).expect("writable");
    let (_, said) = site.member(1).reload();
    assert!(
        said.contains("keeps what it has read before") && said.contains("accounts, line 66"),
        "{said}"
    );
    assert!(
        log_in(1, FILE_PORT, "added", OWN_PASSWORD).0,
        "what was read stays in use"
    );
    fs::write(&accounts, text).expect("writable");
}

pub fn accounts_of_dovecots_auth_say_who_comes_in_and_where(site: &mut Site) {
    for (user, backend) in &one_for_each_backend("authed") {
        let (is_in, heard) = log_in(1, AUTH_PORT, user, PASSWORD);
        assert!(is_in, "{heard}");
        must_be_at(site, user, *backend);
    }
    let user = fixed_user(2);
    let (is_in, heard) = log_in(3, AUTH_PORT, &user, PASSWORD);
    assert!(is_in, "{heard}");
    let (is_in, heard) = log_in(3, AUTH_PORT, LOCAL_USER, "wrong");
    assert!(
        !is_in && heard.contains("NO [AUTHENTICATIONFAILED] Authentication failed."),
        "{heard}"
    );
    let (is_in, heard) = log_in(3, AUTH_PORT, "authed0", "wrong");
    assert!(
        !is_in && heard.contains("NO [AUTHENTICATIONFAILED]"),
        "the backend refuses: {heard}"
    );
}
