//! Which plans can be run here. The discrete-event simulator has faults that this layer has not; those are named.

use sim::hosts::Refusal;
use sim::{Bug, Errand, FaultKind, Plan, WorldBug};

use crate::doveadm::is_possible;

/// What of a plan this layer can't do; nothing when all is possible.
pub fn impossible(plan: &Plan) -> Vec<Refusal> {
    let mut found = Vec::new();
    if plan
        .knobs
        .members
        .iter()
        .any(|m| m.wrong_configuration_until_ms > 0 || m.is_bootstrap)
    {
        found.push(refusal(
            "a member's start",
            "members with a wrong configuration or a bootstrap order are not simulated here",
        ));
    }
    for (index, fault) in plan.faults.iter().enumerate() {
        let (reason, why) = match &fault.kind {
            FaultKind::Cut { links }
            | FaultKind::Flap { links, .. }
            | FaultKind::Hold { links }
            | FaultKind::Delay { links, .. }
            | FaultKind::Loss { links, .. }
                if !links.only.is_empty() =>
            {
                let why = "a TCP link fails for all kinds of messages or for none";
                ("kinds of messages", why)
            }
            FaultKind::SecondProcess { .. } => {
                let why = "two processes of one member are not simulated here";
                ("second-process", why)
            }
            _ => continue,
        };
        let words = format!("fault {index}, {}: {why}", fault.kind.name());
        found.push(refusal(reason, words));
    }
    for (index, work) in plan.work.iter().enumerate() {
        let Errand::Command { orders } = &work.errand else {
            continue;
        };
        for order in orders.iter().filter(|order| !is_possible(order)) {
            let words = format!("work {index}: {order:?}: members join and leave by their files");
            found.push(refusal("members that join or leave", words));
        }
    }
    found
}

fn refusal(reason: &str, words: impl Into<String>) -> Refusal {
    Refusal {
        reason: reason.to_owned(),
        words: words.into(),
    }
}

/// Whether this layer can break that on purpose.
pub fn can_break(bug: Bug) -> bool {
    matches!(
        bug,
        Bug::Rule(_) | Bug::World(WorldBug::NoServiceGuard | WorldBug::EvictionConfirmedEarly)
    )
}
