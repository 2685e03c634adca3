//! What a lookup door counts, for metrics.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::world::Connections;

/// The counters of one door; all rise, except the connections that are open.
#[derive(Debug, Default)]
pub struct Counters {
    pub(super) connections: Arc<Connections>,
    broken: AtomicU64,
    found: AtomicU64,
    refused: AtomicU64,
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
            open: self.connections.open(),
            accepted: self.connections.accepted(),
            turned_away: self.connections.turned_away(),
            broken: of(&self.broken),
            found: of(&self.found),
            refused: of(&self.refused),
        }
    }

    pub(super) fn broken(&self) {
        self.broken.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn answered(&self, is_found: bool) {
        let counter = if is_found { &self.found } else { &self.refused };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}
