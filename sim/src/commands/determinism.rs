//! `sim check-determinism`: whether a seed is the same run everywhere.
//!
//! Each seed runs twice on one thread with another seed between, once on a fresh thread, and once in a child
//! process. All digests must agree; where they do not, the first line in which the traces differ is shown.

use std::fmt;
use std::ops::ControlFlow;

use clap::Args;
use sim::{Options, Plan, TraceMode};

use super::ending::Ending;
use super::execute::{ending_of, execute};
use super::host;
use super::progress::Progress;
use super::say::say;
use super::seeds::SeedRange;
use super::table::grouped;
use super::usage::UsageError;

/// Arguments of `sim check-determinism`.
#[derive(Args)]
pub struct DeterminismArguments {
    /// The seeds: A..B without B.
    #[arg(long, value_name = "A..B")]
    seeds: SeedRange,
    /// Threads [default: one per core].
    #[arg(long, value_name = "N")]
    jobs: Option<usize>,
    /// Only run each seed once and print its digest: what the child process does.
    #[arg(long, hide = true)]
    print_digests: bool,
}

/// What two runs of one seed have in common, or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Digest {
    trace_hash: u64,
    events: u64,
    exit_code: u8,
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x} {} {}", self.trace_hash, self.events, self.exit_code)
    }
}

/// Where two runs of one seed differed.
struct Difference {
    seed: u64,
    place: &'static str,
    here: String,
    there: String,
}

/// Runs the seeds and compares.
///
/// # Errors
/// The child process did not work, or the seeds have no end.
pub fn check_determinism(arguments: &DeterminismArguments) -> Result<Ending, UsageError> {
    let seeds = arguments.seeds;
    if !seeds.is_bounded() {
        return Err(UsageError::Endless(seeds));
    }
    let jobs = arguments.jobs.unwrap_or_else(host::cores);
    if arguments.print_digests {
        print_digests(seeds, jobs);
        return Ok(Ending::Clean);
    }
    let mut progress = Progress::new("seeds", Some(seeds.end - seeds.first));
    let mut digests = Vec::new();
    let mut difference = None;
    host::in_order(seeds.range(), jobs, None, compare_here, |seed, result| {
        progress.step(String::new);
        match result {
            Ok(digest) => {
                digests.push((seed, digest));
                ControlFlow::Continue(())
            }
            Err(found) => {
                difference = Some(found);
                ControlFlow::Break(())
            }
        }
    });
    if difference.is_none() {
        difference = compare_with_child(seeds, jobs, &digests)?;
    }
    let Some(found) = difference else {
        say(format_args!(
            "{} seeds, each the same run twice on one thread, on another thread and in another process ({:.1} s)",
            grouped(seeds.end - seeds.first),
            progress.elapsed().as_secs_f64()
        ));
        return Ok(Ending::Clean);
    };
    say(format_args!(
        "NONDETERMINISM seed {} is another run {}",
        found.seed, found.place
    ));
    say(format_args!(
        "  first : {}\n  second: {}",
        found.here, found.there
    ));
    say(first_differing_line(found.seed)?);
    Ok(Ending::Nondeterminism)
}

fn digest_of(seed: u64) -> Digest {
    let outcome = execute(&Plan::from_seed(seed), &Options::default());
    Digest {
        trace_hash: outcome.trace_hash,
        events: outcome.events,
        exit_code: ending_of(&outcome.verdict).code(),
    }
}

fn compare_here(seed: u64) -> Result<Digest, Difference> {
    let first = digest_of(seed);
    digest_of(seed.wrapping_add(1));
    let again = digest_of(seed);
    let elsewhere = host::on_another_thread(|| digest_of(seed));
    for (place, second) in [
        ("on the same thread, after another seed", again),
        ("on another thread", elsewhere),
    ] {
        if first != second {
            return Err(Difference {
                seed,
                place,
                here: first.to_string(),
                there: second.to_string(),
            });
        }
    }
    Ok(first)
}

fn print_digests(seeds: SeedRange, jobs: usize) {
    host::in_order(seeds.range(), jobs, None, digest_of, |seed, digest| {
        say(format_args!("{seed} {digest}"));
        ControlFlow::Continue(())
    });
}

fn compare_with_child(
    seeds: SeedRange,
    jobs: usize,
    digests: &[(u64, Digest)],
) -> Result<Option<Difference>, UsageError> {
    let range = seeds.to_string();
    let words = [
        "check-determinism",
        "--print-digests",
        "--seeds",
        &range,
        "--jobs",
        &jobs.to_string(),
    ];
    let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
    let printed = host::in_a_child(&words).map_err(|error| UsageError::Child(error.to_string()))?;
    let lines: Vec<&str> = printed.lines().collect();
    if lines.len() != digests.len() {
        let what = format!("{} lines for {} seeds", lines.len(), digests.len());
        return Err(UsageError::Child(what));
    }
    let differing = digests
        .iter()
        .zip(lines)
        .find(|((seed, digest), line)| format!("{seed} {digest}") != *line);
    Ok(differing.map(|((seed, digest), line)| Difference {
        seed: *seed,
        place: "in another process",
        here: format!("{seed} {digest}"),
        there: line.to_owned(),
    }))
}

/// Traces the seed here, again here, and in a child, and tells the first line in which they differ.
fn first_differing_line(seed: u64) -> Result<String, UsageError> {
    let traced = || {
        let options = Options {
            trace: TraceMode::Lines,
            ..Options::default()
        };
        execute(&Plan::from_seed(seed), &options).lines
    };
    let first = traced();
    let words = [
        "replay".to_owned(),
        seed.to_string(),
        "--trace".to_owned(),
        "-".to_owned(),
    ];
    let printed = host::in_a_child(&words).map_err(|error| UsageError::Child(error.to_string()))?;
    let in_child: Vec<String> = printed.lines().map(str::to_owned).collect();
    let found = differing_line(&first, &traced()).or_else(|| differing_line(&first, &in_child));
    Ok(found.unwrap_or_else(|| "  with traces on, the runs were the same: no line to show".to_owned()))
}

fn differing_line(one: &[String], other: &[String]) -> Option<String> {
    let end = "(the end)".to_owned();
    let place = (0..one.len().max(other.len())).find(|place| one.get(*place) != other.get(*place))?;
    Some(format!(
        "  line {} of the trace differs:\n    {}\n    {}",
        place + 1,
        one.get(place).unwrap_or(&end),
        other.get(place).unwrap_or(&end)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_differing_line_is_named() {
        let lines = |text: &str| -> Vec<String> { text.lines().map(str::to_owned).collect() };
        let found = differing_line(&lines("a\nb\nc"), &lines("a\nx\ny")).expect("they differ");
        assert!(
            found.contains("line 2") && found.contains("    b\n    x"),
            "{found}"
        );
        let found = differing_line(&lines("a"), &lines("a\nb")).expect("they differ");
        assert!(found.contains("line 2") && found.contains("(the end)"), "{found}");
        assert_eq!(differing_line(&lines("a\nb"), &lines("a\nb")), None);
    }
}
