//! Users with several sessions each, who come back when they are closed: `crowd.py`, and what it tells.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::net::{MEMBERS, member_ip};
use crate::waiting::eventually;

const PROGRAM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/dovecot/crowd.py");

/// A user's name and the number of the session.
type Which = (String, usize);

/// A crowd, until it is dropped.
pub struct Crowd {
    child: Child,
    commands: ChildStdin,
    seen: Arc<Mutex<Seen>>,
    users: Vec<String>,
    sessions_per_user: usize,
}

#[derive(Default)]
struct Seen {
    /// By which member's proxy each session that stands goes.
    up: BTreeMap<Which, usize>,
    /// Every session that was closed by the other side, in order, with its proxy and what was said.
    down: Vec<(Which, usize, String)>,
    refused: Vec<String>,
}

/// A place in what a crowd told.
#[derive(Clone, Copy)]
pub struct Mark(usize);

impl Crowd {
    /// Start these users, each with sessions through all proxies in turn.
    pub fn start(users: Vec<String>, sessions_per_user: usize) -> Self {
        let proxies: Vec<String> = (1..=MEMBERS).map(member_ip).collect();
        Crowd::start_at(&proxies, users, sessions_per_user)
    }

    /// Start these users, each with sessions at all these addresses in turn.
    pub fn start_at(proxies: &[String], users: Vec<String>, sessions_per_user: usize) -> Self {
        let mut child = Command::new("python3")
            .args([PROGRAM, &sessions_per_user.to_string(), &proxies.join(",")])
            .args(&users)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3 is installed");
        let commands = child.stdin.take().expect("it is a pipe");
        let told = BufReader::new(child.stdout.take().expect("it is a pipe"));
        let seen = Arc::new(Mutex::new(Seen::default()));
        let notes = Arc::clone(&seen);
        std::thread::spawn(move || {
            for line in told.lines().map_while(Result::ok) {
                notes.lock().expect("nobody panics with it").note(&line);
            }
        });
        Crowd {
            child,
            commands,
            seen,
            users,
            sessions_per_user,
        }
    }

    /// Its users.
    pub fn users(&self) -> &[String] {
        &self.users
    }

    /// Wait until every session of every user stands.
    pub fn must_be_whole(&self, within: Duration) {
        let all = self.users.len() * self.sessions_per_user;
        let until = std::time::Instant::now() + within;
        while self.sessions_up() < all {
            let seen = self.seen.lock().expect("nobody panics with it");
            let last = seen.refused.iter().rev().take(3).collect::<Vec<_>>();
            assert!(
                std::time::Instant::now() < until,
                "after {within:?} only {} of {all} sessions stand; refused {} times, last: {last:#?}",
                seen.up.len(),
                seen.refused.len()
            );
            drop(seen);
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Send every session to its own proxy, where they were at first, and wait until all are there.
    pub fn go_home(&mut self) {
        self.must_be_whole(Duration::from_secs(30));
        writeln!(self.commands, "home").expect("the crowd lives");
        eventually("everybody is at home", Duration::from_secs(30), || {
            let seen = self.seen.lock().expect("nobody panics with it");
            let at_home = self.users.iter().enumerate().all(|(n, user)| {
                (0..self.sessions_per_user).all(|session| {
                    let home = (n + session) % MEMBERS + 1;
                    seen.up.get(&(user.clone(), session)) == Some(&home)
                })
            });
            at_home.then_some(())
        });
    }

    /// Have all log out, and wait until nobody is there.
    pub fn rest(&mut self) {
        writeln!(self.commands, "rest").expect("the crowd lives");
        eventually("the crowd has left", Duration::from_secs(30), || {
            (self.sessions_up() == 0).then_some(())
        });
    }

    /// Let them come again.
    pub fn come_again(&mut self) {
        writeln!(self.commands, "return").expect("the crowd lives");
    }

    /// How many sessions stand.
    pub fn sessions_up(&self) -> usize {
        self.seen.lock().expect("nobody panics with it").up.len()
    }

    /// How many sessions stand through a member's proxy.
    pub fn sessions_through(&self, member: usize) -> usize {
        let seen = self.seen.lock().expect("nobody panics with it");
        seen.up.values().filter(|proxy| **proxy == member).count()
    }

    /// From here on.
    pub fn mark(&self) -> Mark {
        Mark(self.seen.lock().expect("nobody panics with it").down.len())
    }

    /// Who lost a session since then.
    pub fn users_closed_since(&self, mark: Mark) -> BTreeSet<String> {
        let seen = self.seen.lock().expect("nobody panics with it");
        seen.down[mark.0..]
            .iter()
            .map(|((user, _), ..)| user.clone())
            .collect()
    }

    /// Through which members' proxies sessions were closed since then.
    pub fn proxies_closed_since(&self, mark: Mark) -> BTreeSet<usize> {
        let seen = self.seen.lock().expect("nobody panics with it");
        seen.down[mark.0..].iter().map(|(_, proxy, _)| *proxy).collect()
    }

    /// How many sessions were closed since then with the words of a director's own proxy.
    pub fn farewells_since(&self, mark: Mark) -> usize {
        let seen = self.seen.lock().expect("nobody panics with it");
        let down = seen.down[mark.0..].iter();
        down.filter(|(.., why)| why.contains("closed by the server"))
            .count()
    }

    /// The last sessions that were closed, and refusals, for a reader.
    pub fn last_words(&self) -> String {
        let seen = self.seen.lock().expect("nobody panics with it");
        let down = seen.down.iter().rev().take(5);
        let down: Vec<String> = down
            .map(|(which, proxy, why)| format!("{which:?} at {proxy}: {why}"))
            .collect();
        let refused: Vec<&String> = seen.refused.iter().rev().take(5).collect();
        let (closed, turned_away) = (seen.down.len(), seen.refused.len());
        format!("{closed} closed, last {down:#?}\n{turned_away} refused, last {refused:#?}")
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Seen {
    /// A line of `crowd.py`.
    fn note(&mut self, line: &str) {
        let mut words = line.splitn(5, ' ');
        let mut next = || words.next().unwrap_or("");
        let (event, user, session, proxy, text) = (next(), next(), next(), next(), next());
        let which = (user.to_owned(), session.parse().expect("a number"));
        let member = proxy.parse::<usize>().expect("a number") + 1;
        match event {
            "up" => {
                self.up.insert(which, member);
            }
            "left" => {
                self.up.remove(&which);
            }
            "down" => {
                self.up.remove(&which);
                self.down.push((which, member, text.to_owned()));
            }
            "refused" => self.refused.push(format!("{user} at {member}: {text}")),
            other => panic!("crowd.py said {other}"),
        }
    }
}
