//! One seed or plan again, by hand, with its trace; and many seeds at once.

use std::fs;

use sim::{Bug, Plan};

use crate::plans::plan_of;
use crate::possible::{can_break, impossible};
use crate::run::run;

#[expect(
    clippy::disallowed_methods,
    reason = "the command line of a test has no other place for words"
)]
fn word(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

fn bug() -> Option<Bug> {
    let bug = word("TURMOIL_BUG").map(|name| (Bug::parse(&name), name));
    bug.map(|(bug, name)| {
        bug.filter(|bug| can_break(*bug))
            .unwrap_or_else(|| panic!("no bug {name} in this layer"))
    })
}

/// `TURMOIL_SEED=n` or `TURMOIL_PLAN=file`.
#[test]
#[ignore = "by hand"]
fn replay() {
    let plan = match (word("TURMOIL_SEED"), word("TURMOIL_PLAN")) {
        (Some(seed), _) => plan_of(seed.parse().expect("TURMOIL_SEED is a number")),
        (None, Some(file)) => {
            let text = fs::read_to_string(&file).expect("TURMOIL_PLAN can be read");
            Plan::parse(&text).expect("TURMOIL_PLAN holds a plan")
        }
        (None, None) => panic!("set TURMOIL_SEED to a number or TURMOIL_PLAN to a file"),
    };
    let impossible = impossible(&plan);
    if !impossible.is_empty() {
        println!("verdict impossible {}", impossible.join("; "));
        return;
    }
    let outcomes = run(&plan, bug());
    println!("{}", outcomes.trace.lines().join("\n"));
    if let Some(file) = word("TURMOIL_PLAN_TO") {
        fs::write(file, plan.to_text()).expect("TURMOIL_PLAN_TO can be written");
    }
    // `sim replay --layer turmoil` reads this line.
    match &outcomes.broken {
        None => println!("verdict clean"),
        Some(why) if outcomes.truth.facts().violations.is_empty() => println!("verdict liveness {why}"),
        Some(why) => println!("verdict safety {why}"),
    }
    assert_eq!(outcomes.broken, None);
}

/// `TURMOIL_SEEDS=from..to`: every failure with its seed.
#[test]
#[ignore = "by hand"]
fn hunt() {
    let seeds = word("TURMOIL_SEEDS").expect("set TURMOIL_SEEDS to FROM..TO");
    let (from, to) = seeds.split_once("..").expect("FROM..TO");
    let number = |text: &str| text.parse::<u64>().expect("a number");
    let (mut failed, mut sessions, mut lines) = (Vec::new(), 0, 0);
    for seed in number(from)..number(to) {
        let outcomes = run(&plan_of(seed), bug());
        let facts = outcomes.truth.facts();
        sessions += facts.logins.len();
        lines += outcomes.trace.lines().len();
        if let Some(broken) = outcomes.broken {
            println!("seed {seed}: {broken}");
            failed.push(seed);
        }
    }
    println!("{sessions} logins, {lines} lines of trace");
    assert!(failed.is_empty(), "{failed:?}");
}
