//! Whole dialogues with backends, as they are and as they shouldn't be.

use super::*;
use crate::proxy::{Credentials, Origin};

fn login(credentials: Credentials) -> BackLogin {
    BackLogin {
        credentials,
        origin: None,
        host: "proxy.example.org".into(),
        wants_starttls: false,
    }
}

fn password(name: &[u8], password: &[u8]) -> BackLogin {
    login(Credentials::of_password(name, password).expect("usable"))
}

fn alice() -> BackLogin {
    password(b"alice", b"secret")
}

fn with_origin() -> BackLogin {
    BackLogin {
        origin: Some(Origin {
            client: "192.0.2.1:4711".parse().expect("an address with a port"),
            local: "192.0.2.2:110".parse().expect("an address with a port"),
            session: "abc".into(),
            ttl: 4,
            helo: None,
            is_tls: false,
        }),
        ..alice()
    }
}

fn token(mechanism: Mechanism) -> BackLogin {
    let response: &[u8] = match mechanism {
        Mechanism::OauthBearer => b"n,a=alice,\x01auth=Bearer t\x01\x01",
        _ => b"user=alice\x01auth=Bearer t\x01\x01",
    };
    login(Credentials::of_response(mechanism, response.to_vec()).expect("usable"))
}

/// What a back says to these replies, one fed after the other, and the last step; all others must be `More`.
fn dialogue(login: BackLogin, replies: &[&str]) -> (Vec<String>, BackStep) {
    let mut back = Back::new(login);
    let mut input = Input::default();
    let mut said = Vec::new();
    let mut step = back.feed(&mut input, &mut Vec::new());
    for reply in replies {
        assert_eq!(step, BackStep::More, "before {reply:?}");
        let mut out = Vec::new();
        input.extend(reply.as_bytes());
        step = back.feed(&mut input, &mut out);
        said.push(String::from_utf8(out).expect("commands are text"));
    }
    (said, step)
}

fn accepted(line: &str) -> BackStep {
    BackStep::Accepted(line.as_bytes().to_vec())
}

fn rejected(line: &str) -> BackStep {
    BackStep::Rejected(line.as_bytes().to_vec())
}

fn failed(text: &str) -> BackStep {
    BackStep::Failed(text.to_owned())
}

const GREETING: &str = "+OK Dovecot ready.\r\n";
const ANNOUNCING: &str = "+OK [XCLIENT] Dovecot ready.\r\n";
const PLAIN: &str = "+OK\r\nTOP\r\nSASL PLAIN LOGIN\r\n.\r\n";
const AUTH_ALICE: &str = "AUTH PLAIN AGFsaWNlAHNlY3JldA==\r\n";

#[test]
fn the_response_comes_with_the_command_where_sasl_is() {
    let (said, step) = dialogue(alice(), &[GREETING, PLAIN, "+OK Logged in.\r\n"]);
    assert_eq!(said, ["CAPA\r\n", AUTH_ALICE, ""]);
    assert_eq!(step, accepted("+OK Logged in.\r\n"));
}

#[test]
fn a_refusal_is_handed_on_with_its_code() {
    let (_, step) = dialogue(alice(), &[GREETING, PLAIN, "-ERR [SYS/TEMP] Later.\r\n"]);
    assert_eq!(step, rejected("-ERR [SYS/TEMP] Later.\r\n"));
}

#[test]
fn a_response_too_long_for_the_command_comes_after_the_challenge() {
    // Behind `AUTH PLAIN ` 242 bytes are left, and base64 comes in fours.
    let fitting = password(b"alice", &[b'x'; 240 / 4 * 3 - 7]);
    let (said, _) = dialogue(fitting, &[GREETING, PLAIN]);
    assert_eq!(said[1].len(), 253);
    assert!(said[1].starts_with("AUTH PLAIN AGFs"));

    let longer = password(b"alice", &[b'x'; 240 / 4 * 3 - 6]);
    let response = STANDARD.encode(longer.credentials.response.bytes());
    let (said, step) = dialogue(longer, &[GREETING, PLAIN, "+ \r\n", "+OK\r\n"]);
    assert_eq!(
        said,
        ["CAPA\r\n", "AUTH PLAIN\r\n", &format!("{response}\r\n"), ""]
    );
    assert_eq!(step, accepted("+OK\r\n"));
}

