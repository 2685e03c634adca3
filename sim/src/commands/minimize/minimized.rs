//! A whole minimising: from what fails to the plan that is kept of it.

use sim::{Bug, Expect, Options, Outcome, Plan, Verdict};

use super::minimizer::{Minimizer, Sought};
use crate::commands::execute::execute;
use crate::commands::failure::seconds;
use crate::commands::mutants::words;
use crate::commands::subject::Subject;

/// Runs after which minimising ends when nobody says another number.
pub const RUNS_MAX: u64 = 20_000;

/// What is left of a plan, and what that took.
pub struct Minimized {
    /// The plan, with what it breaks and a note that says how.
    pub plan: Plan,
    /// What came of it in the end.
    pub outcome: Outcome,
    /// Runs that it took.
    pub runs: u64,
    /// The run limit ended it; once more may find less.
    pub is_cut_short: bool,
}

/// Cuts down the first of the plan's trials that fails; `None` when none does. `origin` is named in the note, which is
/// written only where the plan has none.
pub fn minimized(plan: &Plan, origin: &Subject, bug: Option<Bug>, runs_max: u64) -> Option<Minimized> {
    let options = Options {
        bug,
        ..Options::default()
    };
    let (trial, sought) = plan.trials().find_map(|trial| {
        let sought = Sought::of(&execute(&trial, &options).verdict)?;
        Some((trial, sought))
    })?;
    let invariant = sought.invariant();
    let mut minimizer = Minimizer::new(trial, sought, bug, runs_max);
    minimizer.work();
    let mut plan = minimizer.plan().clone();
    let outcome = execute(&plan, &options);
    plan.expect = Some(Expect {
        bug: bug.map(Bug::name),
        breaks: Some(invariant.name().to_owned()),
        seeds: 1,
    });
    if plan.note.is_empty() {
        plan.note = note(&outcome.verdict, origin, bug);
    }
    Some(Minimized {
        plan,
        outcome,
        runs: minimizer.runs(),
        is_cut_short: minimizer.is_cut_short(),
    })
}

/// What happens in the plan, in a sentence or two.
fn note(verdict: &Verdict, origin: &Subject, bug: Option<Bug>) -> String {
    let Verdict::Violation {
        invariant,
        words: what,
        at_ns,
        ..
    } = verdict
    else {
        return String::new();
    };
    let planted = bug.map_or(String::new(), |bug| format!("Planted bug: {}. ", words(bug)));
    format!(
        "{planted}Breaks {invariant} at {}: {what}. Made from {}.",
        seconds(*at_ns),
        origin.title()
    )
}
