//! Signs of life of a long sweep, and when its state is to be saved.

use std::time::Duration;

use super::asked::Sweep;
use crate::commands::host::Stopwatch;
use crate::commands::progress::Progress;
use crate::commands::table::grouped;

/// The state is written no more often than this.
const SAVE_EVERY: Duration = Duration::from_secs(60);
/// New coverage is told of about so many runs.
const LATELY: u64 = 2_000;

/// How a sweep gets on.
pub struct Pace {
    progress: Progress,
    started: Stopwatch,
    saved: Duration,
    budget: Option<Duration>,
    /// Runs of this session, and runs that are left at its beginning where that is known.
    done: u64,
    left: Option<u64>,
    /// Runs and new points of the time before lately, and of lately.
    lately: [(u64, u64); 2],
}

impl Pace {
    /// For a sweep of which so many runs are done already.
    pub fn begin(sweep: &Sweep, what: &str, done: u64) -> Pace {
        let all = sweep
            .seeds
            .is_bounded()
            .then(|| sweep.seeds.end - sweep.seeds.first);
        let left = all.map(|all| all.saturating_sub(done));
        Pace {
            progress: Progress::new(what, left),
            started: Stopwatch::start(),
            saved: Duration::ZERO,
            budget: sweep.budget,
            done: 0,
            left,
            lately: [(0, 0); 2],
        }
    }

    /// One more run, which reached so many points first; with the size of the corpus where there is one.
    pub fn step(&mut self, failed: u64, new_points: usize, corpus: Option<usize>) {
        self.done += 1;
        self.lately[1].0 += 1;
        self.lately[1].1 += new_points as u64;
        if self.lately[1].0 >= LATELY / 2 {
            self.lately = [self.lately[1], (0, 0)];
        }
        let elapsed = self.started.elapsed();
        let [earlier, latest] = self.lately;
        let (runs, points) = (earlier.0 + latest.0, earlier.1 + latest.1);
        let left = left(elapsed, self.budget, self.done, self.left);
        self.progress.step(|| {
            let corpus = corpus.map_or(String::new(), |plans| format!(", {plans} plans kept"));
            let left = left.map_or(String::new(), |left| format!(", {} left", span(left)));
            format!(
                "{failed} failed, {points} new points in the last {}{corpus}{left}",
                grouped(runs)
            )
        });
    }

    /// Whether it is time to save; the time until the next one begins now.
    pub fn is_save_due(&mut self) -> bool {
        let elapsed = self.started.elapsed();
        let is_due = elapsed.saturating_sub(self.saved) >= SAVE_EVERY;
        if is_due {
            self.saved = elapsed;
        }
        is_due
    }

    /// Since the beginning of this session.
    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }
}

/// How long it will still take: until the budget is spent, or the runs are done, whichever is sooner.
fn left(elapsed: Duration, budget: Option<Duration>, done: u64, all: Option<u64>) -> Option<Duration> {
    let by_budget = budget.map(|budget| budget.saturating_sub(elapsed));
    let by_runs = all.map(|all| elapsed.mul_f64(all.saturating_sub(done) as f64 / done.max(1) as f64));
    match (by_budget, by_runs) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

/// A span in the two units that matter.
fn span(span: Duration) -> String {
    let s = span.as_secs();
    match s {
        0..60 => format!("{s} s"),
        60..3_600 => format!("{} min {} s", s / 60, s % 60),
        _ => format!("{} h {} min", s / 3_600, s % 3_600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_is_the_sooner_of_budget_and_runs() {
        let s = Duration::from_secs;
        assert_eq!(left(s(10), Some(s(60)), 100, None), Some(s(50)));
        assert_eq!(left(s(10), None, 100, Some(300)), Some(s(20)));
        assert_eq!(left(s(10), Some(s(15)), 100, Some(300)), Some(s(5)));
        assert_eq!(left(s(10), None, 100, None), None);
    }

    #[test]
    fn a_span_is_told_in_units_that_matter() {
        assert_eq!(span(Duration::from_secs(59)), "59 s");
        assert_eq!(span(Duration::from_secs(61)), "1 min 1 s");
        assert_eq!(span(Duration::from_secs(8 * 3_600 - 60)), "7 h 59 min");
    }
}
