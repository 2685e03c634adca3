//! Sums over many runs, and how they are told.

mod saved;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use serde_json::{Value, json};
use sim::marks::MarkSet;
use sim::outcome::Counters;
use sim::waits::Waits;
use sim::{Outcome, Verdict};

pub use saved::SavedTotals;

use super::table::{Side, Table, grouped};

/// What some runs came to together.
#[derive(Clone, Debug, Default)]
pub struct Totals {
    /// Runs.
    pub seeds: u64,
    /// Runs that broke something, by the name of what they broke.
    pub failures: BTreeMap<&'static str, u64>,
    /// What was reached.
    pub marks: MarkSet,
    /// How long logins waited.
    pub waits: Waits,
    events: u64,
    simulated: Duration,
    counters: Counters,
}

impl Totals {
    /// Adds one run.
    pub fn add(&mut self, outcome: &Outcome) {
        self.seeds += 1;
        self.events += outcome.events;
        self.simulated += Duration::from_nanos(outcome.simulated_ns);
        self.marks.merge(&outcome.marks);
        self.waits.merge(&outcome.waits);
        self.counters.merge(&outcome.counters);
        if let Verdict::Violation { invariant, .. } = outcome.verdict {
            *self.failures.entry(invariant.name()).or_default() += 1;
        }
    }

    /// How many runs broke something.
    pub fn failed(&self) -> u64 {
        self.failures.values().sum()
    }

    /// For people; `elapsed` is real time.
    pub fn text(&self, elapsed: Duration) -> String {
        let seconds = elapsed.as_secs_f64();
        let simulated = self.simulated.as_secs_f64();
        let mut text = String::new();
        let _ = writeln!(
            text,
            "seeds      {} in {seconds:.1} s, {:.0}/s",
            grouped(self.seeds),
            self.seeds as f64 / seconds
        );
        let _ = writeln!(
            text,
            "events     {}, {}/s",
            grouped(self.events),
            grouped((self.events as f64 / seconds) as u64)
        );
        let _ = writeln!(
            text,
            "simulated  {} s, {:.0} times real time",
            grouped(simulated as u64),
            simulated / seconds
        );
        let counted: Vec<String> = self
            .counted()
            .iter()
            .map(|(name, count)| format!("{} {name}", grouped(*count)))
            .collect();
        let _ = writeln!(text, "counted    {}", counted.join(", "));
        let broken = self
            .failures
            .iter()
            .map(|(name, count)| format!(", {name} {}", grouped(*count)));
        let _ = writeln!(
            text,
            "failures   {}{}",
            grouped(self.failed()),
            broken.collect::<String>()
        );
        text
    }

    /// The catalogue of marks with counts, those never hit last and by name.
    pub fn marks_text(&self) -> String {
        let mut table = Table::new(&[
            ("mark", Side::Left),
            ("hits", Side::Right),
            ("meaning", Side::Left),
        ]);
        for (mark, count) in self.marks.iter().filter(|(_, count)| *count > 0) {
            table.row(vec![
                mark.name().to_owned(),
                grouped(count),
                mark.words().to_owned(),
            ]);
        }
        let mut text = table.text();
        let missed: Vec<&str> = self.marks.missed().map(|mark| mark.name()).collect();
        if missed.is_empty() {
            text.push_str("every mark was hit\n");
        } else {
            let _ = writeln!(text, "never hit ({}): {}", missed.len(), missed.join(", "));
        }
        text
    }

    /// For programs; `elapsed` is real time.
    pub fn json(&self, elapsed: Duration) -> Value {
        let seconds = elapsed.as_secs_f64();
        let counted: BTreeMap<_, _> = self.counted().into_iter().collect();
        json!({
            "seeds": self.seeds,
            "seconds": seconds,
            "seeds_per_s": self.seeds as f64 / seconds,
            "events": self.events,
            "events_per_s": self.events as f64 / seconds,
            "simulated_s": self.simulated.as_secs_f64(),
            "counted": counted,
            "failed": self.failed(),
            "broken": self.failures,
            "marks": self.marks.iter().map(|(mark, count)| (mark.name(), count)).collect::<BTreeMap<_, _>>(),
            "marks_missed": self.marks.missed().map(|mark| mark.name()).collect::<Vec<_>>(),
        })
    }

    fn counted(&self) -> [(&'static str, u64); 11] {
        let Counters {
            logins,
            routed,
            refused,
            messages_sent,
            messages_delivered,
            bytes_forwarded,
            evictions,
            epochs,
            commands,
            saves,
            starts,
        } = self.counters;
        [
            ("logins", logins),
            ("routed", routed),
            ("refused", refused),
            ("messages sent", messages_sent),
            ("messages delivered", messages_delivered),
            ("bytes forwarded", bytes_forwarded),
            ("evictions", evictions),
            ("epochs", epochs),
            ("commands", commands),
            ("saves", saves),
            ("starts", starts),
        ]
    }
}
