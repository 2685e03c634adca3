//! The connections of one socket: counted for metrics, and how what is said of them is kept from flooding the log.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::Instant;

/// How often a socket repeats itself in the log.
pub const LOG_EVERY: Duration = Duration::from_secs(5);

/// What one socket's connections come to. The counts rise, except of those that are open.
#[derive(Debug, Default)]
pub struct Connections {
    open: AtomicU64,
    accepted: AtomicU64,
    turned_away: AtomicU64,
    quiet: Mutex<Quiet>,
}

/// One open connection, counted until it is dropped.
#[derive(Debug)]
#[must_use = "the connection counts as closed when this is dropped"]
pub struct Connected(Arc<Connections>);

/// What was left out of the log.
#[derive(Debug, Default)]
struct Quiet {
    until: Option<Instant>,
    left_out: u64,
}

impl Connections {
    /// Those that are open now.
    pub fn open(&self) -> u64 {
        self.open.load(Ordering::Relaxed)
    }

    /// Those that were accepted.
    pub fn accepted(&self) -> u64 {
        self.accepted.load(Ordering::Relaxed)
    }

    /// Those that were closed at once, because too many were open.
    pub fn turned_away(&self) -> u64 {
        self.turned_away.load(Ordering::Relaxed)
    }

    /// One more is open.
    pub fn enter(self: &Arc<Self>) -> Connected {
        self.open.fetch_add(1, Ordering::Relaxed);
        self.accepted.fetch_add(1, Ordering::Relaxed);
        Connected(Arc::clone(self))
    }

    /// One was closed at once.
    pub fn turn_away(&self) {
        self.turned_away.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether to log now, and how many lines were left out since the last one.
    pub fn may_log(&self, now: Instant) -> Option<u64> {
        let mut quiet = self.quiet.lock().unwrap_or_else(PoisonError::into_inner);
        if quiet.until.is_some_and(|until| now < until) {
            quiet.left_out += 1;
            return None;
        }
        quiet.until = Some(now.plus(LOG_EVERY));
        Some(std::mem::take(&mut quiet.left_out))
    }
}

impl Drop for Connected {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_lines_in_a_row_are_left_out_and_counted() {
        let connections = Connections::default();
        let at = |s| Instant::ORIGIN.plus(Duration::from_secs(s));
        assert_eq!(connections.may_log(at(1)), Some(0));
        assert_eq!(connections.may_log(at(2)), None);
        assert_eq!(connections.may_log(at(5)), None);
        assert_eq!(connections.may_log(at(6)), Some(2));
        assert_eq!(connections.may_log(at(60)), Some(0));
    }

    #[test]
    fn open_connections_are_counted_until_they_end() {
        let connections = Arc::new(Connections::default());
        let connected = connections.enter();
        assert_eq!(connections.open(), 1);
        drop(connected);
        assert_eq!((connections.open(), connections.accepted()), (0, 1));
    }
}