#[test]
fn only_a_challenge_is_given_the_long_response() {
    let long = || password(b"alice", &[b'x'; 300]);
    let (_, step) = dialogue(long(), &[GREETING, PLAIN, "-ERR no\r\n"]);
    assert_eq!(step, rejected("-ERR no\r\n"));
    let (_, step) = dialogue(long(), &[GREETING, PLAIN, "+OK\r\n"]);
    assert_eq!(step, failed("its reply to AUTH is not of POP3: +OK"));
}

#[test]
fn without_sasl_it_is_user_and_pass() {
    for capabilities in [
        "-ERR what?\r\n",
        "+OK\r\nUSER\r\n.\r\n",
        "+OK\r\nSASL LOGIN\r\n.\r\n",
    ] {
        let (said, step) = dialogue(
            password(b"alice", b"a secret "),
            &[GREETING, capabilities, "+OK\r\n", "+OK in\r\n"],
        );
        assert_eq!(said, ["CAPA\r\n", "USER alice\r\n", "PASS a secret \r\n", ""]);
        assert_eq!(step, accepted("+OK in\r\n"));
    }
    let (_, step) = dialogue(alice(), &[GREETING, "-ERR\r\n", "-ERR who?\r\n"]);
    assert_eq!(step, rejected("-ERR who?\r\n"));
    let (_, step) = dialogue(alice(), &[GREETING, "-ERR\r\n", "+OK\r\n", "-ERR wrong\r\n"]);
    assert_eq!(step, rejected("-ERR wrong\r\n"));
}

#[test]
fn a_password_that_would_break_its_line_is_not_said() {
    let wrong = rejected("-ERR [AUTH] Authentication failed.\r\n");
    for secret in [&b"a\rDELE 1"[..], b"a\nb", &[b'x'; 1020]] {
        let (said, step) = dialogue(password(b"alice", secret), &[GREETING, "-ERR\r\n", "+OK\r\n"]);
        assert_eq!(said, ["CAPA\r\n", "USER alice\r\n", ""]);
        assert_eq!(step, wrong);
    }
    let (said, step) = dialogue(password(&[b'x'; 249], b"x"), &[GREETING, "-ERR\r\n"]);
    assert_eq!((said[1].as_str(), step), ("", wrong));
}

#[test]
fn what_the_backend_can_not_take_is_a_failure() {
    let (_, step) = dialogue(token(Mechanism::XOauth2), &[GREETING, PLAIN]);
    assert_eq!(step, failed("it does not offer XOAUTH2"));
    let response = b"bob\0alice\0secret".to_vec();
    let other = Credentials::of_response(Mechanism::Plain, response).expect("usable");
    let (_, step) = dialogue(login(other), &[GREETING, "-ERR\r\n"]);
    assert_eq!(step, failed("it does not offer PLAIN"));
}

#[test]
fn a_refused_token_is_explained_first() {
    let capabilities = "+OK\r\nsasl PLAIN XOAUTH2 OAUTHBEARER\r\n.\r\n";
    let challenge = "+ eyJzdGF0dXMiOiJpbnZhbGlkX3Rva2VuIn0=\r\n";
    for (mechanism, dummy) in [(Mechanism::XOauth2, "\r\n"), (Mechanism::OauthBearer, "AQ==\r\n")] {
        let replies = [GREETING, capabilities, challenge, "-ERR [AUTH] no\r\n"];
        let (said, step) = dialogue(token(mechanism), &replies);
        assert!(said[1].starts_with(&format!("AUTH {} ", mechanism.name())));
        assert_eq!(said[2], dummy);
        assert_eq!(step, rejected("-ERR [AUTH] no\r\n"));

        let replies = [GREETING, capabilities, challenge, challenge];
        let (_, step) = dialogue(token(mechanism), &replies);
        assert!(matches!(step, BackStep::Failed(_)));
    }
    let (_, step) = dialogue(alice(), &[GREETING, capabilities, "+ more\r\n"]);
    assert_eq!(step, failed("its reply to AUTH is not of POP3"));
}

