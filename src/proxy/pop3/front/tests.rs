//! Whole dialogues with clients, as they are and as they shouldn't be.

use super::*;

fn settings() -> FrontSettings {
    FrontSettings {
        host: "mail.example.org".into(),
        greeting: "Dovecot ready.".into(),
        capabilities: vec!["CAPA".into(), "TOP".into(), "PIPELINING".into()],
        offers_starttls: true,
        allows_cleartext: false,
        offers_oauth: true,
    }
}

fn front(is_tls: bool) -> Front {
    Front::new(Arc::new(settings()), is_tls)
}

/// What a front answers to all of `sent`, the step it stops at, and what it leaves.
fn dialogue(front: &mut Front, sent: &[u8]) -> (String, FrontStep, Vec<u8>) {
    let mut input = Input::default();
    input.extend(sent);
    let mut out = Vec::new();
    let step = front.feed(&mut input, &mut out);
    let out = String::from_utf8(out).expect("replies are text");
    (out, step, input.unread().to_vec())
}

fn answers(front: &mut Front, sent: &str) -> String {
    let (out, step, left) = dialogue(front, sent.as_bytes());
    assert_eq!((step, left), (FrontStep::More, Vec::new()), "{sent:?}");
    out
}

fn alice() -> FrontStep {
    FrontStep::Login(Credentials::of_password(b"alice", b"secret").expect("usable"))
}

const ALICE: &str = "AGFsaWNlAHNlY3JldA==";
const NO_CLEARTEXT_LINE: &str =
    "-ERR [AUTH] Plaintext authentication disallowed on non-secure (SSL/TLS) connections.\r\n";

#[test]
fn the_greeting_is_the_settings() {
    let mut out = Vec::new();
    front(false).greet(&mut out);
    assert_eq!(out, b"+OK Dovecot ready.\r\n");
}

#[test]
fn a_pipelined_login_leaves_the_rest_for_the_backend() {
    let (out, step, left) = dialogue(&mut front(true), b"CAPA\r\nuser Alice\nPASS secret\r\nSTAT\r\nQU");
    assert_eq!(
        out,
        "+OK\r\nCAPA\r\nTOP\r\nPIPELINING\r\nUSER\r\nSASL PLAIN LOGIN XOAUTH2 OAUTHBEARER\r\n.\r\n+OK\r\n"
    );
    let credentials = Credentials::of_password(b"Alice", b"secret").expect("usable");
    assert_eq!(step, FrontStep::Login(credentials));
    assert_eq!(left, b"STAT\r\nQU");
}

#[test]
fn without_tls_nothing_is_offered_that_would_show_a_password() {
    let mut front = front(false);
    assert_eq!(
        answers(&mut front, "CAPA\r\n"),
        "+OK\r\nCAPA\r\nTOP\r\nPIPELINING\r\nSTLS\r\n.\r\n"
    );
    assert_eq!(answers(&mut front, "AUTH\r\n"), "+OK\r\n.\r\n");
    for refused in [
        "USER alice",
        "PASS secret",
        "AUTH PLAIN",
        "AUTH LOGIN",
        "AUTH xoauth2 eA==",
    ] {
        assert_eq!(answers(&mut front, &format!("{refused}\r\n")), NO_CLEARTEXT_LINE);
    }
    assert_eq!(
        answers(&mut front, "AUTH CRAM-MD5\r\n"),
        "-ERR [AUTH] Unsupported authentication mechanism.\r\n"
    );
}

