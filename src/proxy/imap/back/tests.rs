//! Dialogues with backends. The backend's words do not wait for ours: what matters is what is said, and in which order.

use super::*;
use crate::proxy::{Credentials, Mechanism, Origin};

const LOGIN: &str = "L AUTHENTICATE PLAIN AGFsaWNlAHNlY3JldA==\r\n";

fn login_of(credentials: Credentials) -> BackLogin {
    BackLogin {
        credentials,
        origin: None,
        host: "proxy.example.org".into(),
        wants_starttls: false,
    }
}

fn plain() -> BackLogin {
    login_of(Credentials::of_password(b"alice", b"secret").expect("usable"))
}

fn from_a_client() -> BackLogin {
    BackLogin {
        origin: Some(Origin {
            client: "192.0.2.9:55".parse().unwrap(),
            local: "192.0.2.1:143".parse().unwrap(),
            session: "s1".into(),
            ttl: 4,
            helo: None,
            is_tls: false,
        }),
        ..plain()
    }
}

fn by_starttls() -> BackLogin {
    BackLogin {
        wants_starttls: true,
        ..plain()
    }
}

/// Feeds pieces up to the first step that is not `More`.
fn hear<'a>(back: &mut Back, pieces: impl Iterator<Item = &'a [u8]>) -> (String, BackStep, String) {
    let (mut input, mut out) = (Input::default(), Vec::new());
    let mut step = BackStep::More;
    for piece in pieces {
        input.extend(piece);
        if step == BackStep::More {
            step = back.feed(&mut input, &mut out);
        }
    }
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&out), step, text(input.unread()))
}

/// What is said to these words of a backend, the step, and what is left: however they are cut.
fn outcome(login: fn() -> BackLogin, words: &str) -> (String, BackStep, String) {
    let bytes = words.as_bytes();
    let whole = hear(&mut Back::new(login()), [bytes].into_iter());
    assert_eq!(
        hear(&mut Back::new(login()), bytes.chunks(1)),
        whole,
        "byte by byte"
    );
    for cut in 0..=bytes.len() {
        let (first, second) = bytes.split_at(cut);
        let halves = hear(&mut Back::new(login()), [first, second].into_iter());
        assert_eq!(halves, whole, "cut at {cut}");
    }
    whole
}

fn accepted(said: &str, reply: &str, unread: &str) -> (String, BackStep, String) {
    let step = BackStep::Accepted(reply.as_bytes().to_vec());
    (said.to_owned(), step, unread.to_owned())
}

fn failure(login: fn() -> BackLogin, words: &str) -> String {
    match outcome(login, words).1 {
        BackStep::Failed(reason) => reason,
        step => panic!("{step:?} is no failure"),
    }
}

#[test]
fn a_login_takes_one_round_when_the_greeting_says_enough() {
    assert_eq!(
        outcome(
            plain,
            "* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN] Hi.\r\nL OK [CAPABILITY X] Logged in\r\n* 1 EXISTS\r\n"
        ),
        accepted(LOGIN, "OK [CAPABILITY X] Logged in\r\n", "* 1 EXISTS\r\n")
    );
}

#[test]
fn capabilities_are_asked_for_when_the_greeting_has_none() {
    let said = format!("C CAPABILITY\r\n{LOGIN}");
    for answer in [
        "* CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN\r\nC OK\r\n",
        "* OK x\r\nC OK [CAPABILITY SASL-IR AUTH=PLAIN] x\r\n",
    ] {
        assert_eq!(
            outcome(plain, &format!("* OK Hi.\r\n{answer}L OK in\r\n")),
            accepted(&said, "OK in\r\n", "")
        );
    }
    assert_eq!(
        failure(plain, "* OK Hi.\r\nC OK\r\n"),
        "the backend does not say what it can do"
    );
    assert_eq!(
        failure(plain, "* OK Hi.\r\nC NO not now\r\n"),
        "the backend does not say what it can do: NO not now"
    );
}

