//! The command.

use std::path::PathBuf;

use clap::Args;
use sim::Plan;

use super::minimized::{RUNS_MAX, minimized};
use crate::commands::ending::Ending;
use crate::commands::execute::ending_of;
use crate::commands::failure::Failure;
use crate::commands::subject::{Subject, bug_named, write_text};
use crate::commands::table::grouped;
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
    /// What the plan shows, for people [default: the note that it has, or what broke and how].
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,
    /// Stop after so many runs.
    #[arg(long, value_name = "N", default_value_t = RUNS_MAX)]
    runs_max: u64,
}

/// Cuts the plan down, writes it, and tells what it still breaks.
///
/// # Errors
/// The plan can't be read or written, or breaks nothing.
pub fn minimize(arguments: &MinimizeArguments) -> Result<Ending, UsageError> {
    let bug = bug_named(arguments.bug.as_deref())?;
    let subject = Subject::parse(&arguments.subject);
    let before = subject.plan()?;
    let found = minimized(&before, &subject, bug, arguments.runs_max);
    let mut found = found.ok_or_else(|| UsageError::DoesNotFail(subject.title()))?;
    if let Some(note) = &arguments.note {
        found.plan.note.clone_from(note);
    }
    let output = arguments
        .output
        .clone()
        .unwrap_or_else(|| default_output(&subject));
    write_text(&output, &found.plan.to_text())?;
    if let Some(failure) = Failure::of(Subject::File(output), bug, &found.outcome) {
        eprint!("{}", failure.text(&found.plan));
    }
    eprintln!(
        "left of {} after {} runs: {}{}",
        sizes(&before),
        grouped(found.runs),
        sizes(&found.plan),
        if found.is_cut_short {
            "; the limit ended it, once more may find less"
        } else {
            ""
        }
    );
    Ok(ending_of(&found.outcome.verdict))
}

fn sizes(plan: &Plan) -> String {
    format!(
        "{} faults, {} members, {} works, {} users",
        plan.faults.len(),
        plan.knobs.members.len(),
        plan.work.len(),
        plan.knobs.users
    )
}

fn default_output(subject: &Subject) -> PathBuf {
    match subject {
        Subject::Seed(seed) => PathBuf::from(format!("{seed}.plan")),
        Subject::File(path) => path.with_extension("min.plan"),
    }
}
