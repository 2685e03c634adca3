//! What is still to happen, in the order of true time; of two things at the same time, the one that was put in first.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use super::happening::Happening;

#[derive(Debug)]
struct Entry {
    at_ns: u64,
    number: u64,
    happening: Happening,
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}

impl Eq for Entry {}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Entry {
    /// The heap gives its greatest first, so that the earliest is the greatest.
    #[inline]
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at_ns, other.number).cmp(&(self.at_ns, self.number))
    }
}

/// A queue of happenings.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    heap: BinaryHeap<Entry>,
    next_number: u64,
}

impl Queue {
    #[inline]
    pub(crate) fn push(&mut self, at_ns: u64, happening: Happening) {
        let number = self.next_number;
        self.next_number += 1;
        self.heap.push(Entry {
            at_ns,
            number,
            happening,
        });
    }

    /// When the next thing happens; the end of time when nothing does.
    #[inline]
    pub(crate) fn next_at(&self) -> u64 {
        self.heap.peek().map_or(u64::MAX, |entry| entry.at_ns)
    }

    #[inline]
    pub(crate) fn pop(&mut self) -> Option<(u64, Happening)> {
        self.heap.pop().map(|entry| (entry.at_ns, entry.happening))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_times_keep_their_order() {
        let mut queue = Queue::default();
        for (at_ns, index) in [(5, 0), (3, 1), (5, 2), (3, 3)] {
            queue.push(at_ns, Happening::WorkIsDue { index });
        }
        let order: Vec<_> = std::iter::from_fn(|| queue.pop())
            .map(|(at_ns, happening)| match happening {
                Happening::WorkIsDue { index } => (at_ns, index),
                _ => unreachable!("only work was put in"),
            })
            .collect();
        assert_eq!(order, [(3, 1), (3, 3), (5, 0), (5, 2)]);
    }
}
