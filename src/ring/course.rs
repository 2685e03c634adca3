//! Whom to dial: the nearest member on the right that can be reached, and beside it one that is not heard through the
//! ring.
//!
//! Pure: the time and the chance are arguments. Dialling itself is left to the keeper.

use std::collections::BTreeSet;
use std::time::Duration;

use super::settings::RingLimits;
use crate::topology::MemberId;
use crate::world::Instant;

/// Members that are dialled at the same time at most.
const DIALLING_MAX: usize = 8;

/// How each member on the right, the nearest first, stands.
#[derive(Debug)]
pub(super) struct Course {
    toward: Vec<Toward>,
    limits: RingLimits,
}

#[derive(Debug)]
struct Toward {
    id: MemberId,
    state: State,
    failures: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Idle { retry_at: Instant },
    Dialling { since: Instant, is_bridge: bool },
    Linked { since: Instant, is_bridge: bool },
}

impl Course {
    pub fn new(right: Vec<MemberId>, limits: RingLimits) -> Self {
        Course {
            toward: right.into_iter().map(Toward::new).collect(),
            limits,
        }
    }

    /// Others are on the right now, the nearest first. The answer are members who are not among them any more: their
    /// links and diallings are needless.
    pub fn turned(&mut self, right: Vec<MemberId>) -> Vec<MemberId> {
        let mut before = std::mem::take(&mut self.toward);
        for id in right {
            let known = before.iter().position(|toward| toward.id == id);
            let toward = known.map_or_else(|| Toward::new(id), |at| before.swap_remove(at));
            self.toward.push(toward);
        }
        before.into_iter().map(|toward| toward.id).collect()
    }

    /// Whom to dial now, if anybody; it counts as being dialled from then on.
    ///
    /// `unheard` are members of whom nothing has come for long: the ring may be in two parts that no right neighbour
    /// joins, so one of them at a time is dialled beside the right neighbour.
    pub fn next(&mut self, now: Instant, unheard: &BTreeSet<MemberId>) -> Option<MemberId> {
        if self.stagger_ends().is_some_and(|at| now < at) || self.dialling() >= DIALLING_MAX {
            return None;
        }
        let best = self.best();
        let (near, far) = self.toward.split_at_mut(best);
        if let Some(next) = near.iter_mut().find(|toward| toward.is_due(now)) {
            next.state = State::Dialling {
                since: now,
                is_bridge: false,
            };
            return Some(next.id);
        }
        let has_bridge = |toward: &Toward| !matches!(toward.state, State::Idle { .. });
        if far.iter().skip(1).any(has_bridge) {
            return None;
        }
        let bridge = far
            .iter_mut()
            .skip(1)
            .find(|toward| unheard.contains(&toward.id) && toward.is_due(now))?;
        bridge.state = State::Dialling {
            since: now,
            is_bridge: true,
        };
        Some(bridge.id)
    }

    /// A dialling became a link. The answer are the members whose links, or diallings, it makes needless.
    pub fn linked(&mut self, id: MemberId, now: Instant) -> Vec<MemberId> {
        let Some(toward) = self.toward.iter_mut().find(|toward| toward.id == id) else {
            return Vec::new();
        };
        // It was made needless while it came to stand.
        let State::Dialling { is_bridge, .. } = toward.state else {
            return vec![id];
        };
        toward.state = State::Linked {
            since: now,
            is_bridge,
        };
        let best = self.best();
        let mut needless = Vec::new();
        for toward in self.toward.iter_mut().skip(best + 1) {
            if matches!(
                toward.state,
                State::Linked { is_bridge: false, .. } | State::Dialling { is_bridge: false, .. }
            ) {
                toward.state = State::Idle { retry_at: now };
                needless.push(toward.id);
            }
        }
        needless
    }

    /// A dialling came to nothing, or a link is gone. `chance` spreads the next attempts of many members.
    pub fn ended(&mut self, id: MemberId, now: Instant, chance: u64) {
        let limits = &self.limits;
        let Some(toward) = self.toward.iter_mut().find(|toward| toward.id == id) else {
            return;
        };
        match toward.state {
            // It was made needless before it ended.
            State::Idle { .. } => return,
            State::Linked { since, .. } if now.since(since) >= limits.stable_after => toward.failures = 0,
            State::Linked { .. } | State::Dialling { .. } => {}
        }
        toward.failures = toward.failures.saturating_add(1);
        let wait = back_off(limits, toward.failures, chance);
        toward.state = State::Idle {
            retry_at: now.plus(wait),
        };
    }

    /// When `next` may have an answer that it has not now, unless something happens before.
    pub fn next_wakeup(&self) -> Option<Instant> {
        let near = self.toward.iter().take(self.best());
        let retry = near.filter_map(|toward| match toward.state {
            State::Idle { retry_at } => Some(retry_at),
            _ => None,
        });
        let retry = retry.min()?;
        let stagger = self.stagger_ends().unwrap_or(Instant::ORIGIN);
        // With too many diallings under way, the end of one of them is what happens next.
        (self.dialling() < DIALLING_MAX).then(|| retry.max(stagger))
    }

    /// Where the nearest link is; behind the last when there is none.
    fn best(&self) -> usize {
        let is_linked = |toward: &Toward| matches!(toward.state, State::Linked { .. });
        self.toward
            .iter()
            .position(is_linked)
            .unwrap_or(self.toward.len())
    }

    fn dialling(&self) -> usize {
        let is_dialling = |toward: &&Toward| matches!(toward.state, State::Dialling { .. });
        self.toward.iter().filter(is_dialling).count()
    }

