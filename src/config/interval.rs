//! Times as Dovecot's settings write them: `60s`, `15 min`, `1 hour`.
//!
//! A unit may be cut short anywhere, and its case does not matter, as in Dovecot's own parser.

use std::time::Duration;

use super::complaint::{Complaint, Quoted};

/// Names of units, longest form, with their milliseconds; the first one that starts as written counts.
const UNITS: [(&str, u64); 12] = [
    ("secs", 1_000),
    ("seconds", 1_000),
    ("mins", 60_000),
    ("minutes", 60_000),
    ("msecs", 1),
    ("mseconds", 1),
    ("millisecs", 1),
    ("milliseconds", 1),
    ("hours", 3_600_000),
    ("days", 86_400_000),
    ("weeks", 604_800_000),
    ("wks", 604_800_000),
];

/// What [`format_interval`] may write, largest first.
const WRITTEN: [(&str, u64); 5] = [
    ("day", 86_400_000),
    ("hour", 3_600_000),
    ("min", 60_000),
    ("s", 1_000),
    ("ms", 1),
];

/// The time that `text` names: a number, then a unit; `0` needs none.
///
/// # Errors
/// What is wrong with it, as a fault's message.
pub fn parse_interval(text: &str) -> Result<Duration, String> {
    interval(text).map_err(|complaint| complaint.message)
}

pub(super) fn interval(text: &str) -> Result<Duration, Complaint> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, rest) = text.split_at(digits);
    let unit = rest.trim_start_matches(' ');
    let quoted = Quoted(text);
    if number.is_empty() {
        return Err(Complaint::with_hint(
            format!("{quoted} is no time"),
            "a number and a unit, as in \"60s\" or \"15 min\"",
        ));
    }
    let out_of_range = || Complaint::new(format!("{quoted} is beyond all limits"));
    let number: u64 = number.parse().map_err(|_| out_of_range())?;
    if unit.is_empty() {
        if number == 0 {
            return Ok(Duration::ZERO);
        }
        let hint = format!("write \"{number}s\" or \"{number} min\"");
        return Err(Complaint::with_hint(format!("{quoted} has no unit"), hint));
    }
    let lowered = unit.to_ascii_lowercase();
    let known = UNITS.iter().find(|(name, _)| name.starts_with(&lowered));
    let Some((_, unit_ms)) = known else {
        return Err(Complaint::with_hint(
            format!("{quoted} has an unknown unit"),
            "ms, s, min, hour, day or week",
        ));
    };
    let ms = number.checked_mul(*unit_ms).ok_or_else(out_of_range)?;
    Ok(Duration::from_millis(ms))
}

/// The shortest exact form that [`parse_interval`] reads; whole milliseconds.
pub fn format_interval(span: Duration) -> String {
    let ms = span.as_millis();
    let exact = WRITTEN
        .iter()
        .find(|(_, unit_ms)| ms >= u128::from(*unit_ms) && ms.is_multiple_of(u128::from(*unit_ms)));
    match exact {
        Some((unit, unit_ms)) => {
            let space = if unit.len() > 2 { " " } else { "" };
            format!("{}{space}{unit}", ms / u128::from(*unit_ms))
        }
        None => "0s".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_dovecot_reads_them() {
        for (text, seconds) in [
            ("60s", 60),
            ("15 min", 900),
            ("15 mins", 900),
            ("15m", 900),
            ("1 hour", 3_600),
            ("2 HOURS", 7_200),
            ("1 d", 86_400),
            ("1 week", 604_800),
            ("3000 ms", 3),
            ("0", 0),
        ] {
            assert_eq!(parse_interval(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        assert_eq!(parse_interval("1500msecs"), Ok(Duration::from_millis(1_500)));
    }

    #[test]
    fn what_is_wrong_with_a_time_is_said() {
        for (text, message) in [
            ("", "\"\" is no time"),
            ("soon", "\"soon\" is no time"),
            ("-1s", "\"-1s\" is no time"),
            ("60", "\"60\" has no unit"),
            ("60 fortnights", "\"60 fortnights\" has an unknown unit"),
            ("1s ", "\"1s \" has an unknown unit"),
            (
                "99999999999999999999s",
                "\"99999999999999999999s\" is beyond all limits",
            ),
            (
                "18446744073709551615 h",
                "\"18446744073709551615 h\" is beyond all limits",
            ),
        ] {
            assert_eq!(parse_interval(text), Err(message.to_owned()), "{text}");
        }
    }

    #[test]
    fn times_are_written_in_the_largest_exact_unit() {
        for (text, ms) in [
            ("15 min", 900_000),
            ("10s", 10_000),
            ("90s", 90_000),
            ("1 day", 86_400_000),
            ("1500ms", 1_500),
            ("0s", 0),
        ] {
            assert_eq!(format_interval(Duration::from_millis(ms)), text);
        }
    }
}
