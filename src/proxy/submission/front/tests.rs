//! Whole dialogues with a client.

use super::*;

fn settings() -> FrontSettings {
    FrontSettings {
        host: "mx.example".into(),
        greeting: "ready.".into(),
        capabilities: vec!["8BITMIME".into(), "SIZE 40960000".into(), "CHUNKING".into()],
        offers_starttls: true,
        allows_cleartext: false,
        offers_oauth: false,
    }
}

fn front(is_tls: bool) -> Front {
    Front::new(Arc::new(settings()), is_tls)
}

/// A client with TLS who has said EHLO.
fn greeted(settings: FrontSettings) -> Front {
    let mut front = Front::new(Arc::new(settings), true);
    said(&mut front, "HELO laptop\r\n");
    front
}

fn said(front: &mut Front, bytes: impl AsRef<[u8]>) -> (FrontStep, String) {
    let mut input = Input::default();
    input.extend(bytes.as_ref());
    let mut out = Vec::new();
    let step = front.feed(&mut input, &mut out);
    (step, String::from_utf8(out).expect("text"))
}

fn more(text: &str) -> (FrontStep, String) {
    (FrontStep::More, text.to_owned())
}

fn close(text: &str) -> (FrontStep, String) {
    (FrontStep::Close, text.to_owned())
}

fn login(name: &str, password: &str, text: &str) -> (FrontStep, String) {
    let credentials = Credentials::of_password(name.as_bytes(), password.as_bytes()).expect("usable");
    (FrontStep::Login(credentials), text.to_owned())
}

fn base64(bytes: impl AsRef<[u8]>) -> String {
    BASE64_STANDARD.encode(bytes)
}

#[test]
fn the_greeting_names_the_host() {
    let mut out = Vec::new();
    front(false).greet(&mut out);
    assert_eq!(out, b"220 mx.example ready.\r\n");
}

#[test]
fn passwords_are_offered_only_with_tls_and_starttls_only_without() {
    assert_eq!(
        said(&mut front(false), "EHLO laptop\r\n"),
        more("250-mx.example\r\n250-8BITMIME\r\n250-SIZE 40960000\r\n250-CHUNKING\r\n250 STARTTLS\r\n")
    );
    assert_eq!(
        said(&mut front(true), "ehlo laptop\r\n"),
        more(
            "250-mx.example\r\n250-8BITMIME\r\n250-SIZE 40960000\r\n250-CHUNKING\r\n250 AUTH PLAIN LOGIN\r\n"
        )
    );
}

#[test]
fn cleartext_and_tokens_are_offered_where_they_are_allowed() {
    let allowing = FrontSettings {
        allows_cleartext: true,
        offers_oauth: true,
        capabilities: vec![],
        ..settings()
    };
    let mut front = Front::new(Arc::new(allowing), false);
    assert_eq!(
        said(&mut front, "EHLO laptop\r\n"),
        more("250-mx.example\r\n250-STARTTLS\r\n250 AUTH PLAIN LOGIN XOAUTH2 OAUTHBEARER\r\n")
    );
    let bare = FrontSettings {
        capabilities: vec![],
        offers_starttls: false,
        ..settings()
    };
    let mut front = Front::new(Arc::new(bare), false);
    assert_eq!(said(&mut front, "EHLO laptop\r\n"), more("250 mx.example\r\n"));
}

