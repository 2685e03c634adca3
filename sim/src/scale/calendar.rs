//! When what fails in the years of one site.

use super::rates::{Cause, Per, RATES, Rate};
use super::setup::Setup;
use crate::entropy::{Entropy, Purpose, below};

const DAYS_PER_YEAR_X4: u64 = 1_461;
const DAY_MS: u64 = 24 * 3_600 * 1_000;
/// Switches with directors behind them.
pub(super) const SWITCHES: u32 = 3;

/// Something that goes wrong, or is planned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub at_ms: u64,
    pub cause: Cause,
    /// Which director, switch or backend.
    pub item: u32,
    pub lasts_ms: u64,
}

/// All that happens at one site.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Calendar {
    pub(super) entries: Vec<Entry>,
    span_ms: u64,
}

/// For how long how much of the ring was away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Absences {
    /// At least two things were wrong with directors at the same time, in milliseconds.
    pub overlapping_ms: u64,
    /// No majority of the voters was there, in milliseconds.
    pub no_majority_ms: u64,
    /// The longest stretch of that, in milliseconds.
    pub longest_no_majority_ms: u64,
}

impl Calendar {
    /// Draws the years of a site: each day each thing happens to each item with the chance of its rate.
    pub fn draw(setup: &Setup) -> Self {
        let days = setup.years * DAYS_PER_YEAR_X4 / 4;
        let entropy = Entropy::new(setup.seed ^ u64::from(setup.directors) << 32);
        let mut entries = Vec::new();
        for rate in &RATES {
            let items = match rate.per {
                Per::Director => u32::from(setup.directors),
                Per::Switch => SWITCHES,
                Per::Backend => setup.backends,
                Per::Ring => 1,
            };
            for item in 0..items {
                for day in 0..days {
                    entries.extend(drawn(entropy, rate, item, day));
                }
            }
        }
        entries.sort_by_key(|entry| (entry.at_ms, entry.cause, entry.item));
        Calendar {
            entries,
            span_ms: days * DAY_MS,
        }
    }

    /// How often something happened.
    pub fn count(&self, cause: Cause) -> u64 {
        self.entries.iter().filter(|entry| entry.cause == cause).count() as u64
    }

    /// Up to `count` entries of a cause, spread evenly over the years.
    pub(super) fn sample(&self, cause: Cause, count: usize) -> Vec<Entry> {
        let all: Vec<&Entry> = self.entries.iter().filter(|entry| entry.cause == cause).collect();
        let count = count.min(all.len());
        (0..count).map(|n| *all[n * all.len() / count]).collect()
    }

    /// How often directors were away together. Each is away from the start of whatever is wrong with it to its end.
    pub fn absences(&self, directors: u16) -> Absences {
        let mut turns: Vec<(u64, i32, &Entry)> = Vec::new();
        for entry in self.entries.iter().filter(|entry| entry.cause.is_absence()) {
            turns.push((entry.at_ms, 1, entry));
            turns.push((entry.at_ms + entry.lasts_ms, -1, entry));
        }
        turns.sort_by_key(|(at_ms, turn, entry)| (*at_ms, *turn, entry.cause, entry.item));
        let mut wrong = vec![0i32; usize::from(directors)];
        let (mut absences, mut going_on, mut before_ms) = (Absences::default(), 0i32, 0);
        let mut stretch_ms = 0;
        for (at_ms, turn, entry) in turns {
            let span_ms = at_ms - before_ms;
            let here = wrong.iter().filter(|count| **count == 0).count();
            if going_on > 1 {
                absences.overlapping_ms += span_ms;
            }
            if here * 2 > wrong.len() {
                stretch_ms = 0;
            } else {
                absences.no_majority_ms += span_ms;
                stretch_ms += span_ms;
                absences.longest_no_majority_ms = absences.longest_no_majority_ms.max(stretch_ms);
            }
            before_ms = at_ms;
            going_on += turn;
            for member in struck(entry.cause, entry.item, directors) {
                wrong[member] += turn;
            }
        }
        absences
    }

    /// The whole time, in milliseconds.
    pub fn span_ms(&self) -> u64 {
        self.span_ms
    }
}

/// The directors that something is wrong with.
pub(super) fn struck(cause: Cause, item: u32, directors: u16) -> Vec<usize> {
    let directors = usize::from(directors);
    match cause.rate().per {
        Per::Director => vec![item as usize],
        Per::Switch => (0..directors)
            .filter(|member| member % SWITCHES as usize == item as usize)
            .collect(),
        Per::Ring => (0..directors).collect(),
        Per::Backend => Vec::new(),
    }
}

fn drawn(entropy: Entropy, rate: &Rate, item: u32, day: u64) -> Option<Entry> {
    let who = (rate.cause as u64) << 32 | u64::from(item);
    let chance = entropy.draw(Purpose::Calendar, who, day * 4);
    // A thousand years have 365,250 days.
    if below(chance, 365_250) >= rate.per_thousand_years {
        return None;
    }
    let bits = |n| entropy.draw(Purpose::Calendar, who, day * 4 + n);
    let (low, high) = rate.lasts_ms;
    let longest = below(bits(1), high - low + 1);
    Some(Entry {
        at_ms: day * DAY_MS + below(bits(3), DAY_MS),
        cause: rate.cause,
        item,
        lasts_ms: low + below(bits(2), longest + 1),
    })
}
