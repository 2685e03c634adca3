//! Plans that mean the same to both subjects: settings by default, faults that a cable, a machine or a mail server has,
//! and orders that both have a word for.
//!
//! Left out because one of the two has no notion of it: wiped and broken disks, second processes, clocks that are wrong
//! (Dovecot judges users by wall clocks that agree), members that join or leave, drains, probes, `partition =
//! "available"`, doors other than Dovecot's own login processes, faults of single kinds of messages.

use crate::entropy::{Entropy, Purpose, Stream};
use crate::fault::{Fault, FaultKind, Links};
use crate::knobs::{BackendKnobs, Doors, Knobs, MemberKnobs, PolicyKnob};
use crate::plan::{Ending, FORMAT, Plan};
use crate::work::{Errand, Order, Work};

/// Seeds of comparisons have nothing to do with those of other runs.
const SALT: u64 = 0x636f_6d70_6172_6521;

/// How a plan could be unfair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// The policy is not the default.
    Policy,
    /// A director has doors that Dovecot has not.
    Doors,
    /// A fault is of a kind that one of the two does not know.
    Fault,
    /// So is an order.
    Order,
    /// So is a member: all are there from the start, with the same configuration.
    Member,
    /// Directors probe backends.
    Probes,
}

impl Unfit {
    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Unfit::Policy => "its policy is not the default, consistent",
            Unfit::Doors => "it has doors other than Dovecot's login processes (\"refreshing\")",
            Unfit::Fault => "it has a fault that one of the two knows nothing of",
            Unfit::Order => "it has an order that one of the two knows nothing of",
            Unfit::Member => "a member is not configured everywhere from the start",
            Unfit::Probes => "its directors probe backends themselves",
        }
    }
}

/// The plan of a seed.
pub fn plan(seed: u64) -> Plan {
    let entropy = Entropy::new(seed ^ SALT);
    let mut stream = entropy.stream(Purpose::Knobs);
    let knobs = knobs(&mut stream);
    let duration_ms = *stream.pick(&[180_000, 300_000, 300_000, 600_000]);
    let mut plan = Plan {
        format: FORMAT,
        note: String::new(),
        expect: None,
        seed,
        duration_ms,
        ending: Ending::AllHeal,
        knobs,
        faults: Vec::new(),
        work: Vec::new(),
    };
    let mut stream = entropy.stream(Purpose::Faults);
    for _ in 0..stream.range(1, 4) {
        let fault = fault(&mut stream, &plan);
        plan.faults.push(fault);
    }
    let mut stream = entropy.stream(Purpose::Work);
    for _ in 0..stream.range(0, 5) {
        orders(&mut stream, &mut plan);
    }
    plan.work.sort_by_key(|work| work.at_ms);
    plan
}

/// The same world with nothing going wrong and nobody giving orders.
pub fn calm(plan: &Plan) -> Plan {
    Plan {
        faults: Vec::new(),
        work: Vec::new(),
        ..plan.clone()
    }
}

/// Whether a plan means the same to both.
///
/// # Errors
/// Why not.
pub fn fits(plan: &Plan) -> Result<(), Unfit> {
    let knobs = &plan.knobs;
    if knobs.policy != PolicyKnob::Consistent {
        return Err(Unfit::Policy);
    }
    if knobs.probe_ms != 0 {
        return Err(Unfit::Probes);
    }
    let has_other_doors = |m: &MemberKnobs| m.serves && m.doors != Doors::Refreshing;
    if knobs.members.iter().any(has_other_doors) {
        return Err(Unfit::Doors);
    }
    let is_late = |m: &MemberKnobs| !m.is_configured || m.wrong_configuration_until_ms > 0;
    let is_spare = |backend: &BackendKnobs| !backend.is_configured;
    if knobs.members.iter().any(is_late) || knobs.backends.iter().any(is_spare) {
        return Err(Unfit::Member);
    }
    if !plan.faults.iter().all(|fault| is_known(&fault.kind)) {
        return Err(Unfit::Fault);
    }
    let is_meant = |work: &Work| match &work.errand {
        Errand::Command { orders } => orders.iter().all(is_common),
        Errand::Login { .. } => true,
        Errand::DryRun { .. } | Errand::Kick { .. } => false,
    };
    match plan.work.iter().all(is_meant) {
        true => Ok(()),
        false => Err(Unfit::Order),
    }
}

