//! Who is to be kicked: two passes, the second after a delay, many commands at once.
//!
//! ```text
//!  push -> first -> [round] -> later (in `delay`) -> [round] -> done
//!                      |            ^                   |
//!                      +- an error -+--- in a while ----+
//! ```

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;
use std::time::Duration;

use super::lines::{HOSTS_PER_LINE, KickBy, Said, write_hosts};
use crate::agreement::PassdbField;
use crate::topology::UserKey;
use crate::world::Instant;

/// Commands sent before their answers are waited for. About 12 KiB, so that a service that answers one by one is kept
/// busy, and never so many that both sides wait for the other to read.
const ROUND_LINES: usize = 256;

/// A kick that was answered with an error is tried again after this.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Sessions to be closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kick {
    /// Those of one user.
    User {
        /// Names the kick when it is done. One that is not done yet is not begun again.
        token: u64,
        /// Whose.
        key: UserKey,
    },
    /// Those whose login was given a field.
    With {
        /// As above.
        token: u64,
        /// Which field. A service that refuses the kick is not asked again: it may not know the field.
        field: PassdbField,
    },
    /// All.
    All {
        /// As above.
        token: u64,
        /// Where sessions may be; ipc kicks by these.
        backends: Vec<IpAddr>,
        /// Whose sessions there may be; anvil kicks by these.
        keys: Vec<UserKey>,
    },
}

/// The sessions of a kick are closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KickDone {
    /// From the kick.
    pub token: u64,
}

/// Kicks that are not done.
#[derive(Debug)]
pub(super) struct Queue {
    by: KickBy,
    delay: Duration,
    /// All that are not done, by token.
    known: BTreeSet<u64>,
    first: VecDeque<Work>,
    later: BTreeMap<(Instant, u64), Work>,
    /// Makes keys of `later` unique, in the order of arrival.
    next_later: u64,
    /// What was sent and not answered, in order.
    sent: VecDeque<Work>,
}

/// A kick on its way.
#[derive(Debug)]
struct Work {
    token: u64,
    whom: Whom,
    pass: Pass,
    /// Lines of this pass that were answered.
    answered: usize,
    /// Lines of this pass that were sent in this round, behind those.
    sent: usize,
    /// One of those sent was answered with an error.
    has_failed: bool,
}

