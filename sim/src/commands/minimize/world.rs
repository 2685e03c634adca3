//! Cuts at the size and the habits of a world, and at its end.

use sim::knobs::{Doors, Knobs, MemberKnobs};
use sim::{Ending, Plan};

use super::ddmin::{lower, rounder_ms};
use super::minimizer::Minimizer;
use super::renumber::{self, without_backend, without_member};

/// The run ends where something breaks; or, when that breaks in the recovery, the recovery begins sooner.
pub fn cut_the_end(minimizer: &mut Minimizer) {
    if let Some(at_ns) = minimizer.breaks_at_ns() {
        let end_ms = at_ns / 1_000_000 + 1;
        if end_ms <= minimizer.plan().duration_ms {
            minimizer.try_change(|plan| {
                plan.duration_ms = end_ms;
                plan.ending = Ending::None;
            });
        }
    }
    if minimizer.plan().ending != Ending::None {
        minimizer.try_change(|plan| plan.ending = Ending::AllHeal);
    }
    let duration_ms = minimizer.plan().duration_ms;
    let shortest = lower(duration_ms, 1, |ms| {
        minimizer.try_change(|plan| plan.duration_ms = ms)
    });
    rounder_ms(shortest, |ms| minimizer.try_change(|plan| plan.duration_ms = ms));
    let duration_ms = minimizer.plan().duration_ms;
    minimizer.try_change(|plan| drop_what_comes_later(plan, duration_ms));
}

/// Everything happens some whole seconds sooner.
pub fn begin_sooner(minimizer: &mut Minimizer) {
    let before = minimizer.plan().clone();
    let first_s = first_ms(&before) / 1_000;
    lower(first_s, 0, |wanted_s| {
        minimizer.try_plan(sooner(&before, (first_s - wanted_s) * 1_000))
    });
}

/// When the first fault or work begins.
fn first_ms(plan: &Plan) -> u64 {
    let faults = plan.faults.iter().map(|fault| fault.from_ms);
    faults
        .chain(plan.work.iter().map(|work| work.at_ms))
        .min()
        .unwrap_or(0)
}

fn sooner(plan: &Plan, by_ms: u64) -> Plan {
    let mut plan = plan.clone();
    plan.duration_ms -= by_ms.min(plan.duration_ms);
    for fault in &mut plan.faults {
        fault.from_ms -= by_ms;
        fault.to_ms -= by_ms;
    }
    for work in &mut plan.work {
        work.at_ms -= by_ms;
    }
    plan
}

/// Faults end with the run at the latest, and what would begin after it goes.
fn drop_what_comes_later(plan: &mut Plan, duration_ms: u64) {
    plan.faults.retain(|fault| fault.from_ms < duration_ms);
    for fault in &mut plan.faults {
        fault.to_ms = fault.to_ms.min(duration_ms);
    }
    plan.work.retain(|work| work.at_ms < duration_ms);
}

/// A smaller, duller world.
pub fn shrink(minimizer: &mut Minimizer) {
    for member in (0..minimizer.plan().knobs.members.len()).rev() {
        if minimizer.plan().knobs.members.len() > 1 {
            let candidate = without_member(minimizer.plan(), member);
            minimizer.try_plan(candidate);
        }
    }
    for backend in (0..minimizer.plan().knobs.backends.len()).rev() {
        if minimizer.plan().knobs.backends.len() > 1 {
            let candidate = without_backend(minimizer.plan(), backend);
            minimizer.try_plan(candidate);
        }
    }
    for dull in DEFAULT_HABITS.iter().chain(DULL_HABITS) {
        minimizer.try_change(|plan| dull(&mut plan.knobs));
    }
    for place in 0..minimizer.plan().knobs.members.len() {
        for dull in DULL_MEMBERS {
            minimizer.try_change(|plan| dull(&mut plan.knobs.members[place]));
        }
    }
    rename_users(minimizer);
    let users = u64::from(minimizer.plan().knobs.users);
    lower(users, 1, |users| {
        minimizer.try_change(|plan| plan.knobs.users = users as u32)
    });
    fewer_logins(minimizer);
}

