//! Who verifies a password: the first byte chooses whether the rest is a passwd-file with a login, what Dovecot's auth server says,
//! or what Postfix asks.

use maildirector::lookups::netstring;
use maildirector::proxy::accounts::{AuthClient, Event, PasswdFile, Peer, Verdict};
use maildirector::proxy::{Credentials, Input};

/// Bytes that stand for themselves in no word of a log.
const SECRET: &str = "xyzzy-plugh";

/// Faults are one line each and without a password; however the bytes are cut, the same is understood.
pub fn run(bytes: &[u8]) {
    let Some((choice, rest)) = bytes.split_first() else {
        return;
    };
    match choice % 3 {
        0 => file(rest),
        1 => auth(rest),
        _ => questions(rest),
    }
}

fn credentials() -> Credentials {
    Credentials::of_password(b"ann@example.org", SECRET.as_bytes()).expect("they can be used")
}

fn file(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    match PasswdFile::parse(&text, "accounts") {
        Err(faults) => {
            assert!(!faults.is_empty());
            for fault in faults {
                let said = fault.to_string();
                assert!(
                    said.starts_with("accounts, line ") && !said.contains('\n'),
                    "{said}"
                );
            }
        }
        Ok(file) if !file.is_slow(&credentials()) => said_of(&file.verify(&credentials())),
        Ok(_) => {}
    }
}

/// Words for clients and logs have no secret in them.
fn said_of(verdict: &Verdict) {
    assert!(!format!("{verdict:?}").contains(SECRET));
    if let Verdict::Refused(words) = verdict {
        assert!(words.chars().all(|c| (' '..='~').contains(&c)), "{words:?}");
    }
}

fn auth(bytes: &[u8]) {
    let whole = heard(bytes, bytes.len().max(1));
    assert_eq!(whole, heard(bytes, 1));
    for event in &whole {
        if let Event::Answer { verdict, .. } = event {
            said_of(verdict);
        }
    }
}

/// What a client hears who has asked once, as soon as he could.
fn heard(bytes: &[u8], part: usize) -> Vec<Event> {
    let peer = Peer {
        service: "imap",
        local: ([192, 0, 2, 2], 143).into(),
        remote: ([192, 0, 2, 1], 4711).into(),
        is_tls: true,
        session: "0123456789abcdef",
    };
    let (mut client, mut input) = (AuthClient::new(7), Input::default());
    let (mut events, mut out) = (Vec::new(), Vec::new());
    client.hello(&mut out);
    let greeting = b"VERSION\t1\t2\nMECH\tPLAIN\tplaintext\nDONE\n";
    input.extend(greeting);
    events.extend(client.feed(&mut input, &mut out));
    assert_eq!(client.ask(1, &credentials(), &peer, &mut out), Ok(()));
    for part in bytes.chunks(part) {
        input.extend(part);
        events.extend(client.feed(&mut input, &mut out));
    }
    events.extend(client.ended());
    assert!(out.ends_with(b"\n"));
    events
}

/// A netstring is found in the same place however much follows.
fn questions(bytes: &[u8]) {
    let whole = netstring(bytes);
    for cut in 0..bytes.len().min(300) {
        match (netstring(&bytes[..cut]), &whole) {
            (Ok(None), _) => {}
            (one, other) => assert_eq!(one, *other),
        }
    }
}
