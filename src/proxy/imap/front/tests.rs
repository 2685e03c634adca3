//! Dialogues with clients, as whole as they are.

use super::*;
use crate::proxy::Mechanism;

/// What came of a dialogue: everything that was said, and every step but `More`.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    said: String,
    steps: Vec<FrontStep>,
    unread: String,
}

const PRIVACY: &str =
    "NO [PRIVACYREQUIRED] Plaintext authentication disallowed on non-secure (SSL/TLS) connections.\r\n";
const BAD: &str = "BAD Error in IMAP command received by server.\r\n";

fn settings(offers_starttls: bool, allows_cleartext: bool, offers_oauth: bool) -> Arc<FrontSettings> {
    Arc::new(FrontSettings {
        host: "mail.example.org".into(),
        greeting: "Ready.".into(),
        capabilities: ["IMAP4rev1", "SASL-IR", "ID"].map(Into::into).to_vec(),
        offers_starttls,
        allows_cleartext,
        offers_oauth,
    })
}

fn secure() -> Front {
    Front::new(settings(true, false, true), true)
}

fn insecure() -> Front {
    Front::new(settings(true, false, true), false)
}

/// Feeds pieces until a step says that the front must not be fed any more.
fn hear<'a>(front: &mut Front, pieces: impl Iterator<Item = &'a [u8]>) -> Outcome {
    let (mut input, mut out, mut steps) = (Input::default(), Vec::new(), Vec::new());
    for piece in pieces {
        input.extend(piece);
        match front.feed(&mut input, &mut out) {
            FrontStep::More => {}
            step => steps.push(step),
        }
    }
    steps.dedup();
    Outcome {
        said: String::from_utf8_lossy(&out).into_owned(),
        steps,
        unread: String::from_utf8_lossy(input.unread()).into_owned(),
    }
}

/// The outcome of these bytes, which must not depend on how they are cut.
fn outcome(new: fn() -> Front, bytes: &[u8]) -> Outcome {
    let whole = hear(&mut new(), [bytes].into_iter());
    assert_eq!(hear(&mut new(), bytes.chunks(1)), whole, "byte by byte");
    for cut in 0..=bytes.len() {
        let (first, second) = bytes.split_at(cut);
        assert_eq!(
            hear(&mut new(), [first, second].into_iter()),
            whole,
            "cut at {cut}"
        );
    }
    whole
}

/// What is said to these bytes, when no step follows from them.
fn said(new: fn() -> Front, bytes: &[u8]) -> String {
    let outcome = outcome(new, bytes);
    assert_eq!((outcome.steps.as_slice(), outcome.unread.as_str()), (&[][..], ""));
    outcome.said
}

fn login(said: &str, credentials: Credentials, unread: &str) -> Outcome {
    Outcome {
        said: said.to_owned(),
        steps: vec![FrontStep::Login(credentials)],
        unread: unread.to_owned(),
    }
}

fn closed(said: &str, unread: &str) -> Outcome {
    Outcome {
        said: said.to_owned(),
        steps: vec![FrontStep::Close],
        unread: unread.to_owned(),
    }
}

fn alice() -> Credentials {
    Credentials::of_password(b"alice", b"secret").expect("usable")
}

#[test]
fn the_greeting_says_what_may_be_done() {
    let greeting = |settings, is_tls| {
        let mut out = Vec::new();
        Front::new(settings, is_tls).greet(&mut out);
        String::from_utf8(out).unwrap()
    };
    assert_eq!(
        greeting(settings(true, false, true), false),
        "* OK [CAPABILITY IMAP4rev1 SASL-IR ID STARTTLS LOGINDISABLED] Ready.\r\n"
    );
    assert_eq!(
        greeting(settings(true, true, false), false),
        "* OK [CAPABILITY IMAP4rev1 SASL-IR ID STARTTLS AUTH=PLAIN AUTH=LOGIN] Ready.\r\n"
    );
    assert_eq!(
        greeting(settings(true, false, true), true),
        "* OK [CAPABILITY IMAP4rev1 SASL-IR ID AUTH=PLAIN AUTH=LOGIN AUTH=XOAUTH2 AUTH=OAUTHBEARER] Ready.\r\n"
    );
}

