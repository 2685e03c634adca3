//! One exploration within bounds, and what came of it.

use std::time::Duration;

use maildirector::agreement::Rule;
use stateright::{Checker, Expectation, HasDiscoveries, Model};

use crate::commands::Stopwatch;

use super::action::Action;
use super::host::{memory_mib, pause};
use super::model::Exploration;
use super::state::State;
use super::world::World;

/// Where an exploration stops although there is more.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Events of a row at most.
    pub depth: Option<usize>,
    /// States at most.
    pub states: usize,
    /// Time at most.
    pub time: Duration,
    /// Memory of this process at most, in MiB.
    pub memory_mib: u64,
    /// Threads that search.
    pub threads: usize,
}

/// A row of events that breaks a rule.
pub struct Counterexample {
    /// Which.
    pub rule: &'static str,
    /// The events, each with the state in which it happens, and the last state.
    pub events: Vec<(State, Option<Action>)>,
}

impl Counterexample {
    /// How many events it takes.
    pub fn depth(&self) -> usize {
        self.events.len().saturating_sub(1)
    }
}

/// What came of an exploration.
pub struct Found {
    /// The model that was explored.
    pub world: World,
    /// Different states.
    pub states: usize,
    /// Events of the longest row.
    pub depth: usize,
    /// Whether there are no other states.
    pub is_whole: bool,
    /// How long it took.
    pub time: Duration,
    /// The most memory seen, in MiB.
    pub memory_mib: u64,
    /// What must be seen and was not.
    pub missed: Vec<&'static str>,
    /// The first broken rule.
    pub counterexample: Option<Counterexample>,
}

/// Explore this world, breadth first. With one thread the first counterexample is about the shortest.
pub fn explore(world: World, broken: Option<Rule>, bounds: Bounds) -> Found {
    let watch = Stopwatch::start();
    let mut checker = Exploration::new(world, broken)
        .checker()
        .threads(bounds.threads)
        .finish_when(HasDiscoveries::AnyFailures);
    if let Some(depth) = bounds.depth {
        // Stateright counts states of a row, not events, and does not look at the last.
        checker = checker.target_max_depth(depth + 2);
    }
    let mut checker = checker.spawn_bfs();
    let handles = checker.handles();
    let (mut memory_most, mut is_stopped) = (0, false);
    while handles.iter().any(|handle| !handle.is_finished()) {
        let memory = memory_mib().unwrap_or(0);
        memory_most = memory.max(memory_most);
        is_stopped |= checker.unique_state_count() >= bounds.states
            || watch.elapsed() >= bounds.time
            || memory >= bounds.memory_mib;
        checker.model().stop(is_stopped);
        pause();
    }
    for handle in handles {
        handle.join().expect("the machine does not panic");
    }
    // Discoveries are played again from the start.
    checker.model().stop(false);
    let discoveries = checker.discoveries();
    let properties = checker.model().properties();
    let is_sometimes = |p: &&stateright::Property<Exploration>| p.expectation == Expectation::Sometimes;
    let missed = properties.iter().filter(is_sometimes);
    let missed = missed
        .filter(|p| !discoveries.contains_key(p.name))
        .map(|p| p.name);
    let broken = properties.iter().filter(|p| p.expectation == Expectation::Always);
    let counterexample = broken
        .filter_map(|p| Some((p.name, discoveries.get(p.name)?.clone().into_vec())))
        .min_by_key(|(_, events)| events.len())
        .map(|(rule, events)| Counterexample { rule, events });
    let depth = checker.max_depth().saturating_sub(1);
    let depth_most = bounds.depth.unwrap_or(usize::MAX);
    Found {
        world,
        states: checker.unique_state_count(),
        depth: depth.min(depth_most),
        is_whole: !is_stopped && depth <= depth_most && counterexample.is_none(),
        time: watch.elapsed(),
        memory_mib: memory_most,
        missed: missed.collect(),
        counterexample,
    }
}
