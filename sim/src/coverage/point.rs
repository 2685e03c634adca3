//! One thing that a run can reach. Points have numbers, for tables, and names, for people and files.

use std::fmt;

use super::state::State;
use crate::fault::KINDS;
use crate::marks::Mark;

/// One thing that a run can reach. Kinds of faults are given by their place in [`KINDS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Point {
    /// A mark was hit.
    Mark(Mark),
    /// A fault of this kind struck a member in this state.
    Struck(usize, State),
    /// A fault of this kind was in force elsewhere while a member, or the ring, was in this state.
    Meanwhile(usize, State),
    /// Faults of these kinds, or two of the same kind, were in force at the same time; the smaller one first.
    Together(usize, usize),
    /// One member was in both states; the smaller one first.
    AtOnce(State, State),
    /// Two members were in these states; the smaller one first.
    Beside(State, State),
}

const MARKS: usize = Mark::ALL.len();
const STATES: usize = State::ALL.len();

impl Point {
    /// Numbers are below this.
    pub const COUNT: usize =
        MARKS + 2 * KINDS.len() * STATES + KINDS.len() * KINDS.len() + 2 * STATES * STATES;

    /// Its number; not all numbers are used.
    pub fn number(self) -> usize {
        let kinds = KINDS.len();
        let struck = MARKS;
        let meanwhile = struck + kinds * STATES;
        let together = meanwhile + kinds * STATES;
        let at_once = together + kinds * kinds;
        let beside = at_once + STATES * STATES;
        match self {
            Point::Mark(mark) => mark as usize,
            Point::Struck(kind, state) => struck + state as usize * kinds + kind,
            Point::Meanwhile(kind, state) => meanwhile + state as usize * kinds + kind,
            Point::Together(kind, other) => together + kind * kinds + other,
            Point::AtOnce(state, other) => at_once + state as usize * STATES + other as usize,
            Point::Beside(state, other) => beside + state as usize * STATES + other as usize,
        }
    }

    /// The catalogue: everything that a run may say it reached. Some of it can't be: what a member does while it is dead.
    pub fn all() -> impl Iterator<Item = Point> {
        let kinds = || 0..KINDS.len();
        let states = || State::ALL.iter().copied();
        let struck = states()
            .filter(|state| !state.is_of_ring())
            .flat_map(move |state| {
                kinds()
                    .filter(|kind| strikes(*kind))
                    .map(move |kind| Point::Struck(kind, state))
            });
        let meanwhile =
            states().flat_map(move |state| kinds().map(move |kind| Point::Meanwhile(kind, state)));
        let together =
            kinds().flat_map(|kind| (kind..KINDS.len()).map(move |other| Point::Together(kind, other)));
        let pairs = |point: fn(State, State) -> Point| {
            states().flat_map(move |state| {
                let others = states().filter(move |other| *other >= state);
                others.map(move |other| point(state, other))
            })
        };
        let at_once =
            pairs(Point::AtOnce).filter(|point| !matches!(point, Point::AtOnce(one, two) if one == two));
        let marks = Mark::ALL.iter().map(|mark| Point::Mark(*mark));
        marks
            .chain(struck)
            .chain(meanwhile)
            .chain(together)
            .chain(at_once)
            .chain(pairs(Point::Beside))
    }

    /// Whether it pairs a kind of fault with a state of the protocol.
    pub fn is_pair(self) -> bool {
        matches!(self, Point::Struck(..) | Point::Meanwhile(..))
    }
}

/// Whether this kind of fault strikes members; dead backends strike users.
fn strikes(kind: usize) -> bool {
    !KINDS[kind].starts_with("backend-")
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Point::Mark(mark) => f.write_str(mark.name()),
            Point::Struck(kind, state) => write!(f, "{} strikes {}", KINDS[*kind], state.name()),
            Point::Meanwhile(kind, state) => write!(f, "{} during {}", KINDS[*kind], state.name()),
            Point::Together(kind, other) => write!(f, "{} with {}", KINDS[*kind], KINDS[*other]),
            Point::AtOnce(state, other) => write!(f, "{} and {}", state.name(), other.name()),
            Point::Beside(state, other) => write!(f, "{} beside {}", state.name(), other.name()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_point_has_a_number_and_a_name_of_its_own() {
        let points: Vec<Point> = Point::all().collect();
        let numbers: BTreeSet<usize> = points.iter().map(|point| point.number()).collect();
        let names: BTreeSet<String> = points.iter().map(Point::to_string).collect();
        assert_eq!((numbers.len(), names.len()), (points.len(), points.len()));
        assert!(numbers.iter().all(|number| *number < Point::COUNT));
        assert!(points.iter().filter(|point| point.is_pair()).count() > 1_000);
    }
}
