//! Which messages have come before.

use std::collections::{BTreeMap, VecDeque};

use crate::agreement::Boot;
use crate::topology::MemberId;

/// How far behind the newest message of a run an older one may come and still be told from a repetition.
const WINDOW: u64 = 16_384;
/// Runs of one member that are remembered; an older process may live on beside the newer for a while.
const BOOTS_MAX: usize = 4;

/// Which messages have come before, of the latest runs of each member.
#[derive(Debug, Default)]
pub(super) struct Seen {
    runs: BTreeMap<MemberId, VecDeque<Run>>,
}

#[derive(Debug)]
struct Run {
    boot: Boot,
    newest: u64,
    /// One bit for each of the last `WINDOW` numbers, at its remainder.
    bits: Vec<u64>,
}

impl Seen {
    /// Notes a message; whether it is the first time. One that is too old to be known counts as a repetition.
    pub fn is_new(&mut self, origin: MemberId, boot: Boot, sequence: u64) -> bool {
        let runs = self.runs.entry(origin).or_default();
        if let Some(run) = runs.iter_mut().find(|run| run.boot == boot) {
            return run.is_new(sequence);
        }
        if runs.len() == BOOTS_MAX {
            runs.pop_front();
        }
        runs.push_back(Run::starting(boot, sequence));
        true
    }
}

impl Run {
    fn starting(boot: Boot, sequence: u64) -> Self {
        let mut run = Run {
            boot,
            newest: sequence,
            bits: vec![0; (WINDOW / 64) as usize],
        };
        run.set(sequence, true);
        run
    }

    fn is_new(&mut self, sequence: u64) -> bool {
        if sequence > self.newest {
            self.forget(self.newest + 1, sequence);
            self.newest = sequence;
        } else if self.newest - sequence >= WINDOW || self.is_set(sequence) {
            return false;
        }
        self.set(sequence, true);
        true
    }

    /// Clears the places of numbers that come into the window.
    fn forget(&mut self, from: u64, to: u64) {
        if to - from >= WINDOW {
            self.bits.fill(0);
            return;
        }
        for sequence in from..=to {
            self.set(sequence, false);
        }
    }

    fn is_set(&self, sequence: u64) -> bool {
        let (word, bit) = place(sequence);
        self.bits[word] >> bit & 1 == 1
    }

    fn set(&mut self, sequence: u64, value: bool) {
        let (word, bit) = place(sequence);
        if value {
            self.bits[word] |= 1 << bit;
        } else {
            self.bits[word] &= !(1 << bit);
        }
    }
}

fn place(sequence: u64) -> (usize, u64) {
    let position = sequence % WINDOW;
    ((position / 64) as usize, position % 64)
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: MemberId = MemberId::from_index(1);
    const BOOT: Boot = Boot::from_bits(7);

    #[test]
    fn each_message_is_new_once_in_any_order() {
        let mut seen = Seen::default();
        for sequence in [5, 1, 2, 9, 3, 0] {
            assert!(seen.is_new(A, BOOT, sequence), "{sequence}");
        }
        for sequence in [5, 1, 2, 9, 3, 0] {
            assert!(!seen.is_new(A, BOOT, sequence), "{sequence}");
        }
        assert!(seen.is_new(A, BOOT, 4));
    }

    #[test]
    fn what_left_the_window_counts_as_a_repetition() {
        let mut seen = Seen::default();
        assert!(seen.is_new(A, BOOT, 3));
        assert!(seen.is_new(A, BOOT, 3 + WINDOW));
        assert!(!seen.is_new(A, BOOT, 3));
        assert!(!seen.is_new(A, BOOT, 2));
        assert!(seen.is_new(A, BOOT, 4), "never came, and still fits the window");
        assert!(seen.is_new(A, BOOT, u64::MAX));
        assert!(!seen.is_new(A, BOOT, 5));
        assert!(seen.is_new(A, BOOT, u64::MAX - 1));
    }

    #[test]
    fn two_runs_and_two_members_are_told_apart() {
        let mut seen = Seen::default();
        let other = Boot::from_bits(8);
        assert!(seen.is_new(A, BOOT, 1));
        assert!(seen.is_new(A, other, 1));
        assert!(seen.is_new(MemberId::from_index(2), BOOT, 1));
        assert!(!seen.is_new(A, BOOT, 1), "the older run still speaks");
    }

    #[test]
    fn only_the_latest_runs_are_remembered() {
        let mut seen = Seen::default();
        for boot in 0..1000 {
            assert!(seen.is_new(A, Boot::from_bits(boot), 1));
        }
        assert_eq!(seen.runs[&A].len(), BOOTS_MAX);
    }
}
