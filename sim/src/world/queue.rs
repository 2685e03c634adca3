//! What is still to happen, in the order of true time; of two things at the same time, the one that was put in first.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use super::happening::Happening;

#[derive(Debug)]
struct Entry<H> {
    at_ns: u64,
    number: u64,
    happening: H,
}

impl<H> Entry<H> {
    /// Both as one number, which is compared without a branch.
    #[inline]
    fn key(&self) -> u128 {
        u128::from(self.at_ns) << 64 | u128::from(self.number)
    }
}

impl<H> PartialEq for Entry<H> {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}

impl<H> Eq for Entry<H> {}

impl<H> PartialOrd for Entry<H> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<H> Ord for Entry<H> {
    /// The heap gives its greatest first, so that the earliest is the greatest.
    #[inline]
    fn cmp(&self, other: &Self) -> Ordering {
        other.key().cmp(&self.key())
    }
}

/// A queue of happenings.
#[derive(Debug)]
pub(crate) struct Queue<H = Happening> {
    heap: BinaryHeap<Entry<H>>,
    next_number: u64,
}

impl<H> Default for Queue<H> {
    fn default() -> Self {
        Queue {
            heap: BinaryHeap::new(),
            next_number: 0,
        }
    }
}

impl<H> Queue<H> {
    #[inline]
    pub(crate) fn push(&mut self, at_ns: u64, happening: H) {
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
    pub(crate) fn pop(&mut self) -> Option<(u64, H)> {
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
