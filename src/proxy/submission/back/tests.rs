//! Whole dialogues with a backend.

use std::sync::Arc;

use super::*;
use crate::proxy::submission::Front;
use crate::proxy::{Claims, Credentials, FrontSettings, FrontStep, Origin};

fn login() -> BackLogin {
    BackLogin {
        credentials: Credentials::of_password(b"alice", b"secret").expect("usable"),
        origin: None,
        host: "proxy.example".into(),
        wants_starttls: false,
    }
}

fn origin(helo: &str) -> Option<Origin> {
    Some(Origin {
        client: "192.0.2.7:40000".parse().expect("an address"),
        local: "192.0.2.1:587".parse().expect("an address"),
        session: "s1".into(),
        ttl: 4,
        helo: Some(helo.into()),
        is_tls: false,
    })
}

fn token(mechanism: Mechanism, token: &str) -> BackLogin {
    let credentials = Credentials::of_response(mechanism, token.as_bytes().to_vec()).expect("usable");
    BackLogin {
        credentials,
        ..login()
    }
}

fn said(back: &mut Back, bytes: impl AsRef<[u8]>) -> (BackStep, String) {
    let mut input = Input::default();
    input.extend(bytes.as_ref());
    let mut out = Vec::new();
    let step = back.feed(&mut input, &mut out);
    (step, String::from_utf8(out).expect("text"))
}

fn more(text: &str) -> (BackStep, String) {
    (BackStep::More, text.to_owned())
}

fn failed(text: &str) -> (BackStep, String) {
    (BackStep::Failed(text.to_owned()), String::new())
}

/// A back that has seen the greeting and this EHLO's answer.
fn greeted(login: BackLogin, offers: &str) -> (Back, (BackStep, String)) {
    let mut back = Back::new(login);
    assert_eq!(said(&mut back, ""), more(""));
    assert_eq!(
        said(&mut back, "220-mx.example\r\n220 ready\r\n"),
        more("EHLO proxy.example\r\n")
    );
    let answer = said(&mut back, offers);
    (back, answer)
}

const OFFERS: &str = "250-mx.example\r\n250-SIZE\r\n250 AUTH PLAIN LOGIN XOAUTH2 OAUTHBEARER\r\n";
const XCLIENT: &str = "250-mx.example\r\n250-auth plain\r\n250 xclient addr PORT LOGIN helo\r\n";

#[test]
fn a_login_is_one_command() {
    let (mut back, answer) = greeted(login(), OFFERS);
    assert_eq!(answer, more("AUTH PLAIN AGFsaWNlAHNlY3JldA==\r\n"));
    let mut input = Input::default();
    input.extend(b"235-2.7.0 Hello\r\n235 2.7.0 Logged in.\r\n421 4.3.2 Bye\r\n");
    let mut out = Vec::new();
    let words = b"235-2.7.0 Hello\r\n235 2.7.0 Logged in.\r\n".to_vec();
    assert_eq!(back.feed(&mut input, &mut out), BackStep::Accepted(words));
    assert_eq!(back.feed(&mut input, &mut out), BackStep::More);
    assert_eq!(out, b"");
    assert_eq!(input.unread(), b"421 4.3.2 Bye\r\n");
}

#[test]
fn a_refusal_is_the_backends_own() {
    for words in ["535 5.7.8 No.\r\n", "454-4.7.0 Later,\r\n454 4.7.0 perhaps.\r\n"] {
        let (mut back, _) = greeted(login(), OFFERS);
        assert_eq!(
            said(&mut back, words),
            (BackStep::Rejected(words.into()), String::new())
        );
    }
}

#[test]
fn a_long_response_waits_for_its_challenge() {
    // 512 bytes with "AUTH XOAUTH2 ", base64 and CRLF: 372 bytes in base64 are 496.
    for (bytes, fits) in [(372, true), (373, false)] {
        let long = format!("user=a\x01{}", "t".repeat(bytes - 7));
        let (mut back, answer) = greeted(token(Mechanism::XOauth2, &long), OFFERS);
        let response = BASE64_STANDARD.encode(&long);
        if fits {
            assert_eq!(answer, more(&format!("AUTH XOAUTH2 {response}\r\n")));
        } else {
            assert_eq!(answer, more("AUTH XOAUTH2\r\n"));
            assert_eq!(said(&mut back, "334 \r\n"), more(&format!("{response}\r\n")));
        }
        assert_eq!(
            said(&mut back, "235 ok\r\n").0,
            BackStep::Accepted(b"235 ok\r\n".to_vec())
        );
    }
}

