//! Sampled users: where their sessions are, and for how long nobody let them in.
//!
//! Every user wants in twice a second, which finds each time without service to half a second. Two answers are kept of
//! each try: what the director gave that the user always comes through, and what he got from any, with a balancer in
//! front that tries the next one.

use maildirector::director::{Gathered, Journalled};
use maildirector::topology::{BackendId, HashFormat, TagId, Topology, UserId, UserKey};

use super::scene::{MS, SECOND};

/// Between two tries of a user.
pub(super) const STEP_NS: u64 = 500 * MS;
/// A balancer finds out within this time that a host says nothing; until then its users get no answer.
pub(super) const BALANCER_NS: u64 = 5 * SECOND;
/// At least so many users are sampled, as many for each director.
const SAMPLED_MIN: usize = 200;
/// Sampled users of one backend, in windows that concern one.
const CONCERNED: usize = 40;

/// Whom a user stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Group {
    /// Everybody.
    All,
    /// The users of the backend of this window.
    Concerned,
}

/// A user.
#[derive(Clone, Debug)]
pub(super) struct Person {
    pub key: UserKey,
    pub name: String,
    /// The director that he always comes through.
    pub home: usize,
    pub group: Group,
    pub waits: Option<Wait>,
    /// Since when nobody lets him in.
    out_since: Option<u64>,
    /// Where his sessions are: through which director, and on which backend.
    sessions: Vec<(usize, BackendId)>,
}

/// A login without an answer yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wait {
    pub token: u64,
    pub member: usize,
    pub since: u64,
}

/// Time without service, summed over the users of a group, in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Without {
    pub fixed_ns: u64,
    pub retry_ns: u64,
}

/// All sampled users.
#[derive(Clone, Debug)]
pub(super) struct Crowd {
    pub persons: Vec<Person>,
    pub without: [Without; 2],
    /// Sessions let in while another one of the user was on another backend.
    pub splits: u64,
    /// The longest time without service of one user, whichever director he tried.
    pub longest_ns: u64,
    pub logins: u64,
    pub tokens: u64,
}

impl Crowd {
    pub fn new(directors: usize) -> Self {
        let count = SAMPLED_MIN.next_multiple_of(directors);
        let format = HashFormat::default();
        let persons = (0..count).map(|number| {
            let name = format!("user{number}@example.com");
            person(format.key(&name), name, number % directors, Group::All)
        });
        Crowd {
            persons: persons.collect(),
            without: [Without::default(); 2],
            splits: 0,
            longest_ns: 0,
            logins: 0,
            tokens: 0,
        }
    }

    /// Adds users who belong on this backend, and answers where they begin.
    pub fn concern(&mut self, topology: &Topology, backend: BackendId, directors: usize) -> usize {
        let first = self.persons.len();
        let format = HashFormat::default();
        let mut number = 0u64;
        while self.persons.len() < first + CONCERNED {
            let name = format!("mailbox{number}@example.com");
            let key = format.key(&name);
            if topology.place(id(key)) == Some(backend) {
                let home = self.persons.len() % directors;
                self.persons.push(person(key, name, home, Group::Concerned));
            }
            number += 1;
        }
        first
    }

    /// Sessions of a member that live on in login processes.
    pub fn journal(&self, member: usize) -> Gathered {
        let mut journal = Gathered::default();
        for person in &self.persons {
            for (_, backend) in person.sessions.iter().filter(|(through, _)| *through == member) {
                journal.held(Journalled {
                    user: id(person.key),
                    name: &person.name,
                    backend: *backend,
                });
            }
        }
        journal
    }

    /// A login has been answered with a backend.
    pub fn session(&mut self, user: usize, member: usize, backend: BackendId) {
        let sessions = &mut self.persons[user].sessions;
        self.splits += u64::from(sessions.iter().any(|(_, other)| *other != backend));
        if !sessions.contains(&(member, backend)) {
            sessions.push((member, backend));
        }
    }

    pub fn drop_session(&mut self, member: usize, user: UserId) {
        for person in self.persons.iter_mut().filter(|person| person.key == user.key) {
            person.sessions.retain(|(through, _)| *through != member);
        }
    }

    pub fn drop_sessions_of(&mut self, member: usize) {
        for person in &mut self.persons {
            person.sessions.retain(|(through, _)| *through != member);
        }
    }

    /// A process has died with the logins that waited there.
    pub fn lost(&mut self, member: usize, now: u64) {
        for user in 0..self.persons.len() {
            if self.persons[user].waits.is_some_and(|wait| wait.member == member) {
                self.waited(user, now, false);
            }
        }
    }

    /// A user's wait is over.
    pub fn waited(&mut self, user: usize, now: u64, is_in: bool) {
        let Some(wait) = self.persons[user].waits.take() else {
            return;
        };
        self.add(user, now - wait.since, now - wait.since);
        self.out(user, wait.since);
        if is_in {
            self.back(user, now);
        }
    }

    /// The window ends: what goes on is counted as far as it went.
    pub fn close(&mut self, now: u64) {
        for user in 0..self.persons.len() {
            self.waited(user, now, true);
            self.back(user, now);
        }
    }

    /// Adds time without service: through his own director, and through any.
    pub fn add(&mut self, user: usize, fixed_ns: u64, retry_ns: u64) {
        let without = &mut self.without[self.persons[user].group as usize];
        without.fixed_ns += fixed_ns;
        without.retry_ns += retry_ns;
    }

    /// He is without service whichever director he tries, at least since then.
    pub fn out(&mut self, user: usize, since: u64) {
        self.persons[user].out_since.get_or_insert(since);
    }

    /// Somebody has let him in.
    pub fn back(&mut self, user: usize, now: u64) {
        if let Some(since) = self.persons[user].out_since.take() {
            self.longest_ns = self.longest_ns.max(now - since);
        }
    }

    /// Seconds without service of a mean user of a group: through his own director, and through any.
    pub fn mean_s(&self, group: Group) -> (f64, f64) {
        let count = self.persons.iter().filter(|person| person.group == group).count();
        let of = |ns: u64| {
            if count == 0 {
                0.0
            } else {
                ns as f64 / SECOND as f64 / count as f64
            }
        };
        let without = self.without[group as usize];
        (of(without.fixed_ns), of(without.retry_ns))
    }
}

fn person(key: UserKey, name: String, home: usize, group: Group) -> Person {
    Person {
        key,
        name,
        home,
        group,
        waits: None,
        out_since: None,
        sessions: Vec::new(),
    }
}

pub(super) fn id(key: UserKey) -> UserId {
    UserId {
        key,
        tag: TagId::DEFAULT,
    }
}
