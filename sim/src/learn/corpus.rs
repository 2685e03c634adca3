//! The plans that reached something first, with what is left to try of each.

use crate::coverage::{Moment, Point, Tally};
use crate::entropy::below;
use crate::plan::Plan;

/// Plans kept; above that, those without which nothing would be lost go first.
const ENTRIES_MAX: usize = 400;
/// Mutants that a new entry gets before fresh seeds are drawn: for itself, and for each point that it reached first.
const ENERGY_FIRST: u32 = 4;
const ENERGY_EACH: u32 = 4;
const ENERGY_MAX: u32 = 48;
/// What a point that every run reaches is worth, by the scale on which a point reached once is worth so much.
const RARITY: u64 = 1 << 20;

/// A plan worth changing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The plan.
    pub plan: Plan,
    /// When its members entered states.
    pub moments: Vec<Moment>,
    /// What it reaches.
    pub points: Vec<Point>,
    /// Mutants still to be made of it before fresh seeds are drawn.
    pub energy: u32,
}

/// A name for a plan: a digest of its text (FNV-1a), in hexadecimal.
pub fn digest(plan: &Plan) -> String {
    let text = plan.to_text();
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    format!("{:016x}", text.bytes().fold(0xcbf2_9ce4_8422_2325, step))
}

/// The plans worth changing, the oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Corpus {
    entries: Vec<Entry>,
}

impl Corpus {
    /// Keeps a plan that reached so many points first. Answers whether it was not there yet.
    pub fn keep(&mut self, mut entry: Entry, new_points: usize) -> bool {
        if self.entries.iter().any(|known| known.plan == entry.plan) {
            return false;
        }
        let more = ENERGY_EACH.saturating_mul(u32::try_from(new_points).unwrap_or(u32::MAX));
        entry.energy = ENERGY_FIRST.saturating_add(more).min(ENERGY_MAX);
        self.entries.push(entry);
        true
    }

    /// Puts an entry back as it was.
    pub fn restore(&mut self, entry: Entry) {
        self.entries.push(entry);
    }

    /// All entries.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Whether mutants are owed before fresh seeds are due.
    pub fn has_energy(&self) -> bool {
        self.entries.iter().any(|entry| entry.energy > 0)
    }

    /// The entry to change next, one that is owed mutants when there is any; the rarer what it reaches, the likelier.
    pub(super) fn choose(&self, weights: &[u64], bits: u64) -> Option<usize> {
        let has_energy = self.has_energy();
        let weight = |at: usize| match has_energy && self.entries[at].energy == 0 {
            true => 0,
            false => weights[at],
        };
        let total: u64 = (0..self.entries.len()).map(weight).sum();
        let mut at = below(bits, total);
        (0..self.entries.len()).find(|entry| {
            let weight = weight(*entry);
            let is_it = at < weight;
            at = at.saturating_sub(weight);
            is_it
        })
    }

    /// How much each entry weighs: the sum over its points of how rare they are.
    pub(super) fn weights(&self, tally: &Tally) -> Vec<u64> {
        let rarity = |point: &Point| RARITY / tally.seen(*point).runs.max(1);
        let weight = |entry: &Entry| entry.points.iter().map(rarity).sum::<u64>().max(1);
        self.entries.iter().map(weight).collect()
    }

    pub(super) fn spend(&mut self, at: usize) {
        self.entries[at].energy = self.entries[at].energy.saturating_sub(1);
    }

    /// When there are too many, only those stay that together reach everything that all of them reach: for each point,
    /// the rarest first, the smallest plan that reaches it.
    pub(super) fn bound(&mut self, tally: &Tally) {
        if self.entries.len() <= ENTRIES_MAX {
            return;
        }
        let is_needed = self.minimal(tally);
        let mut needed = is_needed.iter();
        self.entries.retain(|_| *needed.next().unwrap_or(&false));
        // Should even those be too many, the oldest go: what they reach is common by now.
        let surplus = self.entries.len().saturating_sub(ENTRIES_MAX);
        self.entries.drain(..surplus);
    }

    fn minimal(&self, tally: &Tally) -> Vec<bool> {
        let mut points: Vec<Point> = self
            .entries
            .iter()
            .flat_map(|entry| entry.points.clone())
            .collect();
        points.sort_unstable_by_key(|point| (tally.seen(*point).runs, point.number()));
        points.dedup();
        let mut is_covered = vec![false; Point::COUNT];
        let mut is_needed = vec![false; self.entries.len()];
        for point in points {
            if is_covered[point.number()] {
                continue;
            }
            let reaches = |at: &usize| self.entries[*at].points.contains(&point);
            let size = |at: &usize| {
                let plan = &self.entries[*at].plan;
                (plan.faults.len() + plan.work.len(), *at)
            };
            if let Some(at) = (0..self.entries.len()).filter(reaches).min_by_key(size) {
                is_needed[at] = true;
                for covered in &self.entries[at].points {
                    is_covered[covered.number()] = true;
                }
            }
        }
        is_needed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(seed: u64, kinds: &[usize]) -> Entry {
        Entry {
            plan: Plan::from_seed(seed),
            moments: Vec::new(),
            points: kinds.iter().map(|kind| Point::Together(*kind, 19)).collect(),
            energy: 0,
        }
    }

    #[test]
    fn a_plan_is_kept_once_and_more_news_give_more_energy() {
        let mut corpus = Corpus::default();
        assert!(corpus.keep(entry(1, &[1]), 1));
        assert!(!corpus.keep(entry(1, &[2]), 1));
        assert!(corpus.keep(entry(2, &[2]), 5));
        assert!(corpus.entries()[1].energy > corpus.entries()[0].energy);
    }

    #[test]
    fn who_reaches_what_is_rare_is_chosen_more_often() {
        let mut corpus = Corpus::default();
        let mut tally = Tally::default();
        corpus.keep(entry(1, &[1]), 0);
        corpus.keep(entry(2, &[2]), 0);
        (0..9).for_each(|run| {
            tally.add(run, &[Point::Together(1, 19)]);
        });
        tally.add(10, &[Point::Together(2, 19)]);
        let weights = corpus.weights(&tally);
        let chosen = (0..100).map(|n| corpus.choose(&weights, n * (u64::MAX / 100)));
        let of_two = chosen.filter(|chosen| *chosen == Some(1)).count();
        assert!((85..=95).contains(&of_two), "{of_two}");
    }

    #[test]
    fn what_is_needed_to_reach_everything_stays() {
        let mut corpus = Corpus::default();
        for seed in 0..ENTRIES_MAX as u64 {
            corpus.restore(entry(seed, &[1]));
        }
        corpus.restore(entry(1_000, &[1, 2]));
        corpus.bound(&Tally::default());
        let points: Vec<Point> = corpus
            .entries()
            .iter()
            .flat_map(|entry| entry.points.clone())
            .collect();
        assert!(corpus.entries().len() <= 2, "{}", corpus.entries().len());
        assert!(points.contains(&Point::Together(1, 19)) && points.contains(&Point::Together(2, 19)));
    }
}
