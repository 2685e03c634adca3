//! A ring of real processes that grows and shrinks by the stock `doveadm` while users log in: nobody is ever sent to two
//! backends, and who was added is known after restarts with files that do not name him.

#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "it waits for processes of the real world"
)]

use std::fs::{self, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use super::doveadm::{EXIT_NOT_FOUND, doveadm};

const PROGRAM: &str = env!("CARGO_BIN_EXE_maildirector");
/// Until something is so that takes a lease and a few rounds.
const PATIENCE: Duration = Duration::from_secs(60);
const USERS: usize = 60;
/// Who was moved, and so is where the hash does not send him.
const MOVED: &str = "user7";

/// The files of all directors, and their network on the loopback interface.
struct Yard {
    folder: PathBuf,
    doveadm: PathBuf,
    network: String,
}

/// A director's process.
struct Process<'a> {
    yard: &'a Yard,
    number: usize,
    child: Option<Child>,
}

impl Yard {
    fn new(doveadm: PathBuf) -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("admin").join("grown");
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).expect("the target folder can be written");
        let network = format!("127.91.{}", std::process::id() % 250 + 1);
        let yard = Yard {
            folder,
            doveadm,
            network,
        };
        let (ca, certs) = (yard.file("ca"), yard.file("certs"));
        yard.must(&["certs", "init", &ca]);
        for member in ["1", "2", "3", "4"] {
            yard.must(&["certs", "issue", "--ca", &ca, "--member", member, "--to", &certs]);
        }
        yard
    }

    fn file(&self, name: &str) -> String {
        self.folder.join(name).display().to_string()
    }

    fn ip(&self, number: usize) -> String {
        format!("{}.{number}", self.network)
    }

    fn must(&self, arguments: &[&str]) -> String {
        let done = Command::new(PROGRAM)
            .args(arguments)
            .output()
            .expect("the binary runs");
        assert!(done.status.success(), "{arguments:?}: {done:?}");
        String::from_utf8_lossy(&done.stdout).into_owned()
    }

    /// Writes a director's file, with these lines for who is in the ring.
    fn configure(&self, number: usize, members: &str) {
        let base = self.folder.join(format!("d{number}"));
        fs::create_dir_all(&base).expect("the folder is ours");
        let (base, folder, me) = (base.display(), self.folder.display(), self.ip(number));
        let text = format!(
            "{members}
director_mail_servers = \"10.2.0.10 10.2.0.11 10.2.0.12\"
lease = \"4s\"
kick = \"none\"
state_folder = \"{base}/state\"

[ring]
listen = \"{me}:9090\"
ca = \"{folder}/ca/ca.pem\"
certificate = \"{folder}/certs/member-{number}.pem\"
key = \"{folder}/certs/member-{number}.key\"

[[listener]]
kind = \"authreply\"
path = \"{base}/authreply\"

[[listener]]
kind = \"admin\"
path = \"{base}/director-admin\"
"
        );
        fs::write(self.file(&format!("d{number}/maildirector.toml")), text).expect("the folder is ours");
    }

    fn listed(&self, numbers: &[usize]) -> String {
        let ips: Vec<String> = numbers.iter().map(|number| self.ip(*number)).collect();
        format!("director_servers = \"{}\"", ips.join(" "))
    }

    fn start(&self, number: usize) -> Process<'_> {
        let mut process = Process {
            yard: self,
            number,
            child: None,
        };
        process.start();
        process
    }
}

