//! How many a second, over the last second or so.

use std::time::Duration;

use crate::world::Instant;

/// The rate is that of so much time.
const OVER: Duration = Duration::from_secs(1);

/// The rate of a count that rises.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rate {
    since: (Instant, u64),
    rate: f64,
}

impl Rate {
    /// Of a count that is zero now.
    pub fn new(now: Instant) -> Self {
        Rate {
            since: (now, 0),
            rate: 0.0,
        }
    }

    /// The count is this now.
    pub fn measure(&mut self, count: u64, now: Instant) {
        let (since, before) = self.since;
        let span = now.since(since);
        if span >= OVER {
            self.rate = (count - before) as f64 / span.as_secs_f64();
            self.since = (now, count);
        }
    }

    /// How many a second.
    pub fn per_second(self) -> f64 {
        self.rate
    }
}
