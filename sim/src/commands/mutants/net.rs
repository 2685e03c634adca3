//! What can notice a planted bug: the seeds of a sweep, a committed plan made for it, the search through small rings.

use std::fmt;

use sim::{Bug, Invariant, Options, Plan, Verdict};

use crate::commands::execute::execute;
use crate::commands::table::grouped;
use crate::explore;

macro_rules! plans {
    ($($name:literal)*) => {
        &[$(($name, include_str!(concat!("../../../plans/", $name, ".plan")))),*]
    };
}

/// Plans made for one bug each. They are part of the binary, so that the command runs anywhere.
const PLANS: &[(&str, &str)] = plans! {
    "accepting-raises-the-promise"
    "all-confirmed-are-kept"
    "confirmation-names-its-value"
    "confirmation-of-earlier-boot"
    "confirmed-survives-isolation"
    "first-start-binds-once"
    "freeze-lifted"
    "hold-outlives-a-stall"
    "hold-outlives-session"
    "lease-counts-too-long"
    "majority-of-one-ballot"
    "promise-is-durable"
    "removed-director-not-waited-for"
    "renews-before-closing"
    "storage-not-claimed"
    "torn-record-accepted"
    "voter-replaced-in-one-round"
    "wiped-voter-votes"
    "witness-left-behind"
};

/// Who noticed, and what broke.
pub enum Notice {
    /// A checker, at this seed of the sweep.
    Seed(u64, Invariant),
    /// A checker, in this committed plan.
    Plan(&'static str, Invariant),
    /// The search, in this world, after so many events.
    Search {
        world: &'static str,
        rule: &'static str,
        events: usize,
    },
}

impl Notice {
    /// Where to look for it: a seed, a plan, a search.
    pub fn place(&self) -> String {
        match self {
            Notice::Seed(seed, _) => format!("seed {seed}"),
            Notice::Plan(..) | Notice::Search { .. } => self.to_string(),
        }
    }

    /// What broke.
    pub fn broken(&self) -> &'static str {
        match self {
            Notice::Seed(_, invariant) | Notice::Plan(_, invariant) => invariant.name(),
            Notice::Search { rule, .. } => rule,
        }
    }
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Notice::Seed(seed, _) => f.write_str(&grouped(seed + 1)),
            Notice::Plan(name, _) => write!(f, "plan {name}"),
            Notice::Search { world, events, .. } => write!(f, "search of {world}, {events} events"),
        }
    }
}

/// The committed plan of this name.
pub fn committed(name: &str) -> Option<Plan> {
    let (_, text) = PLANS.iter().find(|(listed, _)| *listed == name)?;
    Plan::parse(text).ok()
}

/// What the nets beside the sweep say.
pub fn notice_without_seeds(bug: Bug) -> Option<Notice> {
    notice_by_plan(bug).or_else(|| notice_by_search(bug))
}

/// What the committed plan for this bug says, if there is one.
pub fn notice_by_plan(bug: Bug) -> Option<Notice> {
    PLANS.iter().find_map(|(name, text)| {
        let plan = Plan::parse(text).ok()?;
        let is_its = plan.expect.as_ref().and_then(|e| e.bug.as_deref()) == Some(bug.name().as_str());
        let is_survived = |trial: Plan| execute(&trial, &Options::default()).verdict == Verdict::Ok;
        if !is_its || !plan.trials().all(is_survived) {
            return None;
        }
        let options = Options {
            bug: Some(bug),
            ..Options::default()
        };
        let notice = |trial: Plan| match execute(&trial, &options).verdict {
            Verdict::Violation { invariant, .. } => Some(Notice::Plan(name, invariant)),
            Verdict::Ok => None,
        };
        plan.trials().find_map(notice)
    })
}

fn notice_by_search(bug: Bug) -> Option<Notice> {
    let Bug::Rule(rule) = bug else {
        return None;
    };
    let (world, rule, events) = explore::notice(rule)?;
    Some(Notice::Search { world, rule, events })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_plan_in_the_binary_is_a_plan_for_a_bug() {
        for (name, text) in PLANS {
            let plan = Plan::parse(text).expect(name);
            let bug = plan.expect.and_then(|expect| expect.bug).expect(name);
            assert!(Bug::parse(&bug).is_some(), "{name}: {bug}");
        }
    }

    #[test]
    fn every_committed_plan_for_a_bug_is_in_the_binary() {
        let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/plans");
        for entry in std::fs::read_dir(directory).expect(directory) {
            let path = entry.expect(directory).path();
            let plan = Plan::parse(&std::fs::read_to_string(&path).expect("a text")).expect("a plan");
            let name = path.file_stem().and_then(|name| name.to_str()).expect("a name");
            let is_for_a_bug = plan.expect.is_some_and(|expect| expect.bug.is_some());
            let is_listed = PLANS.iter().any(|(listed, _)| *listed == name);
            assert!(is_listed || !is_for_a_bug, "{name} is missing in PLANS");
        }
    }
}
