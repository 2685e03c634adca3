//! `sim plans`: the committed regressions.
//!
//! The real machine must survive every plan. A plan that names a bug must, with that bug, break what it says.

use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use clap::Args;
use sim::{Bug, Options, Plan, Verdict};

use super::ending::Ending;
use super::execute::{ending_of, execute};
use super::failure::Failure;
use super::host;
use super::say::say;
use super::subject::{Subject, bug_named, read_plan};
use super::usage::UsageError;

/// Arguments of `sim plans`.
#[derive(Args)]
pub struct PlansArguments {
    /// The directory with the `.plan` files.
    #[arg(value_name = "DIR")]
    directory: PathBuf,
    /// Threads [default: one per core].
    #[arg(long, value_name = "N")]
    jobs: Option<usize>,
}

struct Committed {
    path: PathBuf,
    plan: Plan,
    bug: Option<Bug>,
}

/// What came of one plan: a line for people, and how the command ends for it.
type Judgement = (Ending, String);

/// Runs every plan of the directory.
///
/// # Errors
/// The directory or a plan can't be read, or names a bug that does not exist.
pub fn plans(arguments: &PlansArguments) -> Result<Ending, UsageError> {
    let committed = read_all(&arguments.directory)?;
    let mut ending = Ending::Clean;
    let count = committed.len() as u64;
    host::in_order(
        0..count,
        arguments.jobs.unwrap_or_else(host::cores),
        None,
        |place| judge(&committed[place as usize]),
        |_, (its_ending, line): Judgement| {
            say(line);
            ending = ending.and(its_ending);
            ControlFlow::Continue(())
        },
    );
    Ok(ending)
}

fn read_all(directory: &Path) -> Result<Vec<Committed>, UsageError> {
    let unreadable = |error| UsageError::File {
        path: directory.to_owned(),
        error,
    };
    let mut paths = Vec::new();
    for entry in fs::read_dir(directory).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.extension().is_some_and(|extension| extension == "plan") {
            paths.push(path);
        }
    }
    if paths.is_empty() {
        return Err(UsageError::NoPlans(directory.to_owned()));
    }
    paths.sort();
    let read = |path: PathBuf| {
        let plan = read_plan(&path)?;
        let bug = bug_named(plan.expect.as_ref().and_then(|expect| expect.bug.as_deref()))?;
        Ok(Committed { path, plan, bug })
    };
    paths.into_iter().map(read).collect()
}

fn judge(committed: &Committed) -> Judgement {
    let subject = Subject::File(committed.path.clone());
    let name = committed.path.file_name().unwrap_or_default().to_string_lossy();
    for trial in committed.plan.trials() {
        let real = execute(&trial, &Options::default());
        if let Some(failure) = Failure::of(subject.clone(), None, &real) {
            return (ending_of(&real.verdict), failure.text(&trial));
        }
    }
    let Some(bug) = committed.bug else {
        return (Ending::Clean, format!("{name}: survived"));
    };
    let options = Options {
        bug: Some(bug),
        ..Options::default()
    };
    let verdicts = committed
        .plan
        .trials()
        .map(|trial| execute(&trial, &options).verdict);
    let broken = verdicts.reduce(|first, next| if first == Verdict::Ok { next } else { first });
    let verdict = broken.unwrap_or(Verdict::Ok);
    let wanted = committed
        .plan
        .expect
        .as_ref()
        .and_then(|expect| expect.breaks.as_deref());
    let replay = subject.replay_command(Some(bug));
    match (&verdict, wanted) {
        (Verdict::Ok, _) => {
            let line = format!("{name}: NOT NOTICED, {bug} breaks nothing any more\n  replay: {replay}");
            (Ending::Coverage, line)
        }
        (Verdict::Violation { invariant, .. }, Some(wanted)) if invariant.name() != wanted => {
            let line = format!("{name}: {bug} breaks {invariant} instead of {wanted}\n  replay: {replay}");
            (Ending::Coverage, line)
        }
        (Verdict::Violation { invariant, .. }, _) => (
            Ending::Clean,
            format!("{name}: survived, and with {bug} it breaks {invariant}"),
        ),
    }
}
