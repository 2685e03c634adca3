//! What else asks a director where a user is: LMTP for each recipient, ManageSieve and Submission for each login, and
//! `doveadm` on a proxy's machine.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::Once;
use std::thread;

use crate::backend::RELAY_PORT;
use crate::clients::{deliver, log_in_to_submit, put_script, read_imap};
use crate::command::run;
use crate::doveadm::{computed_places, director};
use crate::net::{BACKENDS, backend_ip};
use crate::proxy::fixed_user;
use crate::site::Site;

/// Somebody for each backend, none of them of the crowd.
pub fn one_for_each_backend(prefix: &str) -> Vec<(String, usize)> {
    let names: Vec<String> = (0..60).map(|number| format!("{prefix}{number}")).collect();
    some_for_each_backend(&names)
}

/// One of these for each backend; they have to be many.
pub fn some_for_each_backend(names: &[String]) -> Vec<(String, usize)> {
    let places = computed_places(names);
    let at = |backend| places.iter().find(|(_, place)| **place == backend);
    (1..=BACKENDS)
        .map(|backend| {
            let (user, _) = at(backend).expect("many users are spread over three backends");
            (user.clone(), backend)
        })
        .collect()
}

/// The backends in whose logs such a line is.
pub fn backends_whose_logs(site: &Path, have: impl Fn(&str) -> bool) -> BTreeSet<usize> {
    let has_one = |backend: &usize| {
        let log = fs::read_to_string(site.join(format!("b{backend}/log"))).expect("it writes a log");
        log.lines().any(&have)
    };
    (1..=BACKENDS).filter(has_one).collect()
}

/// The backends in whose logs a line names the user and says this.
fn backends_that_say(site: &Path, user: &str, what: &str) -> BTreeSet<usize> {
    let who = format!("({user})");
    backends_whose_logs(site, |line| line.contains(&who) && line.contains(what))
}

pub fn one_mail_for_users_of_all_backends_reaches_each_at_his_own(site: &mut Site) {
    let users = one_for_each_backend("letter");
    let recipients: Vec<&str> = users.iter().map(|(user, _)| user.as_str()).collect();
    deliver(2, &recipients.join(","), "one for all");
    for (user, backend) in &users {
        assert!(read_imap(3, user).contains("one for all"), "the mail of {user}");
        let there = backends_that_say(&site.folder, user, "saved mail to INBOX");
        assert_eq!(there, BTreeSet::from([*backend]), "who delivered to {user}");
    }
}

/// A mail server to relay to: a submission service connects to it at each login. It ends with the test, and is there once.
pub fn open_relay_server() {
    static OPENED: Once = Once::new();
    OPENED.call_once(serve_relay);
}

fn serve_relay() {
    let listener = TcpListener::bind(("127.0.0.1", RELAY_PORT)).expect("the port is free");
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            thread::spawn(move || greet(client));
        }
    });
}

/// Greets and says yes to everything; whoever leaves in between is no fault.
fn greet(mut client: TcpStream) -> io::Result<()> {
    client.write_all(b"220 relay\r\n")?;
    for line in BufReader::new(client.try_clone()?).lines() {
        line?;
        client.write_all(b"250 yes\r\n")?;
    }
    Ok(())
}

pub fn sieve_and_submission_go_to_each_users_own_backend(site: &mut Site) {
    open_relay_server();
    for (user, backend) in &one_for_each_backend("writer") {
        let scripts = put_script(1, user, "filter");
        assert!(scripts.contains("\"filter\""), "{user} has {scripts}");
        assert!(
            put_script(2, user, "other").contains("\"filter\""),
            "through another proxy"
        );
        log_in_to_submit(3, user);
        for service in ["managesieve-login", "submission-login"] {
            let there = backends_whose_logs(&site.folder, |line| {
                line.contains(&format!("{service}: Info: Login: user=<{user}>"))
            });
            assert_eq!(there, BTreeSet::from([*backend]), "{service} of {user}");
        }
    }
}

pub fn doveadm_on_a_proxy_reaches_each_user_at_his_own_backend(site: &mut Site) {
    let users = one_for_each_backend("clerk");
    for (user, backend) in &users {
        site.proxy(1)
            .doveadm(&["mailbox", "create", "-u", user, "Office"]);
        let listed = site.proxy(2).doveadm(&["mailbox", "list", "-u", user]);
        assert!(
            listed.lines().any(|mailbox| mailbox == "Office"),
            "{user} has {listed}"
        );
        let there = backends_that_say(&site.folder, user, "Mailbox created: Office");
        assert_eq!(there, BTreeSet::from([*backend]), "where {user} was served");
    }
    // It counts as a login: a moved user's commands go where he was moved.
    let (mover, from) = &users[0];
    let to = from % BACKENDS + 1;
    director(site.proxy(3), &["move", mover, &backend_ip(to)]);
    site.proxy(1)
        .doveadm(&["mailbox", "create", "-u", mover, "Moved"]);
    let there = backends_that_say(&site.folder, mover, "Mailbox created: Moved");
    assert_eq!(there, BTreeSet::from([to]));

    // The stock proxy sends -F on, so the backends look for the file in each user's home.
    let list = site.folder.join("clerks");
    std::fs::write(&list, format!("{mover}\n")).expect("the folder of the test is writable");
    let config = site.proxy(1).config();
    let words = [
        "doveadm",
        "-c",
        &config,
        "mailbox",
        "create",
        "-F",
        &list.display().to_string(),
        "Listed",
    ];
    assert!(
        !run(&words).status.success(),
        "-F works on a proxy: tell so in docs/DOVECOT.md"
    );

    // Whoever the proxy's userdb can list; the passdb names their hosts.
    site.proxy(2).doveadm(&["mailbox", "create", "-A", "Everybody"]);
    for backend in 1..=BACKENDS {
        let there = backends_that_say(&site.folder, &fixed_user(backend), "Mailbox created: Everybody");
        assert_eq!(there, BTreeSet::from([backend]));
    }
}
