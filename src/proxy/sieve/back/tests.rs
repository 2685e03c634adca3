//! Whole dialogues with a backend.

use super::*;
use crate::proxy::{Credentials, Origin};

const GREETING: &str = "\"IMPLEMENTATION\" \"Dovecot\"\r\n\"SIEVE\" \"fileinto\"\r\n\"SASL\" \"LOGIN plain\"\r\n\
                        \"STARTTLS\"\r\nOK \"ready.\"\r\n";
const ASKED: &str = "AUTHENTICATE \"PLAIN\" \"AGFsaWNlAHNlY3JldA==\"\r\n";

fn login() -> BackLogin {
    BackLogin {
        credentials: Credentials::of_password(b"alice", b"secret").expect("usable"),
        origin: None,
        host: "host.example".into(),
        wants_starttls: false,
    }
}

fn bearer(mechanism: Mechanism, response: &[u8]) -> BackLogin {
    BackLogin {
        credentials: Credentials::of_response(mechanism, response.to_vec()).expect("usable"),
        ..login()
    }
}

/// Feeds the pieces one after the other; the last step, what was said, and what is left over.
fn fed(back: &mut Back, pieces: &[&[u8]]) -> (BackStep, String, String) {
    let mut input = Input::default();
    let mut out = Vec::new();
    let mut step = BackStep::More;
    for piece in pieces {
        input.extend(piece);
        if step == BackStep::More {
            step = back.feed(&mut input, &mut out);
        }
    }
    let out = String::from_utf8(out).expect("text");
    (step, out, String::from_utf8_lossy(input.unread()).into_owned())
}

/// The last step and what was said.
fn said(back: &mut Back, text: &str) -> (BackStep, String) {
    let (step, out, _) = fed(back, &[text.as_bytes()]);
    (step, out)
}

fn more(text: &str) -> (BackStep, String) {
    (BackStep::More, text.to_owned())
}

fn failed(text: &str) -> (BackStep, String) {
    (BackStep::Failed(text.to_owned()), String::new())
}

#[test]
fn the_login_is_one_command() {
    let mut back = Back::new(login());
    let whole = format!("{GREETING}OK (SASL \"x\") \"Logged in.\"\r\nrest");
    assert_eq!(
        fed(&mut back, &[whole.as_bytes()]),
        (
            BackStep::Accepted(b"OK (SASL \"x\") \"Logged in.\"\r\n".to_vec()),
            ASKED.to_owned(),
            "rest".to_owned()
        )
    );
}

#[test]
fn a_long_response_is_a_literal() {
    let quoted = Credentials::of_password(b"alice", &[b'x'; 761]).expect("usable");
    let literal = Credentials::of_password(b"alice", &[b'x'; 762]).expect("usable");
    let asked = |credentials: Credentials| {
        let response = STANDARD.encode(credentials.response.bytes());
        let login = BackLogin {
            credentials,
            ..login()
        };
        (said(&mut Back::new(login), GREETING), response)
    };
    let (step, response) = asked(quoted);
    assert_eq!(response.len(), 1024);
    assert_eq!(step, more(&format!("AUTHENTICATE \"PLAIN\" \"{response}\"\r\n")));
    let (step, response) = asked(literal);
    assert_eq!(
        step,
        more(&format!("AUTHENTICATE \"PLAIN\" {{1028+}}\r\n{response}\r\n"))
    );
}

#[test]
fn a_refusal_is_handed_on_as_it_came() {
    let refusals = [
        "NO \"wrong\"\r\n",
        "NO (AUTH-TOO-WEAK) {9}\r\nfor\r\nyou \r\n",
        "no\r\n",
        "NO (TRYLATER) \"later\"\r\n",
        "BYE (REFERRAL \"sieve://other/\" (a (b))) \"there\"\r\n",
    ];
    for refusal in refusals {
        let mut back = Back::new(login());
        assert_eq!(said(&mut back, GREETING), more(ASKED));
        assert_eq!(
            said(&mut back, refusal),
            (BackStep::Rejected(refusal.as_bytes().to_vec()), String::new())
        );
    }
}

