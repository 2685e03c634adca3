//! What can notice a planted bug: the seeds of a sweep, a committed plan made for it, the search through small rings.

use std::fmt;

use sim::{Bug, Invariant, Options, Plan, Verdict};

use crate::commands::execute::execute;
use crate::commands::table::grouped;
use crate::explore;

/// Plans made for one bug each. They are part of the binary, so that the command runs anywhere.
const PLANS: &[(&str, &str)] = &[
    (
        "confirmation-of-earlier-boot",
        include_str!("../../../plans/confirmation-of-earlier-boot.plan"),
    ),
    (
        "confirmed-survives-isolation",
        include_str!("../../../plans/confirmed-survives-isolation.plan"),
    ),
    ("freeze-lifted", include_str!("../../../plans/freeze-lifted.plan")),
    (
        "hold-outlives-session",
        include_str!("../../../plans/hold-outlives-session.plan"),
    ),
    (
        "lease-counts-too-long",
        include_str!("../../../plans/lease-counts-too-long.plan"),
    ),
    (
        "removed-director-not-waited-for",
        include_str!("../../../plans/removed-director-not-waited-for.plan"),
    ),
    (
        "voter-replaced-in-one-round",
        include_str!("../../../plans/voter-replaced-in-one-round.plan"),
    ),
    (
        "witness-left-behind",
        include_str!("../../../plans/witness-left-behind.plan"),
    ),
    (
        "wiped-voter-votes",
        include_str!("../../../plans/wiped-voter-votes.plan"),
    ),
];

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

/// What the nets beside the sweep say.
pub fn notice_without_seeds(bug: Bug) -> Option<Notice> {
    notice_by_plan(bug).or_else(|| notice_by_search(bug))
}

fn notice_by_plan(bug: Bug) -> Option<Notice> {
    PLANS.iter().find_map(|(name, text)| {
        let plan = Plan::parse(text).ok()?;
        let is_its = plan.expect.as_ref().and_then(|e| e.bug.as_deref()) == Some(bug.name().as_str());
        if !is_its || execute(&plan, &Options::default()).verdict != Verdict::Ok {
            return None;
        }
        let options = Options {
            bug: Some(bug),
            ..Options::default()
        };
        match execute(&plan, &options).verdict {
            Verdict::Violation { invariant, .. } => Some(Notice::Plan(name, invariant)),
            Verdict::Ok => None,
        }
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
}
