//! What a server says, and what is made of it.

use proptest::prelude::*;

use super::super::Host;
use super::*;
use crate::world::{escape, unescape};

const GREETING: &str = "VERSION\t1\t2\nMECH\tPLAIN\tplaintext\nMECH\tXOAUTH2\nMECH\tCRAM-MD5\tdictionary\nSPID\t14720\n\
                        CUID\t1\nCOOKIE\t21b6cdaf1f3340cda186d9c0024d48d9\nDONE\n";

fn peer() -> Peer<'static> {
    Peer {
        service: "imap",
        local: "127.0.0.2:143".parse().expect("an address"),
        remote: "[fd00::1]:5000".parse().expect("an address"),
        is_tls: true,
        session: "a\tb",
    }
}

fn alice() -> Credentials {
    Credentials::of_password(b"alice", b"secret").expect("usable")
}

fn token() -> Credentials {
    let response = b"user=alice\x01auth=Bearer t\x01\x01".to_vec();
    Credentials::of_response(Mechanism::XOauth2, response).expect("usable")
}

fn ready() -> AuthClient {
    let mut client = AuthClient::new(7);
    assert_eq!(fed(&mut client, GREETING.as_bytes()), [Event::Ready]);
    client
}

fn fed(client: &mut AuthClient, bytes: &[u8]) -> Vec<Event> {
    let mut input = Input::default();
    input.extend(bytes);
    client.feed(&mut input, &mut Vec::new())
}

