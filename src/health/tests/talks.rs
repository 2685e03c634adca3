//! Whole talks in each protocol, without sockets.

use super::{check, with_account};
use crate::config::{Protocol, TlsUse};
use crate::health::{Check, Exchange, Step};

/// `NUL probe NUL secret`.
const RESPONSE: &str = "AHByb2JlAHNlY3JldA==";

/// What the check makes of these lines: what it sends, `TLS`, and how it ends.
fn talk(check: &Check, lines: &[&str]) -> String {
    let mut exchange = Exchange::new(check);
    let mut said = Vec::new();
    let mut step = exchange.connected();
    let mut lines = lines.iter();
    loop {
        match step {
            Step::Send(bytes) => {
                let text = String::from_utf8(bytes).expect("commands are text");
                said.push(text.strip_suffix("\r\n").expect("commands are lines").to_owned());
            }
            Step::Wait => {}
            Step::StartTls => {
                said.push("TLS".to_owned());
                step = exchange.secured();
                continue;
            }
            Step::Done(goodbye) => {
                let goodbye = String::from_utf8_lossy(goodbye);
                said.push(format!("done {}", goodbye.trim_end()));
                break;
            }
            Step::Failed(fault) => {
                said.push(format!("failed: {fault}"));
                break;
            }
        }
        let Some(line) = lines.next() else {
            said.push(format!("waits for {}", exchange.awaits()));
            break;
        };
        step = exchange.line(line.as_bytes());
    }
    said.join(" | ")
}

#[test]
fn a_greeting_is_enough_without_an_account() {
    for (protocol, greeting, goodbye) in [
        (
            Protocol::Imap,
            &["* OK [CAPABILITY IMAP4rev1] ready"][..],
            "a3 LOGOUT",
        ),
        (Protocol::Imap, &["* preauth hello"], "a3 LOGOUT"),
        (Protocol::Pop3, &["+OK"], "QUIT"),
        (Protocol::Lmtp, &["220-one", "220 two"], "QUIT"),
        (Protocol::Submission, &["220 mail ESMTP"], "QUIT"),
        (
            Protocol::Sieve,
            &["\"SIEVE\" \"fileinto\"", "\"VERSION\" \"1.0\"", "OK"],
            "LOGOUT",
        ),
    ] {
        let said = talk(&check(protocol, TlsUse::No), greeting);
        assert_eq!(said, format!("done {goodbye}"), "{protocol:?}");
    }
    assert_eq!(talk(&check(Protocol::Tcp, TlsUse::No), &[]), "done ");
}

#[test]
fn whoever_says_no_or_nothing_that_makes_sense_fails() {
    for (protocol, line) in [
        (Protocol::Imap, "* BYE too many connections"),
        (Protocol::Imap, "+OK I speak POP3"),
        (Protocol::Imap, "* OKAY"),
        (Protocol::Pop3, "-ERR [SYS/TEMP] down"),
        (Protocol::Pop3, "+OKAY"),
        (Protocol::Lmtp, "421 shutting down"),
        (Protocol::Submission, "220x"),
        (Protocol::Sieve, "BYE \"try later\""),
        (Protocol::Sieve, "* OK"),
    ] {
        let said = talk(&check(protocol, TlsUse::No), &[line]);
        assert_eq!(
            said,
            format!(
                "failed: the connection was answered \"{}\"",
                line.escape_default()
            )
        );
    }
}

#[test]
fn accounts_log_in_by_sasl_plain() {
    let no = TlsUse::No;
    assert_eq!(
        talk(
            &with_account(Protocol::Imap, no),
            &["* OK ready", "+ ", "* CAPABILITY IMAP4rev1", "a2 OK in"]
        ),
        format!("a2 AUTHENTICATE PLAIN | {RESPONSE} | done a3 LOGOUT")
    );
    assert_eq!(
        talk(&with_account(Protocol::Pop3, no), &["+OK", "+OK in"]),
        format!("AUTH PLAIN {RESPONSE} | done QUIT")
    );
    assert_eq!(
        talk(&with_account(Protocol::Pop3, no), &["+OK", "+ ", "+OK in"]),
        format!("AUTH PLAIN {RESPONSE} | {RESPONSE} | done QUIT")
    );
    let hello = "EHLO maildirector.invalid";
    assert_eq!(
        talk(
            &with_account(Protocol::Submission, no),
            &["220 mail", "250-mail", "250 AUTH PLAIN", "235 in"]
        ),
        format!("{hello} | AUTH PLAIN {RESPONSE} | done QUIT")
    );
    assert_eq!(
        talk(&with_account(Protocol::Sieve, no), &["OK", "OK \"in\""]),
        format!("AUTHENTICATE \"PLAIN\" \"{RESPONSE}\" | done LOGOUT")
    );
}

