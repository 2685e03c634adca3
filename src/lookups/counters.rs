//! What a lookup door counts, for metrics, and how its log lines are kept from flooding.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::world::Instant;

/// How often a door repeats itself in the log, in nanoseconds.
const LOG_EVERY_NS: u64 = 5_000_000_000;

/// The counters of one door; all rise, except the connections that are open.
#[derive(Debug, Default)]
pub struct Counters {
    open: AtomicU64,
    accepted: AtomicU64,
    turned_away: AtomicU64,
    broken: AtomicU64,
    found: AtomicU64,
    refused: AtomicU64,
    quiet_until: AtomicU64,
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
    /// Connections closed for a fault: what can't be understood, silence, a broken socket.
    pub broken: u64,
    /// Users who were found.
    pub found: u64,
    /// Users for whom the director had no answer.
    pub refused: u64,
}

impl Counters {
    /// What they are now.
    pub fn counted(&self) -> Counted {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counted {
            open: of(&self.open),
            accepted: of(&self.accepted),
            turned_away: of(&self.turned_away),
            broken: of(&self.broken),
            found: of(&self.found),
            refused: of(&self.refused),
        }
    }

    pub(super) fn opened(&self) {
        self.open.fetch_add(1, Ordering::Relaxed);
        self.accepted.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn closed(&self) {
        self.open.fetch_sub(1, Ordering::Relaxed);
    }

    pub(super) fn turned_away(&self) {
        self.turned_away.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn broken(&self) {
        self.broken.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn answered(&self, is_found: bool) {
        let counter = if is_found { &self.found } else { &self.refused };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether a line may be logged now.
    pub(super) fn may_log(&self, now: Instant) -> bool {
        let now = now.as_nanos();
        let until = self.quiet_until.load(Ordering::Relaxed);
        now >= until
            && self
                .quiet_until
                .compare_exchange(until, now + LOG_EVERY_NS, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
    }
}
