//! The command and its table.

use std::ops::ControlFlow;
use std::path::PathBuf;

use clap::Args;
use sim::{Bug, Invariant, Options, Plan, Verdict};

use super::bounds::{seeds_max, words};
use super::least::{Noticed, minimize_all};
use super::net::{Notice, notice_by_plan, notice_without_seeds};
use crate::commands::ending::Ending;
use crate::commands::execute::{execute, is_own_panic};
use crate::commands::host::{self, Stopwatch};
use crate::commands::progress::Progress;
use crate::commands::say::say;
use crate::commands::subject::bug_named;
use crate::commands::table::{Side, Table, grouped};
use crate::commands::usage::UsageError;

/// Arguments of `sim mutants`.
#[derive(Args)]
pub struct MutantsArguments {
    /// Say one line when every bug is noticed, and show only those that are not.
    #[arg(long)]
    check: bool,
    /// Only this bug.
    #[arg(long, value_name = "NAME")]
    only: Option<String>,
    /// Try so many seeds with every bug, whatever its own bound.
    #[arg(long, value_name = "N")]
    seeds_max: Option<u64>,
    /// Print a markdown table.
    #[arg(long)]
    markdown: bool,
    /// Minimise the run in which each bug was noticed, and show how much of it is left. Committed plans are asked before
    /// seeds.
    #[arg(long, conflicts_with = "check")]
    minimize: bool,
    /// With --minimize: write the plans that are left to this directory, which must exist.
    #[arg(long, value_name = "DIR", requires = "minimize")]
    plans: Option<PathBuf>,
    /// Threads [default: one per core].
    #[arg(long, value_name = "N")]
    jobs: Option<usize>,
}

/// What became of one bug.
struct Row {
    bug: Bug,
    bound: u64,
    /// Who noticed it.
    noticed: Option<Notice>,
    /// Seeds that the real machine fails as well, or at which the simulator itself panicked: they show nothing.
    spoiled: u64,
    /// How long that took.
    seconds: f64,
}

impl Row {
    /// Whether the bug was noticed within its bound. A run with a higher limit may find it later.
    fn is_within_bound(&self) -> bool {
        match &self.noticed {
            Some(Notice::Seed(seed, _)) => *seed < self.bound,
            Some(_) => true,
            None => false,
        }
    }
}

/// What one seed says about a bug.
enum Sight {
    Nothing,
    Noticed(Invariant),
    Spoiled,
}

/// Runs every bug until it is noticed.
///
/// # Errors
/// There is no bug of the given name.
pub fn mutants(arguments: &MutantsArguments) -> Result<Ending, UsageError> {
    let only = bug_named(arguments.only.as_deref())?;
    let bugs: Vec<Bug> = only.map_or_else(|| Bug::all().collect(), |bug| vec![bug]);
    let jobs = arguments.jobs.unwrap_or_else(host::cores);
    let mut progress = Progress::new("bugs", Some(bugs.len() as u64));
    let mut rows = Vec::new();
    for bug in bugs {
        rows.push(hunt(
            bug,
            arguments.seeds_max.unwrap_or_else(|| seeds_max(bug)),
            jobs,
            arguments.minimize,
        ));
        progress.step(|| format!("{bug} was the last"));
    }
    if arguments.minimize {
        return minimize_rows(rows, jobs, arguments);
    }
    let survivors: Vec<&Row> = rows.iter().filter(|row| !row.is_within_bound()).collect();
    let shown = if arguments.check {
        survivors.clone()
    } else {
        rows.iter().collect()
    };
    let table = table(shown);
    if !(arguments.check && survivors.is_empty()) {
        say(table.rendered(arguments.markdown));
    }
    if !arguments.markdown {
        tell(&rows, survivors.len(), progress.elapsed().as_secs_f64());
    }
    Ok(if survivors.is_empty() {
        Ending::Clean
    } else {
        Ending::Coverage
    })
}

