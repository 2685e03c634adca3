//! From a seed to a plan: three members, short leases, a few faults of a few kinds, admins, users who come everywhere.

use sim::fault::Links;
use sim::knobs::{BackendKnobs, Doors, MemberKnobs, PolicyKnob};
use sim::{Ending, Errand, Fault, FaultKind, Knobs, Order, Plan, Work};

use crate::dice::Dice;

/// How long faults and work last, and the time before, in which the ring starts.
const DURATION_MS: u64 = 14_000;
const QUIET_MS: u64 = 2_500;
const BACKENDS: u64 = 4;
const USERS: u64 = 10;

/// The plan of a seed.
pub fn plan_of(seed: u64) -> Plan {
    let mut dice = Dice::new(seed, 7);
    let mut knobs = knobs(&mut dice);
    if seed % 3 == 2 {
        with_own_proxies(&mut knobs);
    }
    let faults = if seed % 16 == 5 {
        rolling_restart(&mut dice)
    } else {
        faults(&mut dice, &knobs)
    };
    let work = work(&mut dice);
    Plan {
        format: sim::plan::FORMAT,
        note: String::new(),
        expect: None,
        seed,
        duration_ms: DURATION_MS,
        ending: Ending::AllHeal,
        knobs,
        faults,
        work,
    }
}

/// Users come to the directors themselves.
pub fn with_own_proxies(knobs: &mut Knobs) {
    for member in &mut knobs.members {
        (member.doors, member.close_bound_ms) = (Doors::Exact, 0);
    }
}

/// Whether a mail server delivers to the directors' own proxies: in every other plan in which all directors have these, and in
/// which all mail arrives in the end.
pub fn has_mail(plan: &Plan) -> bool {
    let knobs = &plan.knobs;
    let room = knobs.holds_max.min(knobs.waiting_logins_max);
    let mut directors = knobs.members.iter().filter(|member| member.serves);
    plan.seed.is_multiple_of(2)
        && plan.ending == Ending::AllHeal
        && room >= 4 * knobs.users as usize
        && directors.all(|member| member.doors == Doors::Exact && member.is_configured)
}

/// A world in which nothing is wrong.
pub fn knobs(dice: &mut Dice) -> Knobs {
    let has_witness = dice.once_in(4);
    let lease_ms = dice.pick(&[2_000, 2_000, 3_000]);
    let member = |index: usize, dice: &mut Dice| MemberKnobs {
        serves: !(has_witness && index == 2),
        votes: true,
        is_configured: true,
        doors: Doors::Refreshing,
        close_bound_ms: lease_ms * 2 / 5,
        starts_at_ms: dice.below(100),
        wrong_configuration_until_ms: 0,
        is_bootstrap: false,
        clock_ppm: dice.pick(&[-9_900, 9_900, 0, 100, -3_000]),
        clock_offset_ms: dice.below(1_000_000),
    };
    let members = (0..3).map(|index| member(index, dice)).collect();
    let backends = (0..BACKENDS).map(|number| BackendKnobs {
        vhosts: 100,
        tag: if number == 3 {
            "b".to_owned()
        } else {
            String::new()
        },
        is_configured: true,
    });
    Knobs {
        members,
        policy: PolicyKnob::Consistent,
        lease_ms,
        drift_ppm: 10_000,
        user_expire_ms: dice.pick(&[3_000, 5_000, 60_000]),
        login_wait_ms: 8_000,
        command_wait_ms: 8_000,
        backends: backends.collect(),
        users: USERS as u32,
        second_tag_percent: 10,
        login_gap_ms: dice.pick(&[60, 120]),
        at_once_percent: 30,
        session_ms: dice.pick(&[500, 2_000, 6_000]),
        latency_min_us: 1_000,
        latency_max_us: dice.pick(&[2_000, 20_000, 40_000]),
        is_ordered: true,
        disk_us: dice.pick(&[1_000, 10_000, 30_000]),
        health_ms: 500,
        waiting_logins_max: 1_000,
        holds_max: 1_000,
        flushes_max: 0,
        flush_ms: 0,
        probe_ms: 0,
        failed_max_permille: 0,
        evict_after_ms: 0,
        joins_by_address: false,
        commands_max: 50,
        has_markers: false,
        fault_kinds: Vec::new(),
    }
}

