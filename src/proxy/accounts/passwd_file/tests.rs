//! Files as an operator writes them, and as nobody should.

use proptest::prelude::*;

use super::super::{Host, account::FieldError, fault::HashError};
use super::*;

const FILE: &str = "\
# who may come in
Alice:{PLAIN}secret::::::proxy host=10.0.0.1 port=1143 director_tag=blue userdb_home=/x
bob@example.org:{PLAIN}secret:1000:1000:Bob:/home:/bin/sh:host=fd00::1 destuser=%n pass=50%%off

carol::::::::nopassword
dave:{PLAIN}secret::::::nologin reason=moved
eve:{PLAIN}other
locked:!
admin:{PLAIN}master::::::master_user host=10.9.9.9
old-admin:{PLAIN}master::::::master_user nologin
frank::::::::userdb_mail=maildir:~/x
grace::::::: nopassword
";

fn file() -> PasswdFile {
    PasswdFile::parse(FILE, "users")
        .expect("usable")
        .with_master_separator(Some('*'))
}

fn verdict(user: &str, password: &str) -> Verdict {
    file().verify(&Credentials::of_password(user.as_bytes(), password.as_bytes()).expect("usable"))
}

fn of_response(response: &[u8]) -> Verdict {
    file().verify(&Credentials::of_response(Mechanism::Plain, response.to_vec()).expect("usable"))
}

fn faults(text: &str) -> Vec<(usize, FaultKind)> {
    let faults = PasswdFile::parse(text, "users").expect_err("faults");
    faults.into_iter().map(|fault| (fault.line, fault.kind)).collect()
}

#[test]
fn a_right_password_lets_in_and_says_where() {
    let Verdict::In(account) = verdict("ALICE", "secret") else {
        panic!()
    };
    assert_eq!(account.user, "alice");
    assert_eq!(account.host, Some(Host::Address([10, 0, 0, 1].into())));
    assert_eq!((account.port, account.tag.as_deref()), (Some(1143), Some("blue")));
    assert_eq!(account.sent.response.bytes(), b"\0alice\0secret");
    let Verdict::In(account) = verdict("bob@example.org", "secret") else {
        panic!()
    };
    assert_eq!(
        account.host,
        Some(Host::Address("fd00::1".parse().expect("an address")))
    );
    assert_eq!(account.sent.response.bytes(), b"\0bob\x0050%off");
    assert_eq!(account.user, "bob");
}

#[test]
fn a_wrong_user_and_a_wrong_password_are_the_same() {
    for (user, password) in [
        ("alice", "Secret"),
        ("alice", ""),
        ("nobody", "secret"),
        ("locked", "!"),
        ("locked", ""),
        ("frank", ""),
        ("carol ", "x"),
        ("dave", "wrong"),
        ("alice*", "secret"),
        ("*admin", "master"),
        ("admin*", "master"),
    ] {
        assert_eq!(verdict(user, password), Verdict::Wrong, "{user}");
    }
}

#[test]
fn the_backend_verifies_who_has_no_password_here() {
    let Verdict::In(account) = verdict("grace", "whatever") else {
        panic!()
    };
    assert_eq!(account.sent.response.bytes(), b"\0grace\0whatever");
    // An empty column in front of the extra fields is the old form, whose rest is not ours.
    assert_eq!(verdict("carol", "whatever"), Verdict::Wrong);
}

#[test]
fn who_may_not_log_in_is_told_so_only_with_his_password() {
    assert_eq!(verdict("dave", "secret"), Verdict::Refused("moved".to_owned()));
}

#[test]
fn a_master_user_opens_any_mailbox_with_his_own_password() {
    for verdict in [
        verdict("Alice*Admin", "master"),
        of_response(b"Alice\0Admin\0master"),
    ] {
        let Verdict::In(account) = verdict else { panic!() };
        assert_eq!(account.user, "alice");
        assert_eq!(account.host, Some(Host::Address([10, 0, 0, 1].into())));
        assert_eq!(account.sent.response.bytes(), b"alice\0admin\0master");
    }
    // An entry with a password for the backend needs none of the master user.
    let Verdict::In(account) = verdict("bob@example.org*admin", "master") else {
        panic!()
    };
    assert_eq!(account.sent.response.bytes(), b"\0bob\x0050%off");
    // His own mailbox.
    let Verdict::In(account) = verdict("admin", "master") else {
        panic!()
    };
    assert_eq!(account.sent.response.bytes(), b"\0admin\0master");
}

#[test]
fn nobody_else_opens_a_mailbox_that_is_not_his() {
    for verdict in [
        verdict("alice*admin", "secret"),
        verdict("alice*eve", "other"),
        verdict("alice*nobody", "master"),
        verdict("nobody*admin", "master"),
        verdict("alice*grace", "x"),
        of_response(b"alice\0eve\0other"),
        of_response(b"nobody\0admin\0master"),
        of_response(b"alice\0eve*admin\0master"),
    ] {
        assert_eq!(verdict, Verdict::Wrong);
    }
    assert!(matches!(
        verdict("alice*old-admin", "master"),
        Verdict::Refused(_)
    ));
    assert_eq!(
        verdict("dave*admin", "master"),
        Verdict::Refused("moved".to_owned())
    );
    let plain = PasswdFile::parse(FILE, "users").expect("usable");
    let credentials = Credentials::of_password(b"alice*admin", b"master").expect("usable");
    assert_eq!(plain.verify(&credentials), Verdict::Wrong);
}

