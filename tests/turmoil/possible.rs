//! Which plans can be run here. The discrete-event simulator has faults that this layer has not; those are named.

use sim::{Bug, Ending, Errand, FaultKind, Order, Plan, WorldBug};

/// What of a plan this layer can't do, in words; nothing when all is possible.
pub fn impossible(plan: &Plan) -> Vec<String> {
    let mut found = Vec::new();
    if plan.knobs.members.iter().any(|member| !member.is_configured) {
        found.push("members that join later are not simulated with real processes".to_owned());
    }
    if plan
        .knobs
        .members
        .iter()
        .any(|m| m.wrong_configuration_until_ms > 0 || m.is_bootstrap)
    {
        found.push(
            "members with a wrong configuration or a bootstrap order are not simulated here".to_owned(),
        );
    }
    if !matches!(plan.ending, Ending::AllHeal | Ending::None) {
        found.push(format!("the ending {:?} is not simulated here", plan.ending));
    }
    for (index, fault) in plan.faults.iter().enumerate() {
        let why = match &fault.kind {
            FaultKind::Cut { links } | FaultKind::Flap { links, .. } | FaultKind::Hold { links }
                if !links.only.is_empty() =>
            {
                "a TCP link is cut for all kinds of messages or for none"
            }
            FaultKind::Loss { .. } => "simulated TCP that loses a part is dead; use a cut",
            FaultKind::Duplicate { .. } => "TCP delivers nothing twice",
            FaultKind::SlowEvict { .. } => "there are no proxies of our own here",
            FaultKind::SecondProcess { .. } => "two processes of one member are not simulated here",
            FaultKind::BackendFlap { .. } => {
                "a backend that flaps is not simulated here; use several backend-down"
            }
            FaultKind::Cable { .. } => "nobody probes backends here",
            _ => continue,
        };
        found.push(format!("fault {index}, {}: {why}", fault.kind.name()));
    }
    for (index, work) in plan.work.iter().enumerate() {
        let orders = match &work.errand {
            Errand::Login { .. } | Errand::Kick { .. } => continue,
            Errand::DryRun { .. } => {
                found.push(format!("work {index}: doveadm has no dry run"));
                continue;
            }
            Errand::Command { orders } => orders,
        };
        for order in orders.iter().filter(|order| !is_of_doveadm(order)) {
            found.push(format!(
                "work {index}: {order:?} is not possible with doveadm director"
            ));
        }
    }
    found
}

/// Whether this layer can break that on purpose.
pub fn can_break(bug: Bug) -> bool {
    matches!(
        bug,
        Bug::Rule(_) | Bug::World(WorldBug::NoServiceGuard | WorldBug::EvictionConfirmedEarly)
    )
}

fn is_of_doveadm(order: &Order) -> bool {
    matches!(
        order,
        Order::AddBackend { .. }
            | Order::RemoveBackend { .. }
            | Order::SetVhosts { .. }
            | Order::Up { .. }
            | Order::Down { .. }
            | Order::Flush { .. }
            | Order::Move { .. }
            | Order::MoveHash { .. }
    )
}
