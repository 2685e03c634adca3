//! A director: `maildirector run` with a configuration file, as an operator runs it.

use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::command::{must, run, signal};
use crate::deaths::CLOSED_WITHIN;
use crate::lookups::{HTTP_PORT, SOCKETMAP_PORT};
use crate::net::{BACKENDS, MEMBERS, backend_ip, member_ip, namespace};
use crate::own;
use crate::own_accounts;
use crate::postfix::DOMAIN;
use crate::truth::PROBE;
use crate::waiting::eventually;

/// The program under test.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_maildirector");
/// `user`: whom members become.
const USER: &str = "dovecot";
/// `lease`.
pub const LEASE: Duration = Duration::from_secs(6);
/// `director_user_expire`.
pub const USER_EXPIRE: Duration = Duration::from_secs(20);
/// Until a member that was started, or can reach the others again, serves.
const SERVES_WITHIN: Duration = Duration::from_secs(20);

/// A member of the ring.
pub struct Member {
    number: usize,
    config: String,
    log: PathBuf,
    /// The process that was started here.
    child: Option<Child>,
    /// The process that is the member since it was last upgraded.
    heir: Option<u32>,
}

/// The ring's authority and the certificates of all members, in `ring-ca` and `certs`.
pub fn issue_certificates(site: &Path) {
    let (ca, certs) = (site.join("ring-ca"), site.join("certs"));
    let (ca, certs) = (ca.to_str().expect("ASCII"), certs.to_str().expect("ASCII"));
    must(&[PROGRAM, "certs", "init", ca]);
    for member in 1..=MEMBERS {
        let member = member.to_string();
        must(&[
            PROGRAM, "certs", "issue", "--ca", ca, "--member", &member, "--to", certs,
        ]);
    }
}

/// Secrets belong to whom the members become after their start: a new process that takes over reads them as that user.
pub fn give_secrets(site: &Path) {
    let keys = (1..=MEMBERS).map(|member| site.join("certs").join(format!("member-{member}.key")));
    for secret in keys.chain([site.join("probe.password")]) {
        must(&["chown", USER, secret.to_str().expect("ASCII")]);
    }
}

impl Member {
    /// Write the configuration of the n-th member and start it.
    pub fn start_first(site: &Path, number: usize) -> Self {
        let folder = site.join(format!("d{number}"));
        fs::create_dir_all(&folder).expect("the folder of the test is writable");
        let config = folder.join("maildirector.toml");
        fs::write(&config, configuration(site, number)).expect("the folder of the test is writable");
        let config = config.to_str().expect("ASCII").to_owned();
        must(&[
            "ip",
            "netns",
            "exec",
            &namespace(number),
            PROGRAM,
            "check",
            &config,
        ]);
        let mut member = Member {
            number,
            config,
            log: folder.join("log"),
            child: None,
            heir: None,
        };
        member.start();
        member
    }