#[test]
fn a_refused_login_shows_the_answer_and_never_the_password() {
    for (protocol, lines) in [
        (
            Protocol::Imap,
            &["* OK ready", "+ ", "a2 NO [UNAVAILABLE] down"][..],
        ),
        (Protocol::Pop3, &["+OK", "-ERR no"]),
        (Protocol::Submission, &["220 mail", "250 mail", "454 4.7.0 later"]),
        (Protocol::Sieve, &["OK", "NO \"later\""]),
    ] {
        let check = with_account(protocol, TlsUse::No);
        let said = talk(&check, lines);
        let end = said.rsplit(" | ").next().expect("something was said");
        assert!(
            end.starts_with("failed: the login of the test account was answered"),
            "{said}"
        );
        assert!(!end.contains(RESPONSE) && !end.contains("secret"), "{end}");
        assert!(!format!("{check:?}").contains("secret"));
    }
}

#[test]
fn tls_begins_when_the_backend_agrees_and_the_rest_comes_inside() {
    let tls = TlsUse::StartTls;
    assert_eq!(
        talk(
            &with_account(Protocol::Imap, tls),
            &["* OK ready", "a1 OK begin", "+", "a2 OK in"]
        ),
        format!("a1 STARTTLS | TLS | a2 AUTHENTICATE PLAIN | {RESPONSE} | done a3 LOGOUT")
    );
    assert_eq!(
        talk(&check(Protocol::Pop3, tls), &["+OK", "+OK begin"]),
        "STLS | TLS | done QUIT"
    );
    let hello = "EHLO maildirector.invalid";
    assert_eq!(
        talk(
            &with_account(Protocol::Submission, tls),
            &[
                "220 mail",
                "250-mail",
                "250 STARTTLS",
                "220 begin",
                "250 mail",
                "235 in"
            ]
        ),
        format!("{hello} | STARTTLS | TLS | {hello} | AUTH PLAIN {RESPONSE} | done QUIT")
    );
    assert_eq!(
        talk(
            &with_account(Protocol::Sieve, tls),
            &["OK", "OK", "\"SASL\" \"PLAIN\"", "OK", "OK"]
        ),
        format!("STARTTLS | TLS | AUTHENTICATE \"PLAIN\" \"{RESPONSE}\" | done LOGOUT")
    );
    assert_eq!(
        talk(&check(Protocol::Imap, tls), &["* OK ready", "a1 NO not here"]),
        "a1 STARTTLS | failed: STARTTLS was answered \"a1 NO not here\""
    );
}

#[test]
fn lmtp_offers_mail_to_a_recipient_and_sends_none() {
    let check = Check {
        recipient: Some("probe@example.org".into()),
        ..check(Protocol::Lmtp, TlsUse::No)
    };
    let before = "LHLO maildirector.invalid | MAIL FROM:<> | RCPT TO:<probe@example.org>";
    let good = [
        "220 mail",
        "250-mail",
        "250 PIPELINING",
        "250 2.1.0 OK",
        "250 2.1.5 OK",
    ];
    assert_eq!(talk(&check, &good), format!("{before} | done QUIT"));
    let bad = [
        "220 mail",
        "250 mail",
        "250 2.1.0 OK",
        "451 4.3.0 <probe@example.org> later",
    ];
    assert_eq!(
        talk(&check, &bad),
        format!("{before} | failed: RCPT TO was answered \"451 4.3.0 <probe@example.org> later\"")
    );
}

#[test]
fn an_answer_without_end_is_cut() {
    let lines = vec!["\"X\""; 2_000];
    assert_eq!(
        talk(&check(Protocol::Sieve, TlsUse::No), &lines),
        "failed: its answer to the connection has no end"
    );
}
