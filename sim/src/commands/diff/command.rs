//! The command.

use std::fmt::Write;

use clap::Args;
use serde_json::{Value, json};
use sim::Bug;

use super::plans::{Difference, differences};
use super::side::Side;
use crate::commands::ending::Ending;
use crate::commands::say::say;
use crate::commands::subject::bug_named;
use crate::commands::table::grouped;
use crate::commands::usage::UsageError;

/// How `--bug-b` says that the second run has no bug.
const NO_BUG: &str = "none";

/// Arguments of `sim diff`.
#[derive(Args)]
pub struct DiffArguments {
    /// A seed, a file with a plan, or a trace that `sim replay --trace` wrote.
    #[arg(value_name = "A")]
    a: String,
    /// The other one.
    #[arg(value_name = "B")]
    b: String,
    /// Break something on purpose in both runs.
    #[arg(long, value_name = "NAME")]
    bug: Option<String>,
    /// Break this in the second run instead; `none` to break nothing there.
    #[arg(long, value_name = "NAME")]
    bug_b: Option<String>,
    /// Events shown before and after the first difference.
    #[arg(long, value_name = "N", default_value_t = 8)]
    context: usize,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Runs or reads both sides and tells where they part.
///
/// # Errors
/// A side can't be read, or there is no bug of the given name.
pub fn diff(arguments: &DiffArguments) -> Result<Ending, UsageError> {
    let bug = bug_named(arguments.bug.as_deref())?;
    let bug_b = bug_of_b(bug, arguments.bug_b.as_deref())?;
    let (a, b) = (Side::of(&arguments.a, bug)?, Side::of(&arguments.b, bug_b)?);
    let comparison = Comparison::of(&a, &b);
    if arguments.json {
        say(format_args!("{:#}", comparison.json(&a, &b, arguments.context)));
    } else {
        say(comparison.text(&a, &b, arguments.context));
    }
    Ok(
        if comparison.parts_at.is_none() && comparison.plan_parts.is_empty() {
            Ending::Clean
        } else {
            Ending::Different
        },
    )
}

fn bug_of_b(of_both: Option<Bug>, name: Option<&str>) -> Result<Option<Bug>, UsageError> {
    match name {
        None => Ok(of_both),
        Some(NO_BUG) => Ok(None),
        Some(name) => bug_named(Some(name)),
    }
}

struct Comparison {
    plan_parts: Vec<Difference>,
    /// The place of the first line that is not the same, or that only one side has.
    parts_at: Option<usize>,
}

impl Comparison {
    fn of(a: &Side, b: &Side) -> Self {
        let plan_parts = match (&a.plan, &b.plan) {
            (Some(a), Some(b)) => differences(a, b),
            _ => Vec::new(),
        };
        Comparison {
            plan_parts,
            parts_at: first_difference(&a.lines, &b.lines),
        }
    }

    fn text(&self, a: &Side, b: &Side, context: usize) -> String {
        let mut text = format!("A {}\nB {}\n", a.title, b.title);
        if let (Some(_), Some(_)) = (&a.plan, &b.plan) {
            let _ = writeln!(text, "the plans differ in {} places", self.plan_parts.len());
        }
        for Difference { part, a, b } in &self.plan_parts {
            for (side, value) in [("A", a), ("B", b)] {
                if let Some(value) = value {
                    let _ = writeln!(text, "  {side} {part}: {value}");
                }
            }
        }
        match self.parts_at {
            None => {
                let _ = writeln!(
                    text,
                    "the runs are equal, {} lines",
                    grouped(a.lines.len() as u64)
                );
            }
            Some(place) => {
                let _ = writeln!(text, "the runs part at line {}:", grouped(place as u64 + 1));
                for line in &a.lines[place.saturating_sub(context)..place] {
                    let _ = writeln!(text, "    {line}");
                }
                for (side, lines) in [("A", &a.lines), ("B", &b.lines)] {
                    for line in lines.iter().skip(place).take(context + 1) {
                        let _ = writeln!(text, "  {side} {line}");
                    }
                    if lines.len() <= place {
                        let _ = writeln!(text, "  {side} has ended");
                    }
                }
            }
        }
        for (side, of) in [("A", a), ("B", b)] {
            if let Some(verdict) = &of.verdict {
                let _ = writeln!(text, "{side} {verdict}");
            }
        }
        text
    }

    fn json(&self, a: &Side, b: &Side, context: usize) -> Value {
        let after = |side: &Side| {
            let place = self.parts_at.unwrap_or(side.lines.len());
            let lines = side.lines.iter().skip(place).take(context + 1);
            lines.cloned().collect::<Vec<String>>()
        };
        let side = |side: &Side| {
            json!({
                "title": side.title,
                "verdict": side.verdict,
                "lines": side.lines.len(),
                "from_there": after(side),
            })
        };
        let before = self
            .parts_at
            .map_or(&[][..], |place| &a.lines[place.saturating_sub(context)..place]);
        json!({
            "is_equal": self.parts_at.is_none() && self.plan_parts.is_empty(),
            "plan_parts": self.plan_parts,
            "parts_at_line": self.parts_at.map(|place| place + 1),
            "before": before,
            "a": side(a),
            "b": side(b),
        })
    }
}

fn first_difference(a: &[String], b: &[String]) -> Option<usize> {
    let common = a.iter().zip(b).take_while(|(a, b)| a == b).count();
    (common < a.len().max(b.len())).then_some(common)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(lines: &[&str]) -> Vec<String> {
        lines.iter().map(|line| (*line).to_owned()).collect()
    }

    #[test]
    fn lines_part_where_they_differ_or_one_side_ends() {
        let ab = lines(&["a", "b"]);
        assert_eq!(first_difference(&ab, &ab), None);
        assert_eq!(first_difference(&ab, &lines(&["a", "c"])), Some(1));
        assert_eq!(first_difference(&ab, &lines(&["a"])), Some(1));
        assert_eq!(first_difference(&[], &ab), Some(0));
    }

    #[test]
    fn a_bug_shows_where_it_first_matters() {
        let bug = Bug::parse("EpochIsDurable");
        let sides = [None, bug].map(|bug| Side::of("12", bug).expect("a seed"));
        let [real, broken] = &sides;
        let comparison = Comparison::of(real, broken);
        assert!(comparison.plan_parts.is_empty() && comparison.parts_at.is_some());
        let text = comparison.text(real, broken, 2);
        assert!(text.contains("breaks agreement"), "{text}");
        assert!(text.contains("A seed 12 breaks nothing"), "{text}");
        let json = comparison.json(real, broken, 2);
        assert_eq!(json["is_equal"], false);
        assert_eq!(json["before"].as_array().map(Vec::len), Some(2));
    }

    #[test]
    fn a_seed_is_equal_to_itself() {
        let side = || Side::of("3", None).expect("a seed");
        let comparison = Comparison::of(&side(), &side());
        assert!(comparison.parts_at.is_none() && comparison.plan_parts.is_empty());
    }

    #[test]
    fn the_second_bug_is_the_first_unless_it_is_named() {
        let bug = Bug::parse("WallClock");
        assert_eq!(bug_of_b(bug, None).expect("known"), bug);
        assert_eq!(bug_of_b(bug, Some("none")).expect("known"), None);
        assert!(bug_of_b(bug, Some("NoSuchThing")).is_err());
    }
}
