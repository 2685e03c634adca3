//! An operator's order to empty a backend in peace.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::ChangeError;

/// The most users whom one drain moves in a second.
pub const DRAIN_PER_SECOND_MAX: u32 = 100_000;
/// The longest that users are left alone.
pub const DRAIN_SPAN_MAX: Duration = Duration::from_secs(30 * 24 * 3_600);

/// A backend is being emptied: it takes no new users, and who is still there at the deadline is moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Drain {
    /// When it was ordered, in Unix seconds.
    pub since_unix_s: u64,
    /// When those who are left begin to be moved, in Unix seconds; at most [`DRAIN_SPAN_MAX`] after the order.
    pub until_unix_s: u64,
    /// How many of them are moved in a second; 1 to [`DRAIN_PER_SECOND_MAX`].
    pub per_second: u32,
}

impl Drain {
    pub(super) fn check(&self) -> Result<(), ChangeError> {
        if !(1..=DRAIN_PER_SECOND_MAX).contains(&self.per_second) {
            return Err(ChangeError::DrainRateOutOfRange {
                per_second: self.per_second,
                max: DRAIN_PER_SECOND_MAX,
            });
        }
        let span = self
            .until_unix_s
            .checked_sub(self.since_unix_s)
            .map(Duration::from_secs);
        if span.is_none_or(|span| span > DRAIN_SPAN_MAX) {
            return Err(ChangeError::DrainSpanOutOfRange {
                span: span.unwrap_or_default(),
                max: DRAIN_SPAN_MAX,
            });
        }
        Ok(())
    }

    /// Whether the deadline has passed.
    pub fn is_due(&self, unix_s: u64) -> bool {
        unix_s >= self.until_unix_s
    }
}
