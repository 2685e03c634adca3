//! A sweep that was left: everything needed to go on as if it had not been.

use std::collections::BTreeMap;
use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sim::coverage::{Point, Seen, Tally};
use sim::learn::{Entry, Search};
use sim::{Bug, Options, Plan};

use super::asked::Sweep;
use super::ledger::Ledger;
use crate::commands::ending::Ending;
use crate::commands::execute::execute;
use crate::commands::host;
use crate::commands::seeds::SeedRange;
use crate::commands::totals::{SavedTotals, Totals};
use crate::commands::usage::UsageError;

/// The format of the file.
const FORMAT: u32 = 1;

/// The file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Saved {
    format: u32,
    pub bug: Option<String>,
    first_seed: u64,
    end_seed: u64,
    /// The next seed of a plain sweep; the next fresh one of a search.
    pub next_seed: u64,
    elapsed_ms: u64,
    exit_code: u8,
    spoiled: u64,
    totals: SavedTotals,
    /// By the name of a point: how many runs reached it, and the first of them.
    points: BTreeMap<String, (u64, u64)>,
    failures: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub corpus: Option<PathBuf>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    search: Option<SavedSearch>,
}

/// What a search needs beside that.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct SavedSearch {
    seed: u64,
    tried: u64,
    /// The plans of the corpus, with the mutants owed to each.
    entries: Vec<(Plan, u32)>,
    /// Plans that were given and are not tried yet.
    given: Vec<Plan>,
}

impl Saved {
    /// A plain sweep, of which `next` is the next seed.
    pub fn of_plain(sweep: &Sweep, ledger: &Ledger, elapsed: Duration, next: u64) -> Saved {
        Saved {
            format: FORMAT,
            bug: sweep.bug.map(Bug::name),
            first_seed: sweep.seeds.first,
            end_seed: sweep.seeds.end,
            next_seed: next,
            elapsed_ms: (ledger.elapsed + elapsed).as_millis() as u64,
            exit_code: ledger.ending.code(),
            spoiled: ledger.spoiled,
            totals: ledger.totals.saved(),
            points: points(&ledger.tally),
            failures: ledger.failure_lines(),
            corpus: None,
            search: None,
        }
    }

    /// A search between two batches.
    pub fn of_search(sweep: &Sweep, ledger: &Ledger, elapsed: Duration, search: &Search) -> Saved {
        let entries = search.corpus.entries().iter();
        Saved {
            points: points(&search.tally),
            corpus: sweep.corpus.clone(),
            search: Some(SavedSearch {
                seed: search.seed,
                tried: search.tried,
                entries: entries.map(|entry| (entry.plan.clone(), entry.energy)).collect(),
                given: search.given().to_vec(),
            }),
            ..Saved::of_plain(sweep, ledger, elapsed, search.next_seed)
        }
    }

    /// Reads the file.
    ///
    /// # Errors
    /// It can't be read, or is no state of a sweep.
    pub fn read(path: &Path) -> Result<Saved, UsageError> {
        let unreadable = |error| UsageError::File {
            path: path.to_owned(),
            error,
        };
        let text = fs::read_to_string(path).map_err(unreadable)?;
        let saved: Saved = serde_json::from_str(&text).map_err(|error| unreadable(error.into()))?;
        if saved.format != FORMAT {
            let what = format!("state of format {}, this simulator reads {FORMAT}", saved.format);
            return Err(unreadable(std::io::Error::other(what)));
        }
        Ok(saved)
    }

    /// Writes the file: whole, or not at all.
    ///
    /// # Errors
    /// It can't be written.
    pub fn write(&self, path: &Path) -> Result<(), UsageError> {
        let unwritable = |error| UsageError::File {
            path: path.to_owned(),
            error,
        };
        if let Some(directory) = path.parent() {
            fs::create_dir_all(directory).map_err(unwritable)?;
        }
        let text = serde_json::to_string(self).map_err(|error| unwritable(error.into()))?;
        let beside = path.with_extension("new");
        fs::write(&beside, text).map_err(unwritable)?;
        fs::rename(&beside, path).map_err(unwritable)
    }

    /// Whether it is a search that learns.
    pub fn is_learning(&self) -> bool {
        self.search.is_some()
    }

    /// The seeds of the whole sweep.
    pub fn seeds(&self) -> SeedRange {
        SeedRange {
            first: self.first_seed,
            end: self.end_seed,
        }
    }

