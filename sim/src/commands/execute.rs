//! One run, whatever happens in it.

use sim::marks::MarkSet;
use sim::outcome::{Class, Counters};
use sim::waits::Waits;
use sim::{Invariant, Options, Outcome, Plan, Verdict};

use super::caught::{catching, last_panic};
use super::ending::Ending;

/// Runs a plan. A panic becomes a verdict that says where it was.
pub fn execute(plan: &Plan, options: &Options) -> Outcome {
    match catching(|| sim::run(plan, options)) {
        Ok(mut outcome) => {
            if let (
                Verdict::Violation {
                    invariant: Invariant::NoPanic,
                    words,
                    ..
                },
                Some(panic),
            ) = (&mut outcome.verdict, last_panic())
            {
                *words = panic.to_string();
            }
            outcome
        }
        Err(panic) => crashed(format!(
            "outside of the machine, in the simulator itself: {panic}"
        )),
    }
}

/// What the simulator's own panic leaves of a run: nothing but its words.
fn crashed(words: String) -> Outcome {
    Outcome {
        verdict: Verdict::Violation {
            invariant: Invariant::NoPanic,
            words,
            at_ns: 0,
            event: 0,
        },
        events: 0,
        simulated_ns: 0,
        settled_ns: None,
        trace_hash: 0,
        marks: MarkSet::default(),
        waits: Waits::default(),
        counters: Counters::default(),
        last_events: Vec::new(),
        lines: Vec::new(),
    }
}

/// How a command ends that saw this verdict.
pub fn ending_of(verdict: &Verdict) -> Ending {
    match verdict {
        Verdict::Ok => Ending::Clean,
        Verdict::Violation { invariant, .. } => match invariant.class() {
            Class::Safety => Ending::Safety,
            Class::Liveness => Ending::Liveness,
            Class::Crash => Ending::Crash,
        },
    }
}

/// The class as a word.
pub fn class_word(class: Class) -> &'static str {
    match class {
        Class::Safety => "safety",
        Class::Liveness => "liveness",
        Class::Crash => "crash",
    }
}
