//! How long logins wait, by what is going on meanwhile and whether it concerns the user.

use std::collections::BTreeMap;

/// What is going on when a login is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cause {
    /// Nothing.
    Calm,
    /// One fault of this kind, and nothing else.
    Fault(&'static str),
    /// One change of this kind, and nothing else.
    Change(&'static str),
    /// More than one thing.
    Several,
}

/// One row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Row {
    /// What was going on.
    pub cause: Cause,
    /// A fault strikes the user's director, or a change moves the user.
    pub is_affected: bool,
}

/// Buckets of a histogram: below 1 ms, 2 ms, 4 ms ... and the rest.
pub const BUCKETS: usize = 20;

/// How long logins waited for their route.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Histogram {
    /// Routed logins by their wait: bucket n counts waits below 2^n ms that no bucket before it counts.
    pub buckets: [u64; BUCKETS],
    /// The longest wait, in nanoseconds.
    pub longest_ns: u64,
    /// Logins that were refused instead.
    pub refused: u64,
    /// Logins that died with their director.
    pub lost: u64,
}

impl Histogram {
    fn routed(&mut self, wait_ns: u64) {
        let ms = wait_ns / 1_000_000;
        let bucket = (u64::BITS - ms.leading_zeros()) as usize;
        self.buckets[bucket.min(BUCKETS - 1)] += 1;
        self.longest_ns = self.longest_ns.max(wait_ns);
    }

    /// Logins that were routed.
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// A time that so many thousandths of the routed logins stayed below, in milliseconds; rounded up to a bucket.
    pub fn quantile_ms(&self, permille: u64) -> u64 {
        let wanted = (self.count() * permille).div_ceil(1_000);
        let mut seen = 0;
        for (bucket, count) in self.buckets.iter().enumerate() {
            seen += count;
            if seen >= wanted {
                return 1 << bucket;
            }
        }
        1 << (BUCKETS - 1)
    }

    fn merge(&mut self, other: &Histogram) {
        for (count, more) in self.buckets.iter_mut().zip(&other.buckets) {
            *count += more;
        }
        self.longest_ns = self.longest_ns.max(other.longest_ns);
        self.refused += other.refused;
        self.lost += other.lost;
    }
}

/// What became of a login.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Routed after so many nanoseconds.
    Routed(u64),
    /// Refused.
    Refused,
    /// Its director died or was stopped first.
    Lost,
}

/// The whole table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Waits {
    rows: BTreeMap<Row, Histogram>,
}

impl Waits {
    /// Counts one login.
    pub fn count(&mut self, row: Row, fate: Fate) {
        let histogram = self.rows.entry(row).or_default();
        match fate {
            Fate::Routed(wait_ns) => histogram.routed(wait_ns),
            Fate::Refused => histogram.refused += 1,
            Fate::Lost => histogram.lost += 1,
        }
    }

    /// Adds another run's table.
    pub fn merge(&mut self, other: &Waits) {
        for (row, histogram) in &other.rows {
            self.rows.entry(*row).or_default().merge(histogram);
        }
    }

    /// The rows that have anything.
    pub fn iter(&self) -> impl Iterator<Item = (&Row, &Histogram)> + '_ {
        self.rows.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_is_the_bound_of_its_bucket() {
        let mut histogram = Histogram::default();
        for ms in [0, 0, 0, 3, 100] {
            histogram.routed(ms * 1_000_000);
        }
        assert_eq!(histogram.quantile_ms(500), 1);
        assert_eq!(histogram.quantile_ms(800), 4);
        assert_eq!(histogram.quantile_ms(1_000), 128);
        assert_eq!(histogram.longest_ns, 100_000_000);
    }
}