#[test]
fn commands_are_answered_as_dovecot_does() {
    for (command, reply) in [
        ("HELO laptop", "250 mx.example"),
        ("helo  laptop of mine", "250 mx.example"),
        ("HELO", "501 Missing hostname"),
        ("EHLO ", "501 Missing hostname"),
        ("NOOP", "250 2.0.0 OK"),
        ("noop x y", "250 2.0.0 OK"),
        ("RSET", "250 2.0.0 OK"),
        ("RSET x", "501 5.5.4 Invalid parameters"),
        ("QUIT x", "501 5.5.4 Invalid parameters"),
        ("STARTTLS x", "501 5.5.4 Invalid parameters"),
        ("STARTTLS", "502 5.5.1 TLS is already active."),
        ("VRFY bob", "530 5.7.0 Authentication required."),
        ("MAIL FROM:<a@example.org>", "530 5.7.0 Authentication required."),
        (
            "MAIL FROM:<\u{fc}@example.org>",
            "530 5.7.0 Authentication required.",
        ),
        ("RCPT TO:<a@example.org>", "530 5.7.0 Authentication required."),
        ("DATA", "530 5.7.0 Authentication required."),
        ("BURL imap://x LAST", "530 5.7.0 Authentication required."),
        ("HELP", "500 5.5.1 Unknown command"),
        ("LHLO x", "500 5.5.1 Unknown command"),
        ("", "500 5.5.1 Unknown command"),
        ("A1 NOOP", "500 5.5.2 Invalid command syntax"),
        ("\u{fc}", "500 5.5.2 Invalid command syntax"),
        ("NOOP\tx", "500 5.5.2 Invalid command syntax"),
        ("EHLO a\rb", "500 5.5.2 Invalid command syntax"),
        ("EHLO a\0b", "500 5.5.2 Invalid command syntax"),
        ("AUTH PLAIN", "503 5.5.1 EHLO first."),
    ] {
        let answer = said(&mut front(true), format!("{command}\r\n"));
        assert_eq!(answer, more(&format!("{reply}\r\n")), "{command:?}");
    }
    assert_eq!(
        said(&mut front(true), "QUIT\r\nNOOP\r\n"),
        close("221 2.0.0 Bye\r\n")
    );
}

#[test]
fn wrong_auth_commands_are_refused() {
    for (command, reply) in [
        ("AUTH", "501 5.5.4 Missing SASL mechanism parameter"),
        ("AUTH PLAIN = =", "501 5.5.4 Invalid parameters"),
        ("AUTH CRAM-MD5", "504 5.5.4 Unsupported authentication mechanism."),
        ("AUTH XOAUTH2", "504 5.5.4 Unsupported authentication mechanism."),
        ("AUTH PLAIN !!", "501 5.5.2 Invalid base64 data in response"),
        ("AUTH PLAIN AGE", "501 5.5.2 Invalid base64 data in response"),
        ("AUTH PLAIN *", "501 5.7.0 Authentication aborted by client."),
        ("AUTH PLAIN =", "535 5.7.8 Authentication failed."),
        ("AUTH PLAIN AAAA", "535 5.7.8 Authentication failed."),
        (
            "AUTH PLAIN\r\n!!",
            "334 \r\n501 5.5.2 Invalid base64 data in response",
        ),
        (
            "AUTH PLAIN\r\n*\r\nNOOP",
            "334 \r\n501 5.7.0 Authentication aborted by client.\r\n250 2.0.0 OK",
        ),
        (
            "AUTH LOGIN\r\n*",
            "334 VXNlcm5hbWU6\r\n501 5.7.0 Authentication aborted by client.",
        ),
        (
            "AUTH LOGIN =\r\n*",
            "334 UGFzc3dvcmQ6\r\n501 5.7.0 Authentication aborted by client.",
        ),
        (
            "AUTH LOGIN YQ==\r\n?",
            "334 UGFzc3dvcmQ6\r\n501 5.5.2 Invalid base64 data in response",
        ),
        // A zero byte in a name or a password is no way to become somebody else.
        (
            "AUTH LOGIN YQBi\r\nYw==",
            "334 UGFzc3dvcmQ6\r\n535 5.7.8 Authentication failed.",
        ),
        (
            "AUTH LOGIN =\r\nYQBi",
            "334 UGFzc3dvcmQ6\r\n535 5.7.8 Authentication failed.",
        ),
    ] {
        let answer = said(&mut greeted(settings()), format!("{command}\r\n"));
        assert_eq!(answer, more(&format!("{reply}\r\n")), "{command:?}");
    }
}

#[test]
fn passwords_are_taken_in_every_way_that_is_offered() {
    let (name, password) = (base64("Alice"), base64("secret"));
    let plain = base64("\0Alice\0secret");
    for (commands, replies) in [
        (format!("AUTH PLAIN {plain}\r\n"), ""),
        (format!("auth plain\r\n{plain}\r\n"), "334 \r\n"),
        (
            format!("AUTH LOGIN {name}\r\n{password}\r\n"),
            "334 UGFzc3dvcmQ6\r\n",
        ),
        (
            format!("AUTH LOGIN\r\n{name}\r\n{password}\r\n"),
            "334 VXNlcm5hbWU6\r\n334 UGFzc3dvcmQ6\r\n",
        ),
    ] {
        let answer = said(&mut greeted(settings()), &commands);
        assert_eq!(answer, login("Alice", "secret", replies), "{commands:?}");
    }
}

