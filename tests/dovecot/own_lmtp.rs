//! Mail servers deliver at the directors' own proxies, and each user gets his mail at his own backend, once.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::changes::another;
use crate::clients::deliver_at;
use crate::command::must;
use crate::companions::one_for_each_backend;
use crate::doveadm::director;
use crate::net::{BACKENDS, backend_ip, cut_backend, member_ip, mend_backend};
use crate::own::LMTP_PORT;
use crate::site::Site;

const DELIVERS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/dovecot/own_lmtp.py");

/// How many mails each backend has put into the user's INBOX.
pub fn saved(site: &Path, user: &str) -> BTreeMap<usize, usize> {
    let who = format!("({user})");
    let count = |backend: usize| {
        let log = fs::read_to_string(site.join(format!("b{backend}/log"))).expect("it writes a log");
        let is_saved = |line: &&str| line.contains(&who) && line.contains("saved mail to INBOX");
        (backend, log.lines().filter(is_saved).count())
    };
    (1..=BACKENDS)
        .map(count)
        .filter(|(_, count)| *count > 0)
        .collect()
}

/// The user's mails as they are stored.
fn mails(site: &Path, user: &str) -> Vec<PathBuf> {
    let listed = fs::read_dir(site.join("mail").join(user).join("new")).expect("he has a mailbox");
    let paths = listed.map(|mail| mail.expect("the folder is readable").path());
    paths.collect()
}

/// A message with lines that begin with dots.
fn message(lines: usize) -> String {
    let lines = (0..lines).map(|number| match number % 3 {
        0 => format!(".{number} {}\r\n", "x".repeat(70)),
        1 => ".\r\n".to_owned(),
        _ => format!("{number}.\r\n"),
    });
    "Subject: own\r\n\r\n".to_owned() + &lines.collect::<String>()
}

/// The command that sends such a message.
fn sending(site: &Site, member: usize, how: &str, text: &str, recipients: &[&str]) -> Vec<String> {
    let file = site.folder.join("own-lmtp.eml");
    fs::write(&file, text).expect("the folder of the test is writable");
    let ca = site.folder.join("ring-ca/ca.pem");
    let (file, ca) = (file.to_str().expect("ASCII"), ca.to_str().expect("ASCII"));
    let server = member_ip(member);
    let words = ["python3", DELIVERS, &server, ca, how, file];
    let words = words.iter().chain(recipients);
    words.map(|word| (*word).to_owned()).collect()
}

/// What was said to each recipient at last.
fn send(site: &Site, member: usize, how: &str, text: &str, recipients: &[&str]) -> BTreeMap<String, String> {
    let words = sending(site, member, how, text, recipients);
    answers(&must(&words.iter().map(String::as_str).collect::<Vec<_>>()))
}

fn answers(told: &str) -> BTreeMap<String, String> {
    let split = |line: &str| {
        let (recipient, said) = line.split_once(' ').expect("a recipient and a reply");
        (recipient.to_owned(), said.to_owned())
    };
    told.lines().map(split).collect()
}

/// Sends a message by halves, with something done in between; what was said to each recipient at last.
fn send_by_halves(
    site: &Site,
    member: usize,
    recipients: &[&str],
    between: impl FnOnce(),
) -> BTreeMap<String, String> {
    let words = sending(site, member, "halves", &message(3), recipients);
    let mut child = Command::new(&words[0])
        .args(&words[1..])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3 is installed");
    let mut told = BufReader::new(child.stdout.take().expect("it is a pipe"));
    let mut line = String::new();
    told.read_line(&mut line).expect("it is a pipe");
    assert_eq!(line, "half\n", "the message was not begun, see above");
    between();
    let mut input = child.stdin.take().expect("it is a pipe");
    writeln!(input, "on").expect("it waits for this");
    let mut rest = String::new();
    told.read_to_string(&mut rest).expect("it writes ASCII");
    assert!(child.wait().expect("it was started here").success());
    answers(&rest)
}

pub fn own_lmtp_brings_one_mail_to_each_user_at_his_own_backend_once(site: &mut Site) {
    let users = one_for_each_backend("ownletter");
    let recipients: Vec<&str> = users.iter().map(|(user, _)| user.as_str()).collect();
    deliver_at(2, LMTP_PORT, &recipients.join(","), "one for all");
    for (user, backend) in &users {
        assert_eq!(
            saved(&site.folder, user),
            BTreeMap::from([(*backend, 1)]),
            "{user}"
        );
        let mails = mails(&site.folder, user);
        let text = fs::read_to_string(&mails[0]).expect("the mail is ASCII");
        assert!(text.contains("one for all"), "the mail of {user} is {text}");
        assert_eq!(mails.len(), 1, "{user}");
    }
}