    /// Start it, once more.
    pub fn start(&mut self) {
        let log: File = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&self.log)
            .expect("the folder of the test is writable");
        let child = Command::new("ip")
            .args([
                "netns",
                "exec",
                &namespace(self.number),
                PROGRAM,
                "run",
                "-c",
                &self.config,
            ])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn();
        self.child = Some(child.expect("ip is installed"));
    }

    /// Its number.
    pub fn number(&self) -> usize {
        self.number
    }

    /// Kill it without a word.
    pub fn kill(&mut self) {
        signal("KILL", self.pid());
        let mut child = self.child.take().expect("it runs");
        if self.heir.take().is_some() {
            eventually("the process before it has ended", CLOSED_WITHIN, || {
                child.try_wait().expect("it was started here")
            });
        }
        child.wait().expect("it was started here");
    }

    /// `maildirector upgrade`; it must succeed. What it says.
    pub fn upgrade(&mut self) -> String {
        let said = must(&["timeout", "60", PROGRAM, "upgrade", "-c", &self.config]);
        let number = said.split(' ').nth(1).and_then(|word| word.parse().ok());
        self.heir = Some(number.unwrap_or_else(|| panic!("no process in: {said}")));
        said
    }

    /// SIGUSR2, where the new process finds no configuration that it could use: what the log says of it.
    pub fn upgrade_by_signal_must_fail(&self) -> String {
        signal("USR2", self.pid());
        eventually("the upgrade is given up", CLOSED_WITHIN, || {
            let log = fs::read_to_string(&self.log).ok()?;
            let is_told = |line: &&str| line.contains("WARN") && line.contains("upgrade: ");
            log.lines().find(is_told).map(str::to_owned)
        })
    }

    /// Whether the process that was started here runs.
    pub fn has_first_process(&mut self) -> bool {
        let child = self.child.as_mut().expect("it was started");
        child.try_wait().expect("it was started here").is_none()
    }

    /// Ask it to stop, and wait until it has.
    pub fn stop(&mut self) {
        signal("TERM", self.pid());
        let mut child = self.child.take().expect("it runs");
        self.heir = None;
        let what = format!("member {} has stopped on SIGTERM", self.number);
        let status = eventually(&what, Duration::from_secs(10), || {
            child.try_wait().expect("it was started here")
        });
        assert!(status.success(), "member {} stopped by {status}", self.number);
    }

    /// Stop its process where it stands.
    pub fn freeze(&self) {
        signal("STOP", self.pid());
    }

    /// Let its process go on.
    pub fn thaw(&self) {
        signal("CONT", self.pid());
    }

    /// What `maildirector status --json` tells; nothing when it does not answer.
    pub fn status(&self) -> Option<Value> {
        let output = run(&["timeout", "2", PROGRAM, "status", "-c", &self.config, "--json"]);
        serde_json::from_slice(&output.stdout).ok()
    }

    /// `serving`, `isolated`, `alone`, or nothing when it does not answer.
    pub fn standing(&self) -> Option<String> {
        Some(self.status()?["standing"].as_str()?.to_owned())
    }

    /// The members with whom a link stands, sorted.
    pub fn linked_with(&self) -> Vec<u64> {
        let status = self.status().unwrap_or_default();
        let links = status["links"].as_array().cloned().unwrap_or_default();
        let mut peers: Vec<u64> = links.iter().filter_map(|link| link["peer"].as_u64()).collect();
        peers.sort_unstable();
        peers.dedup();
        peers
    }

    /// Put its configuration in order anew: this instead of that, wherever it stands.
    pub fn rewrite(&self, that: &str, this: &str) {
        let text = fs::read_to_string(&self.config).expect("it was written here");
        assert!(text.contains(that), "the configuration has {that}");
        fs::write(&self.config, text.replace(that, this)).expect("the folder of the test is writable");
    }

    /// `maildirector reload`: its exit code, and what it says.
    pub fn reload(&self) -> (Option<i32>, String) {
        let output = run(&["timeout", "60", PROGRAM, "reload", "-c", &self.config]);
        let said = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8_lossy(&said).into_owned())
    }

    /// `maildirector drain` with these words; it must succeed. What it says.
    pub fn drain(&self, words: &[&str]) -> String {
        let whole = ["timeout", "60", PROGRAM, "drain", "-c", &self.config];
        must(&[&whole, words].concat())
    }

    /// What `maildirector who --json` tells: a session each.
    pub fn who(&self) -> Vec<Value> {
        let told = must(&["timeout", "10", PROGRAM, "who", "-c", &self.config, "--json"]);
        let session = |line| serde_json::from_str(line).expect("each line is JSON");
        told.lines().map(session).collect()
    }

    /// `maildirector kick USER`.
    pub fn kick(&self, user: &str) {
        must(&["timeout", "10", PROGRAM, "kick", "-c", &self.config, user]);
    }

    /// What `maildirector status` tells of differences from the configuration, `SUBJECT SETTING RUNNING`, sorted.
    pub fn differences(&self) -> Vec<String> {
        let status = self.status().unwrap_or_default();
        let rows = status["differences"].as_array().cloned().unwrap_or_default();
        let text = |row: &Value, key: &str| row[key].as_str().unwrap_or("?").to_owned();
        let said = |row: &Value| {
            ["subject", "setting", "running"]
                .map(|key| text(row, key))
                .join(" ")
        };
        let mut rows: Vec<String> = rows.iter().map(said).collect();
        rows.sort();
        rows
    }

    /// The users whom it holds.
    pub fn users(&self) -> u64 {
        self.status().unwrap_or_default()["users"].as_u64().unwrap_or(0)
    }

    /// Wait until it serves.
    pub fn must_serve(&self) {
        eventually(&format!("member {} serves", self.number), SERVES_WITHIN, || {
            (self.standing()? == "serving").then_some(())
        });
    }

    /// Whether its log has these words.
    pub fn has_said(&self, words: &str) -> bool {
        fs::read_to_string(&self.log).is_ok_and(|text| text.contains(words))
    }

    /// What it says of a backend: `up`, `down`, `failed`, or `failing` if only its own probes find so; nothing when it does
    /// not answer.
    pub fn shows(&self, backend: usize) -> Option<&'static str> {
        let status = self.status()?;
        let rows = status["backends"].as_array()?;
        let row = rows.iter().find(|row| row["ip"] == backend_ip(backend))?;
        let is = |key: &str| row[key].as_bool();
        Some(match (is("is_up")?, is("is_failed")?, is("fails_here")?) {
            (false, ..) => "down",
            (true, true, _) => "failed",
            (true, false, true) => "failing",
            (true, false, false) => "up",
        })
    }

    /// The end of its log.
    pub fn last_words(&self, lines: usize) -> String {
        last_lines(&self.log, lines)
    }

    fn pid(&self) -> u32 {
        let first = self.child.as_ref().expect("it runs").id();
        self.heir.unwrap_or(first)
    }
}

