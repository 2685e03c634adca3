//! Seeds on the command line.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

/// `A..B`, the seeds from A up to and without B; `A..` for no end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SeedRange {
    /// The first seed.
    pub first: u64,
    /// The seed after the last.
    pub end: u64,
}

impl SeedRange {
    /// The same as a range.
    pub fn range(self) -> Range<u64> {
        self.first..self.end
    }

    /// Whether an end was given.
    pub fn is_bounded(self) -> bool {
        self.end != u64::MAX
    }
}

/// Why a text is no range of seeds.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SeedRangeError {
    /// There is no `..` in it.
    NoDots(String),
    /// One side is no number.
    NotANumber(String),
    /// It holds no seed.
    Empty(SeedRange),
}

impl fmt::Display for SeedRangeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SeedRangeError::NoDots(text) => write!(f, "`{text}` is no range of seeds, write A..B"),
            SeedRangeError::NotANumber(text) => {
                write!(f, "`{text}` is no seed, seeds are 0 to {}", u64::MAX - 1)
            }
            SeedRangeError::Empty(range) => {
                write!(f, "{range} holds no seed, the end must be above {}", range.first)
            }
        }
    }
}

impl std::error::Error for SeedRangeError {}

impl fmt::Display for SeedRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.is_bounded() {
            true => write!(f, "{}..{}", self.first, self.end),
            false => write!(f, "{}..", self.first),
        }
    }
}

impl FromStr for SeedRange {
    type Err = SeedRangeError;

    fn from_str(text: &str) -> Result<Self, SeedRangeError> {
        let (first, end) = text
            .split_once("..")
            .ok_or_else(|| SeedRangeError::NoDots(text.to_owned()))?;
        let number = |side: &str| {
            side.parse()
                .map_err(|_| SeedRangeError::NotANumber(side.to_owned()))
        };
        let range = SeedRange {
            first: if first.is_empty() { 0 } else { number(first)? },
            end: if end.is_empty() { u64::MAX } else { number(end)? },
        };
        match range.first < range.end {
            true => Ok(range),
            false => Err(SeedRangeError::Empty(range)),
        }
    }
}

/// `60s`, `500ms`, `250us`, `10m`, `8h`, or a bare number of seconds; `3.214159` as traces have it.
///
/// # Errors
///
/// A sentence for the user when the text is none of these.
pub fn parse_span(text: &str) -> Result<std::time::Duration, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let no_span = || format!("`{text}` is no span, write 60s, 1.5s, 500ms, 10m or 8h");
    let ns_each: u64 = match &text[digits.len()..] {
        "" | "s" => 1_000_000_000,
        "ms" => 1_000_000,
        "us" => 1_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        unit => return Err(format!("`{unit}` is no unit of time, write us, ms, s, m or h")),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let whole: u64 = whole.parse().map_err(|_| no_span())?;
    let mut ns = whole.saturating_mul(ns_each);
    let mut ns_of_digit = ns_each;
    for digit in fraction.chars() {
        ns_of_digit /= 10;
        let digit = digit.to_digit(10).ok_or_else(no_span)?;
        ns = ns.saturating_add(ns_of_digit * u64::from(digit));
    }
    Ok(std::time::Duration::from_nanos(ns))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_range_needs_two_dots_and_a_seed() {
        assert_eq!("3..7".parse(), Ok(SeedRange { first: 3, end: 7 }));
        assert_eq!("..7".parse(), Ok(SeedRange { first: 0, end: 7 }));
        assert_eq!(
            "3..".parse(),
            Ok(SeedRange {
                first: 3,
                end: u64::MAX
            })
        );
        assert_eq!(
            "7".parse::<SeedRange>(),
            Err(SeedRangeError::NoDots("7".to_owned()))
        );
        assert_eq!(
            "a..7".parse::<SeedRange>(),
            Err(SeedRangeError::NotANumber("a".to_owned()))
        );
        assert_eq!(
            "7..7".parse::<SeedRange>(),
            Err(SeedRangeError::Empty(SeedRange { first: 7, end: 7 }))
        );
    }

    #[test]
    fn a_range_prints_as_it_is_written() {
        for text in ["3..7", "3.."] {
            assert_eq!(text.parse::<SeedRange>().expect("a range").to_string(), text);
        }
    }

    #[test]
    fn spans_have_units() {
        assert_eq!(parse_span("60s"), Ok(Duration::from_secs(60)));
        assert_eq!(parse_span("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(parse_span("2m"), Ok(Duration::from_secs(120)));
        assert_eq!(parse_span("7"), Ok(Duration::from_secs(7)));
        assert_eq!(parse_span("3.214159"), Ok(Duration::from_micros(3_214_159)));
        assert_eq!(parse_span("1.5ms"), Ok(Duration::from_micros(1_500)));
        assert!(parse_span("s").is_err());
        assert!(parse_span("1.5.2").is_err());
        assert_eq!(parse_span("8h"), Ok(Duration::from_secs(28_800)));
        assert!(parse_span("3d").is_err());
    }
}
