//! `sim mutants --minimize`: what is left of the run in which each bug was noticed.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use sim::{Bug, Plan, Verdict};

use super::bounds::reason_for_more;
use super::net::{Notice, committed};
use crate::commands::ending::Ending;
use crate::commands::execute::{explain_caught, first_that_breaks};
use crate::commands::host::{self, Stopwatch};
use crate::commands::minimize::{MEMBERS_FEW, Minimized, RUNS_MAX, minimized};
use crate::commands::progress::Progress;
use crate::commands::say::say;
use crate::commands::subject::{Subject, write_text};
use crate::commands::table::{Side, Table, grouped};
use crate::commands::usage::UsageError;

/// So many faults are few enough for a person to follow.
const FAULTS_FEW: usize = 6;

/// Lines of a screen: what `sim explain --text` has for a story.
const SCREEN_LINES: usize = 60;

/// A bug, who noticed it, and how long that took.
pub struct Noticed {
    pub bug: Bug,
    pub notice: Notice,
    pub seconds: f64,
}

/// The least that shows a bug.
struct Least {
    /// `None` where the search found it, whose first find is a shortest one.
    minimized: Option<Minimized>,
    seconds: f64,
    /// How many lines its story has that names the broken rule.
    told_in: Option<usize>,
}

impl Least {
    fn is_told(&self) -> bool {
        self.minimized.is_none() || self.told_in.is_some_and(|lines| lines <= SCREEN_LINES)
    }

    fn is_small(&self) -> bool {
        self.minimized.as_ref().is_none_or(|minimized| {
            let plan = &minimized.plan;
            plan.faults.len() <= FAULTS_FEW && plan.knobs.members.len() <= MEMBERS_FEW
        })
    }
}

/// Minimises what noticed each bug, prints the table, and writes the plans to `directory` if one is given.
///
/// # Errors
/// A plan can't be written.
pub fn minimize_all(
    noticed: &[Noticed],
    jobs: usize,
    directory: Option<&Path>,
    is_markdown: bool,
) -> Result<Ending, UsageError> {
    let mut progress = Progress::new("bugs minimised", Some(noticed.len() as u64));
    let mut found = Vec::new();
    host::in_order(
        0..noticed.len() as u64,
        jobs,
        None,
        |place| least(&noticed[place as usize]),
        |place, least| {
            progress.step(|| format!("{} was the last", noticed[place as usize].bug));
            found.push(least);
            ControlFlow::Continue(())
        },
    );
    if let Some(directory) = directory {
        for (noticed, least) in noticed.iter().zip(&found) {
            if let Some(minimized) = &least.minimized {
                let path = directory.join(format!("{}.plan", noticed.bug));
                write_text(&path, &minimized.plan.to_text())?;
            }
        }
    }
    say(table(noticed, &found).rendered(is_markdown));
    Ok(tell_the_large(noticed, &found))
}

fn least(noticed: &Noticed) -> Least {
    let watch = Stopwatch::start();
    let start = match &noticed.notice {
        Notice::Seed(seed, _) => Some((Plan::from_seed(*seed), Subject::Seed(*seed))),
        Notice::Plan(name, _) => {
            let path = PathBuf::from(format!("{name}.plan"));
            committed(name).map(|plan| (plan, Subject::File(path)))
        }
        Notice::Search { .. } => None,
    };
    let minimized = start.and_then(|(plan, origin)| minimized(&plan, &origin, Some(noticed.bug), RUNS_MAX));
    let seconds = watch.elapsed().as_secs_f64();
    let told_in = minimized
        .as_ref()
        .and_then(|minimized| story_lines(&minimized.plan, noticed.bug));
    Least {
        minimized,
        seconds,
        told_in,
    }
}

