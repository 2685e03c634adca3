//! From incidents that were played to the years of a site.

use super::calendar::{Absences, Calendar};
use super::incident::{Cost, play};
use super::rates::Cause;
use super::scene::Scene;
use super::setup::Setup;

/// The mean of a sample, with half the width of its 95 % interval.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Mean {
    /// The mean.
    pub value: f64,
    /// 1.96 standard errors; 0 for a sample that is the whole.
    pub margin: f64,
}

/// What one cause costs.
#[derive(Clone, Debug, PartialEq)]
pub struct CauseEstimate {
    /// Which.
    pub cause: Cause,
    /// How often it happens in all the years.
    pub count: u64,
    /// How many of these were played.
    pub played: u64,
    /// Minutes a year for a mean user who always comes through the same director.
    pub fixed_min: Mean,
    /// The same with a balancer that tries the others.
    pub retry_min: Mean,
    /// The longest time of one user in what was played, with the balancer, in seconds.
    pub longest_s: f64,
    /// Epochs that one of these takes, in the mean.
    pub epochs: f64,
    /// Sessions let in while another one was on another backend.
    pub splits: u64,
    /// Played incidents after which not everything was as before.
    pub unfinished: u64,
}

/// What the years of a site cost its users.
#[derive(Clone, Debug, PartialEq)]
pub struct Estimate {
    /// By cause.
    pub causes: Vec<CauseEstimate>,
    /// How often directors were away together, by the calendar.
    pub absences: Absences,
    /// Years.
    pub years: f64,
    /// Simulated time that was played, in seconds.
    pub played_s: f64,
    /// Inputs that directors took meanwhile.
    pub inputs: u64,
}

impl Estimate {
    /// Minutes a year through a fixed director, all causes and the times without a majority.
    pub fn fixed_min(&self) -> Mean {
        self.sum(|cause| cause.fixed_min)
    }

    /// Minutes a year with a balancer that tries the others.
    pub fn retry_min(&self) -> Mean {
        self.sum(|cause| cause.retry_min)
    }

    /// Minutes a year in which too many directors were away at once for anybody to be served.
    pub fn no_majority_min(&self) -> f64 {
        self.absences.no_majority_ms as f64 / 60_000.0 / self.years
    }

    /// Epochs decided in a year.
    pub fn epochs_per_year(&self) -> f64 {
        self.causes
            .iter()
            .map(|cause| cause.epochs * cause.count as f64)
            .sum::<f64>()
            / self.years
    }

    /// Users that were on two backends in what was played.
    pub fn splits(&self) -> u64 {
        self.causes.iter().map(|cause| cause.splits).sum()
    }

    /// The longest time of one user without service, in seconds.
    pub fn longest_s(&self) -> f64 {
        let played = self
            .causes
            .iter()
            .map(|cause| cause.longest_s)
            .fold(0.0, f64::max);
        played.max(self.absences.longest_no_majority_ms as f64 / 1_000.0)
    }

    fn sum(&self, of: impl Fn(&CauseEstimate) -> Mean) -> Mean {
        let means = || self.causes.iter().map(&of);
        let value = means().map(|mean| mean.value).sum::<f64>() + self.no_majority_min();
        Mean {
            value,
            margin: means().map(|mean| mean.margin * mean.margin).sum::<f64>().sqrt(),
        }
    }
}

/// Draws the years, plays up to `samples` incidents of each cause, and counts them for all of their kind. `told` hears of
/// every incident that was played.
pub fn estimate(setup: &Setup, samples: usize, mut told: impl FnMut(Cause)) -> Estimate {
    let calendar = Calendar::draw(setup);
    let warm = Scene::warm(setup, &setup.topology());
    let years = calendar.span_ms() as f64 / (365.25 * 86_400_000.0);
    let (mut played_s, mut inputs) = (0.0, 0);
    let mut causes = Vec::new();
    for cause in Cause::all() {
        let entries = calendar.sample(cause, samples);
        let mut costs = Vec::with_capacity(entries.len());
        for (number, entry) in (0..).zip(&entries) {
            let cost = play(setup, &warm, entry, number);
            played_s += cost.played_s;
            inputs += cost.inputs;
            costs.push(cost);
            told(cause);
        }
        causes.push(summed_up(cause, calendar.count(cause), years, &costs));
    }
    Estimate {
        causes,
        absences: calendar.absences(setup.directors),
        years,
        played_s,
        inputs,
    }
}

fn summed_up(cause: Cause, count: u64, years: f64, costs: &[Cost]) -> CauseEstimate {
    let minutes = |of: fn(&Cost) -> f64| {
        let mean = mean(costs.iter().map(of), count);
        let scale = count as f64 / years / 60.0;
        Mean {
            value: mean.value * scale,
            margin: mean.margin * scale,
        }
    };
    CauseEstimate {
        cause,
        count,
        played: costs.len() as u64,
        fixed_min: minutes(|cost| cost.fixed_s),
        retry_min: minutes(|cost| cost.retry_s),
        longest_s: costs.iter().map(|cost| cost.longest_s).fold(0.0, f64::max),
        epochs: mean(costs.iter().map(|cost| cost.epochs as f64), count).value,
        splits: costs.iter().map(|cost| cost.splits).sum(),
        unfinished: costs.iter().filter(|cost| !cost.is_over).count() as u64,
    }
}

/// The mean of a sample out of `all`, and how far it may be off.
fn mean(sample: impl Iterator<Item = f64> + Clone, all: u64) -> Mean {
    let count = sample.clone().count() as f64;
    if count == 0.0 {
        return Mean::default();
    }
    let value = sample.clone().sum::<f64>() / count;
    let squares: f64 = sample.map(|one| (one - value) * (one - value)).sum();
    // Drawn without replacement: a sample of everything is off by nothing.
    let rest = 1.0 - count / (all as f64).max(count);
    let margin = if count > 1.0 {
        1.96 * (squares / (count - 1.0) / count * rest).sqrt()
    } else {
        0.0
    };
    Mean { value, margin }
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn a_sample_of_everything_is_off_by_nothing_and_a_part_by_its_spread() {
        let whole = mean([1.0, 3.0].into_iter(), 2);
        assert_eq!((whole.value, whole.margin), (2.0, 0.0));
        let part = mean([1.0, 3.0].into_iter(), 1_000_000);
        assert_eq!(part.value, 2.0);
        assert!((1.95..1.97).contains(&part.margin), "{}", part.margin);
        assert_eq!(mean(std::iter::empty(), 0), Mean::default());
    }
}
