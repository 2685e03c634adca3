//! What is really so: the sessions that the backends have, what became of every login, and how each director stands.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use maildirector::proxy::Gate;
use maildirector::world::Clock;
use sim::converged::Converged;

use crate::mails::Mails;
use crate::trace::Trace;
use crate::world::SkewedClock;

/// A user of a tag: at any time on one backend at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Who {
    pub user: u32,
    pub is_second_tag: bool,
}

/// A client who has reached his backend.
#[derive(Clone, Copy, Debug)]
pub struct Session {
    pub who: Who,
    pub hash: u32,
    pub backend: IpAddr,
    pub member: usize,
}

/// What became of a login.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Routed(IpAddr),
    Refused,
    /// The connection was closed, so the client knows.
    Closed,
}

/// A login.
#[derive(Clone, Copy, Debug)]
pub struct Login {
    pub who: Who,
    pub member: usize,
    pub asked_at: Duration,
    pub outcome: Option<(Duration, Outcome)>,
}

/// How a director stands, by its own account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report {
    pub is_serving: bool,
    /// Whether it does not know of the ring yet.
    pub is_fresh: bool,
    pub epoch: u64,
    /// What was committed, as a digest.
    pub committed: u64,
    pub waiting_logins: usize,
    /// Users of the plan who would have to wait.
    pub frozen: usize,
    /// Whether its vote does not count though it should.
    pub is_unseated: bool,
}

/// A director's gate, by its own clock.
#[derive(Clone, Debug)]
pub struct LeaseGate {
    pub gate: Gate,
    pub clock: SkewedClock,
}

impl LeaseGate {
    pub fn is_open(&self) -> bool {
        self.gate.is_open(self.clock.now())
    }
}

#[derive(Debug, Default)]
pub struct Facts {
    pub sessions: BTreeMap<u64, Session>,
    /// By which backend each user was served last through own proxies, and by which member.
    pub served: BTreeMap<Who, (IpAddr, usize)>,
    /// What lets running directors' proxies forward.
    pub gates: BTreeMap<usize, LeaseGate>,
    pub mails: Mails,
    /// Bytes that own proxies have forwarded.
    pub forwarded: u64,
    pub logins: Vec<Login>,
    pub reports: BTreeMap<usize, Report>,
    /// When a director first served.
    pub began_at: Option<Duration>,
    /// Members that know of the ring.
    pub knowing: BTreeSet<usize>,
    /// Commands of admins that are not answered, by member.
    pub admins: BTreeMap<usize, usize>,
    /// Whether the insistent admin was answered for good, by the member that was asked.
    pub insisted: BTreeMap<usize, bool>,
    /// Whether directors are to say what they serve by, and what they said.
    pub is_end_wanted: bool,
    pub ends: BTreeMap<usize, Converged>,
    pub kicked: usize,
    /// What must never happen and did.
    pub violations: Vec<String>,
    /// Whether one of them is that a director panicked.
    pub has_crashed: bool,
    pub may_split: bool,
    next_session: u64,
}

/// The facts of a run. Clones are the same.
#[derive(Clone, Debug)]
pub struct Truth {
    facts: Arc<Mutex<Facts>>,
    pub trace: Trace,
}

impl Truth {
    pub fn new(trace: Trace, may_split: bool) -> Self {
        let facts = Facts {
            may_split,
            ..Facts::default()
        };
        Truth {
            facts: Arc::new(Mutex::new(facts)),
            trace,
        }
    }

    pub fn facts(&self) -> MutexGuard<'_, Facts> {
        self.facts.lock().expect("no panic while it is held")
    }

    /// Something that must never happen did.
    pub fn breaks(&self, facts: &mut Facts, words: String) {
        self.trace.note("truth", &words);
        facts.violations.push(words);
    }

    /// A director tells how it stands.
    pub fn reported(&self, member: usize, report: Report, now: Duration) {
        let mut facts = self.facts();
        facts.reports.insert(member, report);
        if !report.is_fresh {
            facts.knowing.insert(member);
        }
        if report.is_serving {
            facts.began_at.get_or_insert(now);
        }
    }

    /// Somebody asks; the number names the login from now on.
    pub fn asked(&self, who: Who, member: usize, now: Duration) -> usize {
        let mut facts = self.facts();
        facts.logins.push(Login {
            who,
            member,
            asked_at: now,
            outcome: None,
        });
        facts.logins.len() - 1
    }

    /// What became of a login; the first word counts.
    pub fn ended(&self, login: usize, outcome: Outcome, now: Duration) {
        let mut facts = self.facts();
        let login = &mut facts.logins[login];
        if login.outcome.is_none() {
            login.outcome = Some((now, outcome));
        }
    }

    /// A client reaches his backend. This is the moment at which a user can be split.
    pub fn open(&self, session: Session) -> u64 {
        let mut facts = self.facts();
        let facts = &mut *facts;
        facts.next_session += 1;
        let number = facts.next_session;
        let Session {
            who, backend, member, ..
        } = session;
        let elsewhere = facts
            .sessions
            .values()
            .find(|other| other.who == who && other.backend != backend);
        self.trace.note(
            &format!("m{member}/login"),
            format!("session {number} of user {} is on {backend}", who.user),
        );
        if let Some(other) = elsewhere
            && !facts.may_split
        {
            let words = format!(
                "user {} is on {backend} by member {member} and on {} by member {}",
                who.user, other.backend, other.member
            );
            self.breaks(facts, words);
        }
        facts.sessions.insert(number, session);
        number
    }

    /// A member's own proxy gives a user's first bytes to a backend: from now on he is served there, and nowhere else.
    pub fn serves(&self, who: Who, backend: IpAddr, member: usize) {
        self.trace.note(
            &format!("m{member}/proxy"),
            format!("user {} is served by {backend}", who.user),
        );
        self.expect_no_mail_elsewhere(who, backend, member);
        self.facts().served.insert(who, (backend, member));
    }

    /// A member's own proxy gives more of a user's bytes to a backend.
    pub fn forwards(&self, who: Who, backend: IpAddr, member: usize, bytes: usize) {
        let mut facts = self.facts();
        facts.forwarded += bytes as u64;
        let Some((served_by, since_by)) = facts.served.get(&who).copied() else {
            return;
        };
        if served_by != backend && !facts.may_split {
            let words = format!(
                "member {member} forwards bytes of user {} to {backend}, though member {since_by} serves him at {served_by}",
                who.user
            );
            self.breaks(&mut facts, words);
        }
    }

    /// A client goes. False when his session was ended before.
    pub fn close(&self, number: u64) -> bool {
        self.facts().sessions.remove(&number).is_some()
    }

    pub fn is_open(&self, number: u64) -> bool {
        self.facts().sessions.contains_key(&number)
    }

    /// Ends sessions; tells how many.
    pub fn end_all(&self, ends: impl Fn(&Session) -> bool) -> usize {
        let mut facts = self.facts();
        let before = facts.sessions.len();
        facts.sessions.retain(|_, session| !ends(session));
        before - facts.sessions.len()
    }
}