/// How long the story of the plan is that `sim explain` tells; none where it does not name the rule that the plan is for.
fn story_lines(plan: &Plan, bug: Bug) -> Option<usize> {
    let breaks = plan.expect.as_ref()?.breaks.as_deref()?;
    let explained = explain_caught(&first_that_breaks(plan, Some(bug)), Some(bug)).ok()?;
    let Verdict::Violation { invariant, .. } = &explained.outcome.verdict else {
        return None;
    };
    let text = explained.text("it");
    let names_it = invariant.name() == breaks && text.lines().next()?.ends_with(breaks);
    (names_it && text.contains("\npromised: ")).then(|| text.lines().count())
}

fn table(noticed: &[Noticed], found: &[Least]) -> Table {
    let mut table = Table::new(&[
        ("bug", Side::Left),
        ("noticed at", Side::Left),
        ("breaks", Side::Left),
        ("faults", Side::Right),
        ("members", Side::Right),
        ("works", Side::Right),
        ("users", Side::Right),
        ("runs", Side::Right),
        ("found in s", Side::Right),
        ("minimised in s", Side::Right),
        ("told in lines", Side::Right),
    ]);
    for (noticed, least) in noticed.iter().zip(found) {
        let mut cells = vec![
            noticed.bug.name(),
            noticed.notice.place(),
            noticed.notice.broken().to_owned(),
        ];
        match &least.minimized {
            Some(Minimized { plan, runs, .. }) => {
                let knobs = &plan.knobs;
                let counts = [plan.faults.len(), knobs.members.len(), plan.work.len()];
                cells.extend(counts.map(|count| count.to_string()));
                cells.extend([knobs.users.to_string(), grouped(*runs)]);
            }
            None => cells.extend((0..5).map(|_| String::new())),
        }
        cells.extend([noticed.seconds, least.seconds].map(|seconds| format!("{seconds:.1}")));
        cells.push(least.told_in.map_or(String::new(), |lines| lines.to_string()));
        table.row(cells);
    }
    table
}

/// Names what stayed large, and why where that is known; what is large without a reason is a failure.
fn tell_the_large(noticed: &[Noticed], found: &[Least]) -> Ending {
    let mut ending = Ending::Clean;
    let large = noticed.iter().zip(found).filter(|(_, least)| !least.is_small());
    for (noticed, _) in large {
        let reason = reason_for_more(noticed.bug);
        say(format_args!(
            "{} needs more than {FAULTS_FEW} faults or {MEMBERS_FEW} members: {}",
            noticed.bug,
            reason.unwrap_or("nobody knows why")
        ));
        if reason.is_none() {
            ending = Ending::Coverage;
        }
    }
    for (noticed, _) in noticed.iter().zip(found).filter(|(_, least)| !least.is_told()) {
        say(format_args!(
            "{} has no story that names the rule within {SCREEN_LINES} lines",
            noticed.bug
        ));
        ending = Ending::Coverage;
    }
    ending
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bugs of several kinds that seeds show soon: of leases, of closing, of the storage, of clocks, of liveness.
    const TYPICAL: &[(&str, u64)] = &[
        ("ConfirmedFreezes", 32),
        ("CloseBeforeConfirm", 6),
        ("EpochIsDurable", 12),
        ("ReplacedRunStops", 440),
        ("NotesOutlastLeases", 20),
    ];

    #[test]
    fn typical_bugs_are_minimised_to_what_a_person_can_follow() {
        for (name, seed) in TYPICAL {
            let bug = Bug::parse(name).expect(name);
            let plan = Plan::from_seed(*seed);
            let found = minimized(&plan, &Subject::Seed(*seed), Some(bug), RUNS_MAX);
            let found = found.unwrap_or_else(|| panic!("{name}: seed {seed} does not notice it any more"));
            let plan = &found.plan;
            assert!(plan.faults.len() <= FAULTS_FEW, "{name}: {}", plan.to_text());
            assert!(
                plan.knobs.members.len() <= MEMBERS_FEW,
                "{name}: {}",
                plan.to_text()
            );
            let breaks = plan.expect.as_ref().and_then(|expect| expect.breaks.clone());
            assert!(plan.note.contains(&breaks.expect(name)), "{}", plan.note);
            assert_eq!(Plan::parse(&plan.to_text()).expect("a plan"), *plan);
        }
    }
}