#[test]
fn a_token_is_for_the_backend_alone() {
    let token = |user: &str| {
        let response = format!("user={user}\x01auth=Bearer t\x01\x01").into_bytes();
        Credentials::of_response(Mechanism::XOauth2, response).expect("usable")
    };
    let Verdict::In(account) = file().verify(&token("Grace")) else {
        panic!()
    };
    assert_eq!(account.sent, token("Grace"));
    for user in ["alice", "nobody"] {
        assert_eq!(
            file().verify(&token(user)),
            Verdict::Refused(NO_TOKENS.to_owned())
        );
        assert!(!file().is_slow(&token(user)));
    }
}

#[test]
fn who_is_not_there_takes_as_long_as_most() {
    let slow = "$5$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc8";
    let text = format!("a:{slow}\nb:{slow}\nc:{{PLAIN}}x\nd:*\ne::::::: nopassword\n");
    let file = PasswdFile::parse(&text, "users").expect("usable");
    let is_slow = |user: &[u8]| file.is_slow(&Credentials::of_password(user, b"x").expect("usable"));
    assert!(is_slow(b"a") && is_slow(b"nobody") && is_slow(b"d"));
    assert!(!is_slow(b"c") && !is_slow(b"e"));
    // The dummy is a real hash, and nobody comes in by it.
    let credentials = Credentials::of_password(b"nobody", b"Hello world!").expect("usable");
    assert_eq!(file.verify(&credentials), Verdict::Wrong);
    assert_eq!(file.dummy.as_ref().map(Password::cost), Some((2, 5000, 0)));
}

#[test]
fn every_fault_is_said_with_its_line() {
    let text = "a:{ROT13}x\n\n:x\nb:{PLAIN}x\nB:{PLAIN}y\nc:{PLAIN}x::::::port=0\nd:{PLAIN}x::::::pass=%w\n\
                e:{PLAIN}x::::::nopassword\nf:::::::nopassword master=m\ng:::::::nopassword master_user\n";
    assert_eq!(
        faults(text),
        [
            (1, FaultKind::Hash(HashError::Scheme)),
            (3, FaultKind::Name),
            (5, FaultKind::Twice(4)),
            (
                6,
                FaultKind::Field(FieldError {
                    name: "port",
                    rule: "has to be a number from 1 to 65535"
                })
            ),
            (7, FaultKind::Percent("pass".into())),
            (8, FaultKind::NoPasswordWithPassword),
            (9, FaultKind::NoPasswordWithProof),
            (10, FaultKind::NoPasswordMaster),
        ]
    );
    let fault = &PasswdFile::parse("a:$1$x", "/etc/users").expect_err("a fault")[0];
    assert_eq!(
        fault.to_string(),
        "/etc/users, line 1: the password is none of $5$, $6$ and $2 of crypt(3): write its scheme before it, as in {PLAIN}"
    );
}

#[test]
fn a_file_is_read_up_to_its_limits() {
    let long = format!("a:{{PLAIN}}{}", "x".repeat(ENTRY_BYTES_MAX));
    assert_eq!(faults(&long), [(1, FaultKind::LineTooLong)]);
    let bad = ":\n".repeat(FAULTS_MAX + 5);
    let faults_found = faults(&bad);
    assert_eq!(faults_found.len(), FAULTS_MAX + 1);
    assert_eq!(faults_found[FAULTS_MAX], (FAULTS_MAX, FaultKind::TooManyFaults));
    let many: String = (0..=USERS_MAX).map(|number| format!("{number}:\n")).collect();
    assert_eq!(faults(&many), [(USERS_MAX + 1, FaultKind::TooManyUsers)]);
}

#[test]
fn nothing_secret_is_shown() {
    assert_eq!(format!("{:?}", file()), "users with 10 users");
    let faults = PasswdFile::parse("a:xyzzy\nb:{PLAIN}y::::::pass=xyzzy%w\n", "users").expect_err("faults");
    for fault in faults {
        assert!(!format!("{fault:?} {fault}").contains("xyzzy"));
    }
}

#[test]
fn variables_are_those_of_the_user() {
    assert_eq!(
        expanded("%u/%n/%d/%%/%%u", "a@b").as_deref(),
        Some("a@b/a/b/%/%u")
    );
    assert_eq!(expanded("%d", "a").as_deref(), Some(""));
    assert_eq!(expanded("%", "a"), None);
    assert_eq!(expanded("a%%%", "a"), None);
    assert_eq!(expanded("%Lu", "a"), None);
}

proptest! {
    #[test]
    fn any_text_is_a_file_or_has_faults(text in any::<String>()) {
        if let Err(faults) = PasswdFile::parse(&text, "users") {
            prop_assert!(!faults.is_empty());
        }
    }

    #[test]
    fn any_entry_is_usable_or_has_a_fault(text in "([a-bA-B*:]{1,3}:(\\{PLAIN\\})?[a-z!]{0,2}:{0,7}([a-z_]{1,9}=?[%a-z0-9 :.]{0,4} ?){0,3}\n){0,4}") {
        if let Ok(file) = PasswdFile::parse(&text, "users") {
            for user in ["a", "b*a", "ab"] {
                let credentials = Credentials::of_password(user.as_bytes(), b"a").expect("usable");
                let _ = file.clone().with_master_separator(Some('*')).verify(&credentials);
            }
        }
    }
}