#[derive(Debug)]
enum Whom {
    User(UserKey),
    With(PassdbField),
    Hosts(Vec<IpAddr>),
    Users(Vec<UserKey>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pass {
    First,
    Second,
}

impl Queue {
    pub(super) fn new(by: KickBy, delay: Duration) -> Self {
        Queue {
            by,
            delay,
            known: BTreeSet::new(),
            first: VecDeque::new(),
            later: BTreeMap::new(),
            next_later: 0,
            sent: VecDeque::new(),
        }
    }

    /// Adds a kick; false when it is under way already. One of all goes before the others.
    pub(super) fn push(&mut self, kick: Kick) -> bool {
        let (token, whom, goes_first) = match kick {
            Kick::User { token, key } => (token, Whom::User(key), false),
            Kick::With { token, field } => (token, Whom::With(field), false),
            Kick::All {
                token,
                backends,
                keys,
            } => match self.by {
                KickBy::Ipc => (token, Whom::Hosts(backends), true),
                KickBy::Anvil => (token, Whom::Users(keys), true),
            },
        };
        if !self.known.insert(token) {
            return false;
        }
        let work = Work {
            token,
            whom,
            pass: Pass::First,
            answered: 0,
            sent: 0,
            has_failed: false,
        };
        if goes_first {
            self.first.push_front(work);
        } else {
            self.first.push_back(work);
        }
        true
    }

    /// Writes the commands that are due, as many as go at once, and says how many answers will come.
    pub(super) fn round(&mut self, now: Instant, out: &mut Vec<u8>) -> usize {
        assert!(
            self.sent.is_empty(),
            "a round begins when the last one was answered or failed"
        );
        let mut lines = 0;
        while lines < ROUND_LINES
            && let Some(mut work) = self.next(now)
        {
            let left = work.lines(self.by) - work.answered;
            work.sent = left.min(ROUND_LINES - lines);
            for line in work.answered..work.answered + work.sent {
                work.write(self.by, line, out);
            }
            lines += work.sent;
            self.sent.push_back(work);
        }
        lines
    }

    /// Takes all answers of a round, in order; those that are done are added to `done`.
    pub(super) fn answered(&mut self, now: Instant, answers: &[Said], done: &mut Vec<KickDone>) {
        let mut answers = answers.iter();
        for mut work in std::mem::take(&mut self.sent) {
            for _ in 0..work.sent {
                work.has_failed |= answers.next() != Some(&Said::Kicked);
            }
            self.settle(work, now, done);
        }
    }

    /// The connection broke before all answers of a round were there: all of it is sent again.
    pub(super) fn failed(&mut self) {
        while let Some(mut work) = self.sent.pop_back() {
            work.sent = 0;
            self.first.push_front(work);
        }
    }

    /// Nobody is left who could be kicked: all are done.
    pub(super) fn nobody_left(&mut self, done: &mut Vec<KickDone>) {
        self.first.clear();
        self.later.clear();
        self.sent.clear();
        done.extend(
            std::mem::take(&mut self.known)
                .into_iter()
                .map(|token| KickDone { token }),
        );
    }

    /// When there is something to send; the origin of time for at once.
    pub(super) fn next_wakeup(&self) -> Option<Instant> {
        if !self.first.is_empty() {
            return Some(Instant::ORIGIN);
        }
        self.later.first_key_value().map(|((due, _), _)| *due)
    }

    /// Kicks that are not done.
    pub(super) fn len(&self) -> usize {
        self.known.len()
    }

    /// What to send next: what has waited long enough before what is new, so that kicks get done.
    fn next(&mut self, now: Instant) -> Option<Work> {
        match self.later.first_entry() {
            Some(entry) if entry.key().0 <= now => Some(entry.remove()),
            _ => self.first.pop_front(),
        }
    }

    /// Decides how a kick goes on after its lines of a round were answered.
    fn settle(&mut self, mut work: Work, now: Instant, done: &mut Vec<KickDone>) {
        let sent = std::mem::take(&mut work.sent);
        let has_failed = std::mem::take(&mut work.has_failed);
        let is_given_up = has_failed && matches!(work.whom, Whom::With(_));
        if has_failed && !is_given_up {
            return self.put_off(work, now.plus(RETRY_AFTER));
        }
        work.answered += sent;
        if work.answered < work.lines(self.by) {
            return self.first.push_front(work);
        }
        if work.pass == Pass::First && !is_given_up {
            work.pass = Pass::Second;
            work.answered = 0;
            return self.put_off(work, now.plus(self.delay));
        }
        self.known.remove(&work.token);
        done.push(KickDone { token: work.token });
    }

    fn put_off(&mut self, work: Work, until: Instant) {
        self.later.insert((until, self.next_later), work);
        self.next_later += 1;
    }
}

impl Work {
    /// How many lines a pass has.
    fn lines(&self, by: KickBy) -> usize {
        match &self.whom {
            Whom::User(_) => by.lines_per_user(),
            Whom::With(_) => 1,
            Whom::Hosts(hosts) => hosts.len().div_ceil(HOSTS_PER_LINE),
            Whom::Users(keys) => keys.len() * by.lines_per_user(),
        }
    }

    fn write(&self, by: KickBy, line: usize, out: &mut Vec<u8>) {
        match &self.whom {
            Whom::User(key) => by.write_user(*key, line, out),
            Whom::With(field) => by.write_with(field, out),
            Whom::Hosts(hosts) => {
                let from = line * HOSTS_PER_LINE;
                write_hosts(&hosts[from..hosts.len().min(from + HOSTS_PER_LINE)], out);
            }
            Whom::Users(keys) => {
                let lines = by.lines_per_user();
                by.write_user(keys[line / lines], line % lines, out);
            }
        }
    }
}

#[cfg(test)]
mod tests;