#[test]
fn the_client_is_told_of_where_it_is_announced() {
    let xclient = "XCLIENT ADDR=192.0.2.1 PORT=4711 SESSION=abc TTL=4\r\n";
    for reply in ["+OK Updated\r\n", "-ERR You are not from trusted IP\r\n"] {
        let (said, step) = dialogue(with_origin(), &[ANNOUNCING, reply, PLAIN]);
        assert_eq!(said, [xclient, "CAPA\r\n", AUTH_ALICE]);
        assert_eq!(step, BackStep::More);
    }
    let (said, _) = dialogue(with_origin(), &[GREETING]);
    assert_eq!(said, ["CAPA\r\n"]);
    let (said, _) = dialogue(alice(), &[ANNOUNCING]);
    assert_eq!(said, ["CAPA\r\n"]);
    let (_, step) = dialogue(with_origin(), &[ANNOUNCING, "what?\r\n"]);
    assert_eq!(step, failed("its reply to XCLIENT is not of POP3: what?"));
}

#[test]
fn nothing_is_said_of_the_user_before_tls() {
    let login = BackLogin {
        wants_starttls: true,
        ..with_origin()
    };
    let mut back = Back::new(login);
    let (mut input, mut out) = (Input::default(), Vec::new());
    input.extend(ANNOUNCING.as_bytes());
    assert_eq!(back.feed(&mut input, &mut out), BackStep::More);
    input.extend(b"+OK Begin TLS.\r\n+OK Updated\r\n+OK\r\n.\r\n");
    assert_eq!(back.feed(&mut input, &mut out), BackStep::StartTls);
    assert_eq!(out, b"STLS\r\n");
    assert_eq!(input.unread(), b"");

    back.tls_started();
    out.clear();
    assert_eq!(back.feed(&mut input, &mut out), BackStep::More);
    input.extend(format!("+OK Updated\r\n{PLAIN}").as_bytes());
    assert_eq!(back.feed(&mut input, &mut out), BackStep::More);
    let said = format!("XCLIENT ADDR=192.0.2.1 PORT=4711 SESSION=abc TTL=4\r\nCAPA\r\n{AUTH_ALICE}");
    assert_eq!(String::from_utf8(out), Ok(said));
}

#[test]
fn a_backend_without_tls_is_not_logged_in_at() {
    let login = BackLogin {
        wants_starttls: true,
        ..alice()
    };
    let (said, step) = dialogue(login, &[GREETING, "-ERR Unknown command.\r\n"]);
    assert_eq!(said, ["STLS\r\n", ""]);
    assert_eq!(step, failed("it has refused STLS: -ERR Unknown command."));
}

#[test]
fn what_a_failing_backend_says_is_shown_safely_and_in_part() {
    let (_, step) = dialogue(alice(), &["-ERR \x1b[31mbusy\r\u{9b}\r\n"]);
    assert_eq!(step, failed("it has greeted with a refusal: -ERR ?[31mbusy??"));
    let (_, step) = dialogue(alice(), &[&format!("220 {}\r\n", "x".repeat(300))]);
    let shown = format!("its greeting is not of POP3: 220 {}", "x".repeat(196));
    assert_eq!(step, failed(&shown));
    let (_, step) = dialogue(alice(), &[GREETING, "* OK\r\n"]);
    assert_eq!(step, failed("its reply to CAPA is not of POP3: * OK"));
    let (_, step) = dialogue(alice(), &[GREETING, "-ERR\r\n", "USER\r\n"]);
    assert_eq!(step, failed("its reply to USER is not of POP3: USER"));
    let (_, step) = dialogue(alice(), &[GREETING, "-ERR\r\n", "+OK\r\n", "+ \r\n"]);
    assert_eq!(step, failed("its reply to PASS is not of POP3"));
}

