//! How many users are held on each backend, and for how long that is good enough to be shown again.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::topology::BackendId;
use crate::world::Instant;

/// Counting all users takes a while where there are many: so many times as long its result is shown again.
const SHOWN_AGAIN: u32 = 10;

/// Users by backend.
pub(super) type Counts = BTreeMap<BackendId, u64>;

/// The counts that were made last.
#[derive(Debug, Default)]
pub(super) struct LastCount(Mutex<Option<(Instant, Arc<Counts>)>>);

impl LastCount {
    /// The counts, if they are new enough.
    pub fn at(&self, now: Instant) -> Option<Arc<Counts>> {
        let last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        last.as_ref()
            .filter(|(good_until, _)| now < *good_until)
            .map(|(_, counts)| counts.clone())
    }

    /// Keeps what was counted from an instant to another.
    pub fn keep(&self, counts: &Arc<Counts>, began: Instant, now: Instant) {
        let good_until = now.plus(now.since(began) * SHOWN_AGAIN);
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *last = Some((good_until, counts.clone()));
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_count_is_shown_again_ten_times_as_long_as_it_took() {
        let at = |millis| Instant::ORIGIN.plus(Duration::from_millis(millis));
        let last = LastCount::default();
        assert_eq!(last.at(at(0)), None);
        let counts = Arc::new(Counts::from([(BackendId::from_index(0), 7)]));
        last.keep(&counts, at(100), at(150));
        assert_eq!(last.at(at(649)), Some(counts));
        assert_eq!(last.at(at(650)), None);
    }
}
