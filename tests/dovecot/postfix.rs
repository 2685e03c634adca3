//! Postfix with a queue of its own: a mail server that delivers at a director's own LMTP proxy, and tries again.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::command::must;
use crate::net::member_ip;
use crate::own::LMTP_PORT;
use crate::waiting::eventually;

const MASTER: &str = "/usr/lib/postfix/sbin/master";

/// What it knows of its users: their domain. All are sent to the director.
pub const DOMAIN: &str = "mail.example";

/// Nothing is listened to but what its own programs need.
const SERVICES: &str = "\
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
proxymap unix - - n - - proxymap
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
lmtp unix - - n - - lmtp
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
";

/// A running Postfix, until it is dropped.
pub struct Postfix {
    folder: PathBuf,
    master: Child,
}

impl Postfix {
    /// Start one that delivers at the n-th member, whose certificate it verifies.
    pub fn start(site: &Path, member: usize) -> Self {
        let (ca, proxy) = (site.join("ring-ca/ca.pem"), member_ip(member));
        let route = format!(
            "virtual_transport = lmtp:inet:{proxy}:{LMTP_PORT}
lmtp_tls_security_level = secure
lmtp_tls_CAfile = {}
lmtp_tls_secure_cert_match = member-{member}.mail
",
            ca.display()
        );
        Self::start_with(site, &format!("postfix-{member}"), &route)
    }

    /// Start one with these settings, which say where mail goes.
    pub fn start_with(site: &Path, name: &str, route: &str) -> Self {
        let folder = site.join(name);
        let config = folder.join("etc");
        for part in ["etc", "queue", "data"] {
            fs::create_dir_all(folder.join(part)).expect("the folder of the test is writable");
        }
        fs::write(config.join("main.cf"), settings(&folder) + route)
            .expect("the folder of the test is writable");
        fs::write(config.join("master.cf"), SERVICES).expect("the folder of the test is writable");
        let data = folder.join("data");
        must(&["chown", "postfix:", data.to_str().expect("ASCII")]);
        let config = config.to_str().expect("ASCII");
        // It makes the folders of the queue.
        must(&["postfix", "-c", config, "check"]);
        let master = Command::new(MASTER)
            .args(["-c", config])
            .stdin(Stdio::null())
            .spawn()
            .expect("postfix is installed");
        let postfix = Postfix { folder, master };
        eventually(
            "postfix has started, see its log",
            Duration::from_secs(10),
            || postfix.log().contains("daemon started").then_some(()),
        );
        postfix
    }

    /// Hands over a mail, as a program on its machine does.
    pub fn send(&self, recipients: &[&str], text: &str) {
        let mut child = Command::new("sendmail")
            .args(["-C", &self.config(), "-i", "-f", "sender@mail.example"])
            .args(recipients)
            .stdin(Stdio::piped())
            .spawn()
            .expect("postfix is installed");
        let mut input = child.stdin.take().expect("it is a pipe");
        let mail = format!("Subject: by Postfix\n\n{text}\n");
        input.write_all(mail.as_bytes()).expect("it reads its mail");
        drop(input);
        assert!(child.wait().expect("it was started here").success());
    }

    /// Who waits in its queue for which mail that could not be delivered, and why: addresses and reasons.
    pub fn deferred(&self) -> Vec<(String, String)> {
        let told = must(&["postqueue", "-c", &self.config(), "-j"]);
        let mail = |line| serde_json::from_str::<Value>(line).expect("each line is JSON");
        let mails: Vec<Value> = told.lines().map(mail).collect();
        let text = |of: &Value, key: &str| of[key].as_str().unwrap_or_default().to_owned();
        let recipients = mails.iter().flat_map(|mail| {
            let listed = mail["recipients"].as_array().expect("each mail has recipients");
            listed
                .iter()
                .map(|one| (text(one, "address"), text(one, "delay_reason")))
        });
        recipients.collect()
    }

    /// Has it try everything again now.
    pub fn try_again(&self) {
        must(&["postqueue", "-c", &self.config(), "-f"]);
    }

    /// What it has written.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    fn config(&self) -> String {
        self.folder.join("etc").display().to_string()
    }
}

impl Drop for Postfix {
    fn drop(&mut self) {
        // Its other processes end when they have lost it. It may have ended by itself.
        let _ = self.master.kill();
        let _ = self.master.wait();
    }
}

fn settings(folder: &Path) -> String {
    let at = folder.display();
    format!(
        "compatibility_level = 3.6
queue_directory = {at}/queue
data_directory = {at}/data
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
mail_owner = postfix
setgid_group = postdrop
maillog_file = {at}/log
maillog_file_prefixes = {at}
myhostname = mx.example
inet_interfaces = loopback-only
inet_protocols = ipv4
mydestination =
alias_maps =
alias_database =
local_recipient_maps =
virtual_mailbox_domains = {DOMAIN}
"
    )
}
