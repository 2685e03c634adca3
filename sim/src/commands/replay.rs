//! `sim replay`: one run again.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use sim::hosts::{Asked, Question};
use sim::{Options, TraceMode};

use super::dump::{Which, dump};
use super::ending::Ending;
use super::execute::{ending_of, execute, execute_and_look};
use super::failure::{Failure, seconds};
use super::layer::{self, Hosts, Layer, Plans};
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
    /// In the turmoil layer: whose plan a seed stands for.
    #[arg(long, value_enum, default_value_t = Plans::Des)]
    plans: Plans,
}

/// Runs one seed or plan and tells what came of it, on the error stream, so that a trace can go to the other.
///
/// # Errors
/// The arguments can't be used, or a file can't be written.
pub fn replay(arguments: &ReplayArguments) -> Result<Ending, UsageError> {
    let bug = bug_named(arguments.bug.as_deref())?;
    let subject = Subject::parse(&arguments.subject);
    if arguments.layer == Layer::Turmoil {
        return on_hosts(arguments, &subject);
    }
    let plan = subject.plan()?;
    if let Some(path) = &arguments.plan {
        write_text(path, &plan.to_text())?;
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

fn on_hosts(arguments: &ReplayArguments, subject: &Subject) -> Result<Ending, UsageError> {
    let asked = match subject {
        Subject::Seed(seed) => arguments.plans.asked(*seed),
        Subject::File(_) => Asked::Plan(Box::new(subject.plan()?)),
    };
    let answer = Hosts::built()?.ask(&Question {
        asked,
        bug: arguments.bug.clone(),
        has_trace: arguments.trace.is_some(),
        crowd: None,
    })?;
    if let Some(path) = &arguments.plan {
        write_text(path, &answer.plan.to_text())?;
    }
    if let Some(path) = &arguments.trace {
        let mut text = answer.lines.join("\n");
        text.push('\n');
        write_text(path, &text)?;
    }
    match layer::broken(&answer.came)? {
        None => eprintln!("{} breaks nothing", subject.title()),
        Some((_, word, words)) => eprintln!("{}: {word}: {words}", subject.title()),
    }
    eprintln!(
        "{} logins in {} simulated, {} lines of trace, {:016x}",
        grouped(answer.counted.logins),
        seconds(answer.counted.simulated_ms * 1_000_000),
        grouped(answer.counted.trace_lines),
        answer.trace_hash
    );
    Ok(layer::broken(&answer.came)?.map_or(Ending::Clean, |(ending, ..)| ending))
}