#[test]
fn cleartext_can_be_allowed_and_oauth_and_starttls_withheld() {
    let settings = FrontSettings {
        offers_starttls: false,
        allows_cleartext: true,
        offers_oauth: false,
        ..settings()
    };
    let mut front = Front::new(Arc::new(settings), false);
    assert_eq!(
        answers(&mut front, "CAPA\r\nAUTH\r\nSTLS\r\nAUTH XOAUTH2\r\n"),
        "+OK\r\nCAPA\r\nTOP\r\nPIPELINING\r\nUSER\r\nSASL PLAIN LOGIN\r\n.\r\n+OK\r\nPLAIN\r\nLOGIN\r\n.\r\n\
         -ERR TLS support isn't enabled.\r\n-ERR [AUTH] Unsupported authentication mechanism.\r\n"
    );
    let (out, step, _) = dialogue(&mut front, b"USER alice\r\nPASS secret\r\n");
    assert_eq!((out.as_str(), step), ("+OK\r\n", alice()));
}

#[test]
fn a_password_is_all_that_stands_behind_the_first_space() {
    let (_, step, _) = dialogue(&mut front(true), b"USER a b\r\nPASS  two  spaces \r\n");
    let credentials = Credentials::of_password(b"a b", b" two  spaces ").expect("usable");
    assert_eq!(step, FrontStep::Login(credentials));
}

#[test]
fn a_password_needs_a_name_each_time() {
    let mut front = front(true);
    let no_name = "-ERR No username given.\r\n";
    assert_eq!(answers(&mut front, "PASS secret\r\n"), no_name);
    assert_eq!(answers(&mut front, "USER\r\nPASS secret\r\n"), no_name.repeat(2));
    let (_, step, _) = dialogue(&mut front, b"USER alice\r\nPASS secret\r\n");
    assert_eq!(step, alice());
    front.rejected(b"-ERR [AUTH] no\r\n", &mut Vec::new());
    assert_eq!(answers(&mut front, "PASS secret\r\n"), no_name);
}

#[test]
fn plain_comes_with_the_command_or_after_a_challenge() {
    let (out, step, left) = dialogue(
        &mut front(true),
        format!("AUTH PLAIN {ALICE}\r\nSTAT\r\n").as_bytes(),
    );
    assert_eq!(
        (out.as_str(), step, left.as_slice()),
        ("", alice(), &b"STAT\r\n"[..])
    );
    let (out, step, left) = dialogue(
        &mut front(true),
        format!("auth plain\r\n{ALICE}\r\nSTAT\r\n").as_bytes(),
    );
    assert_eq!(
        (out.as_str(), step, left.as_slice()),
        ("+ \r\n", alice(), &b"STAT\r\n"[..])
    );
}

#[test]
fn login_asks_for_a_name_and_a_password() {
    let (out, step, _) = dialogue(&mut front(true), b"AUTH LOGIN\r\nYWxpY2U=\r\nc2VjcmV0\r\n");
    assert_eq!(
        (out.as_str(), step),
        ("+ VXNlcm5hbWU6\r\n+ UGFzc3dvcmQ6\r\n", alice())
    );
    let (out, step, _) = dialogue(&mut front(true), b"AUTH LOGIN YWxpY2U=\r\nc2VjcmV0\r\n");
    assert_eq!((out.as_str(), step), ("+ UGFzc3dvcmQ6\r\n", alice()));
}

#[test]
fn a_token_is_taken_up_to_its_limit() {
    let start = b"user=alice\x01auth=Bearer ";
    let mut response = start.to_vec();
    response.resize(RESPONSE_BYTES_MAX - 2, b't');
    response.extend_from_slice(b"\x01\x01");
    let expected = Credentials::of_response(Mechanism::XOauth2, response.clone()).expect("usable");
    let encoded = STANDARD.encode(&response);
    for sent in [
        format!("AUTH XOAUTH2 {encoded}\r\n"),
        format!("AUTH XOAUTH2\r\n{encoded}\r\n"),
    ] {
        let (_, step, _) = dialogue(&mut front(true), sent.as_bytes());
        assert_eq!(step, FrontStep::Login(expected.clone()));
    }
}