fn is_known(kind: &FaultKind) -> bool {
    match kind {
        FaultKind::Cut { links }
        | FaultKind::Flap { links, .. }
        | FaultKind::Loss { links, .. }
        | FaultKind::Delay { links, .. }
        | FaultKind::Hold { links } => links.only.is_empty(),
        FaultKind::Partition { .. }
        | FaultKind::Crash { .. }
        | FaultKind::PowerCut { .. }
        | FaultKind::Pause { .. }
        | FaultKind::BackendDown { .. }
        | FaultKind::BackendFlap { .. } => true,
        _ => false,
    }
}

fn is_common(order: &Order) -> bool {
    matches!(
        order,
        Order::SetVhosts { .. }
            | Order::Up { .. }
            | Order::Down { .. }
            | Order::Flush { .. }
            | Order::Move { .. }
            | Order::RemoveBackend { .. }
    )
}

fn knobs(stream: &mut Stream) -> Knobs {
    // Two directors have a witness, as the documentation asks for.
    let (directors, witnesses) = *stream.pick(&[(2, 1), (3, 0), (3, 0), (3, 0), (4, 1), (5, 0)]);
    let mut member = |serves: bool| MemberKnobs {
        serves,
        votes: true,
        is_configured: true,
        doors: if serves { Doors::Refreshing } else { Doors::Exact },
        close_bound_ms: if serves {
            *stream.pick(&[50, 200, 1_000])
        } else {
            0
        },
        starts_at_ms: 0,
        wrong_configuration_until_ms: 0,
        is_bootstrap: false,
        clock_ppm: stream.range(0, 100) as i32 - 50,
        clock_offset_ms: 0,
    };
    let members = (0..directors + witnesses)
        .map(|at| member(at < directors))
        .collect();
    let backend = |_| BackendKnobs {
        vhosts: 100,
        tag: String::new(),
        is_configured: true,
    };
    Knobs {
        members,
        policy: PolicyKnob::Consistent,
        lease_ms: 10_000,
        drift_ppm: 10_000,
        user_expire_ms: 900_000,
        login_wait_ms: 30_000,
        command_wait_ms: 30_000,
        backends: (0..*stream.pick(&[3, 4, 6, 10])).map(backend).collect(),
        users: *stream.pick(&[50, 100, 300]),
        second_tag_percent: 0,
        login_gap_ms: *stream.pick(&[100, 200, 400]),
        at_once_percent: *stream.pick(&[0, 10, 30]),
        session_ms: *stream.pick(&[5_000, 30_000, 120_000]),
        latency_min_us: 200,
        latency_max_us: *stream.pick(&[500, 2_000]),
        is_ordered: true,
        disk_us: 5_000,
        health_ms: 2_000,
        waiting_logins_max: 10_000,
        holds_max: 100_000,
        commands_max: 50,
        flushes_max: 0,
        flush_ms: 0,
        probe_ms: 0,
        failed_max_permille: 500,
        evict_after_ms: 0,
        joins_by_address: false,
        has_markers: false,
        fault_kinds: Vec::new(),
    }
}