/// Changes that set one knob to its default.
macro_rules! as_default {
    ($($field:ident)*) => { &[$(|knobs| knobs.$field = Knobs::default().$field),*] };
}

/// Back to the defaults, which the text of a plan leaves out.
const DEFAULT_HABITS: &[fn(&mut Knobs)] = as_default! {
    login_gap_ms second_tag_percent at_once_percent is_ordered disk_us policy lease_ms drift_ppm user_expire_ms
    login_wait_ms command_wait_ms session_ms health_ms waiting_logins_max holds_max commands_max flushes_max flush_ms
    probe_ms failed_max_permille evict_after_ms joins_by_address has_markers
};

/// Changes that make a world plainer where the default does not do, the boldest first.
const DULL_HABITS: &[fn(&mut Knobs)] = &[
    |knobs| knobs.latency_max_us = knobs.latency_min_us,
    |knobs| (knobs.latency_min_us, knobs.latency_max_us) = (1_000, 1_000),
    |knobs| knobs.lease_ms = knobs.lease_ms.next_multiple_of(1_000),
    |knobs| knobs.user_expire_ms = knobs.user_expire_ms.next_multiple_of(1_000),
    |knobs| knobs.session_ms = knobs.session_ms.next_multiple_of(1_000),
    |knobs| knobs.backends.iter_mut().for_each(|backend| backend.vhosts = 100),
    |knobs| knobs.backends.iter_mut().for_each(|backend| backend.tag.clear()),
    |knobs| {
        knobs
            .backends
            .iter_mut()
            .for_each(|backend| backend.is_configured = true)
    },
    |knobs| knobs.members.iter_mut().for_each(|member| member.clock_ppm = 0),
    |knobs| {
        knobs
            .members
            .iter_mut()
            .for_each(|member| member.clock_offset_ms = 0)
    },
    |knobs| {
        knobs
            .members
            .iter_mut()
            .for_each(|member| member.starts_at_ms = 0)
    },
    |knobs| knobs.members.iter_mut().for_each(use_exact_doors),
];

/// The same for one member.
const DULL_MEMBERS: &[fn(&mut MemberKnobs)] = &[
    |member| member.clock_ppm = 0,
    |member| member.clock_offset_ms = 0,
    |member| member.starts_at_ms = 0,
    |member| member.wrong_configuration_until_ms = 0,
    |member| member.is_bootstrap = false,
    |member| member.is_configured = true,
    use_exact_doors,
    |member| {
        member.doors = if member.doors == Doors::Both {
            Doors::Refreshing
        } else {
            member.doors
        }
    },
    |member| member.starts_at_ms = member.starts_at_ms.next_multiple_of(100),
    |member| member.close_bound_ms = member.close_bound_ms / 100 * 100,
];

fn use_exact_doors(member: &mut MemberKnobs) {
    member.doors = Doors::Exact;
    member.close_bound_ms = 0;
}

/// The users with the highest numbers become others with low numbers, so that fewer users need to exist.
fn rename_users(minimizer: &mut Minimizer) {
    for user in (0..minimizer.plan().knobs.users).rev() {
        if !renumber::names_user(minimizer.plan(), user) {
            continue;
        }
        (0..user).any(|other| {
            let is_free = !renumber::names_user(minimizer.plan(), other);
            is_free && minimizer.try_plan(renumber::with_user_renamed(minimizer.plan(), user, other))
        });
    }
}

/// A gap of 0 means no logins but those of the plan's work, so a longer gap is the way down.
fn fewer_logins(minimizer: &mut Minimizer) {
    while minimizer.plan().knobs.login_gap_ms > 0 {
        let longer = minimizer.plan().knobs.login_gap_ms * 2;
        if longer > minimizer.plan().duration_ms
            || !minimizer.try_change(|plan| plan.knobs.login_gap_ms = longer)
        {
            return;
        }
    }
}
