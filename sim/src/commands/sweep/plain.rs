//! Seeds one after the other.

use std::ops::ControlFlow;

use sim::{Options, Plan};

use super::asked::Sweep;
use super::ledger::Ledger;
use super::pace::Pace;
use super::saved::Saved;
use crate::commands::execute::execute;
use crate::commands::failure::Failure;
use crate::commands::host;
use crate::commands::subject::Subject;
use crate::commands::usage::UsageError;

/// Runs the seeds that are left, until they or the budget are used up, or somebody wants it to stop.
///
/// # Errors
/// The state can't be written.
pub fn sweep(sweep: &Sweep, saved: Option<&Saved>, ledger: &mut Ledger) -> Result<(), UsageError> {
    let bug = sweep.bug;
    let options = Options {
        bug,
        ..Options::default()
    };
    let first = saved.map_or(sweep.seeds.first, |saved| saved.next_seed);
    let mut next = first;
    let mut pace = Pace::begin(sweep, "seeds", ledger.totals.seeds);
    let mut result = Ok(());
    host::in_order(
        first..sweep.seeds.end,
        sweep.jobs,
        sweep.budget,
        |seed| execute(&Plan::from_seed(seed), &options),
        |seed, outcome| {
            next = seed + 1;
            let points = outcome.reached.points(&outcome.marks);
            let new = ledger.tally.add(seed, &points);
            let failure = Failure::of(Subject::Seed(seed), bug, &outcome);
            let is_over = failure.is_some() && sweep.is_until_fail;
            ledger.add(&outcome, failure);
            pace.step(ledger.totals.failed(), new, None);
            if sweep.save.is_some() && pace.is_save_due() {
                result = save(sweep, ledger, &pace, next);
            }
            match is_over || result.is_err() || host::is_stop_wanted() {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        },
    );
    result?;
    let result = save(sweep, ledger, &pace, next);
    ledger.elapsed += pace.elapsed();
    result
}

fn save(sweep: &Sweep, ledger: &Ledger, pace: &Pace, next: u64) -> Result<(), UsageError> {
    match &sweep.save {
        Some(path) => Saved::of_plain(sweep, ledger, pace.elapsed(), next).write(path),
        None => Ok(()),
    }
}
