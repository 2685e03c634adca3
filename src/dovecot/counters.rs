//! What a door counts, for metrics, and how its log lines are kept from flooding.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::{Failure, Tally};
use crate::world::Instant;

/// How often a door repeats itself in the log.
const LOG_EVERY: Duration = Duration::from_secs(5);

/// The counters of one door; all rise, except the connections that are open.
#[derive(Debug, Default)]
pub struct Counters {
    open: AtomicU64,
    accepted: AtomicU64,
    turned_away: AtomicU64,
    broken: AtomicU64,
    unreachable: AtomicU64,
    lookups: AtomicU64,
    late: AtomicU64,
    failed: AtomicU64,
    refreshes: AtomicU64,
    quiet: Mutex<Quiet>,
}

/// The counters at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// Connections open now.
    pub open: u64,
    /// Connections accepted.
    pub accepted: u64,
    /// Connections closed at once, because too many were open.
    pub turned_away: u64,
    /// Connections closed for a fault: a line too long, a reader that stopped reading, a broken socket.
    pub broken: u64,
    /// Connections closed because the auth server could not be reached.
    pub unreachable: u64,
    /// Lines that wanted a backend.
    pub lookups: u64,
    /// Of these, those that had to wait.
    pub late: u64,
    /// Of these, those that failed.
    pub failed: u64,
    /// Users reported alive.
    pub refreshes: u64,
}

/// One open connection, counted until it is dropped.
#[derive(Debug)]
pub(super) struct Open(Arc<Counters>);

/// What was left out of the log.
#[derive(Debug, Default)]
struct Quiet {
    until: Option<Instant>,
    left_out: u64,
}

impl Counters {
    /// The counters now.
    pub fn counted(&self) -> Counted {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counted {
            open: read(&self.open),
            accepted: read(&self.accepted),
            turned_away: read(&self.turned_away),
            broken: read(&self.broken),
            unreachable: read(&self.unreachable),
            lookups: read(&self.lookups),
            late: read(&self.late),
            failed: read(&self.failed),
            refreshes: read(&self.refreshes),
        }
    }

    pub(super) fn open(self: &Arc<Self>) -> Open {
        add(&self.open, 1);
        add(&self.accepted, 1);
        Open(self.clone())
    }

    pub(super) fn turned_away(&self) {
        add(&self.turned_away, 1);
    }

    pub(super) fn broken(&self) {
        add(&self.broken, 1);
    }

    pub(super) fn unreachable(&self) {
        add(&self.unreachable, 1);
    }

    pub(super) fn refreshed(&self, users: u64) {
        add(&self.refreshes, users);
    }

    /// Adds what became of lookups; one of the failures comes back to be logged.
    pub(super) fn add(&self, tally: Tally) -> Option<Failure> {
        add(&self.lookups, tally.lookups);
        add(&self.late, tally.late);
        add(&self.failed, tally.failed);
        tally.failure
    }

    /// Whether to log now, and how many lines were left out since the last one.
    pub(super) fn may_log(&self, now: Instant) -> Option<u64> {
        let mut quiet = self.quiet.lock().unwrap_or_else(PoisonError::into_inner);
        if quiet.until.is_some_and(|until| now < until) {
            quiet.left_out += 1;
            return None;
        }
        quiet.until = Some(now.plus(LOG_EVERY));
        Some(std::mem::take(&mut quiet.left_out))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

fn add(counter: &AtomicU64, more: u64) {
    if more != 0 {
        counter.fetch_add(more, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_lines_in_a_row_are_left_out_and_counted() {
        let counters = Counters::default();
        let at = |s| Instant::ORIGIN.plus(Duration::from_secs(s));
        assert_eq!(counters.may_log(at(1)), Some(0));
        assert_eq!(counters.may_log(at(2)), None);
        assert_eq!(counters.may_log(at(5)), None);
        assert_eq!(counters.may_log(at(6)), Some(2));
        assert_eq!(counters.may_log(at(60)), Some(0));
    }

    #[test]
    fn open_connections_are_counted_until_they_end() {
        let counters = Arc::new(Counters::default());
        let open = counters.open();
        assert_eq!(counters.counted().open, 1);
        drop(open);
        let counted = counters.counted();
        assert_eq!((counted.open, counted.accepted), (0, 1));
    }
}
