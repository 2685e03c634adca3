//! The command: each part in a process of its own, so that whatever happens to one, the others are run and told.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;

use super::parts::{Night, Part, Program, parts};
use super::summary::{Summary, Told};
use super::verdict::{self, Found};
use crate::commands::ending::Ending;
use crate::commands::host::{self, Stopwatch};
use crate::commands::say::say;
use crate::commands::seeds::{SeedRange, parse_span};
use crate::commands::subject::write_text;
use crate::commands::usage::UsageError;

/// Seeds that belong to one night.
const SEEDS_OF_NIGHT: u64 = 10_000_000;
/// Seeds of a night when nothing is said.
const SEEDS_USUAL: u64 = 100_000;
/// Failures of one part that are minimised, and runs for each.
const MINIMISED_MAX: usize = 3;
const MINIMISING_RUNS: &str = "2000";

/// Arguments of `sim nightly`.
#[derive(Args)]
pub struct NightlyArguments {
    /// The seeds: A..B without B [default: the first 100,000 of the night, or as many as the budget allows].
    #[arg(long, value_name = "A..B", conflicts_with = "night")]
    seeds: Option<SeedRange>,
    /// The number of the night, such as its date: 20261127. Every night has ten million seeds of its own.
    #[arg(long, value_name = "N", default_value_t = 0)]
    night: u64,
    /// Real time for new seeds and the search together: 60s, 10m, 8h. The other parts take as long as they take.
    #[arg(long, value_name = "TIME", value_parser = parse_span)]
    budget: Option<Duration>,
    /// Where the summary, what the parts printed and minimised plans go.
    #[arg(long, value_name = "DIR", default_value = "nightly")]
    out: PathBuf,
    /// Where the search keeps its plans from night to night [default: OUT/corpus].
    #[arg(long, value_name = "DIR")]
    corpus: Option<PathBuf>,
    /// The committed plans.
    #[arg(long, value_name = "DIR", default_value = "sim/plans")]
    plans: PathBuf,
    /// Threads [default: one per core].
    #[arg(long, value_name = "N")]
    jobs: Option<usize>,
    /// The whole daemon on simulated hosts, too; cargo builds it.
    #[arg(long)]
    turmoil: bool,
    /// Leave a part out: seeds, search, plans, mutants, determinism.
    #[arg(long, value_name = "PART")]
    skip: Vec<String>,
}

/// Runs all parts and writes `summary.md` and `summary.json`.
///
/// # Errors
/// A part can't be started, or a file can't be written.
pub fn nightly(arguments: &NightlyArguments) -> Result<Ending, UsageError> {
    host::heed_signals();
    let night = Night {
        seeds: seeds(arguments),
        budget: arguments.budget,
        corpus: arguments
            .corpus
            .clone()
            .unwrap_or_else(|| arguments.out.join("corpus")),
        plans: arguments.plans.clone(),
        jobs: arguments.jobs,
        has_turmoil: arguments.turmoil,
    };
    let out = &arguments.out;
    fs::create_dir_all(out).map_err(|error| UsageError::File {
        path: out.clone(),
        error,
    })?;
    let started = Stopwatch::start();
    let mut summary = Summary {
        commit: host::commit(),
        seeds: night.seeds.to_string(),
        took: Duration::ZERO,
        told: Vec::new(),
    };
    let wanted = parts(&night)
        .into_iter()
        .filter(|part| !arguments.skip.iter().any(|name| name == part.name));
    for part in wanted {
        summary.told.push(perform(part, out)?);
        // After every part, so that a night that is cut short has told what it found.
        summary.took = started.elapsed();
        write_text(&out.join("summary.md"), &summary.markdown())?;
        write_text(&out.join("summary.json"), &format!("{:#}\n", summary.json()))?;
    }
    say(summary.markdown());
    eprintln!("summary: {}", out.join("summary.md").display());
    Ok(summary.ending())
}

fn seeds(arguments: &NightlyArguments) -> SeedRange {
    if let Some(seeds) = arguments.seeds {
        return seeds;
    }
    let first = arguments.night.saturating_mul(SEEDS_OF_NIGHT);
    let end = match arguments.budget {
        Some(_) => u64::MAX,
        None => first.saturating_add(SEEDS_USUAL),
    };
    SeedRange { first, end }
}

fn perform(part: Part, out: &Path) -> Result<Told, UsageError> {
    if host::is_stop_wanted() {
        return Ok(Told {
            part,
            took: Duration::ZERO,
            verdict: None,
        });
    }
    eprintln!("{}: {}", part.name, part.what);
    let started = Stopwatch::start();
    let path = out.join(format!("{}.txt", part.name));
    let code = match part.program {
        Program::Sim => host::part(None, &part.words, &path),
        Program::Cargo => host::part(Some("cargo"), &part.words, &path),
    };
    let unusable = |error| UsageError::File {
        path: path.clone(),
        error,
    };
    let code = code.map_err(unusable)?;
    let printed = fs::read(&path).map_err(unusable)?;
    let printed = String::from_utf8_lossy(&printed);
    let mut verdict = match part.program {
        Program::Sim => verdict::read(code, &printed),
        Program::Cargo => verdict::read_tests(code, &printed),
    };
    for found in verdict.found.iter_mut().take(MINIMISED_MAX) {
        minimise(found, out);
    }
    Ok(Told {
        part,
        took: started.elapsed(),
        verdict: Some(verdict),
    })
}

/// What of it is needed to fail, as a plan beside the summary. Where that does not work, the failure is told all the same.
fn minimise(found: &mut Found, out: &Path) {
    let Some(subject) = found.subject.clone().filter(|_| !host::is_stop_wanted()) else {
        return;
    };
    let name = Path::new(&subject)
        .file_stem()
        .unwrap_or_default()
        .to_string_lossy();
    let plan = out.join(format!("{name}.min.plan"));
    let words = ["minimize", &subject, "--runs-max", MINIMISING_RUNS, "--output"];
    let mut words: Vec<String> = words.map(str::to_owned).to_vec();
    words.push(plan.display().to_string());
    let log = out.join(format!("{name}.minimize.txt"));
    if host::part(None, &words, &log).is_ok() && plan.exists() {
        found.minimised = Some(plan.display().to_string());
    }
}
