//! A sign of life on the error stream while long work goes on.

use std::time::Duration;

use super::host::Stopwatch;
use super::table::grouped;

/// No more often than this.
const EVERY: Duration = Duration::from_secs(5);

/// Tells now and then how far some work is.
#[derive(Debug)]
pub struct Progress {
    started: Stopwatch,
    told: Duration,
    what: String,
    all: Option<u64>,
    done: u64,
}

impl Progress {
    /// For `what` (a plural), of which there are `all` when that is known.
    pub fn new(what: &str, all: Option<u64>) -> Self {
        Progress {
            started: Stopwatch::start(),
            told: Duration::ZERO,
            what: what.to_owned(),
            all,
            done: 0,
        }
    }

    /// One more is done; `remark` is added to the line when one is due.
    pub fn step(&mut self, remark: impl FnOnce() -> String) {
        self.done += 1;
        let elapsed = self.started.elapsed();
        if elapsed.saturating_sub(self.told) < EVERY {
            return;
        }
        self.told = elapsed;
        let of = self
            .all
            .map_or(String::new(), |all| format!(" of {}", grouped(all)));
        let rate = self.done as f64 / elapsed.as_secs_f64();
        let remark = remark();
        let comma = if remark.is_empty() { "" } else { ", " };
        eprintln!(
            "{:>5} s: {}{of} {}, {rate:.0}/s{comma}{remark}",
            elapsed.as_secs(),
            grouped(self.done),
            self.what
        );
    }

    /// Since the start.
    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }
}