#[test]
fn cutting_the_input_changes_nothing() {
    let ends = [
        "NO (TAG {2}\r\n\r\n) {5}\r\na\r\nb \r\nrest",
        "OK\nrest",
        "BYE ( \"x\"\r\nrest",
        "* OK garbage\r\nrest",
    ];
    for end in ends {
        let text = format!("{GREETING}{end}");
        let bytes = text.as_bytes();
        let whole = fed(&mut Back::new(login()), &[bytes]);
        assert_eq!((whole.1.as_str(), whole.2.as_str()), (ASKED, "rest"));
        assert_ne!(whole.0, BackStep::More);
        for at in 0..bytes.len() {
            let cut = fed(&mut Back::new(login()), &[&bytes[..at], &bytes[at..]]);
            assert_eq!(cut, whole, "cut at {at}");
        }
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        assert_eq!(fed(&mut Back::new(login()), &single), whole);
    }
}

#[test]
fn starttls_comes_first_and_capabilities_count_anew() {
    let login = || BackLogin {
        wants_starttls: true,
        ..login()
    };
    let mut back = Back::new(login());
    assert_eq!(said(&mut back, GREETING), more("STARTTLS\r\n"));
    let injected = b"OK \"Begin TLS negotiation now.\"\r\n\"SASL\" \"PLAIN\"\r\nOK\r\n";
    assert_eq!(
        fed(&mut back, &[injected]),
        (BackStep::StartTls, String::new(), String::new())
    );
    back.tls_started();
    assert_eq!(
        said(&mut back, "\"SASL\" \"PLAIN\"\r\nOK \"TLS.\"\r\n"),
        more(ASKED)
    );

    let mut back = Back::new(login());
    assert_eq!(
        said(&mut back, &format!("{GREETING}OK\r\n")).0,
        BackStep::StartTls
    );
    back.tls_started();
    assert_eq!(
        said(&mut back, "\"SIEVE\" \"fileinto\"\r\nOK \"TLS.\"\r\n"),
        failed("the backend does not offer SASL PLAIN")
    );
}

#[test]
fn without_the_wanted_starttls_nothing_is_said() {
    let login = || BackLogin {
        wants_starttls: true,
        ..login()
    };
    assert_eq!(
        said(&mut Back::new(login()), "\"SASL\" \"PLAIN\"\r\nOK\r\n"),
        failed("the backend does not offer STARTTLS")
    );
    assert_eq!(
        said(&mut Back::new(login()), &format!("{GREETING}NO \"not now\"\r\n")),
        (
            BackStep::Failed("the backend refuses STARTTLS: NO \"not now\"".to_owned()),
            "STARTTLS\r\n".to_owned()
        )
    );
}

#[test]
fn the_origin_is_said_where_the_backend_trusts_us() {
    let login = || BackLogin {
        origin: Some(Origin {
            client: "192.0.2.1:99".parse().expect("an address"),
            local: "192.0.2.2:4190".parse().expect("an address"),
            session: "abc".into(),
            ttl: 4,
            helo: None,
            is_tls: false,
        }),
        ..login()
    };
    let xclient = "XCLIENT ADDR=192.0.2.1 PORT=99 SESSION=abc TTL=4\r\n";
    for capability in ["\"XCLIENT\"", "\"xclient\" \"ADDR PORT SESSION TTL\""] {
        let greeting = format!("{capability}\r\n{GREETING}");
        let mut back = Back::new(login());
        assert_eq!(said(&mut back, &greeting), more(xclient));
        assert_eq!(said(&mut back, "OK \"Updated\"\r\n"), more(ASKED));

        let mut back = Back::new(login());
        assert_eq!(said(&mut back, &greeting), more(xclient));
        assert_eq!(
            said(&mut back, "NO \"You are not from trusted IP\"\r\n"),
            failed("the backend refuses XCLIENT: NO \"You are not from trusted IP\"")
        );
    }
    assert_eq!(said(&mut Back::new(login()), GREETING), more(ASKED));
}

#[test]
fn a_refused_token_is_explained_by_a_challenge() {
    let answers = [
        (
            bearer(Mechanism::XOauth2, b"user=alice\x01auth=Bearer t\x01\x01"),
            "\"\"\r\n",
        ),
        (
            bearer(Mechanism::OauthBearer, b"n,a=alice,\x01auth=Bearer t\x01\x01"),
            "\"AQ==\"\r\n",
        ),
    ];
    for (login, answer) in answers {
        let mut back = Back::new(login);
        let (step, out) = said(&mut back, "\"SASL\" \"PLAIN XOAUTH2 OAUTHBEARER\"\r\nOK\r\n");
        assert_eq!(step, BackStep::More);
        let name = back.login.credentials.mechanism.name();
        assert!(out.starts_with(&format!("AUTHENTICATE \"{name}\" \"")), "{out}");
        assert_eq!(said(&mut back, "\"eyJzdGF0dXMiOiI0MDEifQ==\"\r\n"), more(answer));
        assert_eq!(
            said(&mut back, "NO \"wrong\"\r\n"),
            (BackStep::Rejected(b"NO \"wrong\"\r\n".to_vec()), String::new())
        );
    }
}