#[test]
fn a_failing_token_is_refused_after_its_challenge_is_answered() {
    for (login, dummy) in [
        (
            token(Mechanism::XOauth2, "user=a\x01auth=Bearer t\x01\x01"),
            "\r\n",
        ),
        (
            token(Mechanism::OauthBearer, "n,a=a,\x01auth=Bearer t\x01\x01"),
            "AQ==\r\n",
        ),
    ] {
        let (mut back, _) = greeted(login, OFFERS);
        assert_eq!(said(&mut back, "334 e30=\r\n"), more(dummy));
        let words = b"535 5.7.8 No.\r\n".to_vec();
        assert_eq!(
            said(&mut back, "535 5.7.8 No.\r\n"),
            (BackStep::Rejected(words), String::new())
        );
    }
}

#[test]
fn a_challenge_too_many_is_a_failure() {
    let (mut back, _) = greeted(login(), OFFERS);
    assert_eq!(
        said(&mut back, "334 eA==\r\n"),
        failed("AUTH PLAIN was answered with 334 eA==")
    );
    let (mut back, _) = greeted(
        token(Mechanism::XOauth2, "user=a\x01auth=Bearer t\x01\x01"),
        OFFERS,
    );
    assert_eq!(
        said(&mut back, "334 e30=\r\n334 e30=\r\n").0,
        failed("AUTH was answered with 334 e30=").0
    );
}

#[test]
fn starttls_comes_before_all_that_is_said_of_the_user() {
    let wanting = BackLogin {
        wants_starttls: true,
        origin: origin("laptop"),
        ..login()
    };
    let offers = "250-mx.example\r\n250-XCLIENT ADDR\r\n250-AUTH PLAIN\r\n250 STARTTLS\r\n";
    let (mut back, answer) = greeted(wanting, offers);
    assert_eq!(answer, more("STARTTLS\r\n"));
    let mut input = Input::default();
    input.extend(b"220 2.0.0 go\r\n250-evil\r\n250 AUTH PLAIN\r\n");
    assert_eq!(back.feed(&mut input, &mut Vec::new()), BackStep::StartTls);
    assert_eq!(input.unread(), b"");
    assert_eq!(said(&mut back, "250 AUTH PLAIN\r\n"), more(""));
    back.tls_started();
    assert_eq!(said(&mut back, ""), more("EHLO proxy.example\r\n"));
    assert_eq!(
        said(&mut back, XCLIENT),
        more("XCLIENT ADDR=192.0.2.7 PORT=40000 HELO=laptop\r\n")
    );
}

#[test]
fn starttls_that_can_not_be_had_is_a_failure() {
    let wanting = BackLogin {
        wants_starttls: true,
        ..login()
    };
    let (_, answer) = greeted(wanting.clone(), OFFERS);
    assert_eq!(answer, failed("STARTTLS is not offered"));
    let (mut back, _) = greeted(wanting, "250-mx.example\r\n250 STARTTLS\r\n");
    assert_eq!(
        said(&mut back, "454 4.7.0 TLS not available\r\n"),
        failed("STARTTLS was answered with 454 4.7.0 TLS not available")
    );
}

#[test]
fn the_client_is_told_of_and_spoken_for() {
    let (mut back, answer) = greeted(
        BackLogin {
            origin: origin("laptop"),
            ..login()
        },
        XCLIENT,
    );
    assert_eq!(answer, more("XCLIENT ADDR=192.0.2.7 PORT=40000 HELO=laptop\r\n"));
    assert_eq!(
        said(&mut back, "220 mx.example ready\r\n"),
        more("EHLO laptop\r\n")
    );
    assert_eq!(
        said(&mut back, XCLIENT),
        more("AUTH PLAIN AGFsaWNlAHNlY3JldA==\r\n")
    );
}