#[test]
fn commands_before_the_login_are_answered() {
    assert_eq!(
        outcome(
            insecure,
            b"1 capability\r\n2 Noop\r\n3 ID NIL\r\n4 LOGOUT\r\n5 NOOP\r\n"
        ),
        closed(
            "* CAPABILITY IMAP4rev1 SASL-IR ID STARTTLS LOGINDISABLED\r\n\
             1 OK Pre-login capabilities listed, post-login capabilities have more.\r\n\
             2 OK NOOP completed.\r\n\
             * ID (\"name\" \"maildirector\")\r\n3 OK ID completed.\r\n\
             * BYE Logging out\r\n4 OK Logout completed.\r\n",
            "5 NOOP\r\n"
        )
    );
}

#[test]
fn a_pipelined_login_leaves_the_rest_for_the_backend() {
    assert_eq!(
        outcome(secure, b"1 NOOP\r\n2 LOGIN alice secret\r\n3 SELECT INBOX\r\n"),
        login("1 OK NOOP completed.\r\n", alice(), "3 SELECT INBOX\r\n")
    );
}

#[test]
fn names_and_passwords_come_in_any_form() {
    for (line, asked) in [
        (&b"a LOGIN \"alice\" \"secret\"\r\nb"[..], ""),
        (b"a login {5}\r\nalice {6}\r\nsecret\r\nb", "+ OK\r\n+ OK\r\n"),
        (b"a LOGIN {5+}\r\nalice {6}\r\nsecret\r\nb", "+ OK\r\n"),
        (b"a LOGIN alice {6+}\r\nsecret\r\nb", ""),
        (b"a LOGIN {5}\r\nalice \"secret\"\nb", "+ OK\r\n"),
    ] {
        assert_eq!(outcome(secure, line), login(asked, alice(), "b"));
    }
    let odd = Credentials::of_password(b"alice", b"a\"\\ {1+}\r\nx").expect("usable");
    assert_eq!(
        outcome(secure, b"a LOGIN alice {11}\r\na\"\\ {1+}\r\nx\r\n"),
        login("+ OK\r\n", odd, "")
    );
}

#[test]
fn sasl_works_with_and_without_an_initial_response() {
    let plain = "AGFsaWNlAHNlY3JldA==";
    let line = format!("a AUTHENTICATE plain {plain}\r\nb");
    assert_eq!(outcome(secure, line.as_bytes()), login("", alice(), "b"));
    let line = format!("a AUTHENTICATE PLAIN\r\n{plain}\r\nb");
    assert_eq!(outcome(secure, line.as_bytes()), login("+ \r\n", alice(), "b"));
    let challenges = "+ VXNlcm5hbWU6\r\n+ UGFzc3dvcmQ6\r\n";
    assert_eq!(
        outcome(secure, b"a AUTHENTICATE LOGIN\r\nYWxpY2U=\r\nc2VjcmV0\r\nb"),
        login(challenges, alice(), "b")
    );
    assert_eq!(
        outcome(secure, b"a AUTHENTICATE LOGIN YWxpY2U=\r\nc2VjcmV0\r\nb"),
        login("+ UGFzc3dvcmQ6\r\n", alice(), "b")
    );
    let token = b"user=alice\x01auth=Bearer t\x01\x01".to_vec();
    let token = Credentials::of_response(Mechanism::XOauth2, token).expect("usable");
    assert_eq!(
        outcome(
            secure,
            b"a AUTHENTICATE XOAUTH2 dXNlcj1hbGljZQFhdXRoPUJlYXJlciB0AQE=\r\n"
        ),
        login("", token, "")
    );
}

