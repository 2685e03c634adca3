//! A session's leave to be: the director can take it back, and hears when the session has ended.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::sync::Notify;

#[derive(Debug, Default)]
struct Shared {
    is_revoked: AtomicBool,
    revoked: Notify,
    to_backend: AtomicU64,
    to_client: AtomicU64,
}

/// Held by a session while anything of it can still reach the backend. When it is dropped, nothing can any more, and
/// whoever gave it is told.
pub struct Permit {
    shared: Arc<Shared>,
    needs_lease: bool,
    ended: Option<Box<dyn FnOnce() + Send + Sync>>,
}

/// The other end: takes a permit back, and tells what went by it.
#[derive(Clone, Debug)]
pub struct Revoker(Arc<Shared>);

impl Permit {
    /// A permit, and what takes it back. `ended` is called once, when the permit is dropped.
    pub fn new(ended: impl FnOnce() + Send + Sync + 'static) -> (Self, Revoker) {
        let shared = Arc::new(Shared::default());
        let permit = Permit {
            shared: Arc::clone(&shared),
            needs_lease: true,
            ended: Some(Box::new(ended)),
        };
        (permit, Revoker(shared))
    }

    /// A permit of a user who is at one backend whatever the ring decides. Nobody takes it back.
    pub fn unconditional() -> Self {
        Permit {
            shared: Arc::default(),
            needs_lease: false,
            ended: None,
        }
    }

    /// Whether the session may only go on under the director's lease.
    pub(super) fn needs_lease(&self) -> bool {
        self.needs_lease
    }

    /// Whether the session has to end.
    pub fn is_revoked(&self) -> bool {
        self.shared.is_revoked.load(Ordering::Acquire)
    }

    /// Waits until the session has to end.
    pub async fn revoked(&self) {
        // Whoever revokes sets the flag first, and the notice is kept for one who asks later.
        while !self.is_revoked() {
            self.shared.revoked.notified().await;
        }
    }
}

impl Permit {
    /// So many bytes of the session were forwarded since its start.
    pub fn forwarded(&self, to_backend: u64, to_client: u64) {
        self.shared.to_backend.store(to_backend, Ordering::Relaxed);
        self.shared.to_client.store(to_client, Ordering::Relaxed);
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if let Some(ended) = self.ended.take() {
            ended();
        }
    }
}

impl Revoker {
    /// The session has to end: it forwards nothing from here on.
    pub fn revoke(&self) {
        self.0.is_revoked.store(true, Ordering::Release);
        self.0.revoked.notify_one();
    }

    /// Bytes of the session that were forwarded to the backend, and to the client.
    pub fn forwarded(&self) -> (u64, u64) {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        (of(&self.0.to_backend), of(&self.0.to_client))
    }
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit")
            .field("is_revoked", &self.is_revoked())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU32;

    use super::*;

    #[test]
    fn a_permit_that_is_taken_back_wakes_its_session() {
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        runtime.expect("a runtime can be made").block_on(taken_back());
    }

    async fn taken_back() {
        let ends = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&ends);
        let (permit, revoker) = Permit::new(move || {
            counted.fetch_add(1, Ordering::Relaxed);
        });
        assert!(!permit.is_revoked());
        revoker.revoke();
        permit.revoked().await;
        permit.revoked().await;
        assert_eq!(ends.load(Ordering::Relaxed), 0, "the session has not ended yet");
        drop(permit);
        assert_eq!(ends.load(Ordering::Relaxed), 1);
    }
}