#[test]
fn a_name_that_the_backend_dislikes_does_not_make_it_unusable() {
    let (mut back, _) = greeted(
        BackLogin {
            origin: origin("a_b"),
            ..login()
        },
        XCLIENT,
    );
    said(&mut back, "220 mx.example ready\r\n");
    assert_eq!(
        said(&mut back, "501 5.5.2 Bad name\r\n"),
        more("EHLO proxy.example\r\n")
    );
    assert_eq!(
        said(&mut back, "501 5.5.2 Bad name\r\n"),
        failed("EHLO was answered with 501 5.5.2 Bad name")
    );
}

#[test]
fn a_name_can_not_break_a_command() {
    let hostile = BackLogin {
        origin: origin("a\r\nMAIL FROM:<x>"),
        ..login()
    };
    let (mut back, answer) = greeted(hostile, XCLIENT);
    let told = "XCLIENT ADDR=192.0.2.7 PORT=40000 HELO=a+0D+0AMAIL+20FROM:<x>\r\n";
    assert_eq!(answer, more(told));
    assert_eq!(
        said(&mut back, "220 mx.example ready\r\n"),
        more("EHLO proxy.example\r\n")
    );
}

#[test]
fn many_xclient_commands_are_sent_one_after_the_other() {
    let long = "x".repeat(255);
    let mut origin = origin(&long);
    if let Some(origin) = &mut origin {
        origin.session = "y".repeat(255).into();
    }
    let offers = "250-mx.example\r\n250 XCLIENT SESSION HELO\r\n";
    let (mut back, answer) = greeted(BackLogin { origin, ..login() }, offers);
    assert_eq!(answer, more(&format!("XCLIENT SESSION={}\r\n", "y".repeat(255))));
    assert_eq!(
        said(&mut back, "220 go\r\n"),
        more(&format!("XCLIENT HELO={long}\r\n"))
    );
    assert_eq!(said(&mut back, "220 go\r\n"), more(&format!("EHLO {long}\r\n")));
}

#[test]
fn nobody_is_told_of_where_it_is_not_wanted() {
    let told = BackLogin {
        origin: origin("laptop"),
        ..login()
    };
    for offers in [
        OFFERS,
        "250-mx.example\r\n250-AUTH PLAIN\r\n250 XCLIENT LOGIN\r\n",
    ] {
        assert_eq!(
            greeted(told.clone(), offers).1,
            more("AUTH PLAIN AGFsaWNlAHNlY3JldA==\r\n")
        );
    }
    let offers = "250-mx.example\r\n250-AUTH PLAIN\r\n250 XCLIENT ADDR\r\n";
    assert_eq!(
        greeted(login(), offers).1,
        more("AUTH PLAIN AGFsaWNlAHNlY3JldA==\r\n")
    );
}

#[test]
fn a_backend_that_can_not_be_used_is_a_failure() {
    for (words, text) in [
        (
            "421 4.3.2 Too\tbusy\r\n",
            "the connection was answered with 421 4.3.2 Too?busy",
        ),
        (
            "554-No\r\n554 no\r\n",
            "the connection was answered with 554-No??554 no",
        ),
        ("250 ok\r\n", "the connection was answered with 250 ok"),
        ("* OK IMAP4rev1\r\n", "not a reply of SMTP: * OK IMAP4rev1"),
    ] {
        assert_eq!(said(&mut Back::new(login()), words), failed(text));
    }
    for (offers, text) in [
        ("502 5.5.1 EHLO?\r\n", "EHLO was answered with 502 5.5.1 EHLO?"),
        ("250 AUTH PLAIN\r\n", "AUTH PLAIN is not offered"),
        (
            "250-mx.example\r\n250 AUTH LOGIN\r\n",
            "AUTH PLAIN is not offered",
        ),
    ] {
        assert_eq!(greeted(login(), offers).1, failed(text));
    }
    let (mut back, _) = greeted(
        BackLogin {
            origin: origin("laptop"),
            ..login()
        },
        XCLIENT,
    );
    assert_eq!(
        said(&mut back, "550 5.7.14 No\r\n"),
        failed("XCLIENT was answered with 550 5.7.14 No")
    );
    assert_eq!(said(&mut back, "220 go\r\n"), more(""));
    let (mut back, _) = greeted(login(), OFFERS);
    assert_eq!(
        said(&mut back, "250 ok\r\n"),
        failed("AUTH was answered with 250 ok")
    );
}

