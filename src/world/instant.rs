//! A point on one machine's monotonic clock.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Nanoseconds on a machine's monotonic clock that counts suspended time, since an origin of its own.
///
/// Two instants are comparable only when the same process took them: `PROTOCOL.md` section 3 never compares
/// clocks across machines, so an `Instant` never travels in a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Instant(u64);

impl Instant {
    /// The origin of the clock.
    pub const ORIGIN: Instant = Instant(0);

    /// An instant `nanos` after the origin.
    pub const fn from_nanos(nanos: u64) -> Self {
        Instant(nanos)
    }

    /// Nanoseconds since the origin.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// The instant `span` later; the end of time when that is not representable.
    #[must_use]
    pub fn plus(self, span: Duration) -> Self {
        Instant(self.0.saturating_add(nanos(span)))
    }

    /// The instant `span` earlier; the origin when that would lie before it.
    #[must_use]
    pub fn minus(self, span: Duration) -> Self {
        Instant(self.0.saturating_sub(nanos(span)))
    }

    /// The first of those that are there.
    pub fn first_of<const N: usize>(instants: [Option<Instant>; N]) -> Option<Instant> {
        // A machine asks for it after each input, where a loop over an array costs less than an iterator over what it has.
        let mut first = None;
        for at in instants {
            first = match (first, at) {
                (Some(one), Some(other)) => Some(Instant::min(one, other)),
                (one, other) => one.or(other),
            };
        }
        first
    }

    /// How long ago `earlier` was; zero when it lies ahead.
    pub fn since(self, earlier: Instant) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

impl fmt::Display for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:06}s", self.0 / 1_000_000_000, self.0 / 1_000 % 1_000_000)
    }
}