#[test]
fn untagged_responses_reach_the_client_but_not_those_to_our_id() {
    let id = "I ID (\"x-session-id\" \"s1\" \"x-originating-ip\" \"192.0.2.9\" \"x-originating-port\" \"55\" \
              \"x-connected-ip\" \"192.0.2.1\" \"x-connected-port\" \"143\" \"x-proxy-ttl\" \"4\")\r\n";
    let greeting = "* OK [CAPABILITY IMAP4rev1 SASL-IR ID AUTH=PLAIN] Hi.\r\n";
    for answer in ["* ID (\"name\" {1}\r\nx)\r\nI OK done", "I NO no", "I BAD what"] {
        assert_eq!(
            outcome(
                from_a_client,
                &format!("{greeting}{answer}\r\n* CAPABILITY A\r\n* X {{4}}\r\nL OK\r\nL OK in\r\nI OK x")
            ),
            accepted(
                &format!("{id}{LOGIN}"),
                "* CAPABILITY A\r\n* X {4}\r\nL OK\r\nOK in\r\n",
                "I OK x"
            )
        );
    }
    assert_eq!(
        failure(from_a_client, &format!("{greeting}L OK in\r\n")),
        "the backend answers what it was not asked"
    );
    assert_eq!(
        outcome(
            from_a_client,
            "* OK [CAPABILITY SASL-IR AUTH=PLAIN] Hi.\r\nL OK in\r\n"
        ),
        accepted(LOGIN, "OK in\r\n", "")
    );
}

#[test]
fn a_refusal_keeps_the_backends_words() {
    let greeting = "* OK [CAPABILITY SASL-IR AUTH=PLAIN] Hi.\r\n";
    for line in [
        "NO [AUTHENTICATIONFAILED] Authentication failed.\r\n",
        "NO [UNAVAILABLE] Temporary authentication failure.\r\n",
        "BAD what\r\n",
    ] {
        let words = format!("{greeting}* CAPABILITY OLD\r\nL {line}");
        let rejected = BackStep::Rejected(line.as_bytes().to_vec());
        assert_eq!(
            outcome(plain, &words),
            (LOGIN.to_owned(), rejected, String::new())
        );
    }
}

#[test]
fn what_the_backend_waits_for_comes_when_it_asks() {
    assert_eq!(
        outcome(plain, "* OK [CAPABILITY AUTH=PLAIN] Hi.\r\n+ \r\nL OK in\r\n"),
        accepted(
            "L AUTHENTICATE PLAIN\r\nAGFsaWNlAHNlY3JldA==\r\n",
            "OK in\r\n",
            ""
        )
    );
    let literal = || login_of(Credentials::of_password(b"alice", "ü".as_bytes()).expect("usable"));
    assert_eq!(
        outcome(literal, "* OK [CAPABILITY IMAP4rev1] Hi.\r\n+ OK\r\nL OK in\r\n"),
        accepted("L LOGIN \"alice\" {2}\r\nü\r\n", "OK in\r\n", "")
    );
    let mut back = Back::new(plain());
    let (said, step, _) = hear(
        &mut back,
        [&b"* OK [CAPABILITY AUTH=PLAIN] Hi.\r\n"[..]].into_iter(),
    );
    assert_eq!(
        (said.as_str(), step),
        ("L AUTHENTICATE PLAIN\r\n", BackStep::More)
    );
}

#[test]
fn the_challenge_of_a_refused_token_is_answered() {
    let token = || {
        let response = b"user=alice\x01auth=Bearer t\x01\x01".to_vec();
        login_of(Credentials::of_response(Mechanism::XOauth2, response).expect("usable"))
    };
    let (said, step, _) = outcome(
        token,
        "* OK [CAPABILITY SASL-IR AUTH=XOAUTH2] Hi.\r\n+ eyJzdGF0dXMiOiI0MDEifQ==\r\nL NO no\r\n",
    );
    assert_eq!(
        said,
        "L AUTHENTICATE XOAUTH2 dXNlcj1hbGljZQFhdXRoPUJlYXJlciB0AQE=\r\n\r\n"
    );
    assert_eq!(step, BackStep::Rejected(b"NO no\r\n".to_vec()));
}

