//! The search that learns: its batches on all cores, its failures and its corpus as files.

use std::ops::ControlFlow;
use std::path::Path;

use sim::learn::{Origin, Search, Trial};
use sim::{Bug, Options, Outcome, Verdict};

use super::asked::Sweep;
use super::folder;
use super::ledger::Ledger;
use super::pace::Pace;
use super::saved::Saved;
use crate::commands::execute::{execute, is_own_panic};
use crate::commands::failure::Failure;
use crate::commands::host;
use crate::commands::subject::Subject;
use crate::commands::usage::UsageError;

/// What came of one trial.
struct Tried {
    outcome: Outcome,
    /// With which bug what broke broke; none when it breaks without one.
    bug: Option<Bug>,
    /// With the bug the simulator itself panicked: it shows nothing.
    is_spoiled: bool,
}

/// Searches until the plans or the budget are used up, or somebody wants it to stop; then a batch is finished first, so
/// that the search can be resumed as if it had never been left.
///
/// # Errors
/// A file can't be read or written.
pub fn search(
    sweep: &Sweep,
    saved: Option<&Saved>,
    search_seed: u64,
    ledger: &mut Ledger,
) -> Result<Search, UsageError> {
    let mut search = match saved.and_then(|saved| saved.search(sweep.bug, sweep.jobs)) {
        Some(search) => search,
        None => {
            let given = sweep.corpus.as_deref().map_or(Ok(Vec::new()), folder::read)?;
            Search::new(search_seed, sweep.seeds.first, given)
        }
    };
    let mut pace = Pace::begin(sweep, "plans", ledger.totals.seeds);
    let plans_max = match sweep.seeds.is_bounded() {
        true => sweep.seeds.end - sweep.seeds.first,
        false => u64::MAX,
    };
    let is_spent = |pace: &Pace| sweep.budget.is_some_and(|budget| pace.elapsed() >= budget);
    let mut is_over = false;
    while !is_over && search.tried < plans_max && !is_spent(&pace) && !host::is_stop_wanted() {
        is_over = batch(sweep, &mut search, plans_max, ledger, &mut pace)?;
        if pace.is_save_due() {
            save(sweep, &search, ledger, &pace)?;
        }
    }
    save(sweep, &search, ledger, &pace)?;
    ledger.elapsed += pace.elapsed();
    ledger.tally = search.tally.clone();
    Ok(search)
}

/// Tries one batch; answers whether a failure ends the search.
fn batch(
    sweep: &Sweep,
    search: &mut Search,
    plans_max: u64,
    ledger: &mut Ledger,
    pace: &mut Pace,
) -> Result<bool, UsageError> {
    let trials = search.next_batch(plans_max - search.tried);
    let count = trials.len() as u64;
    let mut result = Ok(false);
    host::in_order(
        0..count,
        sweep.jobs,
        None,
        |at| tried(&trials[at as usize], sweep.bug),
        |at, tried| {
            let trial = trials[at as usize].clone();
            let failure = match tried.is_spoiled {
                true => Ok(None),
                false => failure_of(sweep, &trial, &tried),
            };
            let new = search.take(trial, &tried.outcome);
            result = failure.map(|failure| {
                let is_over = failure.is_some() && sweep.is_until_fail;
                match tried.is_spoiled {
                    true => ledger.add_spoiled(),
                    false => ledger.add(&tried.outcome, failure),
                }
                is_over
            });
            pace.step(ledger.totals.failed(), new, Some(search.corpus.entries().len()));
            match result {
                Ok(false) => ControlFlow::Continue(()),
                _ => ControlFlow::Break(()),
            }
        },
    );
    search.batch_ended();
    result
}

fn tried(trial: &Trial, bug: Option<Bug>) -> Tried {
    let options = Options {
        bug,
        ..Options::default()
    };
    let outcome = execute(&trial.plan, &options);
    let mut tried = Tried {
        outcome,
        bug,
        is_spoiled: false,
    };
    if bug.is_none() || tried.outcome.verdict == Verdict::Ok {
        return tried;
    }
    // A plan that fails without the bug says nothing about the bug, but all the more about the machine.
    let real = execute(&trial.plan, &Options::default());
    if real.verdict != Verdict::Ok {
        tried.outcome = real;
        tried.bug = None;
    } else {
        tried.is_spoiled = is_own_panic(&tried.outcome.verdict);
    }
    tried
}

/// What is told of a failure. The plan of a mutant is written first, or nobody could run it again.
fn failure_of(sweep: &Sweep, trial: &Trial, tried: &Tried) -> Result<Option<Failure>, UsageError> {
    if tried.outcome.verdict == Verdict::Ok {
        return Ok(None);
    }
    let subject = match trial.origin {
        Origin::Seed(seed) => Subject::Seed(seed),
        Origin::Mutant | Origin::Given => {
            let here = Path::new("found");
            let directory = sweep.corpus.as_deref().map(|corpus| corpus.join("failed"));
            let directory = directory.as_deref().unwrap_or(here);
            Subject::File(folder::write_one(directory, &trial.plan)?)
        }
    };
    Ok(Failure::of(subject, tried.bug, &tried.outcome))
}

fn save(sweep: &Sweep, search: &Search, ledger: &Ledger, pace: &Pace) -> Result<(), UsageError> {
    if let Some(corpus) = &sweep.corpus {
        folder::write(corpus, search.corpus.entries())?;
    }
    match &sweep.save {
        Some(path) => Saved::of_search(sweep, ledger, pace.elapsed(), search).write(path),
        None => Ok(()),
    }
}
