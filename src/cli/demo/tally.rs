//! What the demo counts and tells: logins, refusals, waits, kicks, events.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::login::Refused;
use crate::world::Instant;

/// Why a login was refused, as far as a client and the directors' own status tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Reason {
    /// The director was killed.
    DirectorAway,
    /// The director had no lease.
    NoLease,
    /// The user was being moved, for longer than a login may wait.
    Moving,
    /// Nobody answered in time.
    Silence,
    /// The session was closed before it began.
    Closed,
}

impl Reason {
    /// In words.
    pub const fn name(self) -> &'static str {
        match self {
            Reason::DirectorAway => "director away",
            Reason::NoLease => "director without lease",
            Reason::Moving => "user being moved",
            Reason::Silence => "no answer in time",
            Reason::Closed => "closed while opening",
        }
    }

    /// Why a director refused, by whether it said that it serves.
    pub const fn of(refused: Refused, is_serving: bool) -> Self {
        match (refused, is_serving) {
            (Refused::DirectorAway, _) => Reason::DirectorAway,
            (Refused::Silence, _) => Reason::Silence,
            (Refused::TemporaryFailure, true) => Reason::Moving,
            (Refused::TemporaryFailure, false) => Reason::NoLease,
        }
    }
}

/// Something that happened.
#[derive(Clone, Debug)]
pub(super) struct Told {
    /// When.
    pub at: Instant,
    /// What.
    pub what: String,
}

/// Everything counted; clones share it.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    counts: Arc<Mutex<Counts>>,
}

/// The counts at one time.
#[derive(Clone, Debug, Default)]
pub(super) struct Counts {
    /// Sessions that began.
    pub logins: u64,
    /// Sessions ended by kicks.
    pub kicked: u64,
    /// Attempts that were refused.
    pub refused: BTreeMap<Reason, u64>,
    /// The longest time between a client's first attempt and its session, and whose.
    pub longest: Option<(Duration, String)>,
    /// Who is trying to get in, since when.
    pub trying: BTreeMap<(String, u16), Instant>,
    /// What happened, oldest first.
    pub told: Vec<Told>,
}

impl Counts {
    /// Refusals of all kinds.
    pub fn refusals(&self) -> u64 {
        self.refused.values().sum()
    }

    /// The longest wait, those counted that go on.
    pub fn longest_wait(&self, now: Instant) -> Option<(Duration, String)> {
        let going_on = self
            .trying
            .iter()
            .map(|((user, _), since)| (now.since(*since), user.clone()));
        going_on.chain(self.longest.clone()).max()
    }
}

impl Tally {
    /// A client of a user begins to try.
    pub fn trying(&self, user: &str, client: u16, now: Instant) {
        self.lock().trying.insert((user.to_owned(), client), now);
    }

    /// It got in.
    pub fn logged_in(&self, user: &str, client: u16, now: Instant) {
        let mut counts = self.lock();
        counts.logins += 1;
        if let Some(since) = counts.trying.remove(&(user.to_owned(), client)) {
            let wait = (now.since(since), user.to_owned());
            counts.longest = counts.longest.take().max(Some(wait));
        }
    }

    /// An attempt was refused.
    pub fn refused(&self, reason: Reason) {
        *self.lock().refused.entry(reason).or_default() += 1;
    }

    /// Sessions were kicked.
    pub fn kicked(&self, sessions: usize) {
        self.lock().kicked += sessions as u64;
    }

    /// Something happened.
    pub fn tell(&self, at: Instant, what: impl Into<String>) {
        let what = what.into();
        self.lock().told.push(Told { at, what });
    }

    /// The counts now.
    pub fn counts(&self) -> Counts {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_wait_may_still_go_on() {
        let tally = Tally::default();
        let at = |seconds| Instant::ORIGIN.plus(Duration::from_secs(seconds));
        tally.trying("alice", 1, at(0));
        tally.trying("bob", 1, at(1));
        tally.logged_in("alice", 1, at(2));
        let longest = |now| tally.counts().longest_wait(at(now));
        assert_eq!(longest(2), Some((Duration::from_secs(2), "alice".to_owned())));
        assert_eq!(longest(9), Some((Duration::from_secs(8), "bob".to_owned())));
    }
}
