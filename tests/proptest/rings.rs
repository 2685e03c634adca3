//! Whole rings on random plans: any faults and any work in the worlds of any seeds keep every promise.
//!
//! The simulator's own sweep draws plans too, thousands a minute. These are drawn without its habits and shrink fault by
//! fault; a failure prints the plan, for `sim replay FILE`. A test of the package `sim`, since it needs its worlds.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use sim::fault::{Fault, FaultKind, Links};
use sim::knobs::Knobs;
use sim::work::{Errand, Order, Work};
use sim::{Options, Plan, Verdict, run};

/// A fault before it is known whom there is to strike, and when.
#[derive(Clone, Debug)]
struct RawFault {
    kind: usize,
    who: Index,
    others: Vec<Index>,
    at: Index,
    lasts: Index,
    much: Index,
}

/// Work likewise.
#[derive(Clone, Debug)]
struct RawWork {
    at: Index,
    member: Index,
    user: Index,
    orders: Vec<(usize, Index, u32)>,
    kind: usize,
}

const KINDS: usize = 17;

fn any_fault() -> impl Strategy<Value = RawFault> {
    let (who, others) = (any::<Index>(), vec(any::<Index>(), 1..4));
    let (at, lasts, much) = (any::<Index>(), any::<Index>(), any::<Index>());
    (0..KINDS, who, others, at, lasts, much).prop_map(|(kind, who, others, at, lasts, much)| RawFault {
        kind,
        who,
        others,
        at,
        lasts,
        much,
    })
}

fn any_work() -> impl Strategy<Value = RawWork> {
    let order = (0..9_usize, any::<Index>(), select(&[0, 1, 7, 20, 100, 5_000][..]));
    let (at, member, user) = (any::<Index>(), any::<Index>(), any::<Index>());
    (at, member, user, vec(order, 1..4), 0..8_usize).prop_map(|(at, member, user, orders, kind)| RawWork {
        at,
        member,
        user,
        orders,
        kind,
    })
}

fn some_of(places: &[Index], count: usize) -> Vec<usize> {
    let mut some: Vec<usize> = places.iter().map(|place| place.index(count)).collect();
    some.sort_unstable();
    some.dedup();
    some
}

fn fault(raw: &RawFault, knobs: &Knobs, duration_ms: u64) -> Fault {
    let members = knobs.members.len();
    let member = raw.who.index(members);
    let others = some_of(&raw.others, members);
    let links = Links {
        from: vec![member],
        to: others.clone(),
        only: Vec::new(),
    };
    let up_to_ms = 1 + raw.much.index(knobs.lease_ms as usize) as u64;
    let permille = 1 + raw.much.index(900) as u32;
    let backend = raw.who.index(knobs.backends.len());
    let kind = match raw.kind {
        0 => FaultKind::Partition { side: others },
        1 => FaultKind::Cut { links },
        2 => FaultKind::Flap {
            links,
            period_ms: 20 + up_to_ms,
        },
        3 => FaultKind::Loss { links, permille },
        4 => FaultKind::Duplicate { links, permille },
        5 => FaultKind::Delay { links, up_to_ms },
        6 => FaultKind::Hold { links },
        7 => FaultKind::Crash { member },
        8 => FaultKind::PowerCut { member },
        9 => FaultKind::Pause { member },
        10 => FaultKind::SlowEvict { member, up_to_ms },
        11 => FaultKind::SlowDisk { member, up_to_ms },
        12 => FaultKind::BackendDown { backend },
        13 => FaultKind::WallJump {
            member,
            by_ms: up_to_ms as i64 * 50,
        },
        14 => FaultKind::SecondProcess { member },
        15 => FaultKind::Upgrade { member },
        _ => FaultKind::Cut {
            links: Links {
                from: links.to,
                to: links.from,
                only: Vec::new(),
            },
        },
    };
    let from_ms = raw.at.index(duration_ms as usize) as u64;
    let longest = knobs.lease_ms * 3;
    let to_ms = (from_ms + raw.lasts.index(longest as usize) as u64).min(duration_ms);
    Fault { from_ms, to_ms, kind }
}

fn order(&(kind, ref place, vhosts): &(usize, Index, u32), user: u32, knobs: &Knobs) -> Order {
    // One more than there are: an order for what does not exist is refused.
    let backend = place.index(knobs.backends.len() + 1) as u32;
    let tag = String::new();
    match kind {
        0 => Order::AddBackend { backend, vhosts, tag },
        1 => Order::RemoveBackend { backend },
        2 => Order::SetVhosts { backend, vhosts },
        3 => Order::Up { backend },
        4 => Order::Down { backend },
        5 => Order::Flush {
            backend: Some(backend),
        },
        6 => Order::Flush { backend: None },
        7 => Order::Unpin { user },
        _ => Order::Move { user, backend },
    }
}

fn work(raw: &RawWork, knobs: &Knobs, duration_ms: u64) -> Work {
    let user = raw.user.index(knobs.users as usize) as u32;
    let directors: Vec<usize> = (0..knobs.members.len())
        .filter(|member| knobs.members[*member].serves)
        .collect();
    let orders: Vec<Order> = raw.orders.iter().map(|raw| order(raw, user, knobs)).collect();
    let errand = match raw.kind {
        0 => Errand::Kick { user },
        1 => Errand::DryRun { orders },
        2 => Errand::Login {
            user,
            session_ms: knobs.session_ms,
            is_second_tag: knobs.second_tag_percent > 50,
        },
        _ => Errand::Command { orders },
    };
    Work {
        at_ms: raw.at.index(duration_ms as usize) as u64,
        member: *raw.member.get(&directors),
        errand,
    }
}

/// The world and the ending of a seed, with other faults and other work.
fn any_plan() -> impl Strategy<Value = Plan> {
    (any::<u64>(), vec(any_fault(), 0..10), vec(any_work(), 0..10)).prop_map(|(seed, faults, works)| {
        let mut plan = Plan::from_seed(seed);
        let (knobs, duration_ms) = (&plan.knobs, plan.duration_ms);
        let faults = faults.iter().map(|raw| fault(raw, knobs, duration_ms)).collect();
        let mut works: Vec<Work> = works.iter().map(|raw| work(raw, knobs, duration_ms)).collect();
        works.sort_by_key(|work| work.at_ms);
        // An operator who orders members with different configurations to begin has made different rings.
        for member in plan.knobs.members.iter_mut().filter(|member| member.is_bootstrap) {
            member.wrong_configuration_until_ms = 0;
        }
        plan.faults = faults;
        plan.work = works;
        plan
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, max_shrink_iters: 500, ..ProptestConfig::default() })]

    #[test]
    fn every_promise_is_kept_on_any_plan(plan in any_plan()) {
        let possible = plan.check();
        prop_assert!(possible.is_ok(), "{:?}", possible);
        let outcome = run(&plan, &Options::default());
        prop_assert_eq!(outcome.verdict, Verdict::Ok, "{}", plan.to_text());
    }
}