#[test]
fn tokens_are_taken_where_they_are_offered() {
    let allowing = FrontSettings {
        offers_oauth: true,
        ..settings()
    };
    for (mechanism, token) in [
        (
            Mechanism::XOauth2,
            "user=alice\x01auth=Bearer t\x01\x01".to_owned(),
        ),
        (
            Mechanism::OauthBearer,
            "n,a=alice,\x01auth=Bearer t\x01\x01".to_owned(),
        ),
        // Longer than a command may be.
        (
            Mechanism::XOauth2,
            format!("user=alice\x01auth=Bearer {}\x01\x01", "t".repeat(10_000)),
        ),
    ] {
        let mut front = greeted(allowing.clone());
        let answer = said(
            &mut front,
            format!("AUTH {}\r\n{}\r\n", mechanism.name(), base64(&token)),
        );
        let credentials = Credentials::of_response(mechanism, token.into_bytes()).expect("usable");
        assert_eq!(answer, (FrontStep::Login(credentials), "334 \r\n".to_owned()));
    }
}

#[test]
fn a_pipelined_login_leaves_the_rest_for_the_backend() {
    let mut front = front(true);
    let mut input = Input::default();
    input.extend(b"HELO laptop\r\nAUTH PLAIN AGFsaWNlAHNlY3JldA==\r\nMAIL FROM:<a@example.org>\r\n");
    let mut out = Vec::new();
    let step = front.feed(&mut input, &mut out);
    assert_eq!(
        (step, out.as_slice()),
        (login("alice", "secret", "").0, &b"250 mx.example\r\n"[..])
    );
    assert_eq!(input.unread(), b"MAIL FROM:<a@example.org>\r\n");
    assert_eq!(front.feed(&mut input, &mut out), FrontStep::More);
    assert_eq!(input.unread(), b"MAIL FROM:<a@example.org>\r\n");
    let mut out = Vec::new();
    front.accepted(b"235 2.7.0 Logged in.\r\n", &mut out);
    assert_eq!(front.feed(&mut input, &mut out), FrontStep::More);
    assert_eq!(out, b"235 2.7.0 Logged in.\r\n");
    assert_eq!(input.unread(), b"MAIL FROM:<a@example.org>\r\n");
}

#[test]
fn without_tls_no_password_is_asked_for() {
    let mut front = front(false);
    assert_eq!(
        said(
            &mut front,
            "HELO x\r\nAUTH PLAIN\r\nAUTH LOGIN YQ==\r\nAUTH PLAIN AGEAYg==\r\nAUTH FOO\r\n"
        ),
        more(
            "250 mx.example\r\n523 5.7.10 Plaintext authentication disabled.\r\n\
             523 5.7.10 Plaintext authentication disabled.\r\n523 5.7.10 Plaintext authentication disabled.\r\n\
             504 5.5.4 Unsupported authentication mechanism.\r\n"
        )
    );
}

#[test]
fn what_was_said_before_tls_is_forgotten() {
    let mut front = front(false);
    let mut input = Input::default();
    input.extend(b"XCLIENT ADDR=192.0.2.1 HELO=a\r\nEHLO b\r\nSTARTTLS\r\nAUTH PLAIN AGEAYg==\r\n");
    assert_eq!(front.feed(&mut input, &mut Vec::new()), FrontStep::StartTls);
    assert_eq!(input.unread(), b"");
    assert_eq!((front.helo(), front.claims().client.is_some()), (Some("a"), true));
    front.tls_started();
    assert_eq!((front.helo(), front.claims()), (None, &Claims::default()));
    assert_eq!(
        said(
            &mut front,
            "AUTH PLAIN\r\nHELO c\r\nSTARTTLS\r\nAUTH PLAIN AGEAYg==\r\n"
        ),
        login(
            "a",
            "b",
            "503 5.5.1 EHLO first.\r\n250 mx.example\r\n502 5.5.1 TLS is already active.\r\n"
        )
    );
}

