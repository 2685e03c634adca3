//! `sim recovery`: how long which share of users is without service for each single fault; with `--core`, how fast rings
//! recover when faults have stopped.

use std::fmt::Write;
use std::ops::ControlFlow;

use clap::Args;
use serde_json::{Value, json};
use sim::Options;
use sim::outages::{COLUMNS_MS, Outages};
use sim::single::{SINGLES, Single};

use super::ending::Ending;
use super::execute::{ending_of, execute};
use super::healing::tell_healing;
use super::host;
use super::progress::Progress;
use super::say::say;
use super::seeds::SeedRange;
use super::table::{Side, Table, grouped};
use super::usage::UsageError;

/// Widest bar of the histogram.
const BAR_MAX: u64 = 40;

/// Arguments of `sim recovery`.
#[derive(Args)]
pub struct RecoveryArguments {
    /// The seeds: A..B without B. Each is one world for every fault.
    #[arg(long, value_name = "A..B")]
    seeds: SeedRange,
    /// Sizes of the ring.
    #[arg(long, value_name = "N", value_delimiter = ',', default_values_t = [3, 5], value_parser = clap::value_parser!(u8).range(1..=64))]
    directors: Vec<u8>,
    /// Instead, from worlds of any kind: how fast cores recover when faults have stopped for them, beside their bounds.
    #[arg(long, conflicts_with = "directors")]
    core: bool,
    /// Threads [default: one per core].
    #[arg(long, value_name = "N")]
    jobs: Option<usize>,
    /// Print a markdown table.
    #[arg(long, conflicts_with = "json")]
    markdown: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// What came of one fault in rings of one size: users who stay at a director, and users who go to others.
struct Row {
    single: &'static Single,
    directors: u8,
    staying: Outages,
    roaming: Outages,
}

/// Runs the seeds and tells how soon things were well again.
///
/// # Errors
/// The seeds have no end.
pub fn recovery(arguments: &RecoveryArguments) -> Result<Ending, UsageError> {
    let seeds = arguments.seeds;
    if !seeds.is_bounded() {
        return Err(UsageError::Endless(seeds));
    }
    let jobs = arguments.jobs.unwrap_or_else(host::cores);
    if arguments.core {
        return Ok(tell_healing(seeds, jobs, arguments.markdown, arguments.json));
    }
    let mut ending = Ending::Clean;
    let mut rows = Vec::new();
    let mut progress = Progress::new("faults", Some((SINGLES.len() * arguments.directors.len()) as u64));
    for single in SINGLES {
        for directors in &arguments.directors {
            rows.push(row(single, *directors, seeds, jobs, &mut ending));
            progress.step(|| single.words.to_owned());
        }
    }
    if arguments.json {
        let rows: Vec<Value> = rows.iter().map(json_of).collect();
        say(format_args!("{:#}", json!(rows)));
    } else {
        say(table_of(&rows).rendered(arguments.markdown));
        say(histogram_of(&rows));
    }
    Ok(ending)
}

fn row(single: &'static Single, directors: u8, seeds: SeedRange, jobs: usize, ending: &mut Ending) -> Row {
    let options = Options {
        visits: Some(single.visits()),
        ..Options::default()
    };
    let (mut staying, mut roaming) = (Outages::default(), Outages::default());
    host::in_order(
        seeds.range(),
        jobs,
        None,
        |seed| execute(&single.plan(usize::from(directors), seed), &options),
        |_, outcome| {
            *ending = ending.and(ending_of(&outcome.verdict));
            for outage in outcome.outages {
                let its = if outage.is_roaming {
                    &mut roaming
                } else {
                    &mut staying
                };
                its.add(outage);
            }
            ControlFlow::Continue(())
        },
    );
    staying.sort();
    roaming.sort();
    Row {
        single,
        directors,
        staying,
        roaming,
    }
}

fn table_of(rows: &[Row]) -> Table {
    let mut table = Table::new(&[
        ("what happens", Side::Left),
        ("directors", Side::Right),
        ("users", Side::Left),
        ("touched", Side::Right),
        ("half within", Side::Right),
        ("90 % within", Side::Right),
        ("99 % within", Side::Right),
        ("longest", Side::Right),
    ]);
    for row in rows {
        for (who, outages) in [("stay", &row.staying), ("go elsewhere", &row.roaming)] {
            let within = |permille| outages.quantile_ms(permille).map_or("-".to_owned(), seconds);
            let unended = if outages.unended() > 0 { "+" } else { "" };
            table.row(vec![
                row.single.words.to_owned(),
                row.directors.to_string(),
                who.to_owned(),
                share(outages.touched(), outages.users()),
                within(500),
                within(900),
                within(990),
                format!("{}{unended}", within(1_000)),
            ]);
        }
    }
    table
}

/// Bars of users by how long they were without service, for who stays.
fn histogram_of(rows: &[Row]) -> String {
    let mut text = String::new();
    for row in rows {
        for (who, outages) in [("stay", &row.staying), ("go elsewhere", &row.roaming)] {
            if outages.touched() == 0 {
                continue;
            }
            let _ = writeln!(
                text,
                "{}, {} directors, users who {who}:",
                row.single.words, row.directors
            );
            let untouched = outages.users() - outages.touched();
            let _ = writeln!(text, "  {:>9}  {}", "never", bar(untouched, outages.users()));
            for column in COLUMNS_MS.iter().filter(|column| outages.between(column) > 0) {
                let name = match column.end {
                    u64::MAX => format!(">={} s", column.start / 1_000),
                    end => format!("<{} s", end / 1_000),
                };
                let _ = writeln!(
                    text,
                    "  {name:>9}  {}",
                    bar(outages.between(column), outages.users())
                );
            }
        }
    }
    text
}

fn bar(part: u64, whole: u64) -> String {
    let length = (part * BAR_MAX).div_ceil(whole.max(1));
    format!("{} {}", "#".repeat(length as usize), share(part, whole))
        .trim_start()
        .to_owned()
}

fn json_of(row: &Row) -> Value {
    let side = |outages: &Outages| {
        let columns: Vec<Value> = COLUMNS_MS
            .iter()
            .map(|column| json!({"from_ms": column.start, "users": outages.between(column)}))
            .collect();
        json!({
            "users": outages.users(),
            "touched": outages.touched(),
            "unended": outages.unended(),
            "half_within_ms": outages.quantile_ms(500),
            "90_percent_within_ms": outages.quantile_ms(900),
            "99_percent_within_ms": outages.quantile_ms(990),
            "longest_ms": outages.quantile_ms(1_000),
            "histogram": columns,
        })
    };
    json!({
        "what": row.single.words,
        "lasts_ms": row.single.length_ms,
        "directors": row.directors,
        "stay": side(&row.staying),
        "go_elsewhere": side(&row.roaming),
    })
}

fn seconds(ms: u64) -> String {
    format!("{}.{:02} s", grouped(ms / 1_000), ms % 1_000 / 10)
}

fn share(part: u64, whole: u64) -> String {
    match part {
        0 => "0".to_owned(),
        _ => format!("{:.1} %", 100.0 * part as f64 / whole.max(1) as f64),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_as_long_as_their_share() {
        assert_eq!(bar(1, 2), format!("{} 50.0 %", "#".repeat(20)));
        assert_eq!(bar(0, 2), "0");
        assert_eq!(seconds(12_345), "12.34 s");
    }
}
