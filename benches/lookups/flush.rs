//! How fast a backend is emptied, users are moved and sessions are kicked, by what admins do.
//!
//! Login processes are stood in for by an ipc service that says at once that a session is closed; Dovecot's director has
//! its own, which has no login process to ask.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;
#[expect(clippy::disallowed_types, reason = "a benchmark times the real world")]
use std::time::Instant;

use super::client::Client;
use super::{IN_FLIGHT, Subject, WARM_UP};

/// The backend that is emptied; a tenth of the users are there.
const EMPTIED: &str = "10.1.0.1";
/// Where users are moved.
const TARGETS: [&str; 2] = ["10.1.0.2", "10.1.0.3"];
const MOVES: u32 = 10_000;
/// Moves that wait for each answer.
const ONE_BY_ONE: u32 = 500;
/// How long a flush by default is watched when it does not end.
const WATCH: Duration = Duration::from_secs(20);
/// No answer takes longer.
const ANSWER_MAX: Duration = Duration::from_secs(120);

/// Serves `path` as Dovecot's ipc service with no session left to close.
pub fn serve_ipc(path: &Path) {
    let listener = UnixListener::bind(path).expect("a socket for the stub");
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            std::thread::spawn(move || {
                let Ok(reading) = stream.try_clone() else { return };
                for line in BufReader::new(reading).lines() {
                    if line.is_err() || stream.write_all(b"+0\n").is_err() {
                        return;
                    }
                }
            });
        }
    });
}

/// Measures one ring. `admin` is the socket of the director that all users came through; `flushes` are how many may move
/// at a time, where nothing is what the director does by itself.
pub fn report(subject: &Subject, admin: &Path, flushes: &[Option<u32>]) {
    Client::connect(&subject.socket).run(IN_FLIGHT, |done, _| done >= WARM_UP);
    let mut admin = Admin::connect(admin);
    kicks(subject.name, &mut admin);
    moves(subject.name, &mut admin);
    for at_a_time in flushes {
        empty(subject.name, &mut admin, *at_a_time);
    }
}

#[expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a benchmark times the real world"
)]
fn empty(name: &str, admin: &mut Admin, at_a_time: Option<u32>) {
    let there = admin.users();
    admin.must(&format!("HOST-SET\t{EMPTIED}\t0"));
    let max = at_a_time.map_or(String::new(), |count| format!("\t{count}"));
    let started = Instant::now();
    admin.say(&format!("HOST-RESET-USERS\t{EMPTIED}{max}\n"));
    let mut left = there;
    if admin.says_when_done {
        assert_eq!(admin.line(), "OK\n");
        left = 0;
    } else {
        // Dovecot answers when the last moves have begun, and says nothing else on this connection until then.
        let mut watcher = Admin::connect(&admin.at);
        while left > 0 && (started.elapsed() < WATCH || at_a_time.is_some()) && started.elapsed() < ANSWER_MAX
        {
            sleep(Duration::from_millis(5));
            left = watcher.users();
        }
    }
    let passed = started.elapsed();
    let moved = there - left;
    let how = at_a_time.map_or("by default".to_owned(), |count| format!("{count} at a time"));
    println!(
        "{name:<24} flush of {there} users, {how}: {moved} gone after {:.2} s, {:.0} users/s",
        passed.as_secs_f64(),
        f64::from(moved) / passed.as_secs_f64()
    );
    // A flush that goes on is of no account for the next figure: the connection is another.
    admin.again();
    admin.must(&format!("HOST-SET\t{EMPTIED}\t100"));
}

#[expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a benchmark times the real world"
)]
fn moves(name: &str, admin: &mut Admin) {
    let line = |hash: u32| format!("USER-MOVE\t{hash}\t{}\n", TARGETS[hash as usize % 2]);
    // Hashes that nobody has: what the ring does for a move, without waiting for sessions.
    let started = Instant::now();
    for hash in 1..=ONE_BY_ONE {
        admin.must(line(hash).trim_end());
    }
    let passed = started.elapsed();
    println!(
        "{name:<24} {ONE_BY_ONE} moves one by one: {:.2} s, {:.0} moves/s",
        passed.as_secs_f64(),
        f64::from(ONE_BY_ONE) / passed.as_secs_f64()
    );
    let started = Instant::now();
    let first = 1_000_000;
    let lines: String = (first..first + MOVES).map(line).collect();
    admin.say_beside(lines);
    for _ in 0..MOVES {
        let answer = admin.line();
        assert_eq!(answer, "OK\n");
    }
    let passed = started.elapsed();
    println!(
        "{name:<24} {MOVES} moves in one batch: {:.2} s, {:.0} moves/s",
        passed.as_secs_f64(),
        f64::from(MOVES) / passed.as_secs_f64()
    );
}

#[expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a benchmark times the real world"
)]
fn kicks(name: &str, admin: &mut Admin) {
    let started = Instant::now();
    let mut kicked = 0;
    while kicked < MOVES && started.elapsed() < WATCH / 4 {
        admin.must(&format!("USER-KICK\tu{kicked}@example.com"));
        kicked += 1;
    }
    let passed = started.elapsed();
    println!(
        "{name:<24} {kicked} kicks one by one: {:.2} s, {:.0} kicks/s",
        passed.as_secs_f64(),
        f64::from(kicked) / passed.as_secs_f64()
    );
}

/// A conversation with a director.
struct Admin {
    at: std::path::PathBuf,
    stream: BufReader<UnixStream>,
    /// It answers a flush when all users have moved.
    says_when_done: bool,
}

impl Admin {
    fn connect(at: &Path) -> Self {
        let stream = UnixStream::connect(at).expect("the director listens");
        stream.set_read_timeout(Some(ANSWER_MAX)).expect("a time limit");
        let mut admin = Admin {
            at: at.to_owned(),
            stream: BufReader::new(stream),
            says_when_done: at.to_string_lossy().contains("ours"),
        };
        admin.say("VERSION\tdirector-doveadm\t1\t0\n");
        assert_eq!(admin.line(), "VERSION\tdirector-doveadm\t1\t0\n");
        admin
    }

    fn again(&mut self) {
        *self = Admin::connect(&self.at.clone());
    }

    fn say(&mut self, text: &str) {
        self.stream
            .get_mut()
            .write_all(text.as_bytes())
            .expect("the director reads");
    }

    /// Says it while answers are read: there may be more than the sockets hold.
    fn say_beside(&mut self, text: String) {
        let mut writing = self.stream.get_ref().try_clone().expect("a second handle");
        std::thread::spawn(move || writing.write_all(text.as_bytes()));
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.stream.read_line(&mut line).expect("the director answers");
        line
    }

    fn must(&mut self, command: &str) {
        self.say(&format!("{command}\n"));
        assert_eq!(self.line(), "OK\n", "{command}");
    }

    /// The users of the backend that is emptied.
    fn users(&mut self) -> u32 {
        self.say("HOST-LIST\n");
        let mut users = 0;
        loop {
            let line = self.line();
            if line == "\n" {
                return users;
            }
            let fields: Vec<&str> = line.split('\t').collect();
            if fields[0] == EMPTIED {
                users = fields[2].parse().expect("a number");
            }
        }
    }
}
