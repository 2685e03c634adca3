//! What an account is made of.

use super::*;

fn fields(all: &[(&str, &str)]) -> Fields {
    let mut fields = Fields::default();
    for (name, value) in all {
        fields.set(name, value.as_bytes()).expect("usable");
    }
    fields
}

fn admitted(all: &[(&str, &str)], client: &Credentials) -> Verdict {
    fields(all).admit("alice", None, client)
}

fn account(all: &[(&str, &str)], client: &Credentials) -> Account {
    match admitted(all, client) {
        Verdict::In(account) => *account,
        other => panic!("{other:?}"),
    }
}

fn alice() -> Credentials {
    Credentials::of_password(b"Alice", b"secret").expect("usable")
}

fn token() -> Credentials {
    let response = b"user=alice\x01auth=Bearer t0ken\x01\x01".to_vec();
    Credentials::of_response(Mechanism::XOauth2, response).expect("usable")
}

#[test]
fn without_fields_he_is_who_he_says_and_goes_where_the_ring_says() {
    let account = account(&[("proxy", ""), ("starttls", "any-cert")], &alice());
    assert_eq!(
        (account.user.as_str(), account.host, account.port),
        ("alice", None, None)
    );
    assert_eq!(account.sent.response.bytes(), b"\0alice\0secret");
}

#[test]
fn each_field_says_what_the_backend_gets() {
    let sent = |all: &[(&str, &str)]| account(all, &alice()).sent.response.bytes().to_vec();
    assert_eq!(sent(&[("destuser", "a@b")]), b"\0a@b\0secret");
    assert_eq!(sent(&[("user", "c"), ("destuser", "a@b")]), b"\0a@b\0secret");
    assert_eq!(sent(&[("user", "c")]), b"\0c\0secret");
    assert_eq!(sent(&[("pass", "other")]), b"\0alice\0other");
    assert_eq!(
        sent(&[("master", "proxy"), ("pass", "other")]),
        b"alice\0proxy\0other"
    );
    assert_eq!(
        sent(&[("master", "proxy"), ("destuser", "x")]),
        b"x\0proxy\0secret"
    );
    // As Dovecot's auth says who has opened the mailbox.
    assert_eq!(
        sent(&[("user", "x"), ("auth_user", "admin")]),
        b"x\0admin\0secret"
    );
    assert_eq!(sent(&[("user", "x"), ("auth_user", "x")]), b"\0x\0secret");
}

#[test]
fn an_address_is_taken_before_a_name_is_asked_for() {
    let host = |all: &[(&str, &str)]| account(all, &alice()).host;
    let address = |text: &str| text.parse().expect("an address");
    assert_eq!(
        host(&[("host", "fd00::1")]),
        Some(Host::Address(address("fd00::1")))
    );
    assert_eq!(
        host(&[("host", "10.0.0.1"), ("hostip", "10.0.0.2")]),
        Some(Host::Address(address("10.0.0.2")))
    );
    let named = Host::Name {
        name: "mail.example".into(),
        address: Some(address("10.0.0.2")),
    };
    assert_eq!(
        host(&[("hostip", "10.0.0.2"), ("host", "Mail.Example")]),
        Some(named)
    );
}

#[test]
fn a_value_that_can_not_be_used_is_said_without_the_value() {
    for (name, value) in [
        ("host", ""),
        ("host", "a b"),
        ("hostip", "mail"),
        ("port", "0"),
        ("port", "65536"),
        ("port", "+1a"),
        ("destuser", ""),
        ("destuser", "a\0b"),
        ("director_tag", "a\nb"),
        ("pass", "xyzzy\0"),
    ] {
        let error = Fields::default().set(name, value.as_bytes()).expect_err(name);
        assert_eq!(error.name, name);
        assert!(!error.to_string().contains("xyzzy"));
    }
    assert_eq!(
        FieldError {
            name: "port",
            rule: "has to be a number from 1 to 65535"
        }
        .to_string(),
        "port= has to be a number from 1 to 65535"
    );
}

#[test]
fn who_may_not_log_in_is_told_why_in_one_printable_line() {
    assert_eq!(
        admitted(&[("nologin", "")], &alice()),
        Verdict::Refused(NO_LOGIN.to_owned())
    );
    assert_eq!(
        admitted(&[("nologin", "y"), ("reason", "moved\r\nto \u{fc}")], &alice()),
        Verdict::Refused("moved??to ?".to_owned())
    );
    assert_eq!(
        admitted(&[("nologin", ""), ("reason", "")], &alice()),
        Verdict::Refused(NO_LOGIN.to_owned())
    );
}

#[test]
fn a_token_is_handed_on_unless_the_entry_has_a_password() {
    assert_eq!(account(&[], &token()).sent, token());
    assert_eq!(account(&[("user", "Alice")], &token()).sent, token());
    // Dovecot's auth says the token as if it were a password.
    assert_eq!(account(&[("pass", "t0ken")], &token()).sent, token());
    assert_eq!(
        account(&[("pass", "other")], &token()).sent.response.bytes(),
        b"\0alice\0other"
    );
    for fields in [[("destuser", "bob")], [("master", "proxy")]] {
        assert!(matches!(
            admitted(&fields, &token()),
            Verdict::TemporarilyUnavailable(_)
        ));
    }
}

#[test]
fn a_password_is_never_shown() {
    let fields = fields(&[("pass", "xyzzy")]);
    assert!(!format!("{fields:?}").contains("xyzzy"));
    let verdict = fields.admit("alice", None, &alice());
    assert!(!format!("{verdict:?}").contains("xyzzy"));
    assert!(!format!("{verdict:?}").contains("secret\""));
}
