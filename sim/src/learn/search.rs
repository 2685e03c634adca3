//! The order of a search: what is tried next, and what is kept of what came of it.
//!
//! Plans are tried in batches. All plans of a batch are made from what was known before it, and their outcomes are taken
//! in their order; so the search is the same on any number of threads, and can be left and resumed between batches.

use super::corpus::{Corpus, Entry};
use super::mutate::mutant;
use crate::coverage::Tally;
use crate::entropy::{Entropy, Purpose, below};
use crate::outcome::{Outcome, Verdict};
use crate::plan::Plan;

/// Plans in a batch.
pub const BATCH: u64 = 64;

/// Of a hundred plans so many are mutants while mutants are owed, and else.
const OWED_PERCENT: u64 = 75;
const USUAL_PERCENT: u64 = 50;

/// Where a plan comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// This seed, unchanged.
    Seed(u64),
    /// A change of a plan of the corpus.
    Mutant,
    /// A plan that was given.
    Given,
}

/// A plan to be run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trial {
    /// Its number in the search.
    pub number: u64,
    /// Where it comes from.
    pub origin: Origin,
    /// The plan.
    pub plan: Plan,
}

/// A search, between two batches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Search {
    /// From which all of it is drawn.
    pub seed: u64,
    /// Plans tried so far.
    pub tried: u64,
    /// The next fresh seed.
    pub next_seed: u64,
    /// How often each point was reached, and by which plan first.
    pub tally: Tally,
    /// The plans worth changing.
    pub corpus: Corpus,
    given: Vec<Plan>,
}

impl Search {
    /// A search of `seed` that draws fresh seeds from `first_seed` on, and tries the given plans before anything else.
    pub fn new(seed: u64, first_seed: u64, given: Vec<Plan>) -> Self {
        Search {
            seed,
            tried: 0,
            next_seed: first_seed,
            tally: Tally::default(),
            corpus: Corpus::default(),
            given,
        }
    }

    /// Plans that were given and are not tried yet, the next one last.
    pub fn given(&self) -> &[Plan] {
        &self.given
    }

    /// The next plans, at most so many.
    pub fn next_batch(&mut self, plans_max: u64) -> Vec<Trial> {
        let weights = self.corpus.weights(&self.tally);
        let mut batch = Vec::new();
        for number in self.tried..self.tried + plans_max.min(BATCH) {
            let (origin, plan) = self.next_plan(&weights, number);
            batch.push(Trial { number, origin, plan });
        }
        batch
    }

    fn next_plan(&mut self, weights: &[u64], number: u64) -> (Origin, Plan) {
        if let Some(plan) = self.given.pop() {
            return (Origin::Given, plan);
        }
        let draw = |n: u64| Entropy::new(self.seed).draw(Purpose::Search, 0, number * 4 + n);
        let percent = match self.corpus.has_energy() {
            true => OWED_PERCENT,
            false => USUAL_PERCENT,
        };
        let parent = (below(draw(0), 100) < percent)
            .then(|| self.corpus.choose(weights, draw(1)))
            .flatten();
        let Some(parent) = parent else {
            self.next_seed += 1;
            return (
                Origin::Seed(self.next_seed - 1),
                Plan::from_seed(self.next_seed - 1),
            );
        };
        self.corpus.spend(parent);
        let entries = self.corpus.entries();
        let other = &entries[below(draw(2), entries.len() as u64) as usize].plan;
        // Now and then what it lends comes from no plan of the corpus.
        let stranger = (below(draw(3), 3) == 0).then(|| Plan::from_seed(draw(3)));
        let entry = &entries[parent];
        let other = stranger.as_ref().unwrap_or(other);
        (
            Origin::Mutant,
            mutant(&entry.plan, &entry.moments, other, self.seed, number),
        )
    }

    /// Takes what came of the next plan of the batch; answers how many points it was the first to reach.
    pub fn take(&mut self, trial: Trial, outcome: &Outcome) -> usize {
        debug_assert_eq!(
            trial.number, self.tried,
            "outcomes come in the order of their plans"
        );
        self.tried += 1;
        let points = outcome.reached.points(&outcome.marks);
        let new = self.tally.add(trial.number, &points);
        // What broke is told, not changed any further: its run ended early.
        if new > 0 && outcome.verdict == Verdict::Ok {
            let entry = Entry {
                plan: trial.plan,
                moments: outcome.reached.moments().to_vec(),
                points,
                energy: 0,
            };
            self.corpus.keep(entry, new);
        }
        new
    }

    /// Ends a batch.
    pub fn batch_ended(&mut self) {
        self.corpus.bound(&self.tally);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::{Options, run};

    fn searched(mut search: Search, plans: u64) -> (Search, Vec<u64>) {
        let mut hashes = Vec::new();
        let end = search.tried + plans;
        while search.tried < end {
            for trial in search.next_batch(end - search.tried) {
                let outcome = run(&trial.plan, &Options::default());
                hashes.push(outcome.trace_hash);
                search.take(trial, &outcome);
            }
            search.batch_ended();
        }
        (search, hashes)
    }

    #[test]
    fn the_same_seed_is_the_same_search() {
        let (one, runs) = searched(Search::new(5, 0, Vec::new()), 3 * BATCH);
        let (two, again) = searched(Search::new(5, 0, Vec::new()), 3 * BATCH);
        assert!(one == two && runs == again);
        let (other, _) = searched(Search::new(6, 0, Vec::new()), 2 * BATCH);
        assert!(other.corpus != one.corpus);
    }

    #[test]
    fn a_search_that_was_left_between_two_batches_goes_on_as_it_would_have() {
        let (whole, runs) = searched(Search::new(5, 0, Vec::new()), 2 * BATCH);
        let (half, mut begun) = searched(Search::new(5, 0, Vec::new()), BATCH);
        let (resumed, rest) = searched(half.clone(), BATCH);
        begun.extend(rest);
        assert!(whole == resumed && runs == begun);
    }

    #[test]
    fn given_plans_come_first_and_what_reaches_something_new_is_changed() {
        let given = vec![Plan::from_seed(900), Plan::from_seed(901)];
        let mut search = Search::new(1, 0, given);
        let batch = search.next_batch(BATCH);
        let origins: Vec<Origin> = batch.iter().map(|trial| trial.origin).collect();
        assert_eq!(origins[..3], [Origin::Given, Origin::Given, Origin::Seed(0)]);
        for trial in batch {
            let outcome = run(&trial.plan, &Options::default());
            search.take(trial, &outcome);
        }
        let mutants = search.next_batch(BATCH);
        let count = mutants
            .iter()
            .filter(|trial| trial.origin == Origin::Mutant)
            .count();
        assert!(count > BATCH as usize / 2, "{count}");
    }
}