pub fn own_lmtp_brings_large_messages_whole_by_data_and_by_chunks(site: &mut Site) {
    let text = message(740_000);
    assert!(text.len() > 20_000_000, "{} bytes", text.len());
    let stored = text.replace("\r\n", "\n");
    for (member, how) in [(1, "data"), (3, "bdat")] {
        let users = one_for_each_backend(&format!("ownlarge{how}"));
        let recipients: Vec<&str> = users.iter().map(|(user, _)| user.as_str()).collect();
        let told = send(site, member, how, &text, &recipients);
        for (user, backend) in &users {
            assert!(told[user].starts_with("250 2.0.0 "), "{user}: {}", told[user]);
            assert_eq!(
                saved(&site.folder, user),
                BTreeMap::from([(*backend, 1)]),
                "{user}"
            );
            let mail = fs::read_to_string(&mails(&site.folder, user)[0]).expect("the mail is ASCII");
            assert!(
                mail.ends_with(&stored),
                "the mail of {user} by {how} is another one"
            );
        }
    }
}

pub fn own_lmtp_gives_each_recipient_the_words_of_his_own_backend(site: &mut Site) {
    let users = one_for_each_backend("ownwords");
    let (detailed, backend) = (format!("{}+lists", users[0].0), users[0].1);
    let told = send(
        site,
        2,
        "data",
        &message(3),
        &[&detailed, "own!unknown", &users[1].0],
    );
    assert!(told[&detailed].starts_with("250 2.0.0 "), "{told:?}");
    assert!(told[&users[1].0].starts_with("250 2.0.0 "), "{told:?}");
    let refused = &told["own!unknown"];
    assert_eq!(
        refused, "550 5.1.1 <own!unknown> User doesn't exist: own!unknown",
        "these are Dovecot's words"
    );
    assert_eq!(
        saved(&site.folder, &users[0].0),
        BTreeMap::from([(backend, 1)]),
        "the user without his detail"
    );
}

pub fn own_lmtp_has_mail_for_a_user_who_is_moved_meanwhile_tried_again_and_no_other(site: &mut Site) {
    site.must_be_calm();
    let users = one_for_each_backend("ownmoved");
    let recipients: Vec<&str> = users.iter().map(|(user, _)| user.as_str()).collect();
    let (mover, from) = &users[2];
    let to = another(*from);
    let told = send_by_halves(site, 3, &recipients, || {
        director(site.proxy(1), &["move", mover, &backend_ip(to)]);
    });
    assert_eq!(
        told[mover],
        format!("451 4.3.0 <{mover}> The account is being moved, please try again.")
    );
    for (user, backend) in &users[..2] {
        assert!(told[user].starts_with("250 2.0.0 "), "{told:?}");
        assert_eq!(
            saved(&site.folder, user),
            BTreeMap::from([(*backend, 1)]),
            "{user}"
        );
    }
    assert_eq!(saved(&site.folder, mover), BTreeMap::new());
    let told = send(site, 3, "data", &message(3), &[mover]);
    assert!(told[mover].starts_with("250 2.0.0 "), "{told:?}");
    assert_eq!(saved(&site.folder, mover), BTreeMap::from([(to, 1)]));
    assert_eq!(mails(&site.folder, mover).len(), 1, "{mover}");
}

pub fn own_lmtp_has_mail_for_a_backend_out_of_reach_tried_again_and_no_other(site: &mut Site) {
    site.must_be_calm();
    let users = one_for_each_backend("owncut");
    let recipients: Vec<&str> = users.iter().map(|(user, _)| user.as_str()).collect();
    let (cut_off, backend) = &users[0];
    cut_backend(*backend, 1);
    let told = send(site, 1, "data", &message(3), &recipients);
    mend_backend(*backend, 1);
    assert_eq!(
        told[cut_off],
        format!("451 4.4.1 <{cut_off}> The mail server is not available, please try again.")
    );
    for (user, backend) in &users[1..] {
        assert!(told[user].starts_with("250 2.0.0 "), "{told:?}");
        assert_eq!(
            saved(&site.folder, user),
            BTreeMap::from([(*backend, 1)]),
            "{user}"
        );
    }
    assert_eq!(saved(&site.folder, cut_off), BTreeMap::new());
    let told = send(site, 1, "bdat", &message(3), &[cut_off]);
    assert!(told[cut_off].starts_with("250 2.0.0 "), "{told:?}");
    assert_eq!(saved(&site.folder, cut_off), BTreeMap::from([(*backend, 1)]));
    site.must_be_calm();
}