#[test]
fn an_exchange_can_be_cancelled() {
    let mut front = front(true);
    let aborted = "-ERR Authentication aborted by client.\r\n";
    assert_eq!(
        answers(&mut front, "AUTH PLAIN\r\n*\r\n"),
        format!("+ \r\n{aborted}")
    );
    assert_eq!(
        answers(&mut front, "AUTH LOGIN YQ==\r\n*\r\n"),
        format!("+ UGFzc3dvcmQ6\r\n{aborted}")
    );
    assert_eq!(answers(&mut front, "*\r\n"), "-ERR Unknown command.\r\n");
}

#[test]
fn responses_that_are_no_base64_have_failed() {
    let mut front = front(true);
    let initial = "-ERR [AUTH] Invalid base64 data in initial response\r\n";
    assert_eq!(answers(&mut front, "AUTH PLAIN !!\r\n"), initial);
    assert_eq!(answers(&mut front, &format!("AUTH PLAIN {ALICE} x\r\n")), initial);
    assert_eq!(
        answers(&mut front, "AUTH PLAIN\r\nQUIT\r\n"),
        "+ \r\n-ERR [AUTH] Authentication failed.\r\n"
    );
    assert_eq!(
        answers(&mut front, "AUTH PLAIN\r\nAGFsaWNlAHNlY3JldA\r\n"),
        "+ \r\n-ERR [AUTH] Invalid base64 data in continued response\r\n"
    );
}

#[test]
fn credentials_that_can_not_be_used_have_failed() {
    let failed = "-ERR [AUTH] Authentication failed.\r\n";
    let mut front = front(true);
    assert_eq!(answers(&mut front, "AUTH PLAIN =\r\n"), failed);
    assert_eq!(
        answers(&mut front, "AUTH PLAIN\r\n\r\n"),
        format!("+ \r\n{failed}")
    );
    assert_eq!(
        answers(&mut front, "USER a\x01b\r\nPASS x\r\n"),
        format!("+OK\r\n{failed}")
    );
    assert_eq!(
        answers(&mut front, "USER a\r\nPASS x\0y\r\n"),
        format!("+OK\r\n{failed}")
    );
}

#[test]
fn tls_makes_the_front_forget_what_was_said_in_the_clear() {
    let settings = FrontSettings {
        allows_cleartext: true,
        ..settings()
    };
    let mut front = Front::new(Arc::new(settings), false);
    let (out, step, _) = dialogue(
        &mut front,
        b"USER mallory\r\nXCLIENT ADDR=192.0.2.1\r\nSTLS\r\nPASS x\r\n",
    );
    assert_eq!(out, "+OK\r\n+OK Updated\r\n+OK Begin TLS negotiation now.\r\n");
    assert_eq!(step, FrontStep::StartTls);
    front.tls_started();
    assert_eq!(front.claims(), &Claims::default());
    assert_eq!(
        answers(&mut front, "PASS x\r\nSTLS\r\n"),
        "-ERR No username given.\r\n-ERR TLS is already active.\r\n"
    );
}

#[test]
fn xclient_is_collected() {
    let mut front = front(false);
    assert_eq!(
        answers(
            &mut front,
            "XCLIENT ADDR=2001:db8::1 PORT=4711 SESSION=abc TTL=3\r\n"
        ),
        "+OK Updated\r\n"
    );
    let expected = Claims {
        client: Some(("2001:db8::1".parse().expect("an address"), 4711)),
        ttl: Some(3),
        session: Some("abc".into()),
    };
    assert_eq!(
        answers(&mut front, "XCLIENT ADDR=1.2.3.4 TTL=x\r\n"),
        "-ERR Invalid parameters\r\n"
    );
    assert_eq!(front.claims(), &expected);
}

#[test]
fn what_is_not_for_before_a_login_is_refused() {
    assert_eq!(
        answers(
            &mut front(true),
            "NOOP\r\nSTAT\r\n\r\n  CAPA\r\nAPOP alice c4c9334bac560ecc979e58001b3e22fb\r\n"
        ),
        "-ERR Unknown command.\r\n".repeat(4) + "-ERR APOP not enabled.\r\n"
    );
}

