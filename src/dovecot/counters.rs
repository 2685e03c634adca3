//! What a door counts, for metrics.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::{Failure, Tally};
use crate::world::Connections;

/// The counters of one door; all rise, except the connections that are open.
#[derive(Debug, Default)]
pub struct Counters {
    connections: Arc<Connections>,
    broken: AtomicU64,
    unreachable: AtomicU64,
    lookups: AtomicU64,
    late: AtomicU64,
    failed: AtomicU64,
    refreshes: AtomicU64,
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

impl Counters {
    /// The counters now.
    pub fn counted(&self) -> Counted {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counted {
            open: self.connections.open(),
            accepted: self.connections.accepted(),
            turned_away: self.connections.turned_away(),
            broken: read(&self.broken),
            unreachable: read(&self.unreachable),
            lookups: read(&self.lookups),
            late: read(&self.late),
            failed: read(&self.failed),
            refreshes: read(&self.refreshes),
        }
    }

    /// Those of its socket.
    pub(super) fn connections(&self) -> &Arc<Connections> {
        &self.connections
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
}

fn add(counter: &AtomicU64, more: u64) {
    if more != 0 {
        counter.fetch_add(more, Ordering::Relaxed);
    }
}
