//! `sim compare`: the same plans with this project's directors and with Dovecot's own.

use std::ops::ControlFlow;
use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};
use sim::compare::{Figures, calm, fits, plan, run_classic, run_ours};
use sim::waits::Cause;
use sim::{Plan, Verdict};

use super::ending::Ending;
use super::execute::ending_of;
use super::host;
use super::progress::Progress;
use super::say::say;
use super::seeds::{SeedRange, SeedRangeError};
use super::subject::read_plan;
use super::table::{Side, Table, grouped};
use super::usage::UsageError;

/// Every so many-th seed is also run with nothing going wrong.
const CONTROL_EVERY: u64 = 8;

/// Arguments of `sim compare`.
#[derive(Args)]
pub struct CompareArguments {
    /// The seeds: A..B without B, or N for 0..N.
    #[arg(long, value_name = "N|A..B", value_parser = parse_seeds, required_unless_present = "plans")]
    seeds: Option<SeedRange>,
    /// Plans from files instead, told apart.
    #[arg(value_name = "FILE", conflicts_with = "seeds")]
    plans: Vec<PathBuf>,
    /// Threads [default: one per core].
    #[arg(long, value_name = "N")]
    jobs: Option<usize>,
    /// Print markdown.
    #[arg(long)]
    markdown: bool,
    /// Print one JSON object instead of text.
    #[arg(long, conflicts_with = "markdown")]
    json: bool,
}

fn parse_seeds(text: &str) -> Result<SeedRange, SeedRangeError> {
    match text.parse::<u64>() {
        Ok(count) => format!("0..{count}").parse(),
        Err(_) => text.parse(),
    }
}

/// Sums of one subject.
#[derive(Clone, Debug, Default)]
struct Totals {
    plans: u64,
    plans_split: u64,
    storms: u64,
    figures: Figures,
    /// Users split and logins that split them in each plan.
    splits: Vec<(u64, u64)>,
    /// How long it took to serve again after the faults, in nanoseconds, where it did.
    settled_ns: Vec<u64>,
    never_settled: u64,
}

impl Totals {
    fn add(&mut self, figures: &Figures) {
        self.plans += 1;
        self.plans_split += u64::from(figures.users_split > 0);
        self.storms += u64::from(figures.is_storm);
        self.splits.push((figures.users_split, figures.split_logins));
        self.figures.merge(figures);
        if figures.had_to_settle {
            match figures.settled_ns {
                Some(ns) => self.settled_ns.push(ns),
                None => self.never_settled += 1,
            }
        }
    }

    fn settled(&self, permille: usize) -> Option<u64> {
        let mut sorted = self.settled_ns.clone();
        sorted.sort_unstable();
        let last = sorted.len().checked_sub(1)?;
        Some(sorted[(last * permille).div_ceil(1_000)])
    }
}

/// Both subjects, in worlds with faults and in calm ones.
#[derive(Clone, Debug, Default)]
struct Comparison {
    ours: Totals,
    classic: Totals,
    calm_ours: Totals,
    calm_classic: Totals,
    failures: Vec<String>,
}

/// What one plan came to.
struct Compared {
    ours: Figures,
    verdict: Verdict,
    classic: Figures,
}

fn compare_plan(plan: &Plan) -> Compared {
    let (ours, verdict) = run_ours(plan);
    Compared {
        ours,
        verdict,
        classic: run_classic(plan),
    }
}

impl Comparison {
    fn add(&mut self, compared: &Compared, name: &str) -> Ending {
        self.ours.add(&compared.ours);
        self.classic.add(&compared.classic);
        if let Verdict::Violation { words, .. } = &compared.verdict {
            self.failures.push(format!("{name}: {words}"));
        }
        ending_of(&compared.verdict)
    }

    fn add_calm(&mut self, compared: &Compared, name: &str) -> Ending {
        self.calm_ours.add(&compared.ours);
        self.calm_classic.add(&compared.classic);
        let mut ending = ending_of(&compared.verdict);
        if compared.ours.users_split + compared.classic.users_split > 0 {
            self.failures
                .push(format!("{name}: a user was split with nothing going wrong"));
            ending = ending.and(Ending::Safety);
        }
        ending
    }
}

/// Runs the seeds or plans with both and prints what they came to.
///
/// # Errors
/// The seeds have no end, or a file can't be used.
pub fn compare(arguments: &CompareArguments) -> Result<Ending, UsageError> {
    match arguments.seeds {
        Some(seeds) => compare_seeds(arguments, seeds),
        None => compare_files(arguments),
    }
}