/// A few faults of a few kinds: each seed leaves some out, so that others are met alone.
fn faults(dice: &mut Dice, knobs: &Knobs) -> Vec<Fault> {
    let kinds: Vec<u64> = (0..1 + dice.below(4)).map(|_| dice.below(12)).collect();
    let mut faults: Vec<Fault> = Vec::new();
    for _ in 0..1 + dice.below(6) {
        let member = dice.below(3) as usize;
        let other = (member + 1 + dice.below(2) as usize) % 3;
        let kind = kind(dice, knobs, &kinds, member, other);
        let from_ms = QUIET_MS + dice.below(DURATION_MS - QUIET_MS - 1_000);
        let length_ms = match dice.below(3) {
            0 => 50 + dice.below(400),
            _ => 100 + dice.below(2 * knobs.lease_ms),
        };
        let to_ms = (from_ms + length_ms).min(DURATION_MS);
        faults.push(Fault { from_ms, to_ms, kind });
    }
    faults
}

fn kind(dice: &mut Dice, knobs: &Knobs, kinds: &[u64], member: usize, other: usize) -> FaultKind {
    let between = Links {
        from: vec![member],
        to: vec![other],
        only: Vec::new(),
    };
    let of_one = Links {
        from: vec![member],
        ..Links::default()
    };
    let links = if dice.once_in(2) { between } else { of_one };
    match dice.pick(kinds) {
        0 => FaultKind::Partition { side: vec![member] },
        1 => FaultKind::Cut { links },
        2 => FaultKind::Hold { links },
        3 | 4 => FaultKind::Crash { member },
        5 => FaultKind::PowerCut { member },
        6 => FaultKind::Pause { member },
        7 => FaultKind::BrokenDisk { member },
        8 => FaultKind::SlowDisk {
            member,
            up_to_ms: dice.pick(&[100, 400, 1_500]),
        },
        9 => FaultKind::Flap {
            links,
            period_ms: dice.range(100, 1_500),
        },
        10 => FaultKind::BackendDown {
            backend: dice.below(3) as usize,
        },
        _ => FaultKind::Drift {
            member,
            ppm: dice.range(0, 2 * u64::from(knobs.drift_ppm)) as i32 - knobs.drift_ppm as i32,
        },
    }
}

/// Every member is restarted, one after the other.
fn rolling_restart(dice: &mut Dice) -> Vec<Fault> {
    let gap_ms = dice.range(1_000, 3_500);
    let down_ms = dice.range(30, 1_500);
    let restart = |member: usize| Fault {
        from_ms: QUIET_MS + gap_ms * member as u64,
        to_ms: QUIET_MS + gap_ms * member as u64 + down_ms,
        kind: FaultKind::Crash { member },
    };
    (0..3).map(restart).collect()
}

/// What admins do.
fn work(dice: &mut Dice) -> Vec<Work> {
    let mut work: Vec<Work> = (0..dice.below(9))
        .map(|_| Work {
            at_ms: QUIET_MS + dice.below(DURATION_MS - QUIET_MS),
            member: dice.below(3) as usize,
            errand: errand(dice),
        })
        .collect();
    work.sort_by_key(|work| work.at_ms);
    work
}

fn errand(dice: &mut Dice) -> Errand {
    let backend = dice.below(3) as u32;
    let user = dice.below(USERS) as u32;
    let vhosts = dice.pick(&[0, 10, 100, 300]);
    let orders = match dice.below(10) {
        0 => return Errand::Kick { user },
        1 | 2 => vec![
            Order::Down { backend },
            Order::Flush {
                backend: Some(backend),
            },
        ],
        3 => vec![Order::Up { backend }],
        4 => vec![Order::SetVhosts { backend, vhosts }],
        5 => vec![Order::RemoveBackend { backend }],
        6 => vec![Order::Flush { backend: None }],
        7 => vec![Order::MoveHash { user, backend }],
        _ => vec![Order::Move { user, backend }],
    };
    Errand::Command { orders }
}