/// Minimises what noticed the bugs; one that nobody noticed is a failure.
fn minimize_rows(rows: Vec<Row>, jobs: usize, arguments: &MutantsArguments) -> Result<Ending, UsageError> {
    let mut unnoticed = Ending::Clean;
    let mut noticed = Vec::new();
    for Row {
        bug,
        noticed: notice,
        seconds,
        ..
    } in rows
    {
        match notice {
            Some(notice) => noticed.push(Noticed { bug, notice, seconds }),
            None => {
                say(format_args!(
                    "{bug} is noticed by nobody, so there is nothing to minimise"
                ));
                unnoticed = Ending::Coverage;
            }
        }
    }
    let least = minimize_all(&noticed, jobs, arguments.plans.as_deref(), arguments.markdown)?;
    Ok(unnoticed.and(least))
}

/// Runs seeds from 0 on until one shows the bug, or the limit is reached; none if a committed plan does, where those are
/// asked first.
fn hunt(bug: Bug, limit: u64, jobs: usize, plans_first: bool) -> Row {
    let mut row = Row {
        bug,
        bound: seeds_max(bug),
        noticed: None,
        spoiled: 0,
        seconds: 0.0,
    };
    let watch = Stopwatch::start();
    if plans_first {
        row.noticed = notice_by_plan(bug);
    }
    let limit = if row.noticed.is_some() { 0 } else { limit };
    host::in_order(
        0..limit,
        jobs,
        None,
        |seed| look(bug, seed),
        |seed, sight| {
            match sight {
                Sight::Nothing => {}
                Sight::Spoiled => row.spoiled += 1,
                Sight::Noticed(invariant) => row.noticed = Some(Notice::Seed(seed, invariant)),
            }
            if row.noticed.is_some() {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        },
    );
    row.noticed = row.noticed.or_else(|| notice_without_seeds(bug));
    row.seconds = watch.elapsed().as_secs_f64();
    row
}

fn look(bug: Bug, seed: u64) -> Sight {
    let plan = Plan::from_seed(seed);
    let mutated = execute(
        &plan,
        &Options {
            bug: Some(bug),
            ..Options::default()
        },
    );
    let Verdict::Violation { invariant, .. } = mutated.verdict else {
        return Sight::Nothing;
    };
    if is_own_panic(&mutated.verdict) {
        return Sight::Spoiled;
    }
    // A seed that fails without the bug says nothing about the bug.
    match execute(&plan, &Options::default()).verdict {
        Verdict::Ok => Sight::Noticed(invariant),
        Verdict::Violation { .. } => Sight::Spoiled,
    }
}

fn table(rows: Vec<&Row>) -> Table {
    let mut table = Table::new(&[
        ("bug", Side::Left),
        ("what is broken", Side::Left),
        ("seeds needed", Side::Left),
        ("noticed by", Side::Left),
        ("bound", Side::Right),
    ]);
    for row in rows {
        let (needed, by) = match &row.noticed {
            Some(notice) => (notice.to_string(), notice.broken()),
            None => ("never".to_owned(), "nobody"),
        };
        let what = words(row.bug).to_owned();
        table.row(vec![
            row.bug.name(),
            what,
            needed,
            by.to_owned(),
            grouped(row.bound),
        ]);
    }
    table
}

fn tell(rows: &[Row], survivors: usize, seconds: f64) {
    let spoiled: u64 = rows.iter().map(|row| row.spoiled).sum();
    let most = rows
        .iter()
        .filter_map(|row| match row.noticed {
            Some(Notice::Seed(seed, _)) => Some(seed + 1),
            _ => None,
        })
        .max()
        .unwrap_or(0);
    say(format_args!(
        "{} of {} planted bugs noticed within their bounds, at most {} seeds each ({seconds:.1} s)",
        rows.len() - survivors,
        rows.len(),
        grouped(most)
    ));
    if spoiled > 0 {
        say(format_args!(
            "{spoiled} seeds were no help: they fail without a bug too, or by a mistake of the simulator"
        ));
    }
}