#[test]
fn a_backend_that_repeats_the_password_does_not_bring_it_into_the_log() {
    let (_, step) = dialogue(alice(), &[GREETING, PLAIN, AUTH_ALICE]);
    assert_eq!(step, failed("its reply to AUTH is not of POP3"));
    let (_, step) = dialogue(alice(), &[GREETING, "-ERR\r\n", "+OK\r\n", "PASS secret\r\n"]);
    assert_eq!(step, failed("its reply to PASS is not of POP3"));
}

#[test]
fn a_verdict_can_not_break_the_clients_line() {
    let (_, step) = dialogue(alice(), &[GREETING, PLAIN, "+OK in\r+OK 1\0\r\n"]);
    assert_eq!(step, accepted("+OK in?+OK 1?\r\n"));
}

#[test]
fn a_backend_that_does_not_stop_is_left() {
    let (_, step) = dialogue(alice(), &[&"x".repeat(LINE_BYTES_MAX + 2)]);
    assert_eq!(step, failed("it has sent a line that is too long"));
    let endless = "+OK\r\n".to_owned() + &"X-NOTHING\r\n".repeat(REPLIES_BYTES_MAX / 11);
    let (_, step) = dialogue(alice(), &[GREETING, &endless]);
    assert_eq!(step, failed("it has sent too much before the login"));
}

#[test]
fn a_login_that_is_over_stays_so() {
    let mut back = Back::new(alice());
    let (mut input, mut out) = (Input::default(), Vec::new());
    input.extend(b"-ERR\r\n+OK\r\n");
    assert_eq!(
        back.feed(&mut input, &mut out),
        failed("it has greeted with a refusal: -ERR")
    );
    assert_eq!(back.feed(&mut input, &mut out), failed("the login is over"));
    assert_eq!((out.as_slice(), input.unread()), (&b""[..], &b"+OK\r\n"[..]));
}

/// What comes of a backend's bytes when they come in these pieces: the commands, the last step, and what is left.
fn outcome(login: &BackLogin, pieces: &[&[u8]]) -> (Vec<u8>, BackStep, Vec<u8>) {
    let mut back = Back::new(login.clone());
    let (mut input, mut out, mut step) = (Input::default(), Vec::new(), BackStep::More);
    for piece in pieces {
        input.extend(piece);
        if step == BackStep::More {
            step = back.feed(&mut input, &mut out);
        }
    }
    (out, step, input.unread().to_vec())
}

#[test]
fn it_does_not_matter_how_the_bytes_are_cut() {
    let long = password(b"alice", &[b'x'; 300]);
    for (login, sent) in [
        (
            with_origin(),
            format!("{ANNOUNCING}+OK Updated\r\n{PLAIN}+OK in\r\n+OK 0 0\r\n"),
        ),
        (alice(), format!("{GREETING}-ERR\r\n+OK\r\n-ERR [AUTH] no\r\n")),
        (long, format!("{GREETING}{PLAIN}+ \r\n+OK in\n+OK 0 0\r\n")),
        (
            token(Mechanism::OauthBearer),
            format!("{GREETING}+OK\r\nSASL OAUTHBEARER\r\n.\r\n+ e30=\r\n-ERR no\r\nrest"),
        ),
        (alice(), format!("{GREETING}garbage\r\n+OK\r\n")),
    ] {
        let sent = sent.as_bytes();
        let whole = outcome(&login, &[sent]);
        assert_ne!(whole.1, BackStep::More);
        for cut in 1..sent.len() {
            assert_eq!(
                outcome(&login, &[&sent[..cut], &sent[cut..]]),
                whole,
                "cut at {cut}"
            );
        }
        let bytes: Vec<_> = sent.chunks(1).collect();
        assert_eq!(outcome(&login, &bytes), whole);
    }
}

#[test]
fn a_password_is_never_shown() {
    let mut back = Back::new(password(b"alice", b"xyzzy"));
    let mut input = Input::default();
    input.extend(format!("{GREETING}{PLAIN}").as_bytes());
    back.feed(&mut input, &mut Vec::new());
    let shown = format!("{back:?}");
    assert!(!shown.contains("xyzzy") && !shown.contains(&STANDARD.encode(b"\0alice\0xyzzy")));
}