#[test]
fn one_challenge_is_enough() {
    let token = b"user=alice\x01auth=Bearer t\x01\x01";
    let mut back = Back::new(bearer(Mechanism::XOauth2, token));
    assert_eq!(
        said(&mut back, "\"SASL\" \"XOAUTH2\"\r\nOK\r\n").0,
        BackStep::More
    );
    assert_eq!(said(&mut back, "{2}\r\ne3\r\n"), more("\"\"\r\n"));
    assert_eq!(
        said(&mut back, "\"e30=\"\r\n"),
        failed("the backend answers AUTHENTICATE with what does not belong there")
    );
    let mut back = Back::new(login());
    assert_eq!(said(&mut back, GREETING), more(ASKED));
    assert_eq!(
        said(&mut back, "\"\"\r\n"),
        failed("the backend answers AUTHENTICATE with a challenge")
    );
}

#[test]
fn a_mechanism_that_is_not_offered_is_not_tried() {
    for offer in [
        "",
        "\"SASL\"\r\n",
        "\"SASL\" \"\"\r\n",
        "\"SASL\" \"XPLAIN LOGIN\"\r\n",
    ] {
        assert_eq!(
            said(&mut Back::new(login()), &format!("{offer}OK\r\n")),
            failed("the backend does not offer SASL PLAIN")
        );
    }
}

#[test]
fn a_goodbye_instead_of_a_greeting_is_a_failure() {
    assert_eq!(
        said(&mut Back::new(login()), "BYE (TRYLATER) {6}\r\nfull\r\n\r\n"),
        failed("the backend refuses the connection: BYE (TRYLATER) {6}  full")
    );
    let (step, _) = said(
        &mut Back::new(login()),
        &format!("BYE \"{}\"\r\n", "ä".repeat(300)),
    );
    let expected = format!("the backend refuses the connection: BYE \"{}", "ä".repeat(97));
    let BackStep::Failed(text) = step else {
        panic!("{step:?}");
    };
    assert_eq!(text.trim_end_matches('\u{fffd}'), expected);
    assert!(text.len() <= expected.len() + 2);
}

#[test]
fn garbage_is_a_failure() {
    for garbage in [
        "+OK ready\r\n",
        "220 ready\r\n",
        "\r\n",
        "OK )\r\n",
        "OK a\r\n",
        "(\r\n",
        "OK (a\r\n",
    ] {
        assert_eq!(
            said(&mut Back::new(login()), garbage),
            failed("the backend answers the connection with what does not belong there"),
            "{garbage}"
        );
    }
    for garbage in [
        "\"\r\n",
        "* OK [\"\r\n",
        "\"a\0\"\r\n",
        "OK {65537}\r\n",
        "OK {x}\r\n",
    ] {
        assert_eq!(
            said(&mut Back::new(login()), garbage),
            failed("the backend answers the connection with what is malformed or too long"),
            "{garbage}"
        );
    }
}

#[test]
fn a_backend_that_never_stops_is_a_failure() {
    let expected = failed("the backend answers the connection with what is malformed or too long");
    assert_eq!(said(&mut Back::new(login()), &"x".repeat(65537)), expected);
    let lines = "\"SIEVE\" \"fileinto\"\r\n".repeat(4000);
    assert_eq!(said(&mut Back::new(login()), &lines), expected);
}

#[test]
fn secrets_are_not_shown() {
    let mut back = Back::new(login());
    assert_eq!(said(&mut back, GREETING), more(ASKED));
    let shown = format!("{back:?}");
    let bytes = format!("{:?}", b"secret");
    for secret in [
        "AGFsaWNlAHNlY3JldA==",
        "\\0secret",
        bytes.trim_matches(['[', ']']),
    ] {
        assert!(!shown.contains(secret), "{shown}");
    }
    assert_eq!(
        said(&mut back, "WHAT \"AGFsaWNlAHNlY3JldA==\"\r\n"),
        failed("the backend answers AUTHENTICATE with what does not belong there")
    );
}