#[test]
fn a_long_token_fits_and_a_longer_line_does_not() {
    let token = [
        b"user=alice\x01auth=Bearer ",
        &vec![b't'; 12_000][..],
        b"\x01\x01",
    ]
    .concat();
    let encoded = STANDARD.encode(&token);
    let credentials = Credentials::of_response(Mechanism::XOauth2, token).expect("usable");
    let line = format!("a AUTHENTICATE XOAUTH2 {encoded}\r\n");
    assert_eq!(
        hear(&mut secure(), line.as_bytes().chunks(1)),
        login("", credentials.clone(), "")
    );
    let line = format!("a AUTHENTICATE XOAUTH2\r\n{encoded}\r\n");
    assert_eq!(
        hear(&mut secure(), line.as_bytes().chunks(1)),
        login("+ \r\n", credentials, "")
    );
    let line = format!("a AUTHENTICATE PLAIN\r\n{}", "A".repeat(16_385));
    let outcome = hear(&mut secure(), [line.as_bytes()].into_iter());
    assert_eq!(outcome.said, "+ \r\n* BYE Line too long.\r\n");
    assert_eq!(outcome.steps, [FrontStep::Close]);
}

#[test]
fn sasl_can_be_cancelled_and_mistakes_are_said() {
    assert_eq!(
        said(
            secure,
            b"a AUTHENTICATE PLAIN\r\n*\r\n\
              b AUTHENTICATE LOGIN YWxpY2U=\r\n*\r\n\
              c AUTHENTICATE PLAIN\r\n!\r\n\
              d AUTHENTICATE PLAIN AA\r\n\
              e AUTHENTICATE PLAIN =\r\n\
              f AUTHENTICATE CRAM-MD5\r\n\
              g AUTHENTICATE\r\n\
              h AUTHENTICATE \"PLAIN\"\r\n\
              i NOOP\r\n"
        ),
        format!(
            "+ \r\na BAD Authentication aborted by client.\r\n\
             + UGFzc3dvcmQ6\r\nb BAD Authentication aborted by client.\r\n\
             + \r\nc BAD Invalid base64 data in response\r\n\
             d BAD Invalid base64 data in initial response\r\n\
             e NO [AUTHENTICATIONFAILED] Authentication failed.\r\n\
             f NO Unsupported authentication mechanism.\r\n\
             g {BAD}h {BAD}i OK NOOP completed.\r\n"
        )
    );
    assert_eq!(
        said(
            || Front::new(settings(false, true, false), false),
            b"a AUTHENTICATE XOAUTH2 eA==\r\n"
        ),
        "a NO Unsupported authentication mechanism.\r\n"
    );
}

#[test]
fn without_tls_no_password_is_asked_for() {
    assert_eq!(
        said(
            insecure,
            b"a LOGIN alice secret\r\nb AUTHENTICATE PLAIN\r\nc AUTHENTICATE PLAIN AGEAYg==\r\nd LOGIN {5}\r\n\
              e LOGIN {5+}\r\nalice {6+}\r\nsecret\r\nf NOOP\r\n"
        ),
        format!("a {PRIVACY}b {PRIVACY}c {PRIVACY}d {PRIVACY}e {PRIVACY}f OK NOOP completed.\r\n")
    );
}

#[test]
fn starttls_waits_for_the_handshake_and_forgets_the_claims() {
    let mut front = insecure();
    let bytes = b"a ID (\"x-session-id\" \"s\")\r\nb STARTTLS\r\nc LOGIN evil evil\r\n";
    let outcome = hear(&mut front, bytes.chunks(1));
    assert_eq!(
        outcome.said,
        "* ID (\"name\" \"maildirector\")\r\na OK ID completed.\r\nb OK Begin TLS negotiation now.\r\n"
    );
    assert_eq!(outcome.steps, [FrontStep::StartTls]);
    assert_eq!(outcome.unread, "c LOGIN evil evil\r\n");
    assert_eq!(front.claims().session.as_deref(), Some("s"));
    front.tls_started();
    assert_eq!(front.claims(), &Claims::default());
    let outcome = hear(
        &mut front,
        [&b"d STARTTLS\r\ne LOGIN alice secret\r\n"[..]].into_iter(),
    );
    assert_eq!(outcome, login("d BAD TLS is already active.\r\n", alice(), ""));
}

