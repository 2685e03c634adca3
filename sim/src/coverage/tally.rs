//! How often many runs reached each point, and which of them was the first.

use super::point::Point;

/// What is known of one point.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Runs that reached it.
    pub runs: u64,
    /// The number of the first of them.
    pub first: u64,
}

/// How often runs reached each point.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tally {
    seen: Vec<Seen>,
}

impl Default for Tally {
    fn default() -> Self {
        Tally {
            seen: vec![Seen::default(); Point::COUNT],
        }
    }
}

impl Tally {
    /// Adds what the run of this number reached, and answers how many points nobody reached before.
    pub fn add(&mut self, number: u64, points: &[Point]) -> usize {
        let mut new = 0;
        for point in points {
            let seen = &mut self.seen[point.number()];
            if seen.runs == 0 {
                seen.first = number;
                new += 1;
            }
            seen.runs += 1;
        }
        new
    }

    /// What is known of a point.
    pub fn seen(&self, point: Point) -> Seen {
        self.seen[point.number()]
    }

    /// Restores what was known of a point.
    pub fn restore(&mut self, point: Point, seen: Seen) {
        self.seen[point.number()] = seen;
    }

    /// The points of the catalogue that were reached.
    pub fn reached(&self) -> impl Iterator<Item = (Point, Seen)> + '_ {
        Point::all()
            .map(|point| (point, self.seen(point)))
            .filter(|(_, seen)| seen.runs > 0)
    }

    /// The points of the catalogue that were not.
    pub fn missing(&self) -> impl Iterator<Item = Point> + '_ {
        Point::all().filter(|point| self.seen(*point).runs == 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::coverage::State;

    #[test]
    fn the_first_run_that_reaches_a_point_is_remembered() {
        let mut tally = Tally::default();
        let (one, two) = (Point::Struck(0, State::Frozen), Point::Together(1, 2));
        assert_eq!(tally.add(7, &[one]), 1);
        assert_eq!(tally.add(8, &[one, two]), 1);
        assert_eq!(tally.seen(one), Seen { runs: 2, first: 7 });
        assert_eq!(tally.reached().count(), 2);
        assert_eq!(tally.missing().count(), Point::all().count() - 2);
    }
}
