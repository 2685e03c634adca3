//! `sim run`: a sweep over seeds.

use std::ops::ControlFlow;
use std::time::Duration;

use clap::Args;
use serde_json::json;
use sim::{Options, Plan};

use super::ending::Ending;
use super::execute::{ending_of, execute};
use super::failure::Failure;
use super::host;
use super::layer::{Layer, Plans};
use super::progress::Progress;
use super::run_on_hosts::{Sweep, run_on_hosts};
use super::say::say;
use super::seeds::{SeedRange, parse_span};
use super::subject::{Subject, bug_named};
use super::totals::Totals;
use super::usage::UsageError;

/// Failures told in full; of the others a line each, and of very many only their number.
const IN_FULL_MAX: usize = 3;
const IN_A_LINE_MAX: usize = 100;

/// Arguments of `sim run`.
#[derive(Args)]
pub struct RunArguments {
    /// The seeds: A..B without B, or A.. for no end.
    #[arg(long, value_name = "A..B")]
    seeds: SeedRange,
    /// Threads [default: one per core].
    #[arg(long, value_name = "N")]
    jobs: Option<usize>,
    /// Start no seed after this much real time: 500ms, 60s, 10m.
    #[arg(long, value_name = "TIME", value_parser = parse_span)]
    budget: Option<Duration>,
    /// Stop at the first seed that fails.
    #[arg(long)]
    until_fail: bool,
    /// Fail when a mark of the catalogue was never hit; the turmoil layer has no marks.
    #[arg(long, conflicts_with = "layer")]
    require_marks: bool,
    /// Break something on purpose.
    #[arg(long, value_name = "NAME")]
    bug: Option<String>,
    /// Print one JSON object instead of text.
    #[arg(long)]
    json: bool,
    /// Where to run them.
    #[arg(long, value_enum, default_value_t = Layer::Des)]
    layer: Layer,
    /// In the turmoil layer: whose plans the seeds stand for.
    #[arg(long, value_enum, default_value_t = Plans::Des)]
    plans: Plans,
}

/// Runs the seeds and tells what they came to.
///
/// # Errors
/// The arguments can't be used.
pub fn run(arguments: &RunArguments) -> Result<Ending, UsageError> {
    let bug = bug_named(arguments.bug.as_deref())?;
    let seeds = arguments.seeds;
    if !seeds.is_bounded() && arguments.budget.is_none() && !arguments.until_fail {
        return Err(UsageError::Endless(seeds));
    }
    let jobs = arguments.jobs.unwrap_or_else(host::cores);
    if arguments.layer == Layer::Turmoil {
        return run_on_hosts(&Sweep {
            seeds,
            jobs,
            budget: arguments.budget,
            until_fail: arguments.until_fail,
            bug,
            plans: arguments.plans,
            json: arguments.json,
        });
    }
    let options = Options {
        bug,
        ..Options::default()
    };
    let mut totals = Totals::default();
    let mut failures = Vec::new();
    let mut ending = Ending::Clean;
    let mut progress = Progress::new("seeds", seeds.is_bounded().then(|| seeds.end - seeds.first));
    host::in_order(
        seeds.range(),
        jobs,
        arguments.budget,
        |seed| execute(&Plan::from_seed(seed), &options),
        |seed, outcome| {
            totals.add(&outcome);
            ending = ending.and(ending_of(&outcome.verdict));
            progress.step(|| format!("{} failed", totals.failed()));
            let failure = Failure::of(Subject::Seed(seed), bug, &outcome);
            let is_over = failure.is_some() && arguments.until_fail;
            failures.extend(failure.filter(|_| failures.len() < IN_A_LINE_MAX));
            if is_over {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        },
    );
    let elapsed = progress.elapsed();
    let is_uncovered = arguments.require_marks && totals.marks.missed().next().is_some();
    if is_uncovered {
        ending = ending.and(Ending::Coverage);
    }
    if arguments.json {
        print_json(&totals, &failures, ending, elapsed);
    } else {
        print_text(&totals, &failures, elapsed);
    }
    Ok(ending)
}

fn print_text(totals: &Totals, failures: &[Failure], elapsed: Duration) {
    for (place, failure) in failures.iter().enumerate() {
        match place < IN_FULL_MAX {
            true => say(format_args!("{}\n", failure.text(&plan_of(failure)))),
            false => say(format_args!("FAILURE {}", failure.line())),
        }
    }
    say(format_args!("{}\n{}", totals.marks_text(), totals.text(elapsed)));
}

fn print_json(totals: &Totals, failures: &[Failure], ending: Ending, elapsed: Duration) {
    let mut told = totals.json(elapsed);
    told["failures"] = failures
        .iter()
        .take(IN_FULL_MAX)
        .map(|failure| failure.json(&plan_of(failure)))
        .collect();
    told["failure_lines"] = json!(failures.iter().map(Failure::line).collect::<Vec<_>>());
    told["exit_code"] = json!(ending.code());
    say(format_args!("{told:#}"));
}

fn plan_of(failure: &Failure) -> Plan {
    failure.subject.plan().expect("the plan of a seed needs no file")
}
