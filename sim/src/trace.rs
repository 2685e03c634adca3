//! What happened, three ways: a digest of everything, the last events, and, when asked for, a line for each.

use std::collections::VecDeque;
use std::fmt::{self, Debug};
use std::hash::{Hash, Hasher};

/// How many of the last events are kept for a report.
const LAST: usize = 60;

/// The trace of one run.
#[derive(Debug)]
pub(crate) struct Trace<N> {
    digest: Digest,
    last: VecDeque<Item<N>>,
    lines: Option<Vec<String>>,
}

/// Something that happened, small enough to be kept without a thought.
#[derive(Clone, Copy, Debug, Hash)]
struct Item<N> {
    at_ns: u64,
    event: u64,
    note: N,
}

impl<N: Copy + Hash + fmt::Display> Trace<N> {
    pub(crate) fn new(has_lines: bool) -> Self {
        Trace {
            digest: Digest(0xcbf2_9ce4_8422_2325),
            last: VecDeque::with_capacity(LAST + 1),
            lines: has_lines.then(Vec::new),
        }
    }

    /// Something happened at `at_ns`, as a part of this event.
    #[inline]
    pub(crate) fn note(&mut self, at_ns: u64, event: u64, note: N) {
        let item = Item { at_ns, event, note };
        item.hash(&mut self.digest);
        if self.last.len() == LAST {
            self.last.pop_front();
        }
        self.last.push_back(item);
        if let Some(lines) = &mut self.lines {
            lines.push(item.line());
        }
    }

    pub(crate) fn digest(&self) -> u64 {
        self.digest.finish()
    }

    pub(crate) fn last_lines(&self) -> Vec<String> {
        self.last.iter().map(Item::line).collect()
    }

    pub(crate) fn take_lines(&mut self) -> Vec<String> {
        self.lines.take().unwrap_or_default()
    }
}

impl<N: fmt::Display> Item<N> {
    fn line(&self) -> String {
        let (s, us) = (self.at_ns / 1_000_000_000, self.at_ns / 1_000 % 1_000_000);
        format!("{s:4}.{us:06} #{} {}", self.event, self.note)
    }
}

/// A rolling 64-bit hash (the step of FxHash with a rotation). It guards against differences, not against malice.
#[derive(Debug)]
pub(crate) struct Digest(u64);

impl Digest {
    #[inline]
    fn step(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(5) ^ word).wrapping_mul(0x517c_c1b7_2722_0a95);
    }
}

impl Hasher for Digest {
    fn finish(&self) -> u64 {
        self.0 ^ (self.0 >> 29)
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.step(u64::from(*byte));
        }
    }

    #[inline]
    fn write_u8(&mut self, n: u8) {
        self.step(u64::from(n));
    }

    #[inline]
    fn write_u16(&mut self, n: u16) {
        self.step(u64::from(n));
    }

    #[inline]
    fn write_u32(&mut self, n: u32) {
        self.step(u64::from(n));
    }

    #[inline]
    fn write_u64(&mut self, n: u64) {
        self.step(n);
    }

    #[inline]
    fn write_usize(&mut self, n: usize) {
        self.step(n as u64);
    }

    #[inline]
    fn write_isize(&mut self, n: isize) {
        self.step(n as u64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_sees_order_time_and_content() {
        let digest = |notes: &[(u64, u32)]| {
            let mut trace = Trace::new(false);
            notes
                .iter()
                .for_each(|(at_ns, note)| trace.note(*at_ns, 0, *note));
            trace.digest()
        };
        assert_eq!(digest(&[(1, 2), (3, 4)]), digest(&[(1, 2), (3, 4)]));
        assert_ne!(digest(&[(1, 2), (3, 4)]), digest(&[(3, 4), (1, 2)]));
        assert_ne!(digest(&[(1, 2)]), digest(&[(1, 3)]));
    }

    #[test]
    fn only_the_last_events_are_kept() {
        let mut trace = Trace::new(true);
        (0..200u32).for_each(|n| trace.note(u64::from(n), 0, n));
        assert_eq!(trace.last_lines().len(), LAST);
        assert!(trace.last_lines()[LAST - 1].ends_with("199"));
        assert_eq!(trace.take_lines().len(), 200);
    }
}
