//! Whole dialogues with a client.

use super::*;

const GREETING: &str = "\"IMPLEMENTATION\" \"maildirector\"\r\n\"VERSION\" \"1.0\"\r\n\"SASL\" \"PLAIN LOGIN\"\r\n\
                        \"STARTTLS\"\r\nOK \"\\\"sieve\\\" ready.\"\r\n";
const ALICE: &str = "AGFsaWNlAHNlY3JldA==";
const BAD: &str = "NO \"Error in MANAGESIEVE command received by server.\"\r\n";

fn settings() -> FrontSettings {
    FrontSettings {
        host: "host.example".into(),
        greeting: "\"sieve\" ready.".into(),
        capabilities: vec![
            "\"IMPLEMENTATION\" \"maildirector\"".into(),
            "\"VERSION\" \"1.0\"".into(),
        ],
        offers_starttls: true,
        allows_cleartext: true,
        offers_oauth: false,
    }
}

fn front_of(settings: FrontSettings) -> Front {
    Front::new(Arc::new(settings), false)
}

fn alice() -> FrontStep {
    FrontStep::Login(Credentials::of_password(b"alice", b"secret").expect("usable"))
}

/// Feeds the pieces one after the other; the last step, what was said, and what is left over.
fn fed(front: &mut Front, pieces: &[&[u8]]) -> (FrontStep, String, String) {
    let mut input = Input::default();
    let mut out = Vec::new();
    let mut step = FrontStep::More;
    for piece in pieces {
        input.extend(piece);
        if step == FrontStep::More {
            step = front.feed(&mut input, &mut out);
        }
    }
    let out = String::from_utf8(out).expect("text");
    (step, out, String::from_utf8_lossy(input.unread()).into_owned())
}

/// The last step and what was said.
fn said(front: &mut Front, text: &str) -> (FrontStep, String) {
    let (step, out, _) = fed(front, &[text.as_bytes()]);
    (step, out)
}

fn more(text: &str) -> (FrontStep, String) {
    (FrontStep::More, text.to_owned())
}

fn closed(text: &str) -> (FrontStep, String) {
    (FrontStep::Close, text.to_owned())
}

#[test]
fn the_greeting_is_the_capabilities() {
    let mut out = Vec::new();
    front_of(settings()).greet(&mut out);
    assert_eq!(String::from_utf8_lossy(&out), GREETING);
}

#[test]
fn without_tls_no_mechanism_is_offered_or_taken() {
    let mut front = front_of(FrontSettings {
        allows_cleartext: false,
        offers_oauth: true,
        ..settings()
    });
    let disallowed = "NO (ENCRYPT-NEEDED) \"Plaintext authentication disallowed on non-secure (SSL/TLS) connections.\"\r\n";
    assert_eq!(
        said(&mut front, "CAPABILITY\r\n"),
        more(
            "\"IMPLEMENTATION\" \"maildirector\"\r\n\"VERSION\" \"1.0\"\r\n\"SASL\" \"\"\r\n\"STARTTLS\"\r\n\
             OK \"Capability completed.\"\r\n"
        )
    );
    for mechanism in ["PLAIN", "login", "XOAUTH2", "OAUTHBEARER"] {
        let command = format!("AUTHENTICATE \"{mechanism}\"\r\n");
        assert_eq!(said(&mut front, &command), more(disallowed));
    }
    let command = format!("AUTHENTICATE \"PLAIN\" \"{ALICE}\"\r\n");
    assert_eq!(said(&mut front, &command), more(disallowed));
}

#[test]
fn after_starttls_the_capabilities_are_said_again() {
    let mut front = front_of(FrontSettings {
        allows_cleartext: false,
        offers_oauth: true,
        ..settings()
    });
    assert_eq!(
        said(&mut front, "XCLIENT ADDR=192.0.2.1 TTL=3\r\nSTARTTLS\r\n"),
        (
            FrontStep::StartTls,
            "OK \"Updated.\"\r\nOK \"Begin TLS negotiation now.\"\r\n".to_owned()
        )
    );
    front.tls_started();
    assert_eq!(front.claims(), &Claims::default());
    let mut out = Vec::new();
    front.greet(&mut out);
    assert_eq!(
        String::from_utf8_lossy(&out),
        "\"IMPLEMENTATION\" \"maildirector\"\r\n\"VERSION\" \"1.0\"\r\n\
         \"SASL\" \"PLAIN LOGIN XOAUTH2 OAUTHBEARER\"\r\nOK \"TLS negotiation successful.\"\r\n"
    );
    assert_eq!(
        said(&mut front, "STARTTLS\r\n"),
        more("NO \"TLS is already active.\"\r\n")
    );
    let command = format!("AUTHENTICATE \"PLAIN\" \"{ALICE}\"\r\n");
    assert_eq!(said(&mut front, &command), (alice(), String::new()));
}