#[test]
fn a_client_who_quits_is_let_go() {
    let mut front = front(true);
    let (out, step, left) = dialogue(&mut front, b"QUIT\r\nCAPA\r\n");
    assert_eq!((out.as_str(), step), ("+OK Logging out\r\n", FrontStep::Close));
    assert_eq!(left, b"CAPA\r\n");
    assert_eq!(
        dialogue(&mut front, b"CAPA\r\n"),
        (String::new(), FrontStep::Close, b"CAPA\r\n".to_vec())
    );
}

#[test]
fn ten_bad_commands_are_too_many() {
    let mut front = front(true);
    assert_eq!(
        answers(&mut front, &"FOO\r\n".repeat(9)),
        "-ERR Unknown command.\r\n".repeat(9)
    );
    let (out, step, left) = dialogue(&mut front, b"CAPA\r\nXCLIENT TTL=x\r\nCAPA\r\n");
    assert!(out.ends_with(".\r\n-ERR Invalid parameters\r\n-ERR Too many invalid bad commands.\r\n"));
    assert_eq!((step, left.as_slice()), (FrontStep::Close, &b"CAPA\r\n"[..]));
}

#[test]
fn good_commands_are_limited_too() {
    let mut front = front(true);
    let count = usize::try_from(COMMANDS_MAX).expect("a small number");
    assert_eq!(
        answers(&mut front, &"USER alice\r\n".repeat(count)),
        "+OK\r\n".repeat(count)
    );
    let (out, step, _) = dialogue(&mut front, b"USER alice\r\n");
    assert_eq!(
        (out.as_str(), step),
        ("-ERR Too many commands.\r\n", FrontStep::Close)
    );
}

#[test]
fn a_client_may_fail_only_so_often() {
    let mut front = front(true);
    let mut out = Vec::new();
    for _ in 1..FAILURES_MAX {
        let (_, step, _) = dialogue(&mut front, b"USER alice\r\nPASS secret\r\n");
        assert_eq!(step, alice());
        front.rejected(b"-ERR [AUTH] Wrong.\r\n", &mut out);
    }
    assert_eq!(out, b"-ERR [AUTH] Wrong.\r\n".repeat(4));
    let (out, step, left) = dialogue(&mut front, b"AUTH PLAIN =\r\nCAPA\r\n");
    assert_eq!(
        out,
        "-ERR [AUTH] Authentication failed.\r\n-ERR Too many failed logins.\r\n"
    );
    assert_eq!((step, left.as_slice()), (FrontStep::Close, &b"CAPA\r\n"[..]));
}

#[test]
fn the_engines_words_are_brought_to_the_client() {
    let mut front = front(true);
    let mut out = Vec::new();
    front.unavailable("Try again\r\nlater.", &mut out);
    front.accepted(b"+OK Logged in.\r\n", &mut out);
    assert_eq!(out, b"-ERR [SYS/TEMP] Try again??later.\r\n+OK Logged in.\r\n");
    assert_eq!(answers(&mut front, "USER alice\r\n"), "+OK\r\n");
    assert_eq!(goodbye("Moved."), b"-ERR [SYS/TEMP] Moved.\r\n");
}

/// The command padded to `length` bytes.
fn padded(command: &str, length: usize) -> String {
    format!("{command:x<length$}\r\n")
}

#[test]
fn every_command_has_its_limit() {
    let response = RESPONSE_BYTES_MAX / 3 * 4;
    for (before, command, limit) in [
        ("", "USER ", 253),
        ("", "CAPA ", 253),
        ("", "x", 253),
        ("USER a\r\n", "PASS ", 1024),
        ("", "xclient FORWARD=", 8192),
        ("", "AUTH PLAIN ", response + 32),
        ("AUTH PLAIN\r\n", "", response),
    ] {
        let fitting = format!("{before}{}", padded(command, limit));
        let (out, ..) = dialogue(&mut front(true), fitting.as_bytes());
        assert!(!out.contains("buffer"), "{command}");
        for end in [2, 1, 0] {
            let longer = format!("{before}{}", padded(command, limit + 1 + (2 - end)));
            let sent = &longer.as_bytes()[..longer.len() - (2 - end)];
            let (out, step, _) = dialogue(&mut front(true), sent);
            assert!(out.ends_with("-ERR Input buffer full, aborting\r\n"), "{command}");
            assert_eq!(step, FrontStep::Close, "{command}");
        }
    }
}

