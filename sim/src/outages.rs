//! How long users are without service, as they see it: from the first attempt that failed, or was not answered at
//! once, until the next one that is answered with a backend that works.

use std::ops::Range;

/// Users who come again and again from some time on, to see how long they are without service.
///
/// Half of them stay at one director and try again a second after each failure. The others go to the next director a tenth of
/// a second after each failure, and after five seconds without an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Visits {
    /// When they begin to come, in milliseconds of true time.
    pub from_ms: u64,
    /// Mean time between two visits of one user.
    pub gap_ms: u64,
}

/// One user's time without service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outage {
    /// The user goes to other directors.
    pub is_roaming: bool,
    /// All times without service together, in nanoseconds of true time.
    pub total_ns: u64,
    /// The last one had not ended when the run did.
    pub is_unended: bool,
}

/// Bounds of the histogram's columns, in milliseconds; the last one has no end.
pub const COLUMNS_MS: [Range<u64>; 8] = [
    0..1_000,
    1_000..2_000,
    2_000..5_000,
    5_000..10_000,
    10_000..15_000,
    15_000..30_000,
    30_000..60_000,
    60_000..u64::MAX,
];

/// The outages of many users.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outages {
    users: u64,
    unended: u64,
    /// Of those who had any, in milliseconds, rounded up.
    touched_ms: Vec<u64>,
}

impl Outages {
    /// Counts one user.
    pub fn add(&mut self, outage: Outage) {
        self.users += 1;
        self.unended += u64::from(outage.is_unended);
        if outage.total_ns > 0 {
            self.touched_ms.push(outage.total_ns.div_ceil(1_000_000));
        }
    }

    /// To be called when all are counted.
    pub fn sort(&mut self) {
        self.touched_ms.sort_unstable();
    }

    /// All users.
    pub fn users(&self) -> u64 {
        self.users
    }

    /// Users who were without service at any time.
    pub fn touched(&self) -> u64 {
        self.touched_ms.len() as u64
    }

    /// Users who still were when their run ended.
    pub fn unended(&self) -> u64 {
        self.unended
    }

    /// So many thousandths of the touched users were without service for no longer; `None` when nobody was touched.
    pub fn quantile_ms(&self, permille: usize) -> Option<u64> {
        let at = (self.touched_ms.len() * permille).div_ceil(1_000).max(1) - 1;
        self.touched_ms.get(at).copied()
    }

    /// How many users were without service for so long.
    pub fn between(&self, ms: &Range<u64>) -> u64 {
        self.touched_ms
            .iter()
            .filter(|touched| ms.contains(touched))
            .count() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_of_touched_users_and_columns_count_each_of_them_once() {
        let mut outages = Outages::default();
        for ms in [0, 0, 700, 3_000, 90_000] {
            outages.add(Outage {
                total_ns: ms * 1_000_000,
                ..Outage::default()
            });
        }
        outages.sort();
        assert_eq!((outages.users(), outages.touched()), (5, 3));
        assert_eq!(outages.quantile_ms(500), Some(3_000));
        assert_eq!(outages.quantile_ms(1_000), Some(90_000));
        let counted: u64 = COLUMNS_MS.iter().map(|column| outages.between(column)).sum();
        assert_eq!(counted, outages.touched());
        assert_eq!(Outages::default().quantile_ms(500), None);
    }
}
