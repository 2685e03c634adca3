//! What came of all runs of a sweep so far, also of those before it was left and resumed.

use std::fmt::Write;
use std::time::Duration;

use serde_json::{Value, json};
use sim::Outcome;
use sim::coverage::Tally;

use super::coverage::{self, Detail};
use crate::commands::ending::Ending;
use crate::commands::execute::ending_of;
use crate::commands::failure::Failure;
use crate::commands::totals::Totals;

/// Failures told in full; of the others a line each, and of very many only their number.
const IN_FULL_MAX: usize = 3;
const IN_A_LINE_MAX: usize = 100;

/// The books of a sweep.
pub struct Ledger {
    pub totals: Totals,
    pub tally: Tally,
    pub failures: Vec<Failure>,
    /// Failures of the time before it was resumed, a line each.
    pub earlier: Vec<String>,
    /// Runs that show nothing: with a planted bug the simulator itself panicked.
    pub spoiled: u64,
    pub ending: Ending,
    /// Real time.
    pub elapsed: Duration,
}

impl Default for Ledger {
    fn default() -> Self {
        Ledger {
            totals: Totals::default(),
            tally: Tally::default(),
            failures: Vec::new(),
            earlier: Vec::new(),
            spoiled: 0,
            ending: Ending::Clean,
            elapsed: Duration::ZERO,
        }
    }
}

impl Ledger {
    /// Adds a run.
    pub fn add(&mut self, outcome: &Outcome, failure: Option<Failure>) {
        self.totals.add(outcome);
        self.ending = self.ending.and(ending_of(&outcome.verdict));
        let is_room = self.failures.len() + self.earlier.len() < IN_A_LINE_MAX;
        self.failures.extend(failure.filter(|_| is_room));
    }

    /// Adds a run that shows nothing.
    pub fn add_spoiled(&mut self) {
        self.totals.seeds += 1;
        self.spoiled += 1;
    }

    /// A line for each failure that is kept.
    pub fn failure_lines(&self) -> Vec<String> {
        let new = self.failures.iter().map(Failure::line);
        self.earlier.iter().cloned().chain(new).collect()
    }

    /// Whether a mark, or a pair that a sweep has to reach, was never reached.
    pub fn is_uncovered(&self) -> bool {
        self.totals.marks.missed().next().is_some() || !coverage::required_missing(&self.tally).is_empty()
    }

    /// For people.
    pub fn text(&self, detail: &Detail) -> String {
        let mut text = String::new();
        for line in &self.earlier {
            let _ = writeln!(text, "FAILURE (before it was resumed) {line}");
        }
        for (place, failure) in self.failures.iter().enumerate() {
            let _ = match (place < IN_FULL_MAX, failure.subject.plan()) {
                (true, Ok(plan)) => writeln!(text, "{}\n", failure.text(&plan)),
                _ => writeln!(text, "FAILURE {}", failure.line()),
            };
        }
        let _ = writeln!(text, "{}", self.totals.marks_text());
        let _ = writeln!(text, "{}", coverage::text(&self.tally, detail));
        text.push_str(&self.totals.text(self.elapsed));
        if self.spoiled > 0 {
            let _ = writeln!(text, "no help    {}, the simulator itself panicked", self.spoiled);
        }
        text
    }

    /// For programs.
    pub fn json(&self, detail: &Detail) -> Value {
        let mut told = self.totals.json(self.elapsed);
        let in_full = self.failures.iter().take(IN_FULL_MAX);
        told["failures"] = in_full
            .filter_map(|failure| Some(failure.json(&failure.subject.plan().ok()?)))
            .collect();
        told["failure_lines"] = json!(self.failure_lines());
        told["failure_subjects"] = json!(
            self.failures
                .iter()
                .map(|failure| failure.subject.word())
                .collect::<Vec<_>>()
        );
        told["spoiled"] = json!(self.spoiled);
        told["coverage"] = coverage::json(&self.tally, detail);
        told["exit_code"] = json!(self.ending.code());
        told
    }
}
