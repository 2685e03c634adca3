//! `sim waits`: how long users wait for their route, by what is going on meanwhile.

use std::ops::ControlFlow;

use clap::Args;
use sim::waits::{Cause, Histogram, Row};
use sim::{Options, Plan};

use super::ending::Ending;
use super::execute::{ending_of, execute};
use super::host;
use super::progress::Progress;
use super::say::say;
use super::seeds::SeedRange;
use super::table::{Side, Table, grouped};
use super::totals::Totals;
use super::usage::UsageError;

/// Arguments of `sim waits`.
#[derive(Args)]
pub struct WaitsArguments {
    /// The seeds: A..B without B.
    #[arg(long, value_name = "A..B")]
    seeds: SeedRange,
    /// Threads [default: one per core].
    #[arg(long, value_name = "N")]
    jobs: Option<usize>,
    /// Print a markdown table.
    #[arg(long)]
    markdown: bool,
}

/// Runs the seeds and tells how long their users waited.
///
/// # Errors
/// The seeds have no end.
pub fn waits(arguments: &WaitsArguments) -> Result<Ending, UsageError> {
    let seeds = arguments.seeds;
    if !seeds.is_bounded() {
        return Err(UsageError::Endless(seeds));
    }
    let mut totals = Totals::default();
    let mut ending = Ending::Clean;
    let mut progress = Progress::new("seeds", Some(seeds.end - seeds.first));
    host::in_order(
        seeds.range(),
        arguments.jobs.unwrap_or_else(host::cores),
        None,
        |seed| execute(&Plan::from_seed(seed), &Options::default()),
        |_, outcome| {
            totals.add(&outcome);
            ending = ending.and(ending_of(&outcome.verdict));
            progress.step(String::new);
            ControlFlow::Continue(())
        },
    );
    let mut table = Table::new(&[
        ("going on", Side::Left),
        ("user", Side::Left),
        ("logins", Side::Right),
        ("at once", Side::Right),
        ("half within", Side::Right),
        ("99 % within", Side::Right),
        ("99.9 % within", Side::Right),
        ("longest", Side::Right),
        ("refused", Side::Right),
        ("lost", Side::Right),
    ]);
    for (row, histogram) in totals.waits.iter() {
        table.row(cells(row, histogram));
    }
    say(table.rendered(arguments.markdown));
    Ok(ending)
}

fn cells(row: &Row, histogram: &Histogram) -> Vec<String> {
    let cause = match row.cause {
        Cause::Calm => "nothing".to_owned(),
        Cause::Fault(kind) => format!("fault: {kind}"),
        Cause::Change(kind) => format!("change: {kind}"),
        Cause::Several => "several things".to_owned(),
    };
    let all = histogram.count() + histogram.refused + histogram.lost;
    let within = |permille| match histogram.count() {
        0 => "-".to_owned(),
        _ => format!("{} ms", histogram.quantile_ms(permille)),
    };
    vec![
        cause,
        if row.is_affected { "affected" } else { "other" }.to_owned(),
        grouped(all),
        share(histogram.buckets[0], all),
        within(500),
        within(990),
        within(999),
        format!("{} ms", grouped(histogram.longest_ns.div_ceil(1_000_000))),
        share(histogram.refused, all),
        share(histogram.lost, all),
    ]
}

/// A part of a whole in per cent; nothing only when it is exactly nothing.
fn share(part: u64, whole: u64) -> String {
    match (part, whole) {
        (0, _) | (_, 0) => "0".to_owned(),
        _ if part.saturating_mul(10_000) < whole => "<0.01 %".to_owned(),
        _ => format!("{:.2} %", 100.0 * part as f64 / whole as f64),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_of_nothing_is_told_apart_from_a_small_one() {
        assert_eq!(share(0, 1_000_000), "0");
        assert_eq!(share(1, 1_000_000), "<0.01 %");
        assert_eq!(share(1, 3), "33.33 %");
        assert_eq!(share(0, 0), "0");
    }
}
