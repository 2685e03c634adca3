//! L1, liveness: when a majority of voters can talk and faults have stopped, every login is answered, every change
//! commits and all agree, within a stated bound.

use std::time::Duration;

use super::Broken;
use crate::outcome::Invariant;

/// In so many leases after the faults the ring serves, is at one epoch and freezes nobody.
pub(crate) const SETTLE_LEASES: u32 = 8;
/// In so many more leases, every login is routed and every command carried out that is asked for then.
pub(crate) const PROBE_LEASES: u32 = 5;

/// What is seen of the members that must recover.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Core {
    /// Directors that do not serve.
    pub(crate) not_serving: Vec<u8>,
    /// Voters by their configuration whose vote does not count.
    pub(crate) unseated: Vec<u8>,
    /// Members that are behind the newest epoch.
    pub(crate) behind: Vec<u8>,
    /// Users frozen, over all directors.
    pub(crate) frozen: usize,
    /// Logins that wait.
    pub(crate) waiting: usize,
    /// Probing logins that were not routed, and commands that were not carried out.
    pub(crate) unanswered: usize,
}

impl Core {
    pub(crate) fn is_well(&self) -> bool {
        *self == Core::default()
    }
}

/// What is seen so long after the faults, or after the probes were sent.
pub(crate) fn recovered_in_time(
    core: &Core,
    passed_ns: u64,
    leases: u32,
    lease: Duration,
) -> Result<(), Broken> {
    let bound_ns = (lease * leases).as_nanos() as u64 + 2_000_000_000;
    if core.is_well() || passed_ns <= bound_ns {
        return Ok(());
    }
    let words = format!(
        "after {} ms: not serving {:?}, unseated {:?}, behind {:?}, {} users frozen, {} logins waiting, {} probes unanswered",
        passed_ns / 1_000_000,
        core.not_serving,
        core.unseated,
        core.behind,
        core.frozen,
        core.waiting,
        core.unanswered
    );
    Err(Broken::new(Invariant::Liveness, words))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ring_that_does_not_recover_is_noticed() {
        let well = Core::default();
        let ill = Core {
            not_serving: vec![1],
            ..Core::default()
        };
        let lease = Duration::from_secs(1);
        assert!(recovered_in_time(&well, u64::MAX, 8, lease).is_ok());
        assert!(recovered_in_time(&ill, 9_000_000_000, 8, lease).is_ok());
        assert!(recovered_in_time(&ill, 11_000_000_000, 8, lease).is_err());
    }
}
