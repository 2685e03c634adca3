//! `sim run`: the arguments, and how a sweep begins and ends.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use sim::learn::digest;

use super::ending::Ending;
use super::host;
use super::layer::{Layer, Plans};
use super::run_on_hosts::{HostsSweep, run_on_hosts};
use super::say::say;
use super::seeds::{SeedRange, parse_span};
use super::subject::bug_named;
use super::sweep::{Detail, Ledger, Saved, Sweep, search, sweep};
use super::usage::UsageError;

/// Arguments of `sim run`.
#[derive(Args)]
pub struct RunArguments {
    /// The seeds: A..B without B, or A.. for no end. With --learn: so many plans, fresh seeds being drawn from A on.
    #[arg(long, value_name = "A..B", default_value = "0..")]
    seeds: SeedRange,
    /// Threads [default: one per core].
    #[arg(long, value_name = "N")]
    jobs: Option<usize>,
    /// Start no seed after this much real time: 500ms, 60s, 10m, 8h.
    #[arg(long, value_name = "TIME", value_parser = parse_span)]
    budget: Option<Duration>,
    /// Stop at the first seed that fails.
    #[arg(long)]
    until_fail: bool,
    /// Fail when a mark, or a required pair of a fault and a state, was never reached; the turmoil layer has neither.
    #[arg(long, conflicts_with = "layer")]
    require_marks: bool,
    /// Break something on purpose.
    #[arg(long, value_name = "NAME")]
    bug: Option<String>,
    /// Print one JSON object instead of text.
    #[arg(long)]
    json: bool,
    /// Keep plans that reach something new and change them, before and beside fresh seeds.
    #[arg(long)]
    learn: bool,
    /// Where a search that learns keeps its plans; those that are there are tried first.
    #[arg(long, value_name = "DIR", requires = "learn")]
    corpus: Option<PathBuf>,
    /// From which a search that learns draws its changes.
    #[arg(long, value_name = "N", requires = "learn", default_value_t = 0)]
    search_seed: u64,
    /// Keep in this file where the sweep is [default with --corpus: DIR/state.json].
    #[arg(long, value_name = "FILE")]
    save: Option<PathBuf>,
    /// Go on with the sweep that was left there.
    #[arg(long, value_name = "FILE|DIR", conflicts_with_all = ["seeds", "bug", "learn", "corpus", "save"])]
    resume: Option<PathBuf>,
    /// Tell at the end which pairs of faults and states were reached, how rarely, and which were not.
    #[arg(long)]
    coverage: bool,
    /// Where to run them.
    #[arg(long, value_enum, default_value_t = Layer::Des, conflicts_with_all = ["learn", "resume", "save"])]
    layer: Layer,
    /// In the turmoil layer: whose plans the seeds stand for.
    #[arg(long, value_enum, default_value_t = Plans::Des)]
    plans: Plans,
}

/// Runs the seeds, or the search, and tells what they came to.
///
/// # Errors
/// The arguments can't be used, or a file can't be read or written.
pub fn run(arguments: &RunArguments) -> Result<Ending, UsageError> {
    let (asked, saved) = match &arguments.resume {
        Some(place) => resumed(place, arguments)?,
        None => (begun(arguments)?, None),
    };
    if !asked.seeds.is_bounded() && asked.budget.is_none() && !asked.is_until_fail {
        return Err(UsageError::Endless(asked.seeds));
    }
    if arguments.layer == Layer::Turmoil {
        return run_on_hosts(&HostsSweep {
            seeds: asked.seeds,
            jobs: asked.jobs,
            budget: asked.budget,
            until_fail: asked.is_until_fail,
            bug: asked.bug,
            plans: arguments.plans,
            json: arguments.json,
        });
    }
    host::heed_signals();
    let mut ledger = match &saved {
        Some(saved) => saved.ledger(),
        None => Ledger::default(),
    };
    let is_learning = saved.as_ref().map_or(arguments.learn, Saved::is_learning);
    let mut witness = BTreeMap::new();
    if is_learning {
        let searched = search(&asked, saved.as_ref(), arguments.search_seed, &mut ledger)?;
        for entry in searched.corpus.entries() {
            let name = digest(&entry.plan);
            let numbers = entry.points.iter().map(|point| point.number());
            witness.extend(numbers.map(|number| (number, name.clone())));
        }
    } else {
        sweep(&asked, saved.as_ref(), &mut ledger)?;
    }
    let is_uncovered = ledger.is_uncovered();
    if arguments.require_marks && is_uncovered {
        ledger.ending = ledger.ending.and(Ending::Coverage);
    }
    let detail = Detail {
        is_whole: is_learning || arguments.coverage || (arguments.require_marks && is_uncovered),
        is_learning,
        witness,
    };
    match arguments.json {
        true => say(format_args!("{:#}", ledger.json(&detail))),
        false => say(ledger.text(&detail)),
    }
    if host::is_stop_wanted() {
        match &asked.save {
            Some(path) => eprintln!("stopped; to go on: sim run --resume {}", path.display()),
            None => eprintln!("stopped; nothing was saved, since neither --save nor --corpus was given"),
        }
    }
    Ok(ledger.ending)
}

fn begun(arguments: &RunArguments) -> Result<Sweep, UsageError> {
    let in_corpus = || arguments.corpus.as_deref().map(state_in);
    Ok(Sweep {
        seeds: arguments.seeds,
        jobs: arguments.jobs.unwrap_or_else(host::cores),
        budget: arguments.budget,
        is_until_fail: arguments.until_fail,
        bug: bug_named(arguments.bug.as_deref())?,
        corpus: arguments.corpus.clone(),
        save: arguments.save.clone().or_else(in_corpus),
    })
}

fn resumed(place: &Path, arguments: &RunArguments) -> Result<(Sweep, Option<Saved>), UsageError> {
    let path = if place.is_dir() {
        state_in(place)
    } else {
        place.to_owned()
    };
    let saved = Saved::read(&path)?;
    let sweep = Sweep {
        seeds: saved.seeds(),
        jobs: arguments.jobs.unwrap_or_else(host::cores),
        budget: arguments.budget,
        is_until_fail: arguments.until_fail,
        bug: bug_named(saved.bug.as_deref())?,
        corpus: saved.is_learning().then(|| saved.corpus.clone()).flatten(),
        save: Some(path),
    };
    Ok((sweep, Some(saved)))
}

fn state_in(corpus: &Path) -> PathBuf {
    corpus.join("state.json")
}
