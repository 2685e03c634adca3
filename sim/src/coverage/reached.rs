//! What one run reached, as sets of bits: small enough to be kept for every run.

use super::point::Point;
use super::state::State;
use crate::fault::KINDS;
use crate::marks::MarkSet;

/// Of the moments at which a state was entered, the first so many are kept, and then those whose number is a power of two.
const MOMENTS_FIRST: u32 = 6;

/// When a member entered a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// Which.
    pub state: State,
    /// Who, by its place in [`crate::Knobs::members`].
    pub member: u8,
    /// In microseconds of true time.
    pub at_us: u64,
}

/// What one run reached.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reached {
    /// Kinds of faults that struck a member in this state, as bits by their place in [`KINDS`].
    struck: [u32; State::ALL.len()],
    /// Kinds of faults that were in force elsewhere meanwhile.
    meanwhile: [u32; State::ALL.len()],
    /// Kinds of faults in force at the same time.
    together: [u32; KINDS.len()],
    /// States of one member at the same time, as bits.
    at_once: [u32; State::ALL.len()],
    /// States of one member while another was in this one.
    beside: [u32; State::ALL.len()],
    /// How often each state was entered.
    entered: [u32; State::ALL.len()],
    moments: Vec<Moment>,
}

impl Reached {
    /// A member that is struck by these faults, while those are in force, enters a state beside its other states.
    pub(crate) fn entered(&mut self, moment: Moment, striking: u32, in_force: u32, own: u32, others: u32) {
        let state = moment.state as usize;
        self.struck[state] |= striking;
        self.meanwhile[state] |= in_force & !striking;
        self.at_once[state] |= own;
        self.beside[state] |= others;
        self.entered[state] += 1;
        let count = self.entered[state];
        if count <= MOMENTS_FIRST || count.is_power_of_two() {
            self.moments.push(moment);
        }
    }

    /// Faults come into force while a state lasts.
    pub(crate) fn lasted(&mut self, state: State, striking: u32, in_force: u32) {
        self.struck[state as usize] |= striking;
        self.meanwhile[state as usize] |= in_force & !striking;
    }

    /// A kind of fault comes into force beside these.
    pub(crate) fn in_force(&mut self, kind: usize, others: u32) {
        self.together[kind] |= others;
    }

    /// When states were entered, in the order of time.
    pub fn moments(&self) -> &[Moment] {
        &self.moments
    }

    /// Everything reached, with the marks, in the order of the points' numbers.
    pub fn points(&self, marks: &MarkSet) -> Vec<Point> {
        let mut points = Vec::new();
        points.extend(
            marks
                .iter()
                .filter(|(_, count)| *count > 0)
                .map(|(mark, _)| Point::Mark(mark)),
        );
        for state in State::ALL {
            let kinds = bits(self.struck[*state as usize]);
            points.extend(kinds.map(|kind| Point::Struck(kind, *state)));
        }
        for state in State::ALL {
            let kinds = bits(self.meanwhile[*state as usize]);
            points.extend(kinds.map(|kind| Point::Meanwhile(kind, *state)));
        }
        for (kind, others) in self.together.iter().enumerate() {
            points.extend(bits(*others).map(|other| Point::Together(kind.min(other), kind.max(other))));
        }
        let pairs = |sets: &[u32; State::ALL.len()], point: fn(State, State) -> Point| -> Vec<Point> {
            let pairs = State::ALL.iter().flat_map(|state| {
                let others = bits(sets[*state as usize]).map(|other| State::ALL[other]);
                others.map(move |other| point(*state.min(&other), *state.max(&other)))
            });
            pairs.collect()
        };
        points.extend(pairs(&self.at_once, Point::AtOnce));
        points.extend(pairs(&self.beside, Point::Beside));
        points.sort_unstable_by_key(|point| point.number());
        points.dedup();
        points
    }
}

/// The places of the bits of a set, in order.
fn bits(set: u32) -> impl Iterator<Item = usize> {
    (0..32).filter(move |place| set >> place & 1 == 1)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::plan::Plan;
    use crate::run::{Options, run};

    fn entered(reached: &mut Reached, state: State, striking: u32, in_force: u32, own: u32) {
        let moment = Moment {
            state,
            member: 0,
            at_us: 1,
        };
        reached.entered(moment, striking, in_force, own, 0);
    }

    #[test]
    fn a_fault_on_the_member_is_another_point_than_one_elsewhere() {
        let mut reached = Reached::default();
        entered(&mut reached, State::Proposing, 0b01, 0b11, State::Saving.bit());
        let points = reached.points(&MarkSet::default());
        let wanted = [
            Point::Struck(0, State::Proposing),
            Point::Meanwhile(1, State::Proposing),
            Point::AtOnce(State::Saving, State::Proposing),
        ];
        assert_eq!(points, wanted);
    }

    #[test]
    fn whatever_runs_reach_is_in_the_catalogue() {
        let known: BTreeSet<usize> = Point::all().map(|point| point.number()).collect();
        for seed in 0..40 {
            let outcome = run(&Plan::from_seed(seed), &Options::default());
            for point in outcome.reached.points(&outcome.marks) {
                assert!(known.contains(&point.number()), "seed {seed}: {point}");
            }
        }
    }

    #[test]
    fn moments_are_kept_thinner_the_more_there_are() {
        let mut reached = Reached::default();
        for _ in 0..1_000 {
            entered(&mut reached, State::Queueing, 0, 0, 0);
        }
        assert_eq!(reached.moments().len(), 6 + 7);
    }
}
