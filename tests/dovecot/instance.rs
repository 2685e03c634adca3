//! One Dovecot instance: its folder, its configuration, its process.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::command::{must, run, signal};
use crate::waiting::eventually;

const START_MAX: Duration = Duration::from_secs(20);

/// The user whose mail everybody's is.
pub const MAIL_UID: u32 = 65_534;

/// A running Dovecot. Nothing stops it but the end of the namespace.
pub struct Instance {
    folder: PathBuf,
    child: Child,
}

impl Instance {
    /// Start one with all its files in `folder`, in a network namespace or in the common one.
    ///
    /// # Panics
    /// It is not there within a while.
    pub fn start(folder: &Path, listen: &str, settings: &str, namespace: Option<&str>) -> Self {
        fs::create_dir_all(folder).expect("the folder of the test is writable");
        let at = folder.display();
        let common = format!(
            "base_dir = {at}/run\nstate_dir = {at}/state\nlog_path = {at}/log\n\
             log_timestamp = \"%s.%{{usecs}} \"\nlisten = {listen}\nprotocols = imap pop3 lmtp sieve submission\nssl = no\n\
             disable_plaintext_auth = no\nfirst_valid_uid = 1\n"
        );
        fs::write(folder.join("dovecot.conf"), common + settings)
            .expect("the folder of the test is writable");
        let config = folder.join("dovecot.conf");
        let mut words = vec!["dovecot", "-F", "-c", config.to_str().expect("an ASCII path")];
        if let Some(namespace) = namespace {
            words.splice(0..0, ["ip", "netns", "exec", namespace]);
        }
        let child = Command::new(words[0])
            .args(&words[1..])
            .stdin(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot run {words:?}: {error}"));
        let instance = Instance {
            folder: folder.to_owned(),
            child,
        };
        eventually(&format!("{at} has started, see its log"), START_MAX, || {
            let started = fs::read_to_string(instance.folder.join("log")).ok()?;
            started.contains("starting up").then_some(())
        });
        instance
    }

    /// Its folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Its configuration.
    pub fn config(&self) -> String {
        self.folder.join("dovecot.conf").display().to_string()
    }

    /// Stop its login processes where they stand, and the master that would start others: it accepts connections and
    /// says nothing, while the sessions that it has go on.
    pub fn hang(&self) {
        signal("STOP", self.child.id());
        self.signal_logins("STOP");
    }

    /// Let them go on.
    pub fn go_on(&self) {
        self.signal_logins("CONT");
        signal("CONT", self.child.id());
    }

    fn signal_logins(&self, name: &str) {
        let master = self.child.id().to_string();
        let found = run(&["pgrep", "-P", &master, "-x", "imap-login"]);
        let pids = String::from_utf8_lossy(&found.stdout).into_owned();
        assert!(!pids.trim().is_empty(), "an instance has login processes");
        for pid in pids.split_whitespace() {
            signal(name, pid.parse().expect("pgrep prints numbers"));
        }
    }

    /// Run `doveadm` for it; it must succeed.
    pub fn doveadm(&self, words: &[&str]) -> String {
        let config = self.config();
        let whole: Vec<&str> = ["doveadm", "-c", &config]
            .into_iter()
            .chain(words.iter().copied())
            .collect();
        must(&whole)
    }
}
