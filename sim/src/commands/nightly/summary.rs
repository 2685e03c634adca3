//! The summary of a night.

use std::fmt::Write;
use std::time::Duration;

use serde_json::{Value, json};

use super::parts::{Part, Program};
use super::verdict::Verdict;
use crate::commands::ending::Ending;
use crate::commands::table::{Side, Table};

/// One part with what it came to; nothing when the night was stopped before it.
pub struct Told {
    pub part: Part,
    pub took: Duration,
    pub verdict: Option<Verdict>,
}

/// The night as a whole.
pub struct Summary {
    pub commit: String,
    pub seeds: String,
    pub took: Duration,
    pub told: Vec<Told>,
}

impl Summary {
    /// How the night ended: the worst of its parts.
    pub fn ending(&self) -> Ending {
        let endings = self.told.iter().filter_map(|told| told.verdict.as_ref());
        endings.fold(Ending::Clean, |all, verdict| all.and(verdict.ending))
    }

    /// For people.
    pub fn markdown(&self) -> String {
        let mut text = format!(
            "# A night of the simulator: {}\n\nCommit {}, seeds from {}, {:.0} s.\n\n",
            word(self.ending()),
            self.commit,
            self.seeds,
            self.took.as_secs_f64()
        );
        let mut table = Table::new(&[
            ("part", Side::Left),
            ("tries", Side::Left),
            ("ending", Side::Left),
            ("seconds", Side::Right),
            ("figures", Side::Left),
        ]);
        for told in &self.told {
            let (ending, figures) = match &told.verdict {
                Some(verdict) => (word(verdict.ending), verdict.figures.as_str()),
                None => ("not run", "the night was stopped before"),
            };
            table.row(vec![
                told.part.name.to_owned(),
                told.part.what.to_owned(),
                ending.to_owned(),
                format!("{:.1}", told.took.as_secs_f64()),
                figures.to_owned(),
            ]);
        }
        text.push_str(&table.markdown());
        for told in &self.told {
            let Some(verdict) = told
                .verdict
                .as_ref()
                .filter(|verdict| verdict.ending != Ending::Clean)
            else {
                continue;
            };
            let _ = writeln!(text, "\n## {}: {}\n", told.part.name, word(verdict.ending));
            let _ = writeln!(text, "Again: `{}`\n", command(&told.part));
            for found in &verdict.found {
                let _ = writeln!(text, "- {}", found.line);
                if let Some(replay) = &found.replay {
                    let _ = writeln!(text, "  - again: `{replay}`");
                }
                if let Some(plan) = &found.minimised {
                    let _ = writeln!(text, "  - minimised: `{}`", super::verdict::replay(plan));
                }
            }
        }
        text
    }

    /// For programs.
    pub fn json(&self) -> Value {
        let part = |told: &Told| {
            let verdict = told.verdict.as_ref();
            let found = verdict.map_or(&[][..], |verdict| &verdict.found);
            json!({
                "part": told.part.name,
                "tries": told.part.what,
                "command": command(&told.part),
                "ending": verdict.map(|verdict| word(verdict.ending)),
                "exit_code": verdict.map(|verdict| verdict.ending.code()),
                "seconds": told.took.as_secs_f64(),
                "figures": verdict.map(|verdict| &verdict.figures),
                "failures": found.iter().map(|found| json!({
                    "line": found.line,
                    "replay": found.replay,
                    "minimised": found.minimised,
                })).collect::<Vec<_>>(),
            })
        };
        json!({
            "commit": self.commit,
            "seeds": self.seeds,
            "seconds": self.took.as_secs_f64(),
            "ending": word(self.ending()),
            "exit_code": self.ending().code(),
            "parts": self.told.iter().map(part).collect::<Vec<_>>(),
        })
    }
}

fn word(ending: Ending) -> &'static str {
    match ending {
        Ending::Clean => "clean",
        Ending::Usage => "could not run",
        Ending::Crash => "crash",
        Ending::Safety => "safety",
        Ending::Liveness => "liveness",
        Ending::Coverage => "coverage",
        Ending::Nondeterminism => "nondeterminism",
        Ending::Different => "different",
    }
}

fn command(part: &Part) -> String {
    let program = match part.program {
        Program::Sim => "cargo run --release -p sim --",
        Program::Cargo => "cargo",
    };
    format!("{program} {}", part.words.join(" "))
}

#[cfg(test)]
mod tests {
    use super::super::verdict::Found;
    use super::*;

    fn told(name: &'static str, verdict: Option<Verdict>) -> Told {
        Told {
            part: Part {
                name,
                what: "something",
                program: Program::Sim,
                words: vec!["run".to_owned()],
            },
            took: Duration::from_secs(2),
            verdict,
        }
    }

    #[test]
    fn the_worst_part_decides_and_failures_come_with_commands() {
        let found = Found {
            line: "seed 7 breaks no-split".to_owned(),
            replay: Some(super::super::verdict::replay("7")),
            subject: Some("7".to_owned()),
            minimised: Some("night/7.min.plan".to_owned()),
        };
        let verdict = |ending, found| {
            Some(Verdict {
                ending,
                figures: "figures".to_owned(),
                found,
            })
        };
        let summary = Summary {
            commit: "abc".to_owned(),
            seeds: "7..".to_owned(),
            took: Duration::from_secs(4),
            told: vec![
                told("one", verdict(Ending::Coverage, Vec::new())),
                told("two", verdict(Ending::Safety, vec![found])),
                told("three", None),
            ],
        };
        assert_eq!(summary.ending(), Ending::Safety);
        let text = summary.markdown();
        assert!(text.starts_with("# A night of the simulator: safety\n"), "{text}");
        assert!(
            text.contains("  - again: `cargo run --release -p sim -- replay 7`\n"),
            "{text}"
        );
        assert!(text.contains("replay night/7.min.plan`\n"), "{text}");
        assert!(text.contains("| three | something | not run |"), "{text}");
        assert_eq!(summary.json()["parts"][1]["exit_code"], 4);
        assert_eq!(summary.json()["exit_code"], 4);
    }
}