fn compare_seeds(arguments: &CompareArguments, seeds: SeedRange) -> Result<Ending, UsageError> {
    if !seeds.is_bounded() {
        return Err(UsageError::Endless(seeds));
    }
    let mut comparison = Comparison::default();
    let mut ending = Ending::Clean;
    let mut progress = Progress::new("seeds", Some(seeds.end - seeds.first));
    host::in_order(
        seeds.range(),
        arguments.jobs.unwrap_or_else(host::cores),
        None,
        |seed| {
            let plan = plan(seed);
            let control = seed
                .is_multiple_of(CONTROL_EVERY)
                .then(|| compare_plan(&calm(&plan)));
            (compare_plan(&plan), control)
        },
        |seed, (compared, control)| {
            let name = format!("seed {seed}");
            ending = ending.and(comparison.add(&compared, &name));
            if let Some(control) = control {
                ending = ending.and(comparison.add_calm(&control, &format!("{name}, calm")));
            }
            progress.step(|| {
                format!(
                    "{} plans with split users by Dovecot's",
                    comparison.classic.plans_split
                )
            });
            ControlFlow::Continue(())
        },
    );
    print(arguments, &comparison, None);
    Ok(ending)
}

fn compare_files(arguments: &CompareArguments) -> Result<Ending, UsageError> {
    let mut ending = Ending::Clean;
    for path in &arguments.plans {
        let plan = read_plan(path)?;
        fits(&plan).map_err(|unfit| UsageError::Unfit {
            path: path.clone(),
            why: unfit.words(),
        })?;
        let mut comparison = Comparison::default();
        let name = path.display().to_string();
        for trial in plan.trials() {
            ending = ending.and(comparison.add(&compare_plan(&trial), &name));
        }
        ending = ending.and(comparison.add_calm(&compare_plan(&calm(&plan)), &name));
        print(arguments, &comparison, Some(&name));
    }
    Ok(ending)
}

fn print(arguments: &CompareArguments, comparison: &Comparison, title: Option<&str>) {
    for failure in &comparison.failures {
        eprintln!("FAILURE {failure}");
    }
    if arguments.json {
        let mut told = json_of(comparison);
        told["plan"] = json!(title);
        return say(format_args!("{told:#}"));
    }
    if let Some(title) = title {
        say(format_args!("{title}\n"));
    }
    say(figures_table(comparison).rendered(arguments.markdown));
    say(faults_table(comparison).rendered(arguments.markdown));
}

fn figures_table(comparison: &Comparison) -> Table {
    let mut table = Table::new(&[
        ("", Side::Left),
        ("maildirector", Side::Right),
        ("Dovecot's director", Side::Right),
        ("calm: maildirector", Side::Right),
        ("calm: Dovecot's", Side::Right),
    ]);
    let all = [
        &comparison.ours,
        &comparison.classic,
        &comparison.calm_ours,
        &comparison.calm_classic,
    ];
    let mut row = |head: &str, cell: &dyn Fn(&Totals) -> String| {
        let cells = all.iter().map(|totals| cell(totals));
        table.row(std::iter::once(head.to_owned()).chain(cells).collect());
    };
    row("plans", &|t| grouped(t.plans));
    row("... with a split user", &|t| grouped(t.plans_split));
    row("... cut short by a storm of messages", &|t| grouped(t.storms));
    row("logins", &|t| grouped(t.figures.logins));
    row("users split", &|t| grouped(t.figures.users_split));
    row("logins that split their user", &|t| {
        grouped(t.figures.split_logins)
    });
    row("... in one plan: users", &|t| {
        range(t.splits.iter().map(|split| split.0))
    });
    row("... in one plan: logins", &|t| {
        range(t.splits.iter().map(|split| split.1))
    });
    row("longest split", &|t| seconds(t.figures.longest_split_ns));
    row("logins refused", &|t| share(t.figures.refused, t.figures.logins));
    row("logins lost, their director was dead", &|t| {
        share(t.figures.lost, t.figures.logins)
    });
    row("logins delayed by 0.1 s or more", &|t| {
        share(t.figures.delayed, t.figures.logins)
    });
    row("longest delay", &|t| seconds(t.figures.longest_delay_ns));
    row("messages per login", &|t| {
        per(t.figures.messages, t.figures.logins)
    });
    row("whole again after the faults: half within", &|t| settled(t, 500));
    row("... 99 % within", &|t| settled(t, 990));
    row("... longest", &|t| settled(t, 1_000));
    row("... not within 300 s", &|t| grouped(t.never_settled));
    row("sessions closed by a director", &|t| grouped(t.figures.closed));
    row("... without need", &|t| grouped(t.figures.closed_needlessly));
    table
}

/// By kind of fault, where one fault and nothing else was going on: how many logins got no route, or a late one.
fn faults_table(comparison: &Comparison) -> Table {
    let mut table = Table::new(&[
        ("going on", Side::Left),
        ("user", Side::Left),
        ("subject", Side::Left),
        ("logins", Side::Right),
        ("not served", Side::Right),
        ("99 % within", Side::Right),
        ("longest", Side::Right),
    ]);
    for (name, totals) in subjects(comparison) {
        for (row, histogram) in totals.figures.waits.iter() {
            let Cause::Fault(kind) = row.cause else {
                continue;
            };
            let all = histogram.count() + histogram.refused + histogram.lost;
            table.row(vec![
                kind.to_owned(),
                who(row.is_affected).to_owned(),
                name.to_owned(),
                grouped(all),
                share(histogram.refused + histogram.lost, all),
                format!("{} ms", grouped(histogram.quantile_ms(990))),
                format!("{} ms", grouped(histogram.longest_ns / 1_000_000)),
            ]);
        }
    }
    table
}

