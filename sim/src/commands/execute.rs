//! One run, whatever happens in it.

use sim::coverage::Reached;
use sim::marks::MarkSet;
use sim::outcome::{Class, Counters};
use sim::waits::Waits;
use sim::{Invariant, Options, Outcome, Plan, Verdict};

use super::caught::{Panic, catching, last_panic};
use super::ending::Ending;

/// How the words begin of a panic that is the simulator's own, and so says nothing about the machine.
const OWN_PANIC: &str = "the simulator itself: ";

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
                *words = words_of(&panic);
            }
            outcome
        }
        Err(panic) => crashed(words_of(&panic)),
    }
}

/// Whether the verdict is a mistake of the simulator, which any bug could bring out.
pub fn is_own_panic(verdict: &Verdict) -> bool {
    matches!(verdict, Verdict::Violation { invariant: Invariant::NoPanic, words, .. } if words.starts_with(OWN_PANIC))
}

fn words_of(panic: &Panic) -> String {
    let whose = if panic.place.starts_with("sim/") {
        OWN_PANIC
    } else {
        ""
    };
    format!("{whose}{panic}")
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
        reached: Reached::default(),
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