#[test]
fn starttls_comes_first_and_what_was_said_before_is_forgotten() {
    let mut back = Back::new(by_starttls());
    let greeting = "* OK [CAPABILITY STARTTLS SASL-IR AUTH=PLAIN] Hi.\r\nS OK go\r\n";
    let (said, step, _) = hear(&mut back, greeting.as_bytes().chunks(1));
    assert_eq!((said.as_str(), step), ("S STARTTLS\r\n", BackStep::StartTls));
    assert_eq!(
        hear(&mut back, [&b""[..]].into_iter()),
        (String::new(), BackStep::More, String::new())
    );
    back.tls_started();
    let (said, step, _) = hear(&mut back, [&b""[..]].into_iter());
    assert_eq!((said.as_str(), step), ("C CAPABILITY\r\n", BackStep::More));
    let words = "* CAPABILITY AUTH=PLAIN\r\nC OK\r\n+ \r\nL OK in\r\n";
    assert_eq!(
        hear(&mut back, words.as_bytes().chunks(1)),
        accepted(
            "L AUTHENTICATE PLAIN\r\nAGFsaWNlAHNlY3JldA==\r\n",
            "OK in\r\n",
            ""
        )
    );
}

#[test]
fn without_starttls_nothing_is_said_of_the_user() {
    let (said, step, _) = outcome(by_starttls, "* OK [CAPABILITY SASL-IR AUTH=PLAIN] Hi.\r\n");
    assert_eq!(said, "");
    assert_eq!(
        step,
        BackStep::Failed("the backend does not offer STARTTLS".to_owned())
    );
    assert_eq!(
        failure(by_starttls, "* OK [CAPABILITY STARTTLS] Hi.\r\nS NO later\r\n"),
        "the backend refuses STARTTLS: NO later"
    );
    let words = b"* OK [CAPABILITY STARTTLS] Hi.\r\nS OK go\r\n* OK injected\r\n";
    let (_, step, _) = hear(&mut Back::new(by_starttls()), [&words[..]].into_iter());
    let reason = "the backend says more before the TLS handshake that was agreed on";
    assert_eq!(step, BackStep::Failed(reason.to_owned()));
}

#[test]
fn greetings_that_lead_nowhere_fail() {
    assert_eq!(
        failure(plain, "* PREAUTH [CAPABILITY X] Hi.\r\n"),
        "the backend lets anybody in without a login (PREAUTH)"
    );
    assert_eq!(
        failure(plain, "* BYE Over\x1bload\r\n"),
        "the backend says goodbye: Over?load"
    );
    assert_eq!(
        failure(plain, "* CAPABILITY X\r\n"),
        "the backend does not greet as IMAP does"
    );
    assert_eq!(
        failure(plain, "L OK in\r\n"),
        "the backend answers what it was not asked"
    );
    assert_eq!(
        failure(plain, "+ \r\n"),
        "the backend waits for more than there is"
    );
    assert_eq!(failure(plain, "+OK POP3\r\n"), "the backend does not speak IMAP");
    assert_eq!(
        failure(plain, "* OK [CAPABILITY LOGINDISABLED] Hi.\r\n"),
        "the backend offers no login for PLAIN"
    );
}

#[test]
fn a_backend_that_gives_up_or_goes_on_for_ever_fails() {
    let greeting = "* OK [CAPABILITY SASL-IR AUTH=PLAIN] Hi.\r\n";
    assert_eq!(
        failure(plain, &format!("{greeting}* BYE Shutting down.\r\n")),
        "the backend says goodbye: Shutting down."
    );
    assert_eq!(
        failure(plain, &format!("{greeting}+ \r\n")),
        "the backend waits for more than there is"
    );
    assert_eq!(
        failure(plain, &format!("{greeting}X OK in\r\n")),
        "the backend answers what it was not asked"
    );
    let words = format!("{greeting}{}", "* X\r\n".repeat(20_000));
    let (_, step, _) = hear(&mut Back::new(plain()), [words.as_bytes()].into_iter());
    assert_eq!(step, BackStep::Failed("the backend says too much".to_owned()));
}