#[test]
fn an_endless_backend_is_a_failure() {
    let mut back = Back::new(login());
    let words = "220-go on\r\n".repeat(6000);
    assert_eq!(said(&mut back, words), failed("more than 65536 bytes of replies"));
}

#[test]
fn the_password_is_never_shown() {
    let (back, _) = greeted(login(), OFFERS);
    let shown = format!("{back:?}");
    assert!(shown.contains("13 secret bytes"), "{shown}");
    assert!(
        !shown.contains("AGFsaWNl") && !shown.contains("115, 101, 99"),
        "{shown}"
    );
}

#[test]
fn a_front_is_a_backend_like_any_other() {
    let settings = FrontSettings {
        host: "inner.example".into(),
        greeting: "ready".into(),
        capabilities: vec!["XCLIENT ADDR PORT HELO SESSION TTL".into()],
        offers_starttls: true,
        allows_cleartext: false,
        offers_oauth: true,
    };
    let mut front = Front::new(Arc::new(settings), false);
    let token = token(
        Mechanism::OauthBearer,
        &format!("n,a=bob,\x01auth=Bearer {}\x01\x01", "t".repeat(999)),
    );
    let login = BackLogin {
        wants_starttls: true,
        origin: origin("laptop"),
        ..token
    };
    let mut back = Back::new(login.clone());
    let (mut to_back, mut to_front) = (Input::default(), Input::default());
    let mut out = Vec::new();
    front.greet(&mut out);
    let step = loop {
        to_back.extend(&std::mem::take(&mut out));
        let starts_tls = back.feed(&mut to_back, &mut out) == BackStep::StartTls;
        if starts_tls {
            front.tls_started();
            back.tls_started();
        }
        to_front.extend(&std::mem::take(&mut out));
        match front.feed(&mut to_front, &mut out) {
            FrontStep::Login(credentials) => break FrontStep::Login(credentials),
            FrontStep::Close => break FrontStep::Close,
            FrontStep::More | FrontStep::StartTls => {}
        }
    };
    assert_eq!(step, FrontStep::Login(login.credentials));
    let client = Some(("192.0.2.7".parse().expect("an address"), 40000));
    assert_eq!(
        front.claims(),
        &Claims {
            client,
            ttl: Some(4),
            session: Some("s1".into())
        }
    );
    assert_eq!(front.helo(), Some("laptop"));
}

#[test]
fn it_does_not_matter_where_the_input_is_cut() {
    let bytes = format!(
        "220-a\r\n220 b\r\n{XCLIENT}220 again\n501 no\r\n{XCLIENT}535-5.7.8 No\r\n535 5.7.8 no\r\nrest"
    );
    let in_two_parts = |cut: usize| {
        let mut back = Back::new(BackLogin {
            origin: origin("laptop"),
            ..login()
        });
        let (mut input, mut out, mut steps) = (Input::default(), Vec::new(), Vec::new());
        for part in [&bytes[..cut], &bytes[cut..]] {
            input.extend(part.as_bytes());
            steps.push(back.feed(&mut input, &mut out));
        }
        steps.retain(|step| *step != BackStep::More);
        (steps, out, input.unread().to_vec())
    };
    let whole = in_two_parts(bytes.len());
    let words = b"535-5.7.8 No\r\n535 5.7.8 no\r\n".to_vec();
    assert_eq!(
        (whole.0.as_slice(), whole.2.as_slice()),
        (&[BackStep::Rejected(words)][..], &b"rest"[..])
    );
    for cut in 0..bytes.len() {
        assert_eq!(in_two_parts(cut), whole, "{cut}");
    }
}
