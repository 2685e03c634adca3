//! Real clients: swaks for LMTP, curl for IMAP, poplib for POP3, mbsync for whole mailboxes.

use std::fs;
use std::path::Path;

use crate::backend::PASSWORD;
use crate::command::{must, run};
use crate::net::member_ip;

const READ_POP3: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/dovecot/read_pop3.py");

const PUT_SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/dovecot/put_script.py");

/// Deliver a mail by LMTP.
pub fn deliver(member: usize, user: &str, body: &str) {
    deliver_at(member, 24, user, body);
}

/// Deliver a mail by LMTP at this port.
pub fn deliver_at(member: usize, port: u16, user: &str, body: &str) {
    let server = member_ip(member);
    let port = port.to_string();
    let words = [
        "swaks",
        "--silent",
        "2",
        "--server",
        &server,
        "--port",
        &port,
        "--protocol",
        "LMTP",
    ];
    let mail = [
        "--from",
        "sender@example.com",
        "--to",
        user,
        "--header",
        "Subject: test",
        "--body",
        body,
    ];
    must(&[&words[..], &mail[..]].concat());
}

/// The text of the newest mail in INBOX, by IMAP.
pub fn read_imap(member: usize, user: &str) -> String {
    let (url, login) = (
        format!("imap://{}/INBOX;MAILINDEX=*", member_ip(member)),
        format!("{user}:{PASSWORD}"),
    );
    must(&[
        "curl",
        "--silent",
        "--show-error",
        "--max-time",
        "20",
        "--user",
        &login,
        &url,
    ])
}

/// Whether a login by IMAP succeeds.
pub fn can_log_in(member: usize, user: &str) -> bool {
    let (url, login) = (
        format!("imap://{}/", member_ip(member)),
        format!("{user}:{PASSWORD}"),
    );
    let output = run(&[
        "curl",
        "--silent",
        "--max-time",
        "5",
        "--user",
        &login,
        &url,
        "-X",
        "NOOP",
    ]);
    output.status.success()
}

/// The newest mail, by POP3.
pub fn read_pop3(member: usize, user: &str) -> String {
    must(&["python3", READ_POP3, &member_ip(member), user, PASSWORD])
}

/// Puts a script on the server by ManageSieve; the names of all scripts there.
pub fn put_script(member: usize, user: &str, name: &str) -> String {
    must(&["python3", PUT_SCRIPT, &member_ip(member), user, PASSWORD, name])
}

/// Logs in to the submission service.
pub fn log_in_to_submit(member: usize, user: &str) {
    let server = member_ip(member);
    let words = [
        "swaks",
        "--silent",
        "2",
        "--server",
        &server,
        "--port",
        "587",
        "--auth",
        "PLAIN",
        "--auth-user",
        user,
        "--auth-password",
        PASSWORD,
        "--quit-after",
        "AUTH",
    ];
    must(&words);
}

/// TLS as mbsync is told to use it.
#[derive(Clone, Copy)]
pub enum Tls {
    /// None.
    No,
    /// After STARTTLS.
    Starttls,
    /// From the first byte.
    Implicit,
}

/// All mails of INBOX, fetched by mbsync into a folder of its own.
pub fn fetch_all(member: usize, user: &str, site: &Path) -> Vec<String> {
    fetch_all_at(member, 143, Tls::No, user, site)
}

/// All mails of INBOX, fetched by mbsync at this port into a folder of its own.
pub fn fetch_all_at(member: usize, port: u16, tls: Tls, user: &str, site: &Path) -> Vec<String> {
    let folder = site.join(format!("mbsync-{member}-{port}-{user}"));
    fs::create_dir_all(folder.join("mail")).expect("the folder of the test is writable");
    let (at, host, certs) = (folder.display(), member_ip(member), site.join("certs"));
    let tls = match tls {
        Tls::No => "SSLType None".to_owned(),
        // It is trusted itself, since its name is not the address.
        with @ (Tls::Starttls | Tls::Implicit) => {
            let kind = if matches!(with, Tls::Starttls) {
                "STARTTLS"
            } else {
                "IMAPS"
            };
            let certificate = certs.join(format!("member-{member}.pem"));
            format!("SSLType {kind}\nCertificateFile {}", certificate.display())
        }
    };
    let settings = format!(
        "IMAPAccount far\nHost {host}\nPort {port}\nUser {user}\nPass {PASSWORD}\n{tls}\nAuthMechs LOGIN\n\n\
         IMAPStore far\nAccount far\n\n\
         MaildirStore near\nInbox {at}/mail/INBOX\nPath {at}/mail/\n\n\
         Channel all\nFar :far:\nNear :near:\nPatterns INBOX\nCreate Near\nSync Pull\nSyncState *\n"
    );
    let file = folder.join("mbsyncrc");
    fs::write(&file, settings).expect("the folder of the test is writable");
    must(&["mbsync", "-c", file.to_str().expect("ASCII"), "all"]);
    let mut mails = Vec::new();
    for part in ["new", "cur"] {
        let listed = fs::read_dir(folder.join("mail/INBOX").join(part));
        for mail in listed.expect("mbsync made the mailbox") {
            let mail = mail.expect("the folder is readable");
            mails.push(fs::read_to_string(mail.path()).expect("the mail is ASCII"));
        }
    }
    mails
}