impl Process<'_> {
    fn start(&mut self) {
        let log = OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.path("log"));
        let child = Command::new(PROGRAM)
            .args(["run", "-c", &self.path("maildirector.toml")])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log.expect("the folder is ours"))
            .spawn();
        self.child = Some(child.expect("the binary runs"));
    }

    fn kill(&mut self) {
        let mut child = self.child.take().expect("it runs");
        child.kill().expect("it runs");
        child.wait().expect("it was started here");
    }

    fn path(&self, name: &str) -> String {
        self.yard.file(&format!("d{}/{name}", self.number))
    }

    fn ip(&self) -> String {
        self.yard.ip(self.number)
    }

    fn ask(&self, command: &str, more: &[&str]) -> Output {
        let mut asking = Command::new(PROGRAM);
        asking
            .args([command, "-c", &self.path("maildirector.toml")])
            .args(more);
        asking.output().expect("the binary runs")
    }

    fn status(&self) -> Option<serde_json::Value> {
        serde_json::from_slice(&self.ask("status", &["--json"]).stdout).ok()
    }

    fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    /// Waits until something holds of what `maildirector status` tells.
    fn eventually(&self, what: &str, holds: impl Fn(&serde_json::Value) -> bool) {
        let end = Instant::now() + PATIENCE;
        while !self.status().is_some_and(|status| holds(&status)) {
            assert!(
                Instant::now() < end,
                "director {} still not: {what}\n{:?}\n{}",
                self.number,
                self.status(),
                self.log()
            );
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    fn must_serve(&self) {
        self.eventually("it serves", |status| status["standing"] == "serving");
    }

    /// Waits until these are the voters.
    fn must_know_voters(&self, numbers: &[u64]) {
        self.eventually(&format!("the voters are {numbers:?}"), |status| {
            let members = status["members"].as_array().cloned().unwrap_or_default();
            let voters = members.iter().filter(|member| member["votes"] == true);
            let voters: Vec<u64> = voters.filter_map(|member| member["id"].as_u64()).collect();
            voters == numbers
        });
    }

    fn links(&self) -> Vec<u64> {
        let status = self.status().unwrap_or_default();
        let links = status["links"].as_array().cloned().unwrap_or_default();
        links.iter().filter_map(|link| link["peer"].as_u64()).collect()
    }

    /// What `status` tells of differences from the file.
    fn differences(&self) -> Vec<String> {
        let status = self.status().unwrap_or_default();
        let rows = status["differences"].as_array().cloned().unwrap_or_default();
        let say = |row: &serde_json::Value| format!("{} {}", row["subject"], row["running"]).replace('"', "");
        rows.iter().map(say).collect()
    }

    /// `doveadm director` with these words at this director: exit code and what was said.
    fn doveadm(&self, words: &[&str]) -> (i32, String) {
        let configuration = self.path("dovecot.conf");
        fs::write(&configuration, "ssl = no\nlog_path = /dev/stderr\n").expect("the folder is ours");
        let socket = self.path("director-admin");
        let commands = if words[0] == "ring" { 2 } else { 1 };
        let mut director = Command::new(&self.yard.doveadm);
        director.args(["-c", &configuration, "director"]);
        director.args(&words[..commands]).args(["-a", &socket]);
        let done = director
            .args(&words[commands..])
            .output()
            .expect("the binary runs");
        let said = [done.stdout, done.stderr].concat();
        (
            done.status.code().unwrap_or(-1),
            String::from_utf8_lossy(&said).into_owned(),
        )
    }

    fn doveadm_must(&self, words: &[&str]) {
        assert_eq!(
            self.doveadm(words),
            (0, String::new()),
            "{words:?}\n{}",
            self.log()
        );
    }

    /// The addresses of `ring status`.
    fn ring_status(&self) -> Vec<String> {
        let (code, said) = self.doveadm(&["ring", "status"]);
        assert_eq!(code, 0, "{said}");
        let rows = said.lines().skip(1);
        let mut ips: Vec<String> = rows
            .filter_map(|row| row.split_whitespace().next())
            .map(str::to_owned)
            .collect();
        ips.dedup();
        ips
    }

    /// Where this director sends every user; nothing for who is not let in.
    fn logins(&self) -> Vec<Option<String>> {
        let mut door = UnixStream::connect(self.path("authreply")).expect("the door is open");
        door.set_read_timeout(Some(PATIENCE)).expect("it is a socket");
        let mut said = "VERSION\tdirector-authreply-client\t1\t0\n".to_owned();
        for number in 0..USERS {
            said += &format!("OK\t{number}\tuser=user{number}\tproxy\n");
        }
        door.write_all(said.as_bytes()).expect("the door reads");
        let (mut heard, mut bytes) = (String::new(), [0; 4096]);
        while heard.lines().count() < USERS + 1 || !heard.ends_with('\n') {
            let count = door.read(&mut bytes).expect("it answers in time");
            assert_ne!(count, 0, "closed after {heard}");
            heard += &String::from_utf8_lossy(&bytes[..count]);
        }
        let mut places = vec![None; USERS];
        for line in heard.lines().skip(1) {
            let mut fields = line.split('\t').skip(1);
            let number: usize = fields.next().and_then(|id| id.parse().ok()).expect("an answer");
            places[number] = fields.find_map(|field| field.strip_prefix("host=").map(str::to_owned));
        }
        places
    }
}

impl Drop for Process<'_> {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

#[test]
fn a_ring_grows_and_shrinks_without_a_restart_and_splits_nobody() {
    let Some(doveadm) = doveadm() else {
        eprintln!("skipped: there is no doveadm of Dovecot 2.3");
        return;
    };
    let yard = Yard::new(doveadm);
    for number in 1..=3 {
        yard.configure(number, &yard.listed(&[1, 2, 3]));
    }
    let [mut one, two, mut three] = [1, 2, 3].map(|number| yard.start(number));
    for director in [&one, &two, &three] {
        director.must_serve();
    }
    let before = one.logins();
    let elsewhere = ["10.2.0.10", "10.2.0.11"].into_iter();
    let mut elsewhere = elsewhere.filter(|ip| before[7].as_deref() != Some(*ip));
    one.doveadm_must(&["move", MOVED, elsewhere.next().expect("there are two")]);
    let places = one.logins();
    assert!(
        places.iter().all(Option::is_some) && places[7] != before[7],
        "{places:?}"
    );
    let must_agree = |directors: &[&Process<'_>]| {
        for director in directors {
            assert_eq!(director.logins(), places, "director {}", director.number);
        }
    };

    // A fourth joins.
    let (first, second, fourth) = (one.ip(), two.ip(), yard.ip(4));
    two.doveadm_must(&["ring", "add", &fourth]);
    two.doveadm_must(&["ring", "add", &fourth, "9090"]);
    assert_eq!(two.ring_status().last(), Some(&fourth));
    yard.configure(4, &yard.listed(&[1, 2, 3, 4]));
    let four = yard.start(4);
    four.must_serve();
    one.must_know_voters(&[1, 2, 3, 4]);
    assert_eq!(one.differences(), ["member 4 there"]);
    must_agree(&[&one, &two, &three, &four]);

    // One of the old ones leaves.
    one.doveadm_must(&["ring", "remove", &second]);
    let (code, said) = one.doveadm(&["ring", "remove", &second]);
    assert_eq!((code, &*said), (EXIT_NOT_FOUND, "Error: Not found\n"));
    two.eventually("it is isolated and has no links", |status| {
        status["standing"] == "isolated" && status["links"].as_array().is_some_and(Vec::is_empty)
    });
    assert!(
        two.log().contains("an admin has removed this member"),
        "{}",
        two.log()
    );
    assert_eq!(two.logins(), vec![None; USERS]);
    must_agree(&[&one, &three, &four]);

    // An old one that is started again with its old file knows who came and who went, and makes a majority with the
    // one that its file does not name.
    three.kill();
    three.start();
    three.must_serve();
    one.kill();
    std::thread::sleep(Duration::from_secs(6));
    three.must_serve();
    four.must_serve();
    assert_eq!(three.links(), [4, 4]);
    must_agree(&[&three, &four]);
    one.start();
    one.must_serve();

    // The file is brought up to what the ring is, without a restart.
    let member = |number: usize| format!("[[member]]\nid = {number}\naddress = \"{}\"\n", yard.ip(number));
    let wanted = [1, 3, 4].map(member).concat();
    let config = fs::read_to_string(one.path("maildirector.toml")).expect("it was written here");
    let listed = yard.listed(&[1, 2, 3]);
    let config = config.replace(&listed, "") + &wanted;
    fs::write(one.path("maildirector.toml"), config).expect("the folder is ours");
    let reloaded = one.ask("reload", &[]);
    assert!(reloaded.status.success(), "{reloaded:?}");
    one.eventually("nothing differs", |status| {
        status["differences"] == serde_json::json!([])
    });

    // Who has left comes back, and the first may leave at its own door.
    three.doveadm_must(&["ring", "add", &second]);
    two.must_serve();
    three.must_know_voters(&[1, 2, 3, 4]);
    one.doveadm_must(&["ring", "remove", &first]);
    three.must_know_voters(&[2, 3, 4]);
    must_agree(&[&two, &three, &four]);
}
