//! The durations that all members must agree on, and their ranges.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::ChangeError;

/// The shortest lease.
pub const LEASE_MIN: Duration = Duration::from_millis(10);
/// The longest lease: a lost director delays a change by this much.
pub const LEASE_MAX: Duration = Duration::from_secs(3_600);
/// The shortest time that a user is remembered after his last session.
pub const USER_EXPIRE_MIN: Duration = Duration::from_secs(1);
/// The longest time that a user is remembered after his last session.
pub const USER_EXPIRE_MAX: Duration = Duration::from_secs(7 * 24 * 3_600);
/// A lease is at least so many times as long as closing all sessions takes. That time is taken off a lease's end, and a
/// director that closes a moved user's sessions has its lease renewed only afterwards: of a lease of L, the usable
/// part L - C must outlast a renew interval of L/5 and the closing, C, so L must exceed 2.5 C.
const LEASE_PER_CLOSING: u32 = 3;
/// The worst clock that can be assumed: 10 %.
pub const DRIFT_PPM_MAX: u32 = 100_000;

/// How long leases and users last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Timing {
    /// How long a director may serve after a majority answered it; [`LEASE_MIN`] to [`LEASE_MAX`].
    pub lease: Duration,
    /// How far a machine's clock may run from true time, in parts per million; at most
    /// [`DRIFT_PPM_MAX`].
    pub drift_ppm: u32,
    /// How long a user stays on his backend after his last session; [`USER_EXPIRE_MIN`] to
    /// [`USER_EXPIRE_MAX`].
    pub user_expire: Duration,
}

impl Timing {
    pub(super) fn check(&self) -> Result<(), ChangeError> {
        check_lease(self.lease)?;
        check_user_expire(self.user_expire)?;
        if self.drift_ppm > DRIFT_PPM_MAX {
            return Err(ChangeError::DriftOutOfRange {
                drift_ppm: self.drift_ppm,
                max: DRIFT_PPM_MAX,
            });
        }
        Ok(())
    }
}

/// The shortest lease for a director whose sessions are all closed `close_bound` after they are told to end.
pub fn lease_min(close_bound: Duration) -> Duration {
    LEASE_MIN.max(close_bound * LEASE_PER_CLOSING)
}

pub(super) fn check_lease(lease: Duration) -> Result<(), ChangeError> {
    if !(LEASE_MIN..=LEASE_MAX).contains(&lease) {
        return Err(ChangeError::LeaseOutOfRange {
            lease,
            min: LEASE_MIN,
            max: LEASE_MAX,
        });
    }
    Ok(())
}

pub(super) fn check_user_expire(user_expire: Duration) -> Result<(), ChangeError> {
    if !(USER_EXPIRE_MIN..=USER_EXPIRE_MAX).contains(&user_expire) {
        let (min, max) = (USER_EXPIRE_MIN, USER_EXPIRE_MAX);
        return Err(ChangeError::UserExpireOutOfRange {
            user_expire,
            min,
            max,
        });
    }
    Ok(())
}