fn subjects(comparison: &Comparison) -> [(&'static str, &Totals); 2] {
    [
        ("maildirector", &comparison.ours),
        ("Dovecot's director", &comparison.classic),
    ]
}

fn who(is_affected: bool) -> &'static str {
    if is_affected { "affected" } else { "other" }
}

fn json_of(comparison: &Comparison) -> Value {
    let totals = |t: &Totals| {
        let f = &t.figures;
        let waits: Vec<Value> = f
            .waits
            .iter()
            .map(|(row, histogram)| {
                let cause = match row.cause {
                    Cause::Calm => "nothing".to_owned(),
                    Cause::Fault(kind) => format!("fault: {kind}"),
                    Cause::Change(kind) => format!("change: {kind}"),
                    Cause::Several => "several things".to_owned(),
                };
                json!({
                    "going_on": cause,
                    "user": who(row.is_affected),
                    "routed": histogram.count(),
                    "refused": histogram.refused,
                    "lost": histogram.lost,
                    "longest_ms": histogram.longest_ns / 1_000_000,
                    "waits_below_2_to_the_n_ms": histogram.buckets,
                })
            })
            .collect();
        json!({
            "plans": t.plans,
            "plans_with_a_split_user": t.plans_split,
            "plans_cut_short_by_a_storm": t.storms,
            "logins": f.logins,
            "routed": f.routed,
            "refused": f.refused,
            "lost": f.lost,
            "delayed": f.delayed,
            "longest_delay_ms": f.longest_delay_ns / 1_000_000,
            "users_split": f.users_split,
            "split_logins": f.split_logins,
            "longest_split_ms": f.longest_split_ns / 1_000_000,
            "split_ms": f.split_ns / 1_000_000,
            "messages": f.messages,
            "sessions_closed": f.closed,
            "sessions_closed_without_need": f.closed_needlessly,
            "settled_ms": t.settled_ns.iter().map(|ns| ns / 1_000_000).collect::<Vec<_>>(),
            "never_settled": t.never_settled,
            "waits": waits,
        })
    };
    json!({
        "maildirector": totals(&comparison.ours),
        "dovecot": totals(&comparison.classic),
        "calm_maildirector": totals(&comparison.calm_ours),
        "calm_dovecot": totals(&comparison.calm_classic),
        "failures": comparison.failures,
    })
}

/// The least and the most.
fn range(numbers: impl Iterator<Item = u64> + Clone) -> String {
    match (numbers.clone().min(), numbers.max()) {
        (Some(least), Some(most)) if least < most => format!("{} to {}", grouped(least), grouped(most)),
        (_, most) => grouped(most.unwrap_or(0)),
    }
}

fn settled(totals: &Totals, permille: usize) -> String {
    totals.settled(permille).map_or("-".to_owned(), seconds)
}

fn seconds(ns: u64) -> String {
    match ns {
        0 => "0".to_owned(),
        _ => format!("{:.1} s", ns as f64 / 1e9),
    }
}

fn share(part: u64, whole: u64) -> String {
    match (part, whole) {
        (0, _) | (_, 0) => "0".to_owned(),
        _ => format!("{:.2} %", 100.0 * part as f64 / whole as f64),
    }
}

fn per(part: u64, whole: u64) -> String {
    match whole {
        0 => "-".to_owned(),
        _ => format!("{:.1}", part as f64 / whole as f64),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_number_is_so_many_seeds() {
        let range = |text: &str| parse_seeds(text).map(|range| (range.first, range.end));
        assert_eq!(range("20"), Ok((0, 20)));
        assert_eq!(range("3..7"), Ok((3, 7)));
        assert!(range("x").is_err());
    }

    #[test]
    fn a_plan_of_each_kind_runs_with_both_and_nobody_is_split_in_a_calm_world() {
        let mut comparison = Comparison::default();
        for seed in 0..3 {
            let plan = plan(seed);
            comparison.add(&compare_plan(&plan), "faults");
            let calm = compare_plan(&calm(&plan));
            assert_eq!(comparison.add_calm(&calm, "calm"), Ending::Clean);
        }
        assert_eq!(comparison.failures, [""; 0]);
        // The same users come; who is refused before the first lease comes once more.
        let [ours, classic] = [&comparison.calm_ours, &comparison.calm_classic].map(|t| t.figures.logins);
        assert!(ours.abs_diff(classic) * 100 < ours, "{ours} and {classic}");
        assert!(comparison.classic.figures.messages > comparison.classic.figures.logins);
    }
}
