//! What a proxy counts, for admins and metrics.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::world::Connections;

/// The counters of one listener; all rise, except the connections that are open.
#[derive(Debug, Default)]
pub struct Counters {
    pub(super) connections: Arc<Connections>,
    pub(super) logins: AtomicU64,
    pub(super) rejected: AtomicU64,
    pub(super) refused: AtomicU64,
    pub(super) unverified: AtomicU64,
    pub(super) backend_failed: AtomicU64,
    pub(super) broken: AtomicU64,
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
    /// Clients who were logged in; by LMTP, recipients whose mail a backend has taken.
    pub logins: u64,
    /// Logins, or recipients, that a backend has refused, or the accounts.
    pub rejected: u64,
    /// Logins that nobody could verify.
    pub unverified: u64,
    /// Logins, or recipients, that the director has refused.
    pub refused: u64,
    /// Logins, or recipients, for which no backend could be used.
    pub backend_failed: u64,
    /// Connections that ended before a login by a fault of the client: silence, garbage, a failed TLS handshake.
    pub broken: u64,
}

impl Counters {
    /// What they are now.
    pub fn counted(&self) -> Counted {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counted {
            open: self.connections.open(),
            accepted: self.connections.accepted(),
            turned_away: self.connections.turned_away(),
            logins: of(&self.logins),
            rejected: of(&self.rejected),
            refused: of(&self.refused),
            unverified: of(&self.unverified),
            backend_failed: of(&self.backend_failed),
            broken: of(&self.broken),
        }
    }
}

/// One more.
pub(super) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}
