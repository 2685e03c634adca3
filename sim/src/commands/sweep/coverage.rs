//! What a sweep reached and what it did not: marks are told by `totals`, all else here.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde_json::{Value, json};
use sim::coverage::{Point, Seen, State, Tally};
use sim::fault::KINDS;

use crate::commands::table::{Side, Table, grouped};

/// Names shown of a long list; `--json` has all.
const LISTED_MAX: usize = 60;
/// The rarest points shown.
const RAREST_MAX: usize = 15;

/// Pairs that one seed in thirty reaches, or more: one that a sweep of thousands misses says that something is not tried
/// any more.
const REQUIRED: &str = include_str!("required.txt");

/// How much is told.
pub struct Detail {
    /// Lists too, not only numbers.
    pub is_whole: bool,
    /// Plans are numbered, instead of named by their seeds.
    pub is_learning: bool,
    /// By the number of a point, a plan of the corpus that reaches it.
    pub witness: BTreeMap<usize, String>,
}

impl Detail {
    fn first(&self, point: Point, seen: Seen) -> String {
        match (self.is_learning, self.witness.get(&point.number())) {
            (false, _) => format!("seed {}", seen.first),
            (true, Some(name)) => format!("{name}.plan"),
            (true, None) => format!("plan number {}", seen.first),
        }
    }
}

/// The pairs that a sweep has to reach.
///
/// # Panics
/// The catalogue names what does not exist; a test reads it.
pub fn required() -> Vec<Point> {
    let lines = REQUIRED
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.flat_map(pairs_of_line).collect()
}

/// The pairs of a line: how, in which state, which faults.
fn pairs_of_line(line: &str) -> Vec<Point> {
    let (head, kinds) = line
        .split_once(':')
        .expect("a line names a state and kinds of faults");
    let (verb, name) = head
        .split_once(' ')
        .expect("a line begins with `strikes` or `during`");
    let mut states = State::ALL.iter().copied();
    let state = states
        .find(|state| state.name() == name)
        .expect("the state exists");
    let pair = |kind: &str| {
        let kind = KINDS
            .iter()
            .position(|name| *name == kind)
            .expect("the kind exists");
        match verb {
            "strikes" => Point::Struck(kind, state),
            _ => Point::Meanwhile(kind, state),
        }
    };
    kinds.split_whitespace().map(pair).collect()
}

/// Required pairs that nobody reached.
pub fn required_missing(tally: &Tally) -> Vec<Point> {
    let is_missing = |point: &Point| tally.seen(*point).runs == 0;
    required().into_iter().filter(is_missing).collect()
}

/// For people.
pub fn text(tally: &Tally, detail: &Detail) -> String {
    let mut text = String::new();
    for (name, reached, possible) in counts(tally) {
        let _ = writeln!(
            text,
            "{name:<28} {:>5} of {:>5} reached",
            grouped(reached),
            grouped(possible)
        );
    }
    let missing = required_missing(tally);
    if !missing.is_empty() {
        let _ = writeln!(
            text,
            "required and never reached: {}",
            listed(missing.iter().copied())
        );
    }
    if detail.is_whole {
        let pairs = tally.missing().filter(|point| point.is_pair());
        let _ = writeln!(text, "pairs never reached: {}", listed(pairs));
        let _ = writeln!(text, "\n{}", rarest_text(tally, detail));
    }
    text
}

fn rarest_text(tally: &Tally, detail: &Detail) -> String {
    let mut table = Table::new(&[
        ("rarest of all", Side::Left),
        ("runs", Side::Right),
        ("reached by", Side::Left),
    ]);
    for (point, seen) in rarest(tally).into_iter().take(RAREST_MAX) {
        table.row(vec![
            point.to_string(),
            grouped(seen.runs),
            detail.first(point, seen),
        ]);
    }
    table.text()
}

/// What was reached, the rarest first.
fn rarest(tally: &Tally) -> Vec<(Point, Seen)> {
    let mut reached: Vec<(Point, Seen)> = tally.reached().collect();
    reached.sort_by_key(|(point, seen)| (seen.runs, point.number()));
    reached
}

