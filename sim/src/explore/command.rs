//! `sim explore`: which worlds within which bounds, and whether they held.

use std::time::Duration;

use clap::Args;
use maildirector::agreement::Rule;

use crate::commands::Ending;

use super::report;
use super::search::{Bounds, Found, explore};
use super::world::Stage;
use super::worlds::{TEETH, WORLDS};

/// Which worlds, within which bounds.
#[derive(Args, Clone, Debug)]
pub struct ExploreArguments {
    /// The worlds and bounds of ./check: about 40 seconds.
    #[arg(long, conflicts_with_all = ["large", "world", "bug"])]
    pub small: bool,
    /// Every world, for as long as the bounds allow.
    #[arg(long, conflicts_with_all = ["world", "bug"])]
    pub large: bool,
    /// One world; `list` shows their names.
    #[arg(long, value_name = "NAME")]
    pub world: Option<String>,
    /// Break this rule on purpose and look for a counterexample; `all` tries every rule that a world is known to show.
    #[arg(long, value_name = "RULE")]
    pub bug: Option<String>,
    /// Events of a row at most.
    #[arg(long, value_name = "N")]
    pub depth: Option<usize>,
    /// Different states of a world at most.
    #[arg(long, value_name = "N")]
    pub states: Option<usize>,
    /// Seconds for a world at most.
    #[arg(long, value_name = "N")]
    pub seconds: Option<u64>,
    /// Memory at most, in MiB.
    #[arg(long, value_name = "N", default_value_t = 6000)]
    pub memory: u64,
    /// Threads that search.
    #[arg(long, value_name = "N", default_value_t = 2)]
    pub threads: usize,
}

/// States of a world that `--small` looks at; of the smaller ones that is all.
const SMALL_STATES: usize = 100_000;
const LARGE_STATES: usize = 100_000_000;
const SMALL_SECONDS: u64 = 120;
const LARGE_SECONDS: u64 = 600;
/// Each broken rule shows itself in far fewer.
const BUG_STATES: usize = 3_000_000;

/// Explore, and print what was found: success if every rule held and every mark was seen, or with `--bug` if the bug
/// was noticed.
pub fn run(arguments: &ExploreArguments) -> Ending {
    match &arguments.bug {
        Some(name) => run_bugs(name, arguments),
        None => run_worlds(arguments),
    }
}

/// The world in which breaking the rule is known to show, which rule of the protocol breaks there, and after how many
/// events.
pub fn notice(rule: Rule) -> Option<(&'static str, &'static str, usize)> {
    TEETH.iter().find(|(shown, _)| *shown == rule)?;
    let arguments = ExploreArguments {
        small: true,
        large: false,
        world: None,
        bug: None,
        depth: None,
        states: None,
        seconds: None,
        memory: 6000,
        threads: 1,
    };
    let found = first_counterexample(rule, &arguments)?;
    let counterexample = found.counterexample?;
    Some((found.world.name, counterexample.rule, counterexample.depth()))
}

fn run_worlds(arguments: &ExploreArguments) -> Ending {
    let worlds = match &arguments.world {
        None => WORLDS.to_vec(),
        Some(name) => match WORLDS.iter().find(|world| world.name == name) {
            Some(world) => vec![*world],
            None => return list_worlds(name),
        },
    };
    println!("{}", report::HEADING);
    let mut ending = Ending::Clean;
    for world in worlds {
        let found = explore(world, None, bounds(arguments));
        println!("{}", report::line(&found));
        ending = ending.and(ending_of(&found));
        print_counterexample(&found, None);
    }
    ending
}

fn run_bugs(name: &str, arguments: &ExploreArguments) -> Ending {
    let is_wanted = |rule: &Rule| format!("{rule:?}").eq_ignore_ascii_case(name);
    let rules: Vec<Rule> = match name {
        "all" => TEETH.iter().map(|(rule, _)| *rule).collect(),
        _ => Rule::ALL.iter().copied().filter(is_wanted).collect(),
    };
    if rules.is_empty() {
        eprintln!("sim: no rule is named {name}");
        return Ending::Usage;
    }
    let mut ending = Ending::Clean;
    println!("| broken rule | world | breaks | events | states | seconds |\n|---|---|---|---|---|---|");
    for rule in rules {
        match first_counterexample(rule, arguments) {
            Some(found) => {
                print_bug_line(rule, &found);
                if name != "all" {
                    print_counterexample(&found, Some(rule));
                }
            }
            None => {
                ending = Ending::Coverage;
                println!("| `{rule:?}` | - | not noticed | | | |");
            }
        }
    }
    ending
}

/// What breaking the rule leads to: in the world named, else in the one known to show it, else in the first that does.
fn first_counterexample(rule: Rule, arguments: &ExploreArguments) -> Option<Found> {
    let known = TEETH
        .iter()
        .find(|(shown, _)| *shown == rule)
        .map(|(_, name)| *name);
    let wanted = arguments.world.as_deref().or(known);
    // One thread, so that the first way found is short.
    let bounds = Bounds {
        states: arguments.states.unwrap_or(BUG_STATES),
        threads: 1,
        ..bounds(arguments)
    };
    WORLDS
        .iter()
        .filter(|world| wanted.is_none_or(|name| world.name == name))
        .map(|world| explore(*world, Some(rule), bounds))
        .find(|found| found.counterexample.is_some())
        .map(|found| shortest(found, rule, bounds))
}

/// A search looks at many states before it asks whether something was found, and keeps the last: so search again within
/// fewer events until nothing is found.
fn shortest(mut found: Found, rule: Rule, bounds: Bounds) -> Found {
    while let Some(counterexample) = &found.counterexample {
        let depth = Some(counterexample.depth().saturating_sub(1));
        let shorter = explore(found.world, Some(rule), Bounds { depth, ..bounds });
        if shorter.counterexample.is_none() {
            break;
        }
        found = shorter;
    }
    found
}

fn print_bug_line(rule: Rule, found: &Found) {
    if let Some(counterexample) = &found.counterexample {
        println!(
            "| `{rule:?}` | {} | {} | {} | {} | {:.1} |",
            found.world.name,
            counterexample.rule,
            counterexample.depth(),
            found.states,
            found.time.as_secs_f64()
        );
    }
}

fn print_counterexample(found: &Found, broken: Option<Rule>) {
    if let Some(counterexample) = &found.counterexample {
        let stage = Stage::new(found.world, broken);
        println!(
            "\n{} is broken:\n{}",
            counterexample.rule,
            report::events(&stage, counterexample)
        );
    }
}

fn bounds(arguments: &ExploreArguments) -> Bounds {
    let is_small = arguments.small;
    Bounds {
        depth: arguments.depth,
        states: arguments
            .states
            .unwrap_or(if is_small { SMALL_STATES } else { LARGE_STATES }),
        time: Duration::from_secs(arguments.seconds.unwrap_or(if is_small {
            SMALL_SECONDS
        } else {
            LARGE_SECONDS
        })),
        memory_mib: arguments.memory,
        threads: arguments.threads.max(1),
    }
}

fn list_worlds(name: &str) -> Ending {
    for world in WORLDS.iter() {
        println!("{:<28} {}", world.name, world.about);
    }
    if name == "list" {
        return Ending::Clean;
    }
    eprintln!("sim: no world is named {name}; these are all");
    Ending::Usage
}

fn ending_of(found: &Found) -> Ending {
    match found.counterexample {
        Some(_) => Ending::Safety,
        None if found.missed.is_empty() => Ending::Clean,
        None => Ending::Coverage,
    }
}
