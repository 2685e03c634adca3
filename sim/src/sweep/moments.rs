//! A few moments of a run at which much happens at once. Faults that never meet each other test little.

use crate::entropy::Stream;
use crate::knobs::Knobs;

/// The moments of one plan.
pub(super) struct Moments {
    pub(super) duration_ms: u64,
    lease_ms: u64,
    at_ms: Vec<u64>,
}

impl Moments {
    pub(super) fn draw(stream: &mut Stream, knobs: &Knobs, duration_ms: u64) -> Self {
        let count = stream.range(2, 5);
        let at_ms = (0..count)
            .map(|_| stream.range(0, duration_ms * 9 / 10))
            .collect();
        Moments {
            duration_ms,
            lease_ms: knobs.lease_ms,
            at_ms,
        }
    }

    /// When something begins: mostly near one of the moments.
    pub(super) fn begin_ms(&self, stream: &mut Stream) -> u64 {
        let begin_ms = if stream.percent(70) {
            let spread_ms = *stream.pick(&[20, 200, self.lease_ms / 2, self.lease_ms * 2]);
            *stream.pick(&self.at_ms) + stream.range(0, spread_ms)
        } else {
            stream.range(0, self.duration_ms)
        };
        begin_ms.min(self.duration_ms - 1)
    }

    /// How long a fault lasts: from a blink to many leases.
    pub(super) fn length_ms(&self, stream: &mut Stream) -> u64 {
        let lease = self.lease_ms;
        let most = *stream.pick(&[
            50,
            lease / 5,
            lease / 2,
            lease,
            lease,
            lease * 3 / 2,
            lease * 3,
            lease * 6,
        ]);
        stream.range(most / 3, most).max(1)
    }
}