#[test]
fn starttls_is_refused_where_it_is_not_offered() {
    let mut front = front_of(FrontSettings {
        offers_starttls: false,
        ..settings()
    });
    assert_eq!(
        said(&mut front, "STARTTLS\r\n"),
        more("NO \"TLS support isn't enabled.\"\r\n")
    );
}

#[test]
fn a_pipelined_login_leaves_the_rest_for_the_backend() {
    let mut front = front_of(settings());
    let bytes = format!("noop\r\nAuthenticate \"plain\" {{20+}}\r\n{ALICE}\r\nLISTSCRIPTS\r\n");
    assert_eq!(
        fed(&mut front, &[bytes.as_bytes()]),
        (
            alice(),
            "OK \"NOOP completed.\"\r\n".to_owned(),
            "LISTSCRIPTS\r\n".to_owned()
        )
    );
}

#[test]
fn cutting_the_input_changes_nothing() {
    let texts = [
        format!("NOOP \"a\"\r\nBOGUS {{3+}}\r\nabc x\r\nAUTHENTICATE \"PLAIN\" \"{ALICE}\"\r\nrest"),
        "XCLIENT TTL=1\nAUTHENTICATE \"LOGIN\"\r\n\"YWxpY2U=\"\r\n{8+}\r\nc2VjcmV0\r\nrest".to_owned(),
        "AUTHENTICATE \"PLAIN\"\r\n\"*\"\r\nNOOP \"\r\nSTARTTLS\r\nrest".to_owned(),
        "NOOP {0+}\r\n\r\nNOOP {99999+}\r\nrest".to_owned(),
    ];
    let ends = [
        (alice(), "rest"),
        (alice(), "rest"),
        (FrontStep::StartTls, "rest"),
        (FrontStep::Close, "NOOP {99999+}\r\nrest"),
    ];
    for (text, (step, rest)) in texts.iter().zip(ends) {
        let bytes = text.as_bytes();
        let whole = fed(&mut front_of(settings()), &[bytes]);
        assert_eq!((&whole.0, whole.2.as_str()), (&step, rest));
        for at in 0..bytes.len() {
            let cut = fed(&mut front_of(settings()), &[&bytes[..at], &bytes[at..]]);
            assert_eq!(cut, whole, "cut at {at}");
        }
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        assert_eq!(fed(&mut front_of(settings()), &single), whole);
    }
}

#[test]
fn login_asks_for_name_and_password() {
    let mut front = front_of(settings());
    assert_eq!(
        said(&mut front, "AUTHENTICATE \"LOGIN\"\r\n"),
        more("\"VXNlcm5hbWU6\"\r\n")
    );
    assert_eq!(said(&mut front, "\"YWxpY2U=\"\r\n"), more("\"UGFzc3dvcmQ6\"\r\n"));
    assert_eq!(said(&mut front, "\"c2VjcmV0\"\r\n"), (alice(), String::new()));
    let named = "AUTHENTICATE \"LOGIN\" \"YWxpY2U=\"\r\n{8+}\r\nc2VjcmV0\r\n";
    assert_eq!(
        said(&mut front, named),
        (alice(), "\"UGFzc3dvcmQ6\"\r\n".to_owned())
    );
}

#[test]
fn tokens_are_taken_where_they_are_offered() {
    let token = b"user=alice\x01auth=Bearer t\x01\x01";
    let command = format!("AUTHENTICATE \"XOAUTH2\"\r\n\"{}\"\r\n", STANDARD.encode(token));
    let mut front = front_of(FrontSettings {
        offers_oauth: true,
        ..settings()
    });
    let credentials = Credentials::of_response(Mechanism::XOauth2, token.to_vec()).expect("usable");
    assert_eq!(
        said(&mut front, &command),
        (FrontStep::Login(credentials), "\"\"\r\n".to_owned())
    );
    assert_eq!(
        said(&mut front_of(settings()), "AUTHENTICATE \"XOAUTH2\"\r\n"),
        more("NO \"Unsupported authentication mechanism.\"\r\n")
    );
}

