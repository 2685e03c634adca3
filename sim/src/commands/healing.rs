//! `sim recovery --core`: how fast cores recovered when faults had stopped for them, beside what they were allowed.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use serde_json::{Value, json};
use sim::healing::{Healing, Wait};
use sim::{Options, Outcome, Plan};

use super::ending::Ending;
use super::execute::{ending_of, execute};
use super::host;
use super::progress::Progress;
use super::say::say;
use super::seeds::SeedRange;
use super::table::{Side, Table, grouped};

/// One of the waits of a recovery.
type WaitOf = fn(&Healing) -> Wait;

/// What was waited for, by name.
const WAITS: [(&str, WaitOf); 3] = [
    ("to settle", |healing| healing.settling),
    ("slowest login", |healing| healing.login),
    ("slowest command", |healing| healing.command),
];

/// Many waits of one kind, in tenths of a renew interval.
#[derive(Clone, Debug, Default)]
struct Spread {
    tenths: Vec<u64>,
    /// The most that was used of a bound, of a thousand, and where.
    most: (u64, u64),
    bound_tenths_max: u64,
}

impl Spread {
    fn add(&mut self, seed: u64, wait: Wait, interval_ns: u64) {
        let tenths = |ns: u64| ns.saturating_mul(10).div_ceil(interval_ns.max(1));
        self.tenths.push(tenths(wait.took_ns));
        self.bound_tenths_max = self.bound_tenths_max.max(tenths(wait.bound_ns));
        self.most = self.most.max((wait.used_permille(), seed));
    }

    fn quantile(&self, permille: usize) -> String {
        let at = (self.tenths.len() * permille).div_ceil(1_000).max(1) - 1;
        self.tenths
            .get(at)
            .map_or("-".to_owned(), |tenths| decimal(*tenths))
    }
}

/// Runs the seeds and tells how their cores recovered.
pub fn tell_healing(seeds: SeedRange, jobs: usize, is_markdown: bool, is_json: bool) -> Ending {
    let mut ending = Ending::Clean;
    let mut spreads: BTreeMap<(&'static str, usize), Spread> = BTreeMap::new();
    let mut progress = Progress::new("seeds", Some(seeds.end - seeds.first));
    host::in_order(
        seeds.range(),
        jobs,
        None,
        |seed| execute(&Plan::from_seed(seed), &Options::default()),
        |seed, outcome: Outcome| {
            ending = ending.and(ending_of(&outcome.verdict));
            if let Some(healing) = outcome.healing {
                for (place, (_, wait)) in WAITS.iter().enumerate() {
                    let spread = spreads.entry((healing.kind, place)).or_default();
                    spread.add(seed, wait(&healing), healing.interval_ns);
                }
            }
            progress.step(String::new);
            ControlFlow::Continue(())
        },
    );
    for spread in spreads.values_mut() {
        spread.tenths.sort_unstable();
    }
    if is_json {
        let rows: Vec<Value> = spreads
            .iter()
            .map(|((kind, place), spread)| json_of(kind, *place, spread))
            .collect();
        say(format_args!("{:#}", json!(rows)));
    } else {
        say(table_of(&spreads).rendered(is_markdown));
    }
    ending
}

fn table_of(spreads: &BTreeMap<(&'static str, usize), Spread>) -> Table {
    let mut table = Table::new(&[
        ("how it ended", Side::Left),
        ("waited for", Side::Left),
        ("seeds", Side::Right),
        ("half within", Side::Right),
        ("99 % within", Side::Right),
        ("longest", Side::Right),
        ("longest bound", Side::Right),
        ("most used of its bound", Side::Right),
        ("at seed", Side::Right),
    ]);
    for ((kind, place), spread) in spreads {
        table.row(vec![
            (*kind).to_owned(),
            WAITS[*place].0.to_owned(),
            grouped(spread.tenths.len() as u64),
            spread.quantile(500),
            spread.quantile(990),
            spread.quantile(1_000),
            decimal(spread.bound_tenths_max),
            format!("{} %", spread.most.0 / 10),
            spread.most.1.to_string(),
        ]);
    }
    table
}

fn json_of(kind: &str, place: usize, spread: &Spread) -> Value {
    let tenths = |permille: usize| spread.quantile(permille).parse::<f64>().ok();
    json!({
        "ended": kind,
        "waited_for": WAITS[place].0,
        "seeds": spread.tenths.len(),
        "half_within_intervals": tenths(500),
        "99_percent_within_intervals": tenths(990),
        "longest_intervals": tenths(1_000),
        "most_used_permille": spread.most.0,
        "most_used_at_seed": spread.most.1,
    })
}

fn decimal(tenths: u64) -> String {
    format!("{}.{}", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_are_counted_in_renew_intervals() {
        let mut spread = Spread::default();
        for took_ns in [1, 10, 25] {
            spread.add(
                7,
                Wait {
                    took_ns,
                    bound_ns: 50,
                },
                10,
            );
        }
        assert_eq!([spread.quantile(500), spread.quantile(1_000)], ["1.0", "2.5"]);
        assert_eq!(spread.most, (500, 7));
        assert_eq!(Spread::default().quantile(500), "-");
    }
}
