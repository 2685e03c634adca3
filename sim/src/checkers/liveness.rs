//! L1, liveness: when a majority of voters can talk and faults among them have stopped, every login is answered, every
//! change commits and all agree, within the bound that [`super::patience`] adds up.

use super::Broken;
use crate::outcome::Invariant;

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
    /// Backends of which the ring was not told yet how they are.
    pub(crate) untold: usize,
}

impl Core {
    pub(crate) fn is_well(&self) -> bool {
        *self == Core::default()
    }
}

/// What is seen so long after the faults.
pub(crate) fn recovered_in_time(
    core: &Core,
    passed_ns: u64,
    bound_ns: u64,
    interval_ns: u64,
) -> Result<(), Broken> {
    if core.is_well() || passed_ns <= bound_ns {
        return Ok(());
    }
    let words = format!(
        "after {}, bound {}: not serving {:?}, unseated {:?}, behind {:?}, {} users frozen, {} logins waiting, {} backends untold",
        intervals(passed_ns, interval_ns),
        intervals(bound_ns, interval_ns),
        core.not_serving,
        core.unseated,
        core.behind,
        core.frozen,
        core.waiting,
        core.untold
    );
    Err(Broken::new(Invariant::Liveness, words))
}

/// What was asked of a member of the core so long ago, and is not answered.
pub(crate) fn answered_in_time(
    what: &str,
    member: u8,
    waited_ns: u64,
    bound_ns: u64,
    interval_ns: u64,
) -> Result<(), Broken> {
    if waited_ns <= bound_ns {
        return Ok(());
    }
    let (waited, bound) = (
        intervals(waited_ns, interval_ns),
        intervals(bound_ns, interval_ns),
    );
    let words = format!("{what} at member {member} waits for {waited}, bound {bound}");
    Err(Broken::new(Invariant::Liveness, words))
}

fn intervals(ns: u64, interval_ns: u64) -> String {
    let tenths = ns.saturating_mul(10) / interval_ns.max(1);
    format!(
        "{}.{} renew intervals ({} ms)",
        tenths / 10,
        tenths % 10,
        ns / 1_000_000
    )
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
        assert!(recovered_in_time(&well, u64::MAX, 8, 1).is_ok());
        assert!(recovered_in_time(&ill, 8, 8, 1).is_ok());
        assert!(recovered_in_time(&ill, 9, 8, 1).is_err());
    }

    #[test]
    fn who_waits_too_long_is_noticed_and_told_in_renew_intervals() {
        assert!(answered_in_time("a login", 1, 10, 10, 2).is_ok());
        let broken = answered_in_time("a login", 1, 11_000_000, 10_000_000, 2_000_000).unwrap_err();
        assert!(
            broken.words.contains("5.5 renew intervals (11 ms)"),
            "{}",
            broken.words
        );
    }
}