    /// The books as they were. What this build does not know any more is left out.
    pub fn ledger(&self) -> Ledger {
        let mut tally = Tally::default();
        for point in Point::all() {
            if let Some((runs, first)) = self.points.get(&point.to_string()) {
                let seen = Seen {
                    runs: *runs,
                    first: *first,
                };
                tally.restore(point, seen);
            }
        }
        Ledger {
            totals: Totals::restored(&self.totals),
            tally,
            failures: Vec::new(),
            earlier: self.failures.clone(),
            spoiled: self.spoiled,
            ending: Ending::of_code(self.exit_code),
            elapsed: Duration::from_millis(self.elapsed_ms),
        }
    }

    /// The search as it was; none of a plain sweep. What its plans reach is found out again by running them.
    pub fn search(&self, bug: Option<Bug>, jobs: usize) -> Option<Search> {
        let saved = self.search.as_ref()?;
        let options = Options {
            bug,
            ..Options::default()
        };
        let mut entries = Vec::new();
        host::in_order(
            0..saved.entries.len() as u64,
            jobs,
            None,
            |at| execute(&saved.entries[at as usize].0, &options),
            |at, outcome| {
                let (plan, energy) = &saved.entries[at as usize];
                entries.push(Entry {
                    plan: plan.clone(),
                    moments: outcome.reached.moments().to_vec(),
                    points: outcome.reached.points(&outcome.marks),
                    energy: *energy,
                });
                ControlFlow::Continue(())
            },
        );
        let mut search = Search::new(saved.seed, self.next_seed, saved.given.clone());
        search.tried = saved.tried;
        search.tally = self.ledger().tally;
        entries.into_iter().for_each(|entry| search.corpus.restore(entry));
        Some(search)
    }
}

/// The points that were reached, by name.
fn points(tally: &Tally) -> BTreeMap<String, (u64, u64)> {
    let row = |(point, seen): (Point, Seen)| (point.to_string(), (seen.runs, seen.first));
    tally.reached().map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::super::{learning, plain};
    use super::*;

    fn sweep(end: u64) -> Sweep {
        Sweep {
            seeds: SeedRange { first: 0, end },
            jobs: 1,
            budget: None,
            is_until_fail: false,
            bug: None,
            corpus: None,
            save: None,
        }
    }

    /// The same through the text of a file.
    fn reread(saved: &Saved) -> Saved {
        serde_json::from_str(&serde_json::to_string(saved).expect("a text")).expect("a state")
    }

    fn same_but_time(mut one: Saved, other: &Saved) -> bool {
        one.elapsed_ms = other.elapsed_ms;
        one == *other
    }

    #[test]
    fn a_plain_sweep_that_was_left_comes_to_the_same() {
        let mut whole = Ledger::default();
        plain::sweep(&sweep(12), None, &mut whole).expect("no file is involved");
        let mut half = Ledger::default();
        plain::sweep(&sweep(5), None, &mut half).expect("no file is involved");
        let left = reread(&Saved::of_plain(&sweep(12), &half, Duration::ZERO, 5));
        let mut resumed = left.ledger();
        plain::sweep(&sweep(12), Some(&left), &mut resumed).expect("no file is involved");
        let saved = |ledger: &Ledger| Saved::of_plain(&sweep(12), ledger, Duration::ZERO, 12);
        assert!(same_but_time(saved(&resumed), &saved(&whole)));
        assert_eq!(resumed.tally, whole.tally);
    }

    #[test]
    fn a_search_that_was_left_comes_to_the_same() {
        let mut ledger = Ledger::default();
        let whole = learning::search(&sweep(128), None, 3, &mut ledger).expect("no file is involved");
        let whole = Saved::of_search(&sweep(128), &ledger, Duration::ZERO, &whole);
        let mut ledger = Ledger::default();
        let half = learning::search(&sweep(64), None, 3, &mut ledger).expect("no file is involved");
        let left = reread(&Saved::of_search(&sweep(64), &ledger, Duration::ZERO, &half));
        let mut ledger = left.ledger();
        let resumed =
            learning::search(&sweep(128), Some(&left), 3, &mut ledger).expect("no file is involved");
        let resumed = Saved::of_search(&sweep(128), &ledger, Duration::ZERO, &resumed);
        assert!(same_but_time(resumed, &whole));
    }
}
