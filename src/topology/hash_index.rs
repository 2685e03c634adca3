//! An index over sorted 32-bit hashes that turns a binary search over all of them into one over a
//! handful.

use std::ops::Range;

/// Hashes in a bucket, on average: two cache lines of points.
const BUCKET_HASHES: usize = 8;

/// Where in a sorted list the hashes that share their top bits are.
#[derive(Clone)]
pub(super) struct HashIndex {
    shift: u32,
    /// For each value of the top bits the place of its first hash, and the length of the list at the
    /// end.
    starts: Box<[u32]>,
}

impl HashIndex {
    /// The index of `hashes`, which ascend; there are at most `u32::MAX` of them.
    pub(super) fn of(hashes: impl ExactSizeIterator<Item = u32>) -> Self {
        let bits = (hashes.len() / BUCKET_HASHES).max(2).ilog2();
        let shift = u32::BITS - bits;
        let mut starts = Vec::with_capacity((1 << bits) + 1);
        let mut place: u32 = 0;
        for hash in hashes {
            while starts.len() <= (hash >> shift) as usize {
                starts.push(place);
            }
            place += 1;
        }
        starts.resize((1 << bits) + 1, place);
        HashIndex {
            shift,
            starts: starts.into_boxed_slice(),
        }
    }

    /// The places where hashes with the same top bits as `hash` are; those before are lower, those after
    /// higher.
    pub(super) fn bucket(&self, hash: u32) -> Range<usize> {
        let top = (hash >> self.shift) as usize;
        self.starts[top] as usize..self.starts[top + 1] as usize
    }
}