/// The last lines of a file; nothing when there is none.
pub fn last_lines(file: &Path, lines: usize) -> String {
    let text = fs::read_to_string(file).unwrap_or_default();
    let all: Vec<&str> = text.lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}

fn configuration(site: &Path, number: usize) -> String {
    let members: Vec<String> = (1..=MEMBERS).map(member_ip).collect();
    let backends: Vec<String> = (1..=BACKENDS).map(backend_ip).collect();
    let (members, backends) = (members.join(" "), backends.join(" "));
    let (lease, expire) = (LEASE.as_secs(), USER_EXPIRE.as_secs());
    let (folder, me) = (site, member_ip(number));
    let site = site.display();
    let certs = format!("{site}/certs");
    format!(
        "director_servers = \"{members}\"
director_mail_servers = \"{backends}\"
director_user_expire = \"{expire}s\"
director_user_kick_delay = \"1s\"
director_flush_socket = \"exec:{site}/flush/hook\"
lease = \"{lease}s\"
state_folder = \"{site}/d{number}/state\"
dovecot_base_dir = \"{site}/p{number}/run\"
user = \"{USER}\"
group = \"dovecot\"

[ring]
listen = \"{me}:9090\"
ca = \"{site}/ring-ca/ca.pem\"
certificate = \"{site}/certs/member-{number}.pem\"
key = \"{site}/certs/member-{number}.key\"

[health]
interval = \"2s\"
timeout = \"2s\"
fall = 2

[[health.check]]
protocol = \"imap\"
tls = \"starttls\"
ca = \"{site}/ring-ca/ca.pem\"
tls_name = \"member-1.mail\"
user = \"{PROBE}\"
password_file = \"{site}/probe.password\"

[[health.check]]
protocol = \"pop3\"

[[health.check]]
protocol = \"lmtp\"
recipient = \"{PROBE}\"

[[health.check]]
protocol = \"submission\"

[[health.check]]
protocol = \"sieve\"

{}",
        own_proxies(folder, &certs, number)
    )
}

/// The doors to Dovecot that are there when none is named, and proxies of its own beside it. They have the certificate of
/// the next member too, for clients that ask for its name.
fn own_proxies(site: &Path, certs: &str, number: usize) -> String {
    let (me, next) = (member_ip(number), number % MEMBERS + 1);
    let doors = ["login", "notify", "userdb", "admin"].map(|kind| {
        let path = match kind {
            "login" => "login/director",
            "notify" => "login/proxy-notify",
            "userdb" => "director-userdb",
            _ => "director-admin",
        };
        format!("[[listener]]\nkind = \"{kind}\"\npath = \"{path}\"\n\n")
    });
    let proxies = own::PROXIES.map(|(protocol, port, tls)| {
        let login = if protocol == "lmtp" {
            ""
        } else {
            "cleartext = true\n"
        };
        format!(
            "[[proxy]]
protocol = \"{protocol}\"
address = \"{me}:{port}\"
tls = \"{tls}\"
certificate = \"{certs}/member-{number}.pem {certs}/member-{next}.pem\"
key = \"{certs}/member-{number}.key {certs}/member-{next}.key\"
{login}backend_tls = \"starttls\"
backend_ca = \"{certs}/../ring-ca/ca.pem\"
backend_tls_name = \"member-1.mail\"

"
        )
    });
    let lookups = format!(
        "[[listener]]
kind = \"http\"
address = \"{me}:{HTTP_PORT}\"

[[listener]]
kind = \"socketmap\"
address = \"{me}:{SOCKETMAP_PORT}\"
domains = \"{DOMAIN}\"

"
    );
    doors.concat() + &lookups + &proxies.concat() + &own_accounts::proxies(site, number)
}
