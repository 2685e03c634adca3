//! Everything that is measured of one size of a ring.

use serde::Serialize;
use sim::scale::{
    Cause, ChangeTimes, Estimate, LinkSpeed, Memory, Setup, Steady, change_times, estimate, largest_value,
    memory, steady,
};

/// One size of a ring, measured.
#[derive(Clone, Debug)]
pub struct Site {
    pub setup: Setup,
    pub steady: Steady,
    pub changes: ChangeTimes,
    pub memory: Memory,
    pub estimate: Estimate,
    /// The largest value in bytes that is decided without a lost lease, by speed of the links.
    pub values: [(LinkSpeed, u64); 3],
}

/// How much is played.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Effort {
    /// Incidents of each cause.
    pub samples: usize,
    /// Changes that are timed.
    pub changes: u32,
}

impl Effort {
    /// What a size is worth: a second of a ring of 100 costs as much as a hundred of a ring of three.
    pub fn of(directors: u16, samples: usize) -> Self {
        let share = match directors {
            ..=10 => 1,
            11..=30 => 2,
            31..=60 => 3,
            _ => 6,
        };
        let samples = (samples / share).max(1);
        Effort {
            samples,
            changes: (4 * samples as u32).clamp(40, 200),
        }
    }
}

impl Site {
    /// Measures it; `told` hears what is being done.
    pub fn measured(setup: Setup, effort: Effort, told: &mut dyn FnMut(&str)) -> Self {
        told("watching a quiet ring");
        let steady = steady(&setup);
        told("timing changes");
        let changes = change_times(&setup, effort.changes);
        told("filling the table of holds");
        let memory = memory(&setup);
        told("sending large values");
        let speeds = [LinkSpeed::Mbit100, LinkSpeed::Gbit1, LinkSpeed::Gbit10];
        let values = speeds.map(|speed| (speed, largest_value(setup.directors, speed)));
        let estimate = estimate(&setup, effort.samples, |cause: Cause| {
            told(&format!("playing: {cause}"))
        });
        Site {
            setup,
            steady,
            changes,
            memory,
            estimate,
            values,
        }
    }

    /// As it is given to other programs.
    pub fn record(&self) -> SiteRecord {
        let percentile = |times, percent| ChangeTimes::percentile_ns(times, percent) as f64 / 1e6;
        let (fixed, retry) = (self.estimate.fixed_min(), self.estimate.retry_min());
        SiteRecord {
            directors: self.setup.directors,
            said_per_second: self.steady.said,
            handled_per_second_and_director: self.steady.handled,
            frames_per_second_and_director: self.steady.frames,
            link_bytes_per_second_and_director: self.steady.link_bytes,
            change_median_ms: percentile(&self.changes.everywhere_ns, 50),
            change_p99_ms: percentile(&self.changes.everywhere_ns, 99),
            changes_timed: self.changes.everywhere_ns.len(),
            users_per_director: self.memory.users,
            memory_bytes_per_director: self.memory.bytes(),
            fixed_min_per_year: fixed.value,
            fixed_margin_min: fixed.margin,
            retry_min_per_year: retry.value,
            retry_margin_min: retry.margin,
            no_majority_min_per_year: self.estimate.no_majority_min(),
            longest_s: self.estimate.longest_s(),
            epochs_per_year: self.estimate.epochs_per_year(),
            splits: self.estimate.splits(),
            causes: self.estimate.causes.iter().map(cause_record).collect(),
            largest_value_bytes: self.values.map(|(_, bytes)| bytes),
        }
    }
}

fn cause_record(cause: &sim::scale::CauseEstimate) -> CauseRecord {
    CauseRecord {
        cause: cause.cause.to_string(),
        count: cause.count,
        played: cause.played,
        fixed_min_per_year: cause.fixed_min.value,
        retry_min_per_year: cause.retry_min.value,
        retry_margin_min: cause.retry_min.margin,
        longest_s: cause.longest_s,
        epochs_each: cause.epochs,
        splits: cause.splits,
        unfinished: cause.unfinished,
    }
}

/// A site as JSON.
#[derive(Debug, Serialize)]
pub struct SiteRecord {
    directors: u16,
    said_per_second: f64,
    handled_per_second_and_director: f64,
    frames_per_second_and_director: f64,
    link_bytes_per_second_and_director: f64,
    change_median_ms: f64,
    change_p99_ms: f64,
    changes_timed: usize,
    users_per_director: u64,
    memory_bytes_per_director: u64,
    fixed_min_per_year: f64,
    fixed_margin_min: f64,
    retry_min_per_year: f64,
    retry_margin_min: f64,
    no_majority_min_per_year: f64,
    longest_s: f64,
    epochs_per_year: f64,
    splits: u64,
    causes: Vec<CauseRecord>,
    /// At 100 Mbit/s, 1 Gbit/s, 10 Gbit/s.
    largest_value_bytes: [u64; 3],
}

#[derive(Debug, Serialize)]
struct CauseRecord {
    cause: String,
    count: u64,
    played: u64,
    fixed_min_per_year: f64,
    retry_min_per_year: f64,
    retry_margin_min: f64,
    longest_s: f64,
    epochs_each: f64,
    splits: u64,
    unfinished: u64,
}
