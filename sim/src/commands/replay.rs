//! `sim replay`: one run again.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use sim::{Options, Plan, TraceMode};

use super::dump::{Which, dump};
use super::ending::Ending;
use super::execute::{ending_of, execute, execute_and_look};
use super::failure::{Failure, seconds};
use super::host;
use super::seeds::parse_span;
use super::subject::{Subject, bug_named, write_text};
use super::table::grouped;
use super::usage::UsageError;

/// Arguments of `sim replay`.
#[derive(Args)]
pub struct ReplayArguments {
    /// A seed, or a file with a plan.
    #[arg(value_name = "SEED|FILE")]
    subject: String,
    /// Write every event to this file; `-` for the standard output.
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
    /// Write the plan to this file; `-` for the standard output.
    #[arg(long, value_name = "FILE")]
    plan: Option<PathBuf>,
    /// Stop at this time of the world, without the recovery.
    #[arg(long, value_name = "TIME", value_parser = parse_span, conflicts_with = "layer")]
    until: Option<Duration>,
    /// Print a member whole (`all`: each), as it is where the run ends: at --at, or where something broke before.
    #[arg(long, value_name = "MEMBER", conflicts_with = "layer")]
    dump: Option<Which>,
    /// Stop at this time of the world to look at it, as --until does: 3200ms, or 3.214159 as traces write it.
    #[arg(long, value_name = "TIME", value_parser = parse_span, requires = "dump", conflicts_with = "until")]
    at: Option<Duration>,
    /// Print what --dump prints as JSON.
    #[arg(long, requires = "dump")]
    json: bool,
    /// Break something on purpose. A plan's own bug is not taken unless it is named.
    #[arg(long, value_name = "NAME")]
    bug: Option<String>,
    /// Where to run it.
    #[arg(long, value_enum, default_value_t = Layer::Des)]
    layer: Layer,
}

/// What surrounds the machines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Layer {
    /// The discrete-event world of this program.
    Des,
    /// The whole daemon on simulated hosts, by `cargo test --test turmoil`; it refuses plans with what it has not.
    Turmoil,
}

/// Runs one seed or plan and tells what came of it, on the error stream, so that a trace can go to the other.
///
/// # Errors
/// The arguments can't be used, or a file can't be written.
pub fn replay(arguments: &ReplayArguments) -> Result<Ending, UsageError> {
    let bug = bug_named(arguments.bug.as_deref())?;
    let subject = Subject::parse(&arguments.subject);
    let plan = subject.plan()?;
    if let Some(path) = &arguments.plan {
        write_text(path, &plan.to_text())?;
    }
    if arguments.layer == Layer::Turmoil {
        return in_turmoil(arguments, &subject, &plan);
    }
    let trace = if arguments.trace.is_some() {
        TraceMode::Lines
    } else {
        TraceMode::Hash
    };
    let stop_at_ns = arguments
        .until
        .or(arguments.at)
        .and_then(|span| u64::try_from(span.as_nanos()).ok());
    let options = Options {
        bug,
        trace,
        stop_at_ns,
        ..Options::default()
    };
    let outcome = match arguments.dump {
        None => execute(&plan, &options),
        Some(which) => {
            let (outcome, members) = execute_and_look(&plan, &options);
            dump(&members, which, arguments.json)?;
            outcome
        }
    };
    if let Some(path) = &arguments.trace {
        let mut text = outcome.lines.join("\n");
        text.push('\n');
        write_text(path, &text)?;
    }
    let ending = ending_of(&outcome.verdict);
    match Failure::of(subject.clone(), bug, &outcome) {
        Some(failure) => eprint!("{}", failure.text(&plan)),
        None => eprintln!("{} breaks nothing", subject.title()),
    }
    eprintln!(
        "{} events in {} simulated, trace {:016x}",
        grouped(outcome.events),
        seconds(outcome.simulated_ns),
        outcome.trace_hash
    );
    Ok(ending)
}

fn in_turmoil(arguments: &ReplayArguments, subject: &Subject, plan: &Plan) -> Result<Ending, UsageError> {
    let path = match subject {
        Subject::File(path) => fs::canonicalize(path).map_err(|error| UsageError::File {
            path: path.clone(),
            error,
        })?,
        Subject::Seed(seed) => {
            let path = std::env::temp_dir().join(format!("sim-{seed}.plan"));
            write_text(&path, &plan.to_text())?;
            path
        }
    };
    let text = host::in_turmoil(&path, arguments.bug.as_deref())
        .map_err(|error| UsageError::Child(format!("cargo test: {error}")))?;
    if let Some(path) = &arguments.trace {
        write_text(path, &text)?;
    }
    let verdict = text.lines().find_map(|line| line.strip_prefix("verdict "));
    let verdict = verdict.ok_or_else(|| UsageError::Child("tests/turmoil gave no verdict".to_owned()))?;
    let (word, why) = verdict.split_once(' ').unwrap_or((verdict, ""));
    let ending = match word {
        "clean" => Ending::Clean,
        "safety" => Ending::Safety,
        "liveness" => Ending::Liveness,
        _ => return Err(UsageError::NotInThisLayer(why.to_owned())),
    };
    match ending {
        Ending::Clean => eprintln!("{} breaks nothing", subject.title()),
        _ => eprintln!("{}: {word}: {why}", subject.title()),
    }
    Ok(ending)
}