#[test]
fn starttls_that_is_not_offered_is_refused() {
    let new = || Front::new(settings(false, true, false), false);
    assert_eq!(
        said(new, b"a STARTTLS\r\nb CAPABILITY\r\n"),
        "a BAD TLS support isn't enabled.\r\n\
         * CAPABILITY IMAP4rev1 SASL-IR ID AUTH=PLAIN AUTH=LOGIN\r\n\
         b OK Pre-login capabilities listed, post-login capabilities have more.\r\n"
    );
}

#[test]
fn claims_are_collected() {
    let mut front = secure();
    let bytes = b"a ID (\"x-originating-ip\" \"192.0.2.9\" \"x-originating-port\" {2}\r\n55 \"x-proxy-ttl\" \"3\")\r\n\
                  b ID (\"x-session-id\" \"s1\" \"os\" NIL)\r\nc ID (\"odd\")\r\n";
    let outcome = hear(&mut front, bytes.chunks(1));
    assert_eq!(
        outcome.said,
        "+ OK\r\n* ID (\"name\" \"maildirector\")\r\na OK ID completed.\r\n\
         * ID (\"name\" \"maildirector\")\r\nb OK ID completed.\r\nc BAD Invalid ID parameters\r\n"
    );
    let claims = Claims {
        client: Some(("192.0.2.9".parse().unwrap(), 55)),
        ttl: Some(3),
        session: Some("s1".into()),
    };
    assert_eq!(front.claims(), &claims);
}

#[test]
fn literals_that_are_too_big_are_harmless() {
    let too_big = "NO [TOOBIG] Literal size too large.\r\n";
    assert_eq!(
        said(
            secure,
            b"a LOGIN {4294967296}\r\nb LOGIN {99999999999999999999}\r\nc LOGIN alice {4097}\r\nd NOOP\r\n"
        ),
        format!("a {too_big}b {too_big}c {too_big}d OK NOOP completed.\r\n")
    );
    for size in [
        "4097",
        "4294967296",
        "18446744073709551615",
        "99999999999999999999",
    ] {
        let line = format!("a LOGIN {{{size}+}}\r\nb NOOP\r\n");
        assert_eq!(
            outcome(secure, line.as_bytes()),
            closed("* BYE Literal size too large.\r\n", "b NOOP\r\n")
        );
    }
}

#[test]
fn bytes_of_a_literal_are_never_commands() {
    assert_eq!(
        said(
            secure,
            b"a FOO {22+}\r\nb LOGIN alice secret\r\n\r\n+ {6+}\r\nb NOOP\r\nc SELECT {3}\r\nd NOOP \"\r\n"
        ),
        format!("a {BAD}* {BAD}c {BAD}d {BAD}")
    );
}

#[test]
fn what_is_for_the_logged_in_is_not_understood() {
    assert_eq!(
        said(
            secure,
            b"a ENABLE CONDSTORE\r\nb SELECT INBOX\r\nc NOOP x\r\nd LOGIN a\r\ne LOGIN a b c\r\nf LOGIN ( )\r\n\
              \r\ng+ NOOP\r\nh\r\n"
        ),
        format!("a {BAD}b {BAD}c {BAD}d {BAD}e {BAD}f {BAD}* {BAD}* {BAD}h {BAD}")
    );
}

#[test]
fn the_tenth_bad_command_is_the_last() {
    let expected = format!(
        "{}* BYE Too many invalid IMAP commands.\r\n",
        format!("a {BAD}").repeat(9)
    );
    assert_eq!(
        outcome(secure, &b"a x\r\n".repeat(11)),
        closed(&expected, "a x\r\n")
    );
}

