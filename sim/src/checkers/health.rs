//! Backends fail by what most directors find, within the brake, never against an operator's word, and in time.

use std::time::Duration;

use maildirector::topology::{Backend, BackendId, Topology};

use super::Broken;
use crate::outcome::Invariant;

/// Probes in a row after which a dead backend is surely found failing by a director, and so many leases after which the
/// ring has surely acted on that.
const PROBES: u64 = 6;
const LEASES: u64 = 5;

/// The backends that a step from one topology to the next takes out of service by probes.
pub(crate) fn newly_failed<'a>(
    before: &'a Topology,
    after: &'a Topology,
) -> impl Iterator<Item = &'a Backend> + 'a {
    let was_failed = |id: BackendId| before.backend(id).is_some_and(|backend| backend.is_failed);
    after
        .backends()
        .filter(move |backend| backend.is_failed && !was_failed(backend.id))
}

/// What probes may do to a backend when most directors agree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Failed,
    CameBack,
}

/// A backend was failed, or came back: so many directors under a lease found so lately, and so many never did.
pub(crate) fn health_agreed(
    backend: BackendId,
    verdict: Verdict,
    so: usize,
    otherwise: usize,
) -> Result<(), Broken> {
    if so > otherwise {
        return Ok(());
    }
    let (became, found) = match verdict {
        Verdict::Failed => ("was failed", "failing"),
        Verdict::CameBack => ("came back", "working"),
    };
    let words =
        format!("{backend} {became}, {so} directors found it {found} lately and {otherwise} others did not");
    Err(Broken::new(Invariant::HealthAgreed, words))
}

/// A backend was failed by so many directors, although none had a reason but lost probes. One director alone may lose as
/// many in a row as it takes; two do not.
pub(crate) fn no_flapping(backend: BackendId, directors: usize, had_reason: bool) -> Result<(), Broken> {
    if had_reason || directors < 2 {
        return Ok(());
    }
    let words = format!("{backend} was failed, and nothing was wrong with it but lost probes");
    Err(Broken::new(Invariant::NoFlapping, words))
}

/// What a step fails is within the brake, and leaves a backend to its tag.
pub(crate) fn brake_holds(before: &Topology, after: &Topology) -> Result<(), Broken> {
    for backend in newly_failed(before, after) {
        let alike = || {
            after
                .backends()
                .filter(|other| other.tag == backend.tag && other.is_up)
        };
        let (failed, up) = (alike().filter(|other| other.is_failed).count(), alike().count());
        if !after.health().allows(failed, up) || !alike().any(|other| other.points() > 0) {
            let words = format!("{} was failed, {failed} of {up} of its tag are now", backend.id);
            return Err(Broken::new(Invariant::BrakeHolds, words));
        }
    }
    Ok(())
}

/// What a step fails gives its users away with it, where the policy says so.
pub(crate) fn failed_is_left(before: &Topology, after: &Topology) -> Result<(), Broken> {
    if !after.health().evict_after.is_zero() {
        return Ok(());
    }
    for backend in newly_failed(before, after) {
        let left = after.pins().filter(|(_, at)| *at == backend.id).count();
        if left > 0 {
            let words = format!("{} was failed and {left} users are kept there", backend.id);
            return Err(Broken::new(Invariant::FailedIsLeft, words));
        }
    }
    Ok(())
}

/// A backend went up `ups` times, and operators said so `said` times.
pub(crate) fn human_down_stays(backend: BackendId, ups: u64, said: u64) -> Result<(), Broken> {
    if ups <= said {
        return Ok(());
    }
    let words = format!("{backend} went up {ups} times after a down, and operators said so {said} times");
    Err(Broken::new(Invariant::HumanDownStays, words))
}

/// How long a backend may be dead, with nothing else wrong, before it has to be out.
pub(crate) fn dead_backend_bound_ns(probe_ms: u64, lease: Duration) -> u64 {
    PROBES * probe_ms * 1_000_000 + LEASES * lease.as_nanos() as u64
}

#[cfg(test)]
mod tests {
    use maildirector::topology::{Change, Draft};

    use super::super::agreement::tests::topology;
    use super::*;

    fn step(before: &Topology, changes: &[Change]) -> Topology {
        let mut draft = Draft::of(before).without_brake();
        draft.apply(changes).expect("they can be made");
        draft.finish().0
    }

    fn fail(last: u8) -> Change {
        Change::Fail {
            ip: [10, 0, 0, last].into(),
            at_unix_s: 1,
            evicts: true,
        }
    }

    #[test]
    fn more_than_the_brake_allows_is_noticed() {
        let before = topology(&[100, 100, 100]);
        let one = step(&before, &[fail(0)]);
        assert!(brake_holds(&before, &one).is_ok());
        let two = step(&before, &[fail(0), fail(1)]);
        assert!(brake_holds(&before, &two).is_err());
        assert!(brake_holds(&two, &two).is_ok(), "what is so already is no step");
    }

    #[test]
    fn a_minority_is_noticed() {
        let id = BackendId::from_index(1);
        assert!(health_agreed(id, Verdict::Failed, 2, 1).is_ok());
        assert!(health_agreed(id, Verdict::Failed, 1, 1).is_err());
        assert!(no_flapping(id, 3, false).is_err());
        assert!(no_flapping(id, 3, true).is_ok());
        assert!(no_flapping(id, 1, false).is_ok());
        assert!(health_agreed(id, Verdict::CameBack, 2, 1).is_ok());
        assert!(health_agreed(id, Verdict::CameBack, 1, 2).is_err());
        assert!(human_down_stays(id, 1, 1).is_ok());
        assert!(human_down_stays(id, 1, 0).is_err());
    }
}
