//! From the answers of one check to a verdict, and the pause until it is made again.

use std::time::Duration;

/// What a director thinks of one check of one backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Not probed often enough to tell.
    Unknown,
    /// It works.
    Working,
    /// It does not.
    Failing,
}

/// Counts the answers of one check of one backend. One answer never turns a verdict unless so configured, and the two
/// thresholds keep a backend that answers now and then from going in and out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Judge {
    fall: u32,
    rise: u32,
    verdict: Verdict,
    /// Answers in a row that contradict the verdict.
    against: u32,
}

impl Judge {
    /// `fall` failures in a row make a failing backend of a working one, `rise` successes the other way round; at least
    /// 1 each. The first success tells of a backend that was never known to fail.
    pub fn new(fall: u32, rise: u32) -> Self {
        Judge {
            fall: fall.max(1),
            rise: rise.max(1),
            verdict: Verdict::Unknown,
            against: 0,
        }
    }

    /// The verdict so far.
    pub fn verdict(&self) -> Verdict {
        self.verdict
    }

    /// One more answer; whether it turned the verdict.
    pub fn hear(&mut self, is_well: bool) -> bool {
        let (is_against, threshold, other) = match self.verdict {
            Verdict::Unknown if is_well => (true, 1, Verdict::Working),
            Verdict::Unknown | Verdict::Working => (!is_well, self.fall, Verdict::Failing),
            Verdict::Failing => (is_well, self.rise, Verdict::Working),
        };
        self.against = if is_against { self.against + 1 } else { 0 };
        if self.against < threshold {
            return false;
        }
        self.verdict = other;
        self.against = 0;
        true
    }
}

/// The pause until the next probe: `interval`, a tenth more or less by 64 random bits, so that the directors' probes of
/// one backend do not come together.
pub fn pause(interval: Duration, bits: u64) -> Duration {
    let fifth = interval / 5;
    let share = fifth.mul_f64((bits >> 11) as f64 / (1_u64 << 53) as f64);
    interval - interval / 10 + share
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(judge: &mut Judge, answers: &str) -> String {
        let heard = answers.chars().map(|answer| {
            judge.hear(answer == '+');
            match judge.verdict() {
                Verdict::Unknown => '?',
                Verdict::Working => 'w',
                Verdict::Failing => 'f',
            }
        });
        heard.collect()
    }

    #[test]
    fn verdicts_turn_after_so_many_answers_in_a_row() {
        let cases = [
            ((3, 2), "+", "w"),
            ((3, 2), "---", "??f"),
            ((3, 2), "+--+---+-++", "wwwwwwffffw"),
            ((1, 1), "-+-", "fwf"),
        ];
        for ((fall, rise), answers, verdicts) in cases {
            assert_eq!(after(&mut Judge::new(fall, rise), answers), verdicts, "{answers}");
        }
    }

    #[test]
    fn a_backend_that_answers_every_other_time_never_turns() {
        let mut judge = Judge::new(2, 2);
        assert!(judge.hear(true));
        for number in 0..1_000 {
            assert!(!judge.hear(number % 2 == 0), "after {number}");
        }
    }

    #[test]
    fn pauses_stay_within_a_tenth_of_the_interval() {
        let interval = Duration::from_secs(10);
        assert_eq!(pause(interval, 0), Duration::from_secs(9));
        let longest = pause(interval, u64::MAX);
        assert!(longest <= Duration::from_secs(11) && longest > Duration::from_millis(10_990));
        assert_ne!(pause(interval, 1 << 40), pause(interval, 1 << 62));
    }
}