#[test]
fn a_client_that_only_talks_is_sent_away() {
    let bytes = b"a NOOP\r\n".repeat(101);
    let outcome = hear(&mut secure(), [&bytes[..]].into_iter());
    let expected = "a OK NOOP completed.\r\n".repeat(100) + "* BYE Too many commands before a login.\r\n";
    assert_eq!(outcome, closed(&expected, ""));
}

#[test]
fn a_line_that_does_not_end_is_not_waited_for() {
    let outcome = hear(&mut secure(), [&[b'x'; 8193][..]].into_iter());
    assert_eq!(outcome.said, "* BYE Line too long.\r\n");
    assert_eq!(outcome.steps, [FrontStep::Close]);
}

#[test]
fn the_backends_words_get_the_clients_tag() {
    let mut front = secure();
    hear(&mut front, [&b"t1 LOGIN alice secret\r\n"[..]].into_iter());
    let mut out = Vec::new();
    front.rejected(b"NO [AUTHENTICATIONFAILED] No.\r\n", &mut out);
    assert_eq!(out, b"t1 NO [AUTHENTICATIONFAILED] No.\r\n");
    hear(&mut front, [&b"t2 LOGIN alice secret\r\n"[..]].into_iter());
    out.clear();
    front.unavailable("Later,\r\nplease.", &mut out);
    assert_eq!(out, b"t2 NO [UNAVAILABLE] Later,  please.\r\n");
    hear(&mut front, [&b"t3 LOGIN alice secret\r\n"[..]].into_iter());
    out.clear();
    front.accepted(
        b"* CAPABILITY IMAP4rev1\r\n* X {2}\r\n\r\n\r\nOK Logged in\r\n",
        &mut out,
    );
    assert_eq!(
        out,
        b"* CAPABILITY IMAP4rev1\r\n* X {2}\r\n\r\n\r\nt3 OK Logged in\r\n"
    );
}

#[test]
fn nothing_is_read_while_a_login_is_under_way() {
    let mut front = secure();
    let mut input = Input::default();
    let mut out = Vec::new();
    input.extend(b"a LOGIN alice secret\r\nb NOOP\r\n");
    assert_eq!(front.feed(&mut input, &mut out), FrontStep::Login(alice()));
    assert_eq!(front.feed(&mut input, &mut out), FrontStep::More);
    assert_eq!((input.unread(), out.as_slice()), (&b"b NOOP\r\n"[..], &b""[..]));
    front.rejected(b"NO x\r\n", &mut out);
    assert_eq!(front.feed(&mut input, &mut out), FrontStep::More);
    assert_eq!(out, b"a NO x\r\nb OK NOOP completed.\r\n");
}

#[test]
fn after_the_last_failure_the_connection_ends() {
    let mut front = secure();
    let mut input = Input::default();
    let mut out = Vec::new();
    for _ in 0..4 {
        input.extend(b"a LOGIN alice secret\r\n");
        assert_eq!(front.feed(&mut input, &mut out), FrontStep::Login(alice()));
        front.rejected(b"NO x\r\n", &mut out);
    }
    assert_eq!(front.feed(&mut input, &mut out), FrontStep::More);
    out.clear();
    // A name that nobody can have counts as well.
    input.extend(b"a LOGIN \"\" secret\r\nb LOGIN alice secret\r\n");
    assert_eq!(front.feed(&mut input, &mut out), FrontStep::Close);
    assert_eq!(
        String::from_utf8_lossy(&out),
        "a NO [AUTHENTICATIONFAILED] Authentication failed.\r\n* BYE Too many failed logins.\r\n"
    );
    assert_eq!(front.feed(&mut input, &mut out), FrontStep::Close);
    assert_eq!(out.len(), 83);
}

#[test]
fn a_goodbye_is_one_line() {
    assert_eq!(goodbye("Moving\r\na OK"), b"* BYE Moving  a OK\r\n");
}
