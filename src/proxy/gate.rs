//! Whether a byte may be forwarded now: the director's lease, as one number that every session reads.
//!
//! The task that owns the machine sets it before anything that the machine said leaves this process. A process that slept
//! past its lease reads the clock after it woke, and finds the gate shut.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::world::Instant;

/// The gate of a process. Clones are the same gate; a new one is shut.
#[derive(Clone, Debug, Default)]
pub struct Gate(Arc<AtomicU64>);

impl Gate {
    /// From now on it is open until `until`, and no longer.
    pub fn open_until(&self, until: Instant) {
        self.0.store(until.as_nanos(), Ordering::Release);
    }

    /// Until when it is open, as far as is known now.
    pub fn until(&self) -> Instant {
        Instant::from_nanos(self.0.load(Ordering::Acquire))
    }

    /// Whether it is open at `now`, which has to be read after the bytes that are to be forwarded.
    pub fn is_open(&self, now: Instant) -> bool {
        now.as_nanos() < self.0.load(Ordering::Acquire)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gate_is_open_until_it_is_not() {
        let gate = Gate::default();
        let at = Instant::from_nanos;
        assert!(!gate.is_open(at(0)), "a new gate is shut");
        gate.clone().open_until(at(10));
        assert!(gate.is_open(at(9)));
        assert!(!gate.is_open(at(10)), "a lease that ends now has ended");
    }
}