/// What the server's answer to a request of this client means.
fn verdict(credentials: &Credentials, answer: &str) -> Verdict {
    let mut client = ready();
    let asked = client.ask(1, credentials, &peer(), &mut Vec::new());
    assert_eq!(asked, Ok(()));
    match fed(&mut client, answer.as_bytes()).as_slice() {
        [Event::Answer { id: 1, verdict }] => verdict.clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_is_written_is_what_dovecot_reads() {
    let mut out = Vec::new();
    AuthClient::new(7).hello(&mut out);
    assert_eq!(out, b"VERSION\t1\t1\nCPID\t7\n");
    out.clear();
    assert_eq!(ready().ask(4, &alice(), &peer(), &mut out), Ok(()));
    assert_eq!(
        String::from_utf8(out).expect("text"),
        "AUTH\t4\tPLAIN\tservice=imap\tprotocol=imap\tlip=127.0.0.2\trip=fd00::1\tlport=143\trport=5000\tsecured=tls\t\
         session=a\x01tb\tresp=AGFsaWNlAHNlY3JldA==\n"
    );
}

#[test]
fn an_accepted_user_goes_where_the_fields_say() {
    let answer = "OK\t1\tuser=bob\tproxy\tlip=127.0.71.1\tpass=se\x01tcr=et\tproxy_refresh=450\thost=10.1.0.3\tport=144\tdirector_tag=x\n";
    let Verdict::In(account) = verdict(&alice(), answer) else {
        panic!()
    };
    assert_eq!(
        (account.user.as_str(), account.port, account.tag.as_deref()),
        ("bob", Some(144), Some("x"))
    );
    assert_eq!(account.host, Some(Host::Address([10, 1, 0, 3].into())));
    assert_eq!(account.sent.response.bytes(), b"\0bob\0se\tcr=et");
    let Verdict::In(account) = verdict(&alice(), "OK\t1\tuser=bob\tauth_user=alice\n") else {
        panic!()
    };
    assert_eq!(account.sent.response.bytes(), b"bob\0alice\0secret");
}

#[test]
fn an_accepted_user_with_unusable_fields_does_not_come_in() {
    for answer in [
        "OK\t1\n",
        "OK\t1\tuser=\n",
        "OK\t1\tuser=a\tport=x\n",
        "OK\t1\tuser=a\tpass=\x010\n",
    ] {
        let verdict = verdict(&alice(), answer);
        assert!(
            matches!(verdict, Verdict::TemporarilyUnavailable(_)),
            "{answer}: {verdict:?}"
        );
    }
    assert_eq!(
        verdict(&alice(), "OK\t1\tuser=a\tnologin\treason=go away\n"),
        Verdict::Refused("go away".to_owned())
    );
}

#[test]
fn a_failure_is_for_good_or_for_now() {
    assert_eq!(verdict(&alice(), "FAIL\t1\tuser=alice\n"), Verdict::Wrong);
    assert_eq!(verdict(&alice(), "FAIL\t1\n"), Verdict::Wrong);
    for answer in [
        "FAIL\t1\tuser=alice\ttemp\n",
        "FAIL\t1\tcode=temp_fail\treason=x\n",
    ] {
        assert!(matches!(
            verdict(&alice(), answer),
            Verdict::TemporarilyUnavailable(_)
        ));
    }
    for (answer, text) in [
        ("FAIL\t1\tauthz\n", NOT_HIS),
        ("FAIL\t1\tcode=authz_fail\n", NOT_HIS),
        ("FAIL\t1\tuser_disabled\n", DISABLED),
        ("FAIL\t1\tcode=pass_expired\n", EXPIRED),
        ("FAIL\t1\tuser_disabled\treason=unpaid\x01nbill\n", "unpaid?bill"),
    ] {
        assert_eq!(verdict(&alice(), answer), Verdict::Refused(text.to_owned()));
    }
}

#[test]
fn a_server_that_wants_more_gets_the_one_byte_that_rfc_7628_says() {
    let mut client = ready();
    assert_eq!(client.ask(1, &token(), &peer(), &mut Vec::new()), Ok(()));
    let (mut input, mut out) = (Input::default(), Vec::new());
    input.extend(b"CONT\t1\teyJzdGF0dXMiOiI0MDEifQ==\n");
    assert_eq!(client.feed(&mut input, &mut out), []);
    assert_eq!(out, b"CONT\t1\tAQ==\n");
    out.clear();
    input.extend(b"CONT\t1\t\n");
    let events = client.feed(&mut input, &mut out);
    assert!(matches!(
        events.as_slice(),
        [Event::Answer {
            id: 1,
            verdict: Verdict::TemporarilyUnavailable(_)
        }]
    ));
    assert_eq!(out, b"CANCEL\t1\n");
}

#[test]
fn what_can_not_be_asked_is_answered_at_once() {
    let out = &mut Vec::new();
    let early = AuthClient::new(7).ask(1, &alice(), &peer(), out);
    assert!(matches!(early, Err(Verdict::TemporarilyUnavailable(_))));
    let mut client = ready();
    let response = b"n,a=alice,\x01auth=Bearer t\x01\x01".to_vec();
    let bearer = Credentials::of_response(Mechanism::OauthBearer, response).expect("usable");
    let not_offered = client.ask(1, &bearer, &peer(), out);
    assert_eq!(not_offered, Err(Verdict::Refused(NO_MECHANISM.to_owned())));
    let long = Credentials::of_password(b"alice", &[b'x'; 12_200]).expect("usable");
    assert_eq!(client.ask(1, &long, &peer(), out), Err(Verdict::Wrong));
    assert_eq!(out.len(), 0);
    assert_eq!(client.ask(1, &alice(), &peer(), out), Ok(()));
    let twice = client.ask(1, &alice(), &peer(), out);
    assert!(matches!(twice, Err(Verdict::TemporarilyUnavailable(_))));
    for id in 2..=PENDING_MAX {
        let id = u32::try_from(id).expect("small");
        assert_eq!(client.ask(id, &alice(), &peer(), out), Ok(()));
    }
    let full = client.ask(9999, &alice(), &peer(), out);
    assert!(matches!(full, Err(Verdict::TemporarilyUnavailable(_))));
}

#[test]
fn a_server_of_another_version_is_given_up_with_words() {
    for (greeting, why) in [
        (
            "VERSION\t2\t0\n",
            "it speaks version 2 of the protocol, and only version 1 is known here",
        ),
        (
            "VERSION\tx\n",
            "it has not said its version first: the socket is no auth-client",
        ),
        (
            "MECH\tPLAIN\n",
            "it has not said its version first: the socket is no auth-client",
        ),
        (
            "VERSION\t1\t1\nOK\tx\n",
            "it has answered without the number of a request",
        ),
    ] {
        let mut client = AuthClient::new(7);
        let broken = Event::Broken(format!("the connection to Dovecot's auth is given up: {why}"));
        assert_eq!(fed(&mut client, greeting.as_bytes()), [broken]);
        assert_eq!(fed(&mut client, GREETING.as_bytes()), []);
        assert_eq!(client.ended(), []);
    }
}

#[test]
fn everybody_who_waits_is_answered_when_the_connection_ends() {
    let mut client = ready();
    for id in [3, 2] {
        assert_eq!(client.ask(id, &alice(), &peer(), &mut Vec::new()), Ok(()));
    }
    client.cancel(3, &mut Vec::new());
    let why = "the connection has ended";
    let verdict = Verdict::TemporarilyUnavailable(format!(
        "Dovecot's auth has not answered about user \"alice\": {why}; the client was told to try again"
    ));
    let broken = Event::Broken(format!("the connection to Dovecot's auth is given up: {why}"));
    assert_eq!(client.ended(), [Event::Answer { id: 2, verdict }, broken]);
}

#[test]
fn a_line_beyond_the_limit_is_not_waited_for() {
    let mut client = ready();
    let events = fed(&mut client, &[b'x'; LINE_BYTES_MAX + 1]);
    assert!(matches!(events.as_slice(), [Event::Broken(_)]));
}

#[test]
fn cut_anywhere_the_same_happens() {
    let answers = "OK\t1\tuser=bob\tpass=x\x01ty\tproxy\nNOISE\t1\nFAIL\t3\ttemp\nOK\t99\tuser=x\nFAIL\t2\tuser=alice\nOK\n";
    let run = |cut: usize| {
        let mut client = ready();
        for id in 1..=4 {
            assert_eq!(client.ask(id, &alice(), &peer(), &mut Vec::new()), Ok(()));
        }
        let (mut input, mut out) = (Input::default(), Vec::new());
        input.extend(&answers.as_bytes()[..cut]);
        let mut events = client.feed(&mut input, &mut out);
        input.extend(&answers.as_bytes()[cut..]);
        events.extend(client.feed(&mut input, &mut out));
        (events, out)
    };
    let whole = run(answers.len());
    assert_eq!(whole.0.len(), 5);
    for cut in 0..answers.len() {
        assert_eq!(run(cut), whole, "cut at {cut}");
    }
    for cut in 0..GREETING.len() {
        let mut client = AuthClient::new(7);
        let mut events = fed_in_two(&mut client, cut);
        assert_eq!(events.pop(), Some(Event::Ready));
        assert_eq!(events, []);
    }
}

fn fed_in_two(client: &mut AuthClient, cut: usize) -> Vec<Event> {
    let mut input = Input::default();
    input.extend(&GREETING.as_bytes()[..cut]);
    let mut events = client.feed(&mut input, &mut Vec::new());
    input.extend(&GREETING.as_bytes()[cut..]);
    events.extend(client.feed(&mut input, &mut Vec::new()));
    events
}

#[test]
fn nothing_secret_is_shown() {
    let mut client = ready();
    assert_eq!(client.ask(1, &alice(), &peer(), &mut Vec::new()), Ok(()));
    assert!(!format!("{client:?}").contains("115, 101, 99"));
    let events = fed(&mut client, b"OK\t1\tuser=alice\tpass=xyzzy\n");
    assert!(!format!("{events:?}").contains("xyzzy"));
}

fn escaped(text: &str) -> String {
    let mut out = Vec::new();
    escape(text.as_bytes(), &mut out);
    String::from_utf8(out).expect("text stays text")
}

fn unescaped(word: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    unescape(word, &mut out);
    out
}

proptest! {
    #[test]
    fn what_is_escaped_comes_back(text in any::<String>()) {
        let escaped = escaped(&text);
        prop_assert!(!escaped.contains(['\t', '\n', '\r', '\0']));
        prop_assert_eq!(unescaped(escaped.as_bytes()), text.into_bytes());
    }

    #[test]
    fn whatever_the_server_says_each_request_has_one_answer_at_most(
        lines in prop::collection::vec("(OK|FAIL|CONT|DONE|VERSION|MECH|X)(\t[0-9a-z=\u{1}]{0,6}){0,4}", 0..20),
    ) {
        let mut client = ready();
        for id in 1..=9 {
            prop_assert_eq!(client.ask(id, &alice(), &peer(), &mut Vec::new()), Ok(()));
        }
        let mut events = fed(&mut client, (lines.join("\n") + "\n").as_bytes());
        events.extend(client.ended());
        let mut answered: Vec<u32> = events
            .iter()
            .filter_map(|event| match event {
                Event::Answer { id, .. } => Some(*id),
                _ => None,
            })
            .collect();
        answered.sort_unstable();
        prop_assert_eq!(answered, (1..=9).collect::<Vec<_>>());
    }

    #[test]
    fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let mut client = AuthClient::new(1);
        fed(&mut client, &bytes);
    }
}
