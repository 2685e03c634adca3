//! The command.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;
use sim::{Bug, Options, Plan, Verdict};

use super::repository::{Commit, Repository, Worktree};
use super::search::{Judgement, Search};
use super::workshop::{Cargo, Replayed, Workshop};
use crate::commands::ending::Ending;
use crate::commands::execute::execute;
use crate::commands::host;
use crate::commands::say::say;
use crate::commands::subject::{Subject, bug_named, write_text};
use crate::commands::usage::UsageError;

/// Arguments of `sim bisect`.
#[derive(Args)]
pub struct BisectArguments {
    /// A seed, or a file with a plan. A seed is the plan that this build makes of it: another build may make another.
    #[arg(value_name = "SEED|FILE")]
    subject: String,
    /// A commit that survives the plan.
    #[arg(long, value_name = "REV")]
    good: String,
    /// A commit that does not.
    #[arg(long, value_name = "REV", default_value = "HEAD")]
    bad: String,
    /// Break something on purpose in every run.
    #[arg(long, value_name = "NAME")]
    bug: Option<String>,
    /// Build in this directory and keep it [default: one that is gone at the end].
    #[arg(long, value_name = "DIR")]
    target: Option<PathBuf>,
    /// Print the result as JSON.
    #[arg(long)]
    json: bool,
}

/// Finds the first commit, along first parents, at which the plan breaks what it breaks at the bad one.
///
/// # Errors
/// There is no repository here, no such commit, the good commit is as bad as the bad one or the bad one is good, or too
/// many commits between them can't be built.
pub fn bisect(arguments: &BisectArguments) -> Result<Ending, UsageError> {
    let bug = bug_named(arguments.bug.as_deref())?;
    let subject = Subject::parse(&arguments.subject);
    let plan = failing_trial(&subject.plan()?, bug);
    let here = PathBuf::from(".");
    let repository = Repository::around(&here)?;
    let good = repository.commit(&arguments.good)?;
    let bad = repository.commit(&arguments.bad)?;
    let commits = repository.between(&good, &bad)?;

    let directory = host::fresh_directory("sim-bisect").map_err(|error| UsageError::File {
        path: std::env::temp_dir(),
        error,
    })?;
    let worktree = repository.worktree(&directory, &bad)?;
    let kept = match &subject {
        Subject::File(path) => path.with_extension("bisect.plan"),
        Subject::Seed(seed) => PathBuf::from(format!("{seed}.bisect.plan")),
    };
    // With every knob: older simulators know no defaults.
    let text = plan.to_full_text();
    write_text(&kept, &text)?;
    eprintln!("what is replayed at each commit is in {}", kept.display());
    let plan_there = directory.join("bisect.plan");
    write_text(&plan_there, &text)?;
    let target = match &arguments.target {
        Some(target) => std::path::absolute(target).map_err(|error| UsageError::File {
            path: target.clone(),
            error,
        })?,
        None => directory.join("target"),
    };
    let workshop = Cargo {
        target,
        plan: plan_there,
        bug: bug.map(Bug::name),
    };
    let found = find(&commits, &good, &worktree, &workshop)?;
    tell(&found, &kept, bug, arguments.json);
    Ok(Ending::Clean)
}

/// Of a plan that leaves much to chance, the trial that fails here; the plan itself when none does.
fn failing_trial(plan: &Plan, bug: Option<Bug>) -> Plan {
    let options = Options {
        bug,
        ..Options::default()
    };
    let mut trials = plan.trials();
    let failing = trials.find(|trial| execute(trial, &options).verdict != Verdict::Ok);
    failing.unwrap_or_else(|| plan.clone())
}

/// The first bad commit.
#[derive(Debug, PartialEq, Eq)]
struct Found {
    commit: Commit,
    /// What the plan does there.
    breaks: String,
    /// Commits of which nothing could be said.
    skipped: usize,
}

fn find(
    commits: &[Commit],
    good: &Commit,
    worktree: &Worktree,
    workshop: &impl Workshop,
) -> Result<Found, UsageError> {
    let bad = commits.last().expect("between two commits there is one");
    let replay = |commit: &Commit, what: &str| {
        eprintln!("{what}: {}", commit.title());
        worktree.check_out(commit)?;
        let replayed = workshop.replay(worktree.path())?;
        eprintln!("  {}", replayed.words());
        Ok::<Replayed, UsageError>(replayed)
    };
    let sought = replay(bad, "the bad one")?;
    if !matches!(sought, Replayed::Broke { .. }) {
        let words = format!("{} is not bad: {}", bad.title(), sought.words());
        return Err(UsageError::Bisect(words));
    }
    match replay(good, "the good one")? {
        Replayed::Survived => {}
        same if same.is_same_break(&sought) => {
            let words = format!(
                "{} is not good: {}; name an earlier one",
                good.title(),
                same.words()
            );
            return Err(UsageError::Bisect(words));
        }
        _ => eprintln!("  it is taken on your word"),
    }
    let mut search = Search::new(commits.len());
    let (mut tried, mut skipped) = (0, 0);
    while let Some(place) = search.next() {
        let what = format!("step {} of about {}", tried + 1, tried + search.steps_left());
        tried += 1;
        let replayed = replay(&commits[place], &what)?;
        let judgement = match &replayed {
            Replayed::Survived => Judgement::Good,
            broke if broke.is_same_break(&sought) => Judgement::Bad,
            _ => Judgement::Unknown,
        };
        skipped += usize::from(judgement == Judgement::Unknown);
        search.learn(place, judgement);
    }
    let (from, first) = search.suspects();
    if from < first {
        let suspects: Vec<String> = commits[from..=first].iter().map(Commit::title).collect();
        return Err(UsageError::Bisect(format!(
            "nothing can be said of some commits; the first bad one is one of\n  {}",
            suspects.join("\n  ")
        )));
    }
    Ok(Found {
        commit: commits[first].clone(),
        breaks: sought.words(),
        skipped,
    })
}

fn tell(found: &Found, plan: &Path, bug: Option<Bug>, is_json: bool) {
    let replay = Subject::File(plan.to_owned()).replay_command(bug);
    if is_json {
        let json = json!({
            "first_bad": found.commit.hash,
            "subject": found.commit.subject,
            "breaks": found.breaks,
            "skipped": found.skipped,
            "replay": replay,
        });
        say(format_args!("{json:#}"));
        return;
    }
    say(format_args!(
        "first bad commit: {} {}\n  {}; {} commits were skipped\nreplay: git checkout {} && {replay}",
        found.commit.hash, found.commit.subject, found.breaks, found.skipped, found.commit.hash
    ));
}

#[cfg(test)]
mod tests;
