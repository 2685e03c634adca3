//! What is told of a run that broke something: enough to understand it, and to see it again.

use std::fmt::Write;

use serde_json::{Value, json};
use sim::{Bug, Fault, Invariant, Outcome, Plan, Verdict};

use super::execute::class_word;
use super::host;
use super::subject::Subject;

/// Faults and works of a plan that a report shows; the plan file has them all.
const LISTED_MAX: usize = 30;

/// A run that broke something.
#[derive(Clone, Debug)]
pub struct Failure {
    /// What was run.
    pub subject: Subject,
    /// With which bug.
    pub bug: Option<Bug>,
    /// What broke.
    pub invariant: Invariant,
    words: String,
    at_ns: u64,
    event: u64,
    last_events: Vec<String>,
}

impl Failure {
    /// What to tell of this outcome; nothing when nothing broke.
    pub fn of(subject: Subject, bug: Option<Bug>, outcome: &Outcome) -> Option<Failure> {
        match &outcome.verdict {
            Verdict::Ok => None,
            Verdict::Violation {
                invariant,
                words,
                at_ns,
                event,
            } => Some(Failure {
                subject,
                bug,
                invariant: *invariant,
                words: words.clone(),
                at_ns: *at_ns,
                event: *event,
                last_events: outcome.last_events.clone(),
            }),
        }
    }

    /// In one line.
    pub fn line(&self) -> String {
        let bug = self.bug.map_or(String::new(), |bug| format!(" with {bug}"));
        format!(
            "{}{bug} breaks {} ({}) at {}, event {}: {}",
            self.subject.title(),
            self.invariant,
            class_word(self.invariant.class()),
            seconds(self.at_ns),
            self.event,
            self.words
        )
    }

    /// In full, for people.
    pub fn text(&self, plan: &Plan) -> String {
        let mut text = format!("FAILURE {}\n", self.line());
        let _ = writeln!(text, "promised: {}", self.invariant.words());
        let _ = writeln!(
            text,
            "knobs: {}",
            serde_json::to_string(&plan.knobs).unwrap_or_default()
        );
        let _ = writeln!(text, "ends after {} ms, {:?}", plan.duration_ms, plan.ending);
        let faults = plan.faults.iter().map(fault_line).collect();
        list(&mut text, "faults", faults, false);
        let work = plan.work.iter();
        let work = work
            .map(|work| serde_json::to_string(work).unwrap_or_default())
            .collect();
        list(&mut text, "work", work, false);
        list(&mut text, "last events", self.last_events.clone(), true);
        let _ = writeln!(text, "commit: {}", host::commit());
        let _ = writeln!(text, "replay: {}", self.subject.replay_command(self.bug));
        let _ = writeln!(text, "explain: {}", self.subject.explain_command(self.bug));
        text
    }

    /// In full, for programs.
    pub fn json(&self, plan: &Plan) -> Value {
        json!({
            "subject": self.subject.title(),
            "bug": self.bug.map(Bug::name),
            "invariant": self.invariant.name(),
            "class": class_word(self.invariant.class()),
            "promised": self.invariant.words(),
            "words": self.words,
            "at_ms": self.at_ns / 1_000_000,
            "event": self.event,
            "plan": plan,
            "last_events": self.last_events,
            "commit": host::commit(),
            "replay": self.subject.replay_command(self.bug),
            "explain": self.subject.explain_command(self.bug),
        })
    }
}

/// Nanoseconds of true time as seconds.
pub fn seconds(ns: u64) -> String {
    format!("{}.{:06} s", ns / 1_000_000_000, ns / 1_000 % 1_000_000)
}

/// A fault in one line.
pub fn fault_line(fault: &Fault) -> String {
    format!("{:>6}..{:<6} ms {:?}", fault.from_ms, fault.to_ms, fault.kind)
}

/// A headed list of at most [`LISTED_MAX`] lines: the first, or the last ones.
fn list(text: &mut String, head: &str, lines: Vec<String>, keeps_last: bool) {
    let left_out = lines.len().saturating_sub(LISTED_MAX);
    let which = match (left_out, keeps_last) {
        (0, _) => String::new(),
        (_, true) => format!(" (the last {LISTED_MAX} of {})", lines.len()),
        (_, false) => format!(" (the first {LISTED_MAX} of {})", lines.len()),
    };
    let _ = writeln!(text, "{head}{which}:");
    let skipped = if keeps_last { left_out } else { 0 };
    for line in lines.iter().skip(skipped).take(LISTED_MAX) {
        let _ = writeln!(text, "  {line}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_list_is_cut_at_the_side_that_matters_less() {
        let lines: Vec<String> = (0..40).map(|n| format!("line {n}")).collect();
        let (mut first, mut last) = (String::new(), String::new());
        list(&mut first, "faults", lines.clone(), false);
        list(&mut last, "last events", lines, true);
        assert!(
            first.contains("  line 0\n") && !first.contains("  line 39\n"),
            "{first}"
        );
        assert!(
            !last.contains("  line 0\n") && last.contains("  line 39\n"),
            "{last}"
        );
        assert!(last.contains("the last 30 of 40"), "{last}");
    }

    #[test]
    fn a_report_names_the_exact_command() {
        let subject = Subject::Seed(4711);
        let bug = Bug::parse("WallClock");
        let mut outcome = sim::run(&Plan::from_seed(1), &sim::Options::default());
        outcome.verdict = Verdict::Violation {
            invariant: Invariant::NoSplit,
            words: "u3 is on 1 and 2".to_owned(),
            at_ns: 1_500_000_000,
            event: 77,
        };
        let failure = Failure::of(subject, bug, &outcome).expect("it broke something");
        let text = failure.text(&Plan::from_seed(4711));
        assert!(
            text.contains("replay: cargo run --release -p sim -- replay 4711 --bug WallClock\n"),
            "{text}"
        );
        assert!(
            text.contains("no-split (safety) at 1.500000 s, event 77: u3 is on 1 and 2"),
            "{text}"
        );
    }
}