#[test]
fn the_longest_response_is_taken_in_both_forms() {
    let password = "x".repeat(crate::proxy::RESPONSE_BYTES_MAX - 2 - "alice".len());
    let response = STANDARD.encode(format!("\0alice\0{password}"));
    let step = FrontStep::Login(Credentials::of_password(b"alice", password.as_bytes()).expect("usable"));
    assert_eq!(response.len(), BASE64_BYTES_MAX);
    for response in [
        format!("\"{response}\""),
        format!("{{{}+}}\r\n{response}", response.len()),
    ] {
        let at_once = format!("AUTHENTICATE \"PLAIN\" {response}\r\n");
        assert_eq!(
            said(&mut front_of(settings()), &at_once),
            (step.clone(), String::new())
        );
        let after_challenge = format!("AUTHENTICATE \"PLAIN\"\r\n{response}\r\n");
        assert_eq!(
            said(&mut front_of(settings()), &after_challenge),
            (step.clone(), "\"\"\r\n".to_owned())
        );
    }
}

#[test]
fn a_broken_exchange_is_over() {
    let replies = [
        ("\"*\"", "NO \"Authentication aborted by client.\"\r\n"),
        ("\"!\"", "NO \"Invalid base64 data in response.\"\r\n"),
        ("\"YQ\"", "NO \"Invalid base64 data in response.\"\r\n"),
        ("\"YQ==\"", "NO \"Authentication failed.\"\r\n"),
        ("", "NO \"Invalid AUTHENTICATE client response.\"\r\n"),
        ("NOOP", "NO \"Invalid AUTHENTICATE client response.\"\r\n"),
        ("\"", "NO \"Invalid AUTHENTICATE client response.\"\r\n"),
    ];
    for (response, reply) in replies {
        let text = format!("AUTHENTICATE \"PLAIN\"\r\n{response}\r\nNOOP\r\n");
        assert_eq!(
            said(&mut front_of(settings()), &text),
            more(&format!("\"\"\r\n{reply}OK \"NOOP completed.\"\r\n"))
        );
    }
}

#[test]
fn noop_gives_its_tag_back() {
    let mut front = front_of(settings());
    let reply = more("OK (TAG \"a\\\"\\\\ä\") \"NOOP completed.\"\r\n");
    assert_eq!(said(&mut front, "NOOP \"a\\\"\\\\ä\"\r\n"), reply);
    assert_eq!(said(&mut front, "NOOP {5+}\r\na\"\\ä\r\n"), reply);
}

#[test]
fn a_tag_can_not_break_a_line() {
    for tag in [
        "{4+}\r\na\r\nb",
        "{1+}\r\n\0",
        &format!("\"{}\"", "x".repeat(1025)),
    ] {
        assert_eq!(
            said(&mut front_of(settings()), &format!("NOOP {tag}\r\n")),
            more(BAD)
        );
    }
    let latin = b"NOOP \"\xe4\"\r\n";
    assert_eq!(fed(&mut front_of(settings()), &[latin]).1, BAD);
}

#[test]
fn too_many_bad_commands_end_the_connection() {
    let commands = [
        "",
        "BOGUS",
        "\"NOOP\"",
        "LOGOUT now",
        "NOOP x",
        "AUTHENTICATE",
        "AUTHENTICATE PLAIN",
        "XCLIENT ADDR=x",
        "LISTSCRIPTS",
    ];
    let mut front = front_of(settings());
    for command in commands {
        assert_eq!(said(&mut front, &format!("{command}\r\n")), more(BAD));
    }
    let goodbye = closed("BYE \"Too many invalid MANAGESIEVE commands.\"\r\n");
    assert_eq!(said(&mut front, "NOOP \"\r\nNOOP\r\n"), goodbye);
    assert_eq!(said(&mut front, "NOOP\r\n"), closed(""));
}

#[test]
fn too_many_good_commands_end_the_connection() {
    let mut front = front_of(settings());
    let (step, out) = said(&mut front, &"NOOP\r\n".repeat(101));
    assert_eq!(step, FrontStep::Close);
    let expected = "OK \"NOOP completed.\"\r\n".repeat(100) + "BYE \"Too many commands before login.\"\r\n";
    assert_eq!(out, expected);
}

