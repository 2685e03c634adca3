//! Plans for a comparison of two worlds, and running one here: every order is given until it is answered.
//!
//! What a ring comes to depends on the orders, on their order in time, and on who was logged in when. Here one admin gives all
//! orders, one after the other; whatever is not answered for good (a director died, no majority in time) is asked again, of
//! the next director. So each world ends with what the orders make of the configuration, whatever faults did meanwhile.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::converged::Converged;
use crate::fault::FaultKind;
use crate::outcome::Verdict;
use crate::plan::{Ending, Plan};
use crate::run::{Options, caught};
use crate::work::{Errand, Order, Work};
use crate::world::World;

/// Longer than any run: no pin of a moved user ends before the end.
const USER_EXPIRE_MS: u64 = 600_000;

/// Who is there beside the admin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Crowd {
    /// The plan's users.
    Users,
    /// Nobody, so that every pin is an order's, and all can be compared.
    Nobody,
}

/// What came of a plan whose orders were all answered.
#[derive(Clone, Debug)]
pub struct Insisted {
    /// Whether every invariant held.
    pub verdict: Verdict,
    /// What the ring came to; none when it broke an invariant, or when only an operator could help it.
    pub end: Option<Converged>,
    /// What the orders alone make of the configuration.
    pub ordered: Converged,
    /// Orders that nobody could tell the outcome of at once, so that they were given again.
    pub repeated: u64,
}

/// The plan as both worlds can run it to the end: without what one of them has not, each order alone, and those of the
/// health check among them.
pub fn for_both(plan: &Plan, crowd: Crowd) -> Plan {
    let mut both = plan.clone();
    both.expect = None;
    both.ending = Ending::AllHeal;
    let knobs = &mut both.knobs;
    knobs.user_expire_ms = USER_EXPIRE_MS;
    (knobs.probe_ms, knobs.flushes_max, knobs.has_markers) = (0, 0, false);
    (knobs.holds_max, knobs.waiting_logins_max) = (1_000, 1_000);
    for member in &mut knobs.members {
        (member.wrong_configuration_until_ms, member.is_bootstrap) = (0, false);
    }
    if crowd == Crowd::Nobody {
        knobs.login_gap_ms = 0;
    }
    both.faults.retain(|fault| is_in_both(&fault.kind));
    both.work = work(plan, crowd);
    both
}

/// Runs a plan of [`for_both`] in the discrete-event world.
///
/// # Panics
/// The plan did not pass [`Plan::check`].
pub fn insist(plan: &Plan) -> Insisted {
    let mut world = World::new(plan, &Options::default());
    world.insist();
    caught(&mut world);
    let (end, ordered, repeated) = (world.take_end(), world.ordered(), world.repeated());
    let verdict = world.outcome().verdict;
    Insisted {
        end: end.filter(|_| verdict == Verdict::Ok),
        verdict,
        ordered,
        repeated,
    }
}

fn is_in_both(kind: &FaultKind) -> bool {
    let is_one_worlds_own = matches!(
        kind,
        FaultKind::SecondProcess { .. } | FaultKind::Upgrade { .. } | FaultKind::Cable { .. }
    );
    !is_one_worlds_own && kind.links().is_none_or(|links| links.only.is_empty())
}

/// Logins and kicks as they are; orders one by one, those that an admin's tools say in the same way in both worlds.
fn work(plan: &Plan, crowd: Crowd) -> Vec<Work> {
    let mut work: Vec<Work> = health_orders(plan).collect();
    for item in &plan.work {
        match &item.errand {
            Errand::Command { orders } => work.extend(orders.iter().map(|order| one(item, order))),
            Errand::Login { .. } | Errand::Kick { .. } if crowd == Crowd::Users => work.push(item.clone()),
            Errand::DryRun { .. } | Errand::Login { .. } | Errand::Kick { .. } => {}
        }
    }
    work.retain(|item| item.at_ms < plan.duration_ms);
    work.sort_by_key(|item| item.at_ms);
    let configured = (0..).zip(&plan.knobs.backends);
    let mut there: BTreeSet<u32> = configured
        .filter(|(_, backend)| backend.is_configured)
        .map(|(number, _)| number)
        .collect();
    work.retain(|item| match &item.errand {
        Errand::Command { orders } => is_same_in_both(&orders[0], &mut there),
        _ => true,
    });
    work
}

fn one(of: &Work, order: &Order) -> Work {
    let errand = Errand::Command {
        orders: vec![order.clone()],
    };
    Work { errand, ..of.clone() }
}

/// `there` are the backends that the orders so far have made.
fn is_same_in_both(order: &Order, there: &mut BTreeSet<u32>) -> bool {
    match order {
        // `doveadm` adds what is there by giving it another weight.
        Order::AddBackend { backend, .. } => there.insert(*backend),
        Order::RemoveBackend { backend } => {
            there.remove(backend);
            true
        }
        Order::SetVhosts { .. }
        | Order::Up { .. }
        | Order::Down { .. }
        | Order::Flush { .. }
        | Order::SetTag { .. }
        | Order::Move { .. }
        | Order::MoveHash { .. }
        | Order::Unpin { .. }
        | Order::Release { .. } => true,
        _ => false,
    }
}

/// What the health check asks for when backends die and come back.
fn health_orders(plan: &Plan) -> impl Iterator<Item = Work> + '_ {
    plan.faults.iter().flat_map(|fault| {
        let backend = match fault.kind {
            FaultKind::BackendDown { backend } | FaultKind::BackendFlap { backend, .. } => backend as u32,
            _ => return Vec::new(),
        };
        let order = |at_ms: u64, order: Order| Work {
            at_ms: at_ms + plan.knobs.health_ms,
            member: 0,
            errand: Errand::Command { orders: vec![order] },
        };
        let of_it = Some(backend);
        vec![
            order(fault.from_ms, Order::Down { backend }),
            order(fault.from_ms, Order::Flush { backend: of_it }),
            order(fault.to_ms, Order::Up { backend }),
        ]
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_order_of_a_plan_for_both_worlds_stands_alone() {
        for seed in 0..200 {
            let plan = for_both(&Plan::from_seed(seed), Crowd::Nobody);
            plan.check().expect("a world can be made of it");
            for item in &plan.work {
                let is_one = matches!(&item.errand, Errand::Command { orders } if orders.len() == 1);
                assert!(is_one, "{item:?}");
            }
        }
    }

    #[test]
    fn a_ring_ends_with_what_it_was_ordered() {
        let mut compared = 0;
        for seed in 0..20 {
            let insisted = insist(&for_both(&Plan::from_seed(seed), Crowd::Nobody));
            assert_eq!(insisted.verdict, Verdict::Ok, "seed {seed}");
            if let Some(end) = insisted.end {
                assert_eq!(end, insisted.ordered, "seed {seed}");
                compared += 1;
            }
        }
        assert!(compared > 10, "{compared}");
    }
}
