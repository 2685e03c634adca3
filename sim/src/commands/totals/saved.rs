//! Sums as they stand in a file.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sim::Invariant;
use sim::marks::Mark;
use sim::outcome::Counters;

use super::Totals;

/// The sums of a sweep that was left; how long users waited is not among them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavedTotals {
    seeds: u64,
    events: u64,
    simulated_ns: u64,
    failures: BTreeMap<String, u64>,
    marks: BTreeMap<String, u64>,
    counted: BTreeMap<String, u64>,
}

impl Totals {
    /// For a file.
    pub fn saved(&self) -> SavedTotals {
        let named = |(name, count): (&str, u64)| (name.to_owned(), count);
        SavedTotals {
            seeds: self.seeds,
            events: self.events,
            simulated_ns: self.simulated.as_nanos() as u64,
            failures: self
                .failures
                .iter()
                .map(|(name, count)| named((name, *count)))
                .collect(),
            marks: self
                .marks
                .iter()
                .map(|(mark, count)| named((mark.name(), count)))
                .collect(),
            counted: self.counted().into_iter().map(named).collect(),
        }
    }

    /// From a file. Names that this build does not know are left out.
    pub fn restored(saved: &SavedTotals) -> Totals {
        let mut totals = Totals {
            seeds: saved.seeds,
            events: saved.events,
            simulated: Duration::from_nanos(saved.simulated_ns),
            ..Totals::default()
        };
        for (name, count) in &saved.failures {
            if let Some(invariant) = Invariant::parse(name) {
                totals.failures.insert(invariant.name(), *count);
            }
        }
        for mark in Mark::ALL {
            let count = saved.marks.get(mark.name()).copied().unwrap_or(0);
            totals.marks.hit_often(*mark, count);
        }
        let count = |name: &str| saved.counted.get(name).copied().unwrap_or(0);
        totals.counters = Counters {
            logins: count("logins"),
            routed: count("routed"),
            refused: count("refused"),
            messages_sent: count("messages sent"),
            messages_delivered: count("messages delivered"),
            bytes_forwarded: count("bytes forwarded"),
            evictions: count("evictions"),
            epochs: count("epochs"),
            commands: count("commands"),
            saves: count("saves"),
            starts: count("starts"),
        };
        totals
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_survive_their_file() {
        let mut totals = Totals::default();
        let outcome = sim::run(&sim::Plan::from_seed(2), &sim::Options::default());
        totals.add(&outcome);
        totals.failures.insert(Invariant::Limits.name(), 3);
        let text = serde_json::to_string(&totals.saved()).expect("a text");
        let restored = Totals::restored(&serde_json::from_str(&text).expect("sums"));
        assert_eq!(restored.saved(), totals.saved());
        let span = Duration::from_secs(1);
        assert_eq!(restored.text(span), totals.text(span));
        assert_eq!(restored.marks, totals.marks);
    }
}