#[test]
fn what_is_too_long_ends_the_connection() {
    let full = closed("BYE \"Input buffer full, aborting.\"\r\n");
    assert_eq!(said(&mut front_of(settings()), &"x".repeat(8193)), full);
    assert_eq!(
        said(&mut front_of(settings()), &format!("{}\r\n", "x".repeat(8192))),
        more(BAD)
    );
    let response = format!("AUTHENTICATE \"PLAIN\" \"{}", "A".repeat(24577));
    assert_eq!(said(&mut front_of(settings()), &response), full);
    let literals = "AUTHENTICATE".to_owned() + &" {0+}\r\n".repeat(6000);
    assert_eq!(said(&mut front_of(settings()), &literals), full);
    let literal = closed("BYE \"Literal size too large.\"\r\n");
    assert_eq!(
        said(&mut front_of(settings()), "AUTHENTICATE \"PLAIN\" {16385+}\r\n"),
        literal
    );
}

#[test]
fn logout_ends_the_connection() {
    assert_eq!(
        said(&mut front_of(settings()), "LOGOUT\r\nNOOP\r\n"),
        closed("OK \"Logout completed.\"\r\n")
    );
}

#[test]
fn a_refusal_may_be_followed_by_another_try_but_not_for_ever() {
    let mut front = front_of(settings());
    let command = format!("AUTHENTICATE \"PLAIN\" \"{ALICE}\"\r\n");
    for _ in 0..FAILURES_MAX {
        assert_eq!(said(&mut front, &command), (alice(), String::new()));
        let mut out = Vec::new();
        front.rejected(b"NO \"wrong\"\r\n", &mut out);
        assert_eq!(out, b"NO \"wrong\"\r\n");
    }
    assert_eq!(
        said(&mut front, &command),
        closed("BYE \"Too many failed logins.\"\r\n")
    );
}

#[test]
fn after_the_backends_goodbye_nothing_more_is_said() {
    let mut front = front_of(settings());
    let mut out = Vec::new();
    front.rejected(b"bye \"enough\"\r\n", &mut out);
    assert_eq!(out, b"bye \"enough\"\r\n");
    assert_eq!(said(&mut front, "NOOP\r\n"), closed(""));
}

#[test]
fn a_failure_of_ours_leaves_the_client_another_try() {
    let mut front = front_of(settings());
    let mut out = Vec::new();
    front.unavailable("no \"backend\"\r\nyet", &mut out);
    assert_eq!(out, b"NO (TRYLATER) \"no \\\"backend\\\"  yet\"\r\n");
    assert_eq!(said(&mut front, "NOOP\r\n"), more("OK \"NOOP completed.\"\r\n"));
}

#[test]
fn the_backends_words_reach_the_client() {
    let mut out = Vec::new();
    let reply = b"OK (SASL \"cnNwYXV0aA==\") {4}\r\na\r\nb\r\n";
    front_of(settings()).accepted(reply, &mut out);
    assert_eq!(out, reply);
}

#[test]
fn a_goodbye_can_be_quoted() {
    assert_eq!(goodbye("a\"b\r\n"), b"BYE (TRYLATER) \"a\\\"b  \"\r\n");
}

#[test]
fn claims_are_collected() {
    let mut front = front_of(settings());
    let text = "XCLIENT ADDR=192.0.2.1 PORT=99 SESSION=abc TTL=3\r\n";
    assert_eq!(said(&mut front, text), more("OK \"Updated.\"\r\n"));
    assert_eq!(
        front.claims(),
        &Claims {
            client: Some(([192, 0, 2, 1].into(), 99)),
            ttl: Some(3),
            session: Some("abc".into()),
        }
    );
}

#[test]
fn secrets_are_not_shown() {
    let mut front = front_of(settings());
    let command = format!("AUTHENTICATE \"PLAIN\" \"{ALICE}\"\r\n");
    let (step, _) = said(&mut front, &command);
    assert_eq!(step, alice());
    let bytes = format!("{:?}", b"secret");
    for shown in [format!("{front:?}"), format!("{step:?}")] {
        for secret in [ALICE, "\\0secret", bytes.trim_matches(['[', ']'])] {
            assert!(!shown.contains(secret), "{shown}");
        }
    }
}