#[test]
fn starttls_is_refused_where_it_is_not_offered() {
    let mut front = Front::new(
        Arc::new(FrontSettings {
            offers_starttls: false,
            ..settings()
        }),
        false,
    );
    assert_eq!(
        said(&mut front, "STARTTLS\r\n"),
        more("502 5.5.1 TLS support is not enabled.\r\n")
    );
}

#[test]
fn starttls_is_answered_before_the_handshake() {
    let answer = said(&mut front(false), "STARTTLS\r\n");
    assert_eq!(
        answer,
        (
            FrontStep::StartTls,
            "220 2.0.0 Begin TLS negotiation now.\r\n".to_owned()
        )
    );
}

#[test]
fn the_data_of_bdat_is_never_taken_for_commands() {
    let mut front = greeted(settings());
    assert_eq!(
        said(&mut front, "BDAT 24 LAST\r\nAUTH PLAIN AGEAYg==\r\n"),
        close("503 5.5.1 Authentication required.\r\n")
    );
    assert_eq!(said(&mut front, "AUTH PLAIN AGEAYg==\r\n"), close(""));
}

#[test]
fn xclient_starts_the_dialogue_anew() {
    let mut front = greeted(settings());
    assert_eq!(
        said(
            &mut front,
            "XCLIENT ADDR=192.0.2.1 PORT=7\r\nXCLIENT TTL=3 SESSION=s LOGIN=bob\r\nAUTH PLAIN\r\n"
        ),
        more("220 mx.example ready.\r\n220 mx.example ready.\r\n503 5.5.1 EHLO first.\r\n")
    );
    let address = "192.0.2.1".parse().expect("an address");
    let claims = Claims {
        client: Some((address, 7)),
        ttl: Some(3),
        session: Some("s".into()),
    };
    assert_eq!(front.claims(), &claims);
    assert_eq!(
        said(&mut front, "XCLIENT ADDR=x\r\n"),
        more("501 5.5.4 Invalid ADDR parameter\r\n")
    );
    assert_eq!(front.claims(), &claims);
}

#[test]
fn the_name_of_a_client_is_a_word_or_nothing() {
    for (command, name) in [
        ("EHLO laptop of mine", Some("laptop")),
        ("HELO [192.0.2.1]", Some("[192.0.2.1]")),
        ("EHLO b\u{fc}cher", None),
        ("EHLO a\rb", None),
    ] {
        let mut front = front(true);
        said(&mut front, format!("{command}\r\n"));
        assert_eq!(front.helo(), name, "{command:?}");
    }
    let mut front = front(true);
    said(&mut front, "XCLIENT HELO=laptop\r\nEHLO proxy.example\r\n");
    assert_eq!(front.helo(), Some("laptop"));
}

#[test]
fn nobody_is_wrong_for_ever() {
    let mut front = front(true);
    let replies = "500 5.5.1 Unknown command\r\n".repeat(10);
    assert_eq!(
        said(&mut front, "FOO\r\n".repeat(12)),
        close(&format!("{replies}421 4.7.0 Too many invalid commands.\r\n"))
    );
    assert_eq!(said(&mut front, "NOOP\r\n"), close(""));
}

#[test]
fn nobody_talks_for_ever() {
    let replies = "250 2.0.0 OK\r\n".repeat(100);
    assert_eq!(
        said(&mut front(true), "NOOP\r\n".repeat(101)),
        close(&format!("{replies}421 4.7.0 Too many commands.\r\n"))
    );
}

#[test]
fn nobody_fails_for_ever() {
    let mut front = greeted(settings());
    for failure in 1..=FAILURES_MAX {
        let answer = said(&mut front, "AUTH PLAIN AGEAYg==\r\n");
        assert_eq!(answer, login("a", "b", ""), "{failure}");
        let mut out = Vec::new();
        front.rejected(b"535 5.7.8 No.\r\n", &mut out);
        assert_eq!(out, b"535 5.7.8 No.\r\n");
    }
    assert_eq!(
        said(&mut front, ""),
        close("421 4.7.0 Too many authentication failures.\r\n")
    );
    assert_eq!(said(&mut front, ""), close(""));
}