/// For programs.
pub fn json(tally: &Tally, detail: &Detail) -> Value {
    let counts = counts(tally)
        .into_iter()
        .map(|(name, reached, possible)| (name, json!({"reached": reached, "possible": possible})))
        .collect::<BTreeMap<_, _>>();
    let names = |points: Vec<Point>| points.iter().map(Point::to_string).collect::<Vec<_>>();
    let mut told = json!({
        "counts": counts,
        "required_missing": names(required_missing(tally)),
    });
    if detail.is_whole {
        let row = |(point, seen): (Point, Seen)| json!({"point": point.to_string(), "runs": seen.runs, "reached_by": detail.first(point, seen)});
        told["reached"] = rarest(tally).into_iter().map(row).collect();
        told["missing"] = json!(names(tally.missing().collect()));
    }
    told
}

type IsOfKind = fn(&Point) -> bool;

/// Kinds of points with how many were reached, of how many.
fn counts(tally: &Tally) -> Vec<(&'static str, u64, u64)> {
    let kinds: [(&'static str, IsOfKind); 6] = [
        ("marks", |point| matches!(point, Point::Mark(_))),
        ("faults on states", |point| matches!(point, Point::Struck(..))),
        ("faults beside states", |point| {
            matches!(point, Point::Meanwhile(..))
        }),
        ("pairs of faults", |point| matches!(point, Point::Together(..))),
        ("states at once", |point| matches!(point, Point::AtOnce(..))),
        ("states beside each other", |point| {
            matches!(point, Point::Beside(..))
        }),
    ];
    let counted = kinds.iter().map(|(name, is_of_kind)| {
        let possible = Point::all().filter(is_of_kind).count() as u64;
        let reached = tally.reached().filter(|(point, _)| is_of_kind(point)).count() as u64;
        (*name, reached, possible)
    });
    counted.collect()
}

/// Pairs in short: by state, with the kinds of faults.
fn listed(points: impl Iterator<Item = Point>) -> String {
    let mut by_head: BTreeMap<(bool, State), Vec<&str>> = BTreeMap::new();
    let mut count = 0;
    for point in points {
        let (is_during, kind, state) = match point {
            Point::Struck(kind, state) => (false, kind, state),
            Point::Meanwhile(kind, state) => (true, kind, state),
            _ => continue,
        };
        count += 1;
        if count <= LISTED_MAX {
            by_head.entry((is_during, state)).or_default().push(KINDS[kind]);
        }
    }
    let mut text = count.to_string();
    for ((is_during, state), kinds) in by_head {
        let verb = if is_during { "during" } else { "strikes" };
        let _ = write!(text, "\n  {verb} {}: {}", state.name(), kinds.join(" "));
    }
    if count > LISTED_MAX {
        let _ = write!(text, "\n  and {} more (--json has all)", count - LISTED_MAX);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn detail(is_whole: bool) -> Detail {
        Detail {
            is_whole,
            is_learning: false,
            witness: BTreeMap::new(),
        }
    }

    #[test]
    fn every_required_pair_exists_and_is_listed_once() {
        let mut numbers: Vec<usize> = required().iter().map(|point| point.number()).collect();
        let count = numbers.len();
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), count);
        assert!(count > 300, "{count}");
    }

    #[test]
    fn a_required_pair_that_is_missing_is_named_and_one_that_was_reached_is_not() {
        let required = required();
        let mut tally = Tally::default();
        tally.add(3, &required[1..]);
        assert_eq!(required_missing(&tally), required[..1]);
        let text = text(&tally, &detail(false));
        assert!(text.contains("required and never reached: 1\n"), "{text}");
    }

    #[test]
    fn the_report_names_the_rarest_with_the_seed_that_reached_it() {
        let mut tally = Tally::default();
        let (common, rare) = (
            Point::Struck(7, State::Proposing),
            Point::Struck(10, State::Frozen),
        );
        (0..5).for_each(|seed| {
            tally.add(seed, &[common]);
        });
        tally.add(4_711, &[rare]);
        let text = text(&tally, &detail(true));
        let place = |words: &str| text.find(words).unwrap_or_else(|| panic!("{words}: {text}"));
        assert!(place("pause strikes frozen") < place("crash strikes proposing"));
        assert!(text.contains("seed 4711"), "{text}");
        assert!(text.contains("more (--json has all)"), "{text}");
    }
}
