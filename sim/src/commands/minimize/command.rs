//! The command.

use std::path::PathBuf;

use clap::Args;
use sim::{Bug, Expect, Options};

use super::minimizer::{Minimizer, Sought};
use crate::commands::ending::Ending;
use crate::commands::execute::{ending_of, execute};
use crate::commands::failure::Failure;
use crate::commands::subject::{Subject, bug_named, write_text};
use crate::commands::usage::UsageError;

/// Arguments of `sim minimize`.
#[derive(Args)]
pub struct MinimizeArguments {
    /// A seed, or a file with a plan.
    #[arg(value_name = "SEED|FILE")]
    subject: String,
    /// The bug with which it fails. The smaller plans are then held to be survived without it.
    #[arg(long, value_name = "NAME")]
    bug: Option<String>,
    /// Where the plan goes [default: SEED.plan, or FILE with .min.plan].
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// What the plan shows, for people.
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,
    /// Stop after so many runs.
    #[arg(long, value_name = "N", default_value_t = 5_000)]
    runs_max: u64,
}

/// Cuts the plan down, writes it, and tells what it still breaks.
///
/// # Errors
/// The plan can't be read or written, or breaks nothing.
pub fn minimize(arguments: &MinimizeArguments) -> Result<Ending, UsageError> {
    let bug = bug_named(arguments.bug.as_deref())?;
    let subject = Subject::parse(&arguments.subject);
    let plan = subject.plan()?;
    let options = Options {
        bug,
        ..Options::default()
    };
    let sought = Sought::of(&execute(&plan, &options).verdict)
        .ok_or_else(|| UsageError::DoesNotFail(subject.title()))?;
    let before = (plan.faults.len(), plan.work.len());
    let breaks = sought.invariant().name().to_owned();

    let mut minimizer = Minimizer::new(plan, sought, bug, arguments.runs_max);
    minimizer.work();
    let mut plan = minimizer.plan().clone();
    plan.expect = Some(Expect {
        bug: bug.map(Bug::name),
        breaks: Some(breaks),
        seeds: 1,
    });
    if let Some(note) = &arguments.note {
        plan.note.clone_from(note);
    }
    let output = arguments
        .output
        .clone()
        .unwrap_or_else(|| default_output(&subject));
    write_text(&output, &plan.to_text())?;

    let outcome = execute(&plan, &options);
    if let Some(failure) = Failure::of(Subject::File(output), bug, &outcome) {
        eprint!("{}", failure.text(&plan));
    }
    eprintln!(
        "{} faults and {} works of {} and {} are left after {} runs{}",
        plan.faults.len(),
        plan.work.len(),
        before.0,
        before.1,
        minimizer.runs(),
        if minimizer.is_cut_short() {
            ", the limit; once more may find less"
        } else {
            ""
        }
    );
    Ok(ending_of(&outcome.verdict))
}

fn default_output(subject: &Subject) -> PathBuf {
    match subject {
        Subject::Seed(seed) => PathBuf::from(format!("{seed}.plan")),
        Subject::File(path) => path.with_extension("min.plan"),
    }
}