fn fault(stream: &mut Stream, plan: &Plan) -> Fault {
    let count = plan.knobs.members.len();
    let member = stream.index(count);
    let kind = match stream.range(0, 15) {
        0..=3 => FaultKind::Partition {
            side: side(stream, count),
        },
        4 | 5 => {
            let other = (member + 1) % count;
            let mut links = Links {
                from: vec![member],
                to: vec![other],
                ..Links::default()
            };
            if stream.percent(60) {
                links.from.push(other);
                links.to.push(member);
            }
            FaultKind::Cut { links }
        }
        6 => FaultKind::Flap {
            links: Links {
                from: vec![member],
                ..Links::default()
            },
            period_ms: *stream.pick(&[2_000, 20_000, 70_000]),
        },
        7 => FaultKind::Loss {
            links: Links::default(),
            permille: *stream.pick(&[20, 100, 300]),
        },
        8 => FaultKind::Delay {
            links: Links::default(),
            up_to_ms: *stream.pick(&[20, 200, 1_000]),
        },
        9 | 10 => FaultKind::Crash { member },
        11 => FaultKind::PowerCut { member },
        12 | 13 => FaultKind::Pause { member },
        _ => FaultKind::BackendDown {
            backend: stream.index(plan.knobs.backends.len()),
        },
    };
    let length_ms = match &kind {
        FaultKind::Crash { .. } => *stream.pick(&[1_000, 5_000, 60_000]),
        _ => *stream.pick(&[2_000, 10_000, 32_000, 60_000, 120_000]),
    };
    let from_ms = stream.range(20_000, plan.duration_ms - 1_000);
    let to_ms = (from_ms + stream.range(length_ms / 2, length_ms)).min(plan.duration_ms);
    Fault { from_ms, to_ms, kind }
}

fn side(stream: &mut Stream, members: usize) -> Vec<usize> {
    let size = stream.range(1, (members / 2).max(1) as u64) as usize;
    let first = stream.index(members);
    let mut side: Vec<usize> = (first..first + size).map(|at| at % members).collect();
    side.sort_unstable();
    side
}

/// Orders, mostly while something goes wrong.
fn orders(stream: &mut Stream, plan: &mut Plan) {
    let at_ms = match stream.percent(70) {
        true => {
            let fault = stream.pick(&plan.faults);
            let (from_ms, to_ms) = (fault.from_ms, fault.to_ms);
            stream.range(from_ms, to_ms)
        }
        false => stream.range(20_000, plan.duration_ms),
    };
    let serving: Vec<usize> = (0..plan.knobs.members.len())
        .filter(|at| plan.knobs.members[*at].serves)
        .collect();
    let member = *stream.pick(&serving);
    let backend = stream.index(plan.knobs.backends.len()) as u32;
    let mut order = |after_ms: u64, orders: Vec<Order>| {
        plan.work.push(Work {
            at_ms: (at_ms + after_ms).min(plan.duration_ms - 1),
            member,
            errand: Errand::Command { orders },
        });
    };
    match stream.range(0, 5) {
        0 | 1 => {
            // A backend is taken out for repair, and put back.
            let flush = Order::Flush {
                backend: Some(backend),
            };
            order(0, vec![Order::Down { backend }, flush]);
            order(stream.range(10_000, 60_000), vec![Order::Up { backend }]);
        }
        2 => {
            let flush = Order::Flush {
                backend: Some(backend),
            };
            order(0, vec![flush]);
        }
        3 => {
            let vhosts = *stream.pick(&[0, 50, 200]);
            order(0, vec![Order::SetVhosts { backend, vhosts }]);
        }
        _ => {
            let user = stream.index(plan.knobs.users as usize) as u32;
            order(0, vec![Order::Move { user, backend }]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_seed_gives_a_plan_that_means_the_same_to_both() {
        for seed in 0..500 {
            let plan = plan(seed);
            plan.check()
                .unwrap_or_else(|error| panic!("seed {seed}: {error}"));
            assert_eq!(fits(&plan), Ok(()), "seed {seed}");
        }
    }

    #[test]
    fn a_plan_with_what_one_of_them_does_not_know_is_refused() {
        let with = |kind: FaultKind| Plan {
            faults: vec![Fault {
                from_ms: 1,
                to_ms: 2,
                kind,
            }],
            ..plan(0)
        };
        assert_eq!(fits(&with(FaultKind::Wipe { member: 0 })), Err(Unfit::Fault));
        assert_eq!(fits(&with(FaultKind::Crash { member: 0 })), Ok(()));
        assert!(fits(&Plan::from_seed(1)).is_err());
    }
}