/// What comes of all that a client sends when it comes in these pieces: the replies and all steps but `More`.
fn outcome(pieces: &[&[u8]]) -> (String, Vec<FrontStep>) {
    let mut front = front(true);
    let (mut input, mut out, mut steps) = (Input::default(), Vec::new(), Vec::new());
    for piece in pieces {
        input.extend(piece);
        loop {
            let step = front.feed(&mut input, &mut out);
            match step {
                FrontStep::More => break,
                FrontStep::Login(_) => front.rejected(b"-ERR [AUTH] no\r\n", &mut out),
                FrontStep::StartTls => panic!("TLS is there"),
                FrontStep::Close => {
                    let out = String::from_utf8(out).expect("replies are text");
                    steps.push(step);
                    return (out, steps);
                }
            }
            steps.push(step);
        }
    }
    (String::from_utf8(out).expect("replies are text"), steps)
}

#[test]
fn it_does_not_matter_how_the_bytes_are_cut() {
    let long_name = padded("USER ", 253);
    let too_long = padded("USER ", 254);
    for sent in [
        "CAPA\r\nUSER alice\r\nPASS secret\r\nAUTH LOGIN\r\nYWxpY2U=\r\nc2VjcmV0\r\nNOOP\r\nQUIT\r\nCAPA\r\n"
            .to_owned(),
        format!(
            "AUTH PLAIN {ALICE}\r\nAUTH PLAIN\r\n*\r\nAUTH PLAIN\r\n{ALICE}\nXCLIENT TTL=x\r\n{long_name}"
        ),
        format!("{long_name}{too_long}QUIT\r\n"),
        "FOO\r\n".repeat(12),
        "AUTH PLAIN =\r\n".repeat(7),
    ] {
        let sent = sent.as_bytes();
        let whole = outcome(&[sent]);
        assert!(!whole.1.is_empty());
        for cut in 1..sent.len() {
            assert_eq!(outcome(&[&sent[..cut], &sent[cut..]]), whole, "cut at {cut}");
        }
        let bytes: Vec<_> = sent.chunks(1).collect();
        assert_eq!(outcome(&bytes), whole);
    }
}

#[test]
fn nothing_that_a_client_sends_comes_back_in_a_reply() {
    let mechanisms = ["PLAIN", "LOGIN", "XOAUTH2", "OAUTHBEARER", "."];
    let is_reply = |line: &str| {
        let is_status = line.starts_with("+OK") || line.starts_with("-ERR") || line == "+ ";
        (is_status && !line.contains("alice")) || mechanisms.contains(&line)
    };
    let sent = format!("USER alice\r\nPASS secret\r\nAUTH PLAIN {ALICE}\r\nXCLIENT SESSION=alice\r\n");
    for at in 0..sent.len() {
        for byte in [0, b'\r', b'\n', b' ', b'=', b'*', 0x7f, 0x80, 0xff] {
            let mut hostile = sent.clone().into_bytes();
            hostile[at] = byte;
            let (out, _) = outcome(&[&hostile]);
            assert!(
                out.split_terminator("\r\n").all(is_reply),
                "byte {at} is {byte}: {out}"
            );
        }
    }
}

#[test]
fn a_password_is_never_shown() {
    let mut front = front(true);
    dialogue(&mut front, b"USER alice\r\nPASS xyzzy\r\nAUTH LOGIN YWxpY2U=\r\n");
    assert!(!format!("{front:?}").contains("xyzzy"));
    assert!(!format!("{front:?}").contains(&format!("{:?}", b"xyzzy")));
}
