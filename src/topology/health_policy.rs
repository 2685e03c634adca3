//! What the ring does about backends that probes find failing.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::ChangeError;

/// The whole of a tag's backends, in the unit of [`HealthPolicy::failed_max_per_mille`].
pub const PER_MILLE: u32 = 1_000;
/// The longest that users are left on a failed backend.
pub const EVICT_AFTER_MAX: Duration = Duration::from_secs(7 * 24 * 3_600);

/// What all members must agree on to take backends out of service by probes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct HealthPolicy {
    /// The brake: of the backends of a tag that are up, at most so many per mille may be failed; at most
    /// [`PER_MILLE`]. 0 never fails a backend.
    pub failed_max_per_mille: u32,
    /// How long after a backend failed its users are moved away; at most [`EVICT_AFTER_MAX`]. Zero moves
    /// them with the verdict itself.
    pub evict_after: Duration,
}

impl HealthPolicy {
    pub(super) fn check(&self) -> Result<(), ChangeError> {
        if self.failed_max_per_mille > PER_MILLE {
            return Err(ChangeError::BrakeOutOfRange {
                per_mille: self.failed_max_per_mille,
                max: PER_MILLE,
            });
        }
        if self.evict_after > EVICT_AFTER_MAX {
            return Err(ChangeError::EvictAfterOutOfRange {
                evict_after: self.evict_after,
                max: EVICT_AFTER_MAX,
            });
        }
        Ok(())
    }

    /// Whether the brake lets so many backends be failed of all those of a tag that are up.
    pub fn allows(&self, failed: usize, up: usize) -> bool {
        failed as u64 * u64::from(PER_MILLE) <= up as u64 * u64::from(self.failed_max_per_mille)
    }
}

impl Default for HealthPolicy {
    /// At most half of a tag's backends, and their users at once.
    fn default() -> Self {
        HealthPolicy {
            failed_max_per_mille: 500,
            evict_after: Duration::ZERO,
        }
    }
}