#[test]
fn credentials_that_can_not_be_used_are_failures_too() {
    let replies = "535 5.7.8 Authentication failed.\r\n".repeat(5);
    assert_eq!(
        said(&mut greeted(settings()), "AUTH PLAIN AAAA\r\n".repeat(7)),
        close(&format!(
            "{replies}421 4.7.0 Too many authentication failures.\r\n"
        ))
    );
}

#[test]
fn a_line_too_long_is_the_end() {
    assert_eq!(
        said(&mut front(true), [b'x'; 8193]),
        close("500 5.5.2 Line too long.\r\n")
    );
    let name = format!("EHLO {}\r\n", "x".repeat(8187));
    assert_eq!(said(&mut front(true), name).0, FrontStep::More);
    let mut asked = greeted(settings());
    assert_eq!(said(&mut asked, "AUTH PLAIN\r\n"), more("334 \r\n"));
    assert_eq!(
        said(&mut asked, [b'A'; 16385]),
        close("500 5.5.6 Authentication exchange line is too long.\r\n")
    );
}

#[test]
fn a_name_and_a_password_are_too_long_together() {
    let long = base64([b'x'; 7000]);
    assert_eq!(
        said(
            &mut greeted(settings()),
            format!("AUTH LOGIN\r\n{long}\r\n{long}\r\n")
        ),
        more(
            "334 VXNlcm5hbWU6\r\n334 UGFzc3dvcmQ6\r\n500 5.5.6 Authentication exchange line is too long.\r\n"
        )
    );
}

#[test]
fn a_failure_of_ours_is_not_the_clients() {
    let mut front = greeted(settings());
    for _ in 0..=FAILURES_MAX {
        assert_eq!(said(&mut front, "AUTH PLAIN AGEAYg==\r\n"), login("a", "b", ""));
        let mut out = Vec::new();
        front.unavailable("No backend\r\n250 OK", &mut out);
        assert_eq!(out, b"454 4.7.0 No backend??250 OK\r\n");
    }
    assert_eq!(said(&mut front, "NOOP\r\n"), more("250 2.0.0 OK\r\n"));
}

#[test]
fn a_goodbye_is_one_line() {
    assert_eq!(goodbye("Shutting down\r\n."), b"421 4.3.2 Shutting down??.\r\n");
}

/// All steps and all that was said when the input comes in two parts; every login is refused.
fn in_two_parts(bytes: &[u8], cut: usize) -> (Vec<FrontStep>, Vec<u8>, Vec<u8>) {
    let mut front = front(true);
    let (mut input, mut out, mut steps) = (Input::default(), Vec::new(), Vec::new());
    for part in [&bytes[..cut], &bytes[cut..]] {
        input.extend(part);
        loop {
            match front.feed(&mut input, &mut out) {
                FrontStep::More => break,
                FrontStep::Login(credentials) => {
                    steps.push(FrontStep::Login(credentials));
                    front.rejected(b"535 5.7.8 No.\r\n", &mut out);
                }
                step => {
                    steps.push(step);
                    break;
                }
            }
        }
    }
    steps.dedup_by(|next, last| *next == FrontStep::Close && *last == FrontStep::Close);
    (steps, out, input.unread().to_vec())
}

#[test]
fn it_does_not_matter_where_the_input_is_cut() {
    let bytes = b"EHLO a\r\nXCLIENT PORT=1\r\nEHLO b\nAUTH PLAIN AGEAYg==\r\nFOO\r\n\xff\0\r\nAUTH LOGIN\r\n\
        YQ==\r\nYg==\r\nAUTH PLAIN\r\n*\r\nMAIL FROM:<>\r\nAUTH PLAIN\r\nAGEAYg==\r\nBDAT 3 LAST\r\nNOOP\r\n";
    let whole = in_two_parts(bytes, bytes.len());
    assert_eq!(whole.0.len(), 4);
    assert_eq!(whole.0.last(), Some(&FrontStep::Close));
    for cut in 0..bytes.len() {
        assert_eq!(in_two_parts(bytes, cut), whole, "{cut}");
    }
}
