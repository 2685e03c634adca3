//! One run, whatever happens in it.

use sim::coverage::Reached;
use sim::marks::MarkSet;
use sim::outcome::{Class, Counters};
use sim::waits::Waits;
use sim::{Bug, Explained, Invariant, MemberState, Options, Outcome, Plan, Verdict};

use super::caught::{Panic, catching, last_panic};
use super::ending::Ending;

/// How the words begin of a panic that is the simulator's own, and so says nothing about the machine.
const OWN_PANIC: &str = "the simulator itself: ";

/// Runs a plan. A panic becomes a verdict that says where it was.
pub fn execute(plan: &Plan, options: &Options) -> Outcome {
    executed(|| (sim::run(plan, options), ())).0
}

/// The same, with every member as it is at the end; with none when the simulator itself panicked.
pub fn execute_and_look(plan: &Plan, options: &Options) -> (Outcome, Vec<MemberState>) {
    executed(|| sim::look(plan, options))
}

fn executed<T: Default>(run: impl FnOnce() -> (Outcome, T)) -> (Outcome, T) {
    match catching(run) {
        Ok((mut outcome, more)) => {
            place_panic(&mut outcome.verdict);
            (outcome, more)
        }
        Err(panic) => (crashed(words_of(&panic)), T::default()),
    }
}

/// Runs a plan and finds out what led to its verdict. A panic of the machine is a verdict that says where it was.
///
/// # Errors
/// The words of a panic of the simulator itself.
pub fn explain_caught(plan: &Plan, bug: Option<Bug>) -> Result<Explained, String> {
    let mut explained = catching(|| sim::explain(plan, bug)).map_err(|panic| words_of(&panic))?;
    place_panic(&mut explained.outcome.verdict);
    Ok(explained)
}

/// Of a plan that leaves much to chance, the first of its seeds that breaks something; the plan as it is when none does.
pub fn first_that_breaks(plan: &Plan, bug: Option<Bug>) -> Plan {
    let options = Options {
        bug,
        ..Options::default()
    };
    let is_one = plan.trials().nth(1).is_none();
    let breaks = |trial: &Plan| is_one || execute(trial, &options).verdict != Verdict::Ok;
    plan.trials().find(breaks).unwrap_or_else(|| plan.clone())
}

/// Gives a panic of the machine, which the run caught itself, the words that say where it was.
fn place_panic(verdict: &mut Verdict) {
    if let (
        Verdict::Violation {
            invariant: Invariant::NoPanic,
            words,
            ..
        },
        Some(panic),
    ) = (verdict, last_panic())
    {
        *words = words_of(&panic);
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
        healing: None,
        outages: Vec::new(),
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
