//! What is left to say when the demo is over.

use std::collections::BTreeMap;
use std::fmt::{self, Write};
use std::time::Duration;

use super::show::{Scene, wait};
use crate::world::Instant;

/// Splits told one by one; there are never few when there are any.
const SPLITS_TOLD: usize = 10;

/// The summary.
pub(super) fn summary(
    scene: &Scene<'_>,
    faults: &BTreeMap<&'static str, u32>,
    (died, failovers): (u32, u32),
    lasted: Duration,
    now: Instant,
) -> String {
    let mut text = String::new();
    write_summary(&mut text, scene, faults, (died, failovers, lasted), now).expect("text grows without fail");
    text
}

fn write_summary(
    text: &mut String,
    scene: &Scene<'_>,
    faults: &BTreeMap<&'static str, u32>,
    (died, failovers, lasted): (u32, u32, Duration),
    now: Instant,
) -> fmt::Result {
    let counts = &scene.counts;
    let seconds = lasted.as_secs_f64();
    let listed = |parts: Vec<String>| match parts.is_empty() {
        true => "none".to_owned(),
        false => parts.join(", "),
    };
    let reasons = counts.refused.iter();
    let reasons = listed(
        reasons
            .map(|(reason, count)| format!("{count} {}", reason.name()))
            .collect(),
    );
    let faults = listed(
        faults
            .iter()
            .map(|(fault, count)| format!("{count} {fault}"))
            .collect(),
    );
    let epochs = scene.observed.epochs();
    let epochs = epochs.map_or("-".to_owned(), |(first, last)| format!("{first} to {last}"));
    let (logins, rate) = (counts.logins, counts.logins as f64 / seconds.max(0.001));
    writeln!(text, "\nSummary after {seconds:.0} s")?;
    writeln!(text, "  logins        {logins} ({rate:.0}/s)")?;
    writeln!(
        text,
        "  kicked        {} sessions, to be moved or because a lease ended",
        counts.kicked
    )?;
    writeln!(
        text,
        "  refused       {} ({reasons}); all were tried again",
        counts.refusals()
    )?;
    writeln!(text, "  longest wait  {}", wait(counts, now))?;
    writeln!(text, "  epochs        {epochs}")?;
    writeln!(text, "  faults        {faults}")?;
    writeln!(text, "  failovers     {failovers} by the directors' probes")?;
    if died > 0 {
        writeln!(
            text,
            "  ended         {died} directors by themselves, which is a fault of maildirector"
        )?;
    }
    let splits = scene.ledger.splits();
    writeln!(text, "  splits        {}", splits.len())?;
    for split in splits.iter().take(SPLITS_TOLD) {
        writeln!(text, "                {split}")?;
    }
    Ok(())
}