    fn stagger_ends(&self) -> Option<Instant> {
        let since = self.toward.iter().filter_map(|toward| match toward.state {
            State::Dialling { since, .. } => Some(since),
            _ => None,
        });
        since.max().map(|since| since.plus(self.limits.stagger))
    }
}

impl Toward {
    fn new(id: MemberId) -> Self {
        Toward {
            id,
            state: State::Idle {
                retry_at: Instant::ORIGIN,
            },
            failures: 0,
        }
    }

    fn is_due(&self, now: Instant) -> bool {
        matches!(self.state, State::Idle { retry_at } if now >= retry_at)
    }
}

/// Doubles with every failure up to the longest; half of it is left to chance.
fn back_off(limits: &RingLimits, failures: u32, chance: u64) -> Duration {
    let doublings = failures.saturating_sub(1).min(16);
    let whole = limits
        .redial_first
        .saturating_mul(1 << doublings)
        .min(limits.redial_max);
    let half = whole / 2;
    let nanos = u64::try_from(half.as_nanos()).unwrap_or(u64::MAX - 1);
    half + Duration::from_nanos(chance % (nanos + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: BTreeSet<MemberId> = BTreeSet::new();

    fn course(members: u16) -> Course {
        Course::new(
            (1..=members).map(MemberId::from_index).collect(),
            RingLimits::default(),
        )
    }

    fn id(index: u16) -> MemberId {
        MemberId::from_index(index)
    }

    fn at(millis: u64) -> Instant {
        Instant::ORIGIN.plus(Duration::from_millis(millis))
    }

    #[test]
    fn the_nearest_is_dialled_and_then_nobody_else() {
        let mut course = course(3);
        assert_eq!(course.next(at(0), &NONE), Some(id(1)));
        assert_eq!(course.linked(id(1), at(5)), []);
        assert_eq!(course.next(at(10_000), &NONE), None);
        assert_eq!(course.next_wakeup(), None);
    }

    #[test]
    fn the_next_nearest_is_dialled_as_soon_as_the_nearest_fails() {
        let mut course = course(3);
        assert_eq!(course.next(at(0), &NONE), Some(id(1)));
        assert_eq!(course.next(at(1), &NONE), None, "the nearest may still answer");
        course.ended(id(1), at(2), 0);
        assert_eq!(course.next(at(2), &NONE), Some(id(2)));
        course.linked(id(2), at(3));
        assert_eq!(course.next_wakeup(), Some(at(52)), "the nearest is tried again");
    }

    #[test]
    fn a_silent_neighbour_holds_up_the_next_only_for_the_stagger() {
        let mut course = course(3);
        assert_eq!(course.next(at(0), &NONE), Some(id(1)));
        assert_eq!(course.next_wakeup(), Some(at(250)));
        assert_eq!(course.next(at(250), &NONE), Some(id(2)));
        course.linked(id(2), at(260));
        assert_eq!(
            course.linked(id(1), at(270)),
            [id(2)],
            "the nearer one takes its place"
        );
        course.ended(id(2), at(271), 0);
        assert_eq!(course.next(at(9_000), &NONE), None);
    }

    #[test]
    fn a_lost_neighbour_is_replaced_and_taken_back() {
        let mut course = course(2);
        course.next(at(0), &NONE);
        course.linked(id(1), at(1));
        course.ended(id(1), at(20_000), 0);
        assert_eq!(course.next(at(20_000), &NONE), Some(id(2)));
        course.linked(id(2), at(20_001));
        assert_eq!(course.next(at(20_300), &NONE), Some(id(1)));
        assert_eq!(course.linked(id(1), at(20_301)), [id(2)]);
    }

    #[test]
    fn attempts_grow_rarer_and_never_stop() {
        let limits = RingLimits::default();
        assert_eq!(back_off(&limits, 1, 0), limits.redial_first / 2);
        assert!(back_off(&limits, 1, u64::MAX) <= limits.redial_first);
        assert!(back_off(&limits, u32::MAX, u64::MAX) <= limits.redial_max);
        assert!(back_off(&limits, 40, 0) >= limits.redial_max / 2);
    }

    #[test]
    fn somebody_unheard_is_dialled_beside_the_right_neighbour_one_at_a_time() {
        let mut course = course(4);
        course.next(at(0), &NONE);
        course.linked(id(1), at(1));
        let unheard = BTreeSet::from([id(1), id(3), id(4)]);
        assert_eq!(course.next(at(9_000), &unheard), Some(id(3)));
        assert_eq!(course.next(at(9_500), &unheard), None, "one bridge at a time");
        course.ended(id(3), at(9_600), 0);
        assert_eq!(course.next(at(9_600), &unheard), Some(id(4)));
        assert_eq!(course.linked(id(4), at(9_700)), [], "a bridge replaces nobody");
        assert_eq!(course.next(at(30_000), &unheard), None);
    }

    #[test]
    fn a_member_that_comes_between_is_dialled_and_one_that_left_is_given_up() {
        let mut course = course(2);
        course.next(at(0), &NONE);
        course.linked(id(1), at(1));
        assert_eq!(course.turned(vec![id(7), id(1), id(2)]), []);
        assert_eq!(course.next(at(300), &NONE), Some(id(7)));
        assert_eq!(course.linked(id(7), at(301)), [id(1)], "it is nearer");
        assert_eq!(course.turned(vec![id(2)]), [id(7), id(1)]);
        assert_eq!(course.next(at(302), &NONE), Some(id(2)));
    }

    #[test]
    fn a_member_alone_dials_nobody() {
        let mut course = course(0);
        assert_eq!(course.next(at(0), &NONE), None);
        assert_eq!(course.next_wakeup(), None);
    }
}
