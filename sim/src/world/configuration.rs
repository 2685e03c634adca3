//! What members are configured with, and what a plan as a whole says about itself.

use std::time::Duration;

use maildirector::topology::{
    HealthPolicy, Incarnation, Member, MemberId, NewBackend, Timing, Topology, TopologySeed,
};

use super::people::backend_ip;
use crate::knobs::Knobs;
use crate::plan::Plan;
use crate::work::{Errand, Order, Work};

/// Which configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Variant {
    /// That of everybody.
    Right,
    /// One with a backend too much.
    Wrong,
    /// That of a member that is not in the others'.
    Joining { member: usize },
}

/// The topology that a member is configured with.
///
/// # Panics
/// The knobs did not pass [`Plan::check`].
pub(crate) fn topology(knobs: &Knobs, variant: Variant) -> Topology {
    let is_member =
        |index: usize| knobs.members[index].is_configured || variant == Variant::Joining { member: index };
    let member = |index: usize| Member {
        id: MemberId::from_index(index as u16),
        serves: knobs.members[index].serves,
        votes: knobs.members[index].votes,
        incarnation: Incarnation::from_bits(0),
    };
    let mut backends: Vec<NewBackend> = (0..)
        .zip(&knobs.backends)
        .filter(|(_, backend)| backend.is_configured)
        .map(|(number, backend)| new_backend(number, backend.vhosts, &backend.tag))
        .collect();
    if variant == Variant::Wrong {
        backends.push(new_backend(knobs.backends.len() as u32, 10, ""));
    }
    let seed = TopologySeed {
        members: (0..knobs.members.len())
            .filter(|index| is_member(*index))
            .map(member)
            .collect(),
        backends,
        timing: Timing {
            lease: Duration::from_millis(knobs.lease_ms),
            drift_ppm: knobs.drift_ppm,
            user_expire: Duration::from_millis(knobs.user_expire_ms),
        },
        health: HealthPolicy {
            failed_max_per_mille: knobs.failed_max_permille,
            evict_after: Duration::from_millis(knobs.evict_after_ms),
        },
        hash_format: "%Lu".to_owned(),
    };
    Topology::new(seed).expect("Plan::check made sure of it")
}

pub(crate) fn new_backend(number: u32, vhosts: u32, tag: &str) -> NewBackend {
    NewBackend {
        ip: backend_ip(number),
        hostname: None,
        vhosts,
        tag: tag.into(),
    }
}

fn orders(plan: &Plan) -> impl Iterator<Item = &Order> {
    plan.work.iter().flat_map(orders_of)
}

/// What an admin orders with an errand.
pub(crate) fn orders_of(work: &Work) -> &[Order] {
    match &work.errand {
        Errand::Command { orders } => orders,
        _ => &[],
    }
}

/// Whether a member comes or goes.
pub(crate) fn is_membership(order: &Order) -> bool {
    matches!(order, Order::AddMember { .. } | Order::RemoveMember { .. })
}

/// The shortest time that users are ever remembered in this plan.
pub(crate) fn shortest_expire_ms(plan: &Plan) -> u64 {
    let ordered = orders(plan).filter_map(|order| match order {
        Order::SetUserExpire { user_expire_ms } => Some(*user_expire_ms),
        _ => None,
    });
    ordered
        .chain([plan.knobs.user_expire_ms])
        .filter(|ms| *ms >= 1_000)
        .min()
        .unwrap_or(1_000)
}

/// The longest time that users are ever remembered in this plan.
pub(crate) fn longest_expire(plan: &Plan) -> Duration {
    let ordered = orders(plan).filter_map(|order| match order {
        Order::SetUserExpire { user_expire_ms } => Some(*user_expire_ms),
        _ => None,
    });
    let ms = ordered
        .chain([plan.knobs.user_expire_ms])
        .filter(|ms| *ms <= 600_000)
        .max()
        .unwrap_or(0);
    Duration::from_millis(ms)
}

/// The longest lease that there ever is in this plan.
pub(crate) fn longest_lease(plan: &Plan) -> Duration {
    let ordered = orders(plan).filter_map(|order| match order {
        Order::SetLease { lease_ms } => Some(*lease_ms),
        _ => None,
    });
    let ms = ordered
        .chain([plan.knobs.lease_ms])
        .filter(|ms| *ms <= 600_000)
        .max()
        .unwrap_or(0);
    Duration::from_millis(ms)
}

/// Whether nothing goes wrong in this plan and the members stay the same.
pub(crate) fn is_faultless(plan: &Plan) -> bool {
    plan.faults.is_empty() && !orders(plan).any(is_membership)
}
