//! The chain of events in so few lines that a person reads them all: those that would be missed most.

use std::collections::BTreeMap;

use super::cone::Cone;
use super::lines::lines;
use super::source::{Line, Source};

/// A chain of events, and what was left out of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Story {
    pub(crate) lines: Vec<Line>,
    pub(crate) left_out: usize,
}

impl Story {
    /// The story of a cone in at most `lines_max` lines.
    pub(crate) fn new(source: Source<'_>, cone: &Cone, lines_max: usize) -> Story {
        Story::of(lines(source, cone), lines_max)
    }

    /// The lines that matter most, in their order; of repetitions the last ones.
    pub(crate) fn of(mut lines: Vec<Line>, lines_max: usize) -> Story {
        let mut later: BTreeMap<String, i32> = BTreeMap::new();
        for line in lines.iter_mut().rev() {
            let later = later.entry(line.kind.clone()).or_default();
            line.weight -= line.repetition * *later;
            *later += 1;
        }
        let mut ranks: Vec<(i32, usize)> = lines.iter().map(|line| line.weight).zip(0..).collect();
        // Of equals, the later one is nearer to what broke.
        ranks.sort_unstable_by(|a, b| b.cmp(a));
        let mut is_kept = vec![false; lines.len()];
        for (weight, index) in ranks.iter().take(lines_max) {
            is_kept[*index] = *weight > 0;
        }
        let mut story = Story::default();
        let mut skipped: BTreeMap<String, usize> = BTreeMap::new();
        for (mut line, is_kept) in lines.into_iter().zip(is_kept) {
            if !is_kept {
                *skipped.entry(line.kind).or_default() += 1;
                story.left_out += 1;
                continue;
            }
            if let Some(count) = skipped.remove(&line.kind) {
                line.text.push_str(&format!(" (and {count} before)"));
            }
            story.lines.push(line);
        }
        story
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(at: u32, kind: &str, weight: i32) -> Line {
        Line {
            at_ns: u64::from(at),
            at,
            text: format!("{kind} {at}"),
            member: None,
            weight,
            kind: kind.to_owned(),
            repetition: 14,
        }
    }

    #[test]
    fn repetitions_give_way_to_what_happened_once() {
        let mut all: Vec<Line> = (0..10).map(|at| line(at, "renewal", 70)).collect();
        all.push(line(10, "commit", 50));
        let story = Story::of(all, 4);
        let texts: Vec<&str> = story.lines.iter().map(|line| line.text.as_str()).collect();
        assert_eq!(
            texts,
            ["renewal 7 (and 7 before)", "renewal 8", "renewal 9", "commit 10"]
        );
        assert_eq!(story.left_out, 7);
    }
}
