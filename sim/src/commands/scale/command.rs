//! `sim scale`: its arguments, the order of work, and what is written where.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;
use sim::scale::Setup;

use super::plots::plots;
use super::report::report;
use super::site::{Effort, Site, SiteRecord};
use crate::commands::ending::Ending;
use crate::commands::progress::Progress;
use crate::commands::say::say;
use crate::commands::usage::UsageError;

/// Arguments of `sim scale`.
#[derive(Args)]
pub struct ScaleArguments {
    /// Sizes of the ring: directors, each of them a voter.
    #[arg(long, value_name = "N,N,...", value_delimiter = ',', default_value = "3,5,7,10,20,50,100",
          value_parser = clap::value_parser!(u16).range(3..=100))]
    directors: Vec<u16>,
    /// Backends.
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(2..=10_000))]
    backends: u32,
    /// Users of the site, all of them held at the same time.
    #[arg(long, value_name = "N", default_value_t = 10_000_000)]
    users: u64,
    /// Years of operation.
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=100))]
    years: u64,
    /// Incidents of each cause that are played; half as many with more than 10 directors, a third with more than 30, a sixth
    /// with more than 60.
    #[arg(long, value_name = "N", default_value_t = 12)]
    samples: usize,
    /// What all chance is drawn from.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// A directory for the plots.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Write nothing: compare the plots in --out with those that would be written.
    #[arg(long, requires = "out")]
    check: bool,
    /// Print markdown tables.
    #[arg(long)]
    markdown: bool,
    /// Print JSON.
    #[arg(long, conflicts_with = "markdown")]
    json: bool,
}

/// Measures rings of every size and tells what they cost, how long their users are without service, and where they end.
///
/// # Errors
/// A plot could not be written or read.
pub fn scale(arguments: &ScaleArguments) -> Result<Ending, UsageError> {
    let mut progress = Progress::new("steps", None);
    let mut sites = Vec::new();
    for directors in arguments.directors.iter().copied() {
        let setup = Setup {
            directors,
            backends: arguments.backends,
            users: arguments.users,
            years: arguments.years,
            seed: arguments.seed,
        };
        let effort = Effort::of(directors, arguments.samples);
        let mut told = |what: &str| progress.step(|| format!("{directors} directors: {what}"));
        sites.push(Site::measured(setup, effort, &mut told));
    }
    if arguments.json {
        let records: Vec<SiteRecord> = sites.iter().map(Site::record).collect();
        say(serde_json::to_string_pretty(&records).expect("numbers and names are always JSON"));
    } else {
        say(report(&sites, arguments.markdown));
    }
    let ending = ending(&sites);
    match &arguments.out {
        Some(folder) if arguments.check => Ok(ending.and(compared(folder, &sites)?)),
        Some(folder) => written(folder, &sites).map(|()| ending),
        None => Ok(ending),
    }
}

fn ending(sites: &[Site]) -> Ending {
    let is_split = sites.iter().any(|site| site.estimate.splits() > 0);
    let is_unfinished = |site: &Site| site.estimate.causes.iter().any(|cause| cause.unfinished > 0);
    match () {
        () if is_split => Ending::Safety,
        () if sites.iter().any(is_unfinished) => Ending::Liveness,
        () => Ending::Clean,
    }
}

fn written(folder: &Path, sites: &[Site]) -> Result<(), UsageError> {
    let fault = |path: &Path| {
        let path = path.to_owned();
        move |error| UsageError::File { path, error }
    };
    fs::create_dir_all(folder).map_err(fault(folder))?;
    for (name, svg) in plots(sites) {
        let path = folder.join(name);
        fs::write(&path, svg).map_err(fault(&path))?;
    }
    Ok(())
}

fn compared(folder: &Path, sites: &[Site]) -> Result<Ending, UsageError> {
    let mut ending = Ending::Clean;
    for (name, svg) in plots(sites) {
        let path = folder.join(name);
        let found = fs::read_to_string(&path).map_err(|error| UsageError::File {
            path: path.clone(),
            error,
        })?;
        if found != svg {
            eprintln!("{}: not what this seed draws", path.display());
            ending = Ending::Nondeterminism;
        }
    }
    Ok(ending)
}
