//! Fewer members, where leaving one out alone does not do: a ring of another size is another run, in which what broke
//! comes at another time, with another draw, or with more to do.

use sim::{Ending, Plan};

use super::minimizer::Minimizer;
use super::renumber::{with_members_merged, without_member};

/// So many members are few enough for a person to follow; beyond them it is worth many runs to find fewer.
pub const MEMBERS_FEW: usize = 3;

/// Seeds tried with the whole plan, in which much goes wrong and so a few are enough.
const SEEDS_EARLY: u64 = 8;
/// Seeds tried with a plan of which everything needless is gone.
const SEEDS_LATE: u64 = 40;
/// Mean time between the logins that are given back to a plan that has none left, to see whether others do as well.
const LOGIN_GAP_MS: u64 = 100;

/// Before anything is cut: the plan as it is, on fewer members, also with other roles and with other seeds.
pub fn fewer_of_the_whole(minimizer: &mut Minimizer) {
    // A plan in which nobody comes by himself was written with care and depends on no draw; its runs are short.
    let is_written = minimizer.plan().knobs.login_gap_ms == 0;
    if is_written && minimizer.plan().knobs.members.len() == MEMBERS_FEW + 2 {
        // One step may lead to where no second one follows.
        let recast_once = recast(minimizer.plan());
        recast_once
            .iter()
            .flat_map(recast)
            .any(|plan| minimizer.try_plan(plan));
    }
    while minimizer.plan().knobs.members.len() > MEMBERS_FEW {
        let plan = minimizer.plan().clone();
        let (smaller, recast) = (without_some(&plan), recast(&plan));
        let mut as_it_is = smaller.iter().chain(&recast).cloned();
        let is_found = as_it_is.any(|plan| minimizer.try_plan(plan))
            || if is_written {
                recast
                    .iter()
                    .flat_map(without_a_fault)
                    .any(|plan| minimizer.try_plan(plan))
            } else {
                (1..=SEEDS_EARLY)
                    .flat_map(|seed| smaller.iter().map(move |plan| with_seed(plan, seed)))
                    .any(|plan| minimizer.try_plan(plan))
            };
        if !is_found {
            return;
        }
    }
}

/// When no cut helps any more: a smaller ring with other roles, with other seeds, with more time, and with logins that
/// come by themselves. Whether one was found; then there is something to cut again.
pub fn fewer_of_the_least(minimizer: &mut Minimizer) -> bool {
    if minimizer.plan().knobs.members.len() <= MEMBERS_FEW {
        return false;
    }
    let plan = minimizer.plan().clone();
    let recast = recast(&plan);
    let mut recast_once = recast
        .iter()
        .cloned()
        .chain(recast.iter().flat_map(without_a_fault));
    if recast_once.any(|plan| minimizer.try_plan(plan)) {
        return true;
    }
    let smaller = without_some(&plan);
    let mut variants: Vec<Plan> = smaller
        .iter()
        .flat_map(|plan| [plan.clone(), with_more_time(plan), with_logins(plan)])
        .collect();
    variants.extend(recast.iter().cloned());
    let is_found = (0..=SEEDS_LATE)
        .flat_map(|seed| variants.iter().map(move |plan| with_seed(plan, seed)))
        .any(|plan| minimizer.try_plan(plan));
    // Two steps at once are many to try, so they come last.
    let steps = smaller.iter().chain(&recast);
    is_found || steps.flat_map(self::recast).any(|plan| minimizer.try_plan(plan))
}

/// The plan without one member, and without two: three voters of five are a majority as two of three are, three of four
/// are not.
fn without_some(plan: &Plan) -> Vec<Plan> {
    let count = plan.knobs.members.len();
    let mut smaller: Vec<Plan> = Vec::new();
    if count > MEMBERS_FEW + 1 {
        let pairs = (0..count)
            .rev()
            .flat_map(|high| (0..high).rev().map(move |low| (high, low)));
        smaller.extend(pairs.map(|(high, low)| without_member(&without_member(plan, high), low)));
    }
    smaller.extend((0..count).rev().map(|member| without_member(plan, member)));
    smaller.retain(|plan| plan.check().is_ok());
    smaller
}

/// The plan with one member in the place of two, and without one while another votes no more.
fn recast(plan: &Plan) -> Vec<Plan> {
    let members = 0..plan.knobs.members.len();
    let pairs = members
        .clone()
        .flat_map(|one| members.clone().map(move |other| (one, other)));
    let pairs: Vec<(usize, usize)> = pairs.filter(|(one, other)| one != other).collect();
    let merged = pairs
        .iter()
        .map(|(kept, gone)| with_members_merged(plan, *kept, *gone));
    let unvoting = pairs.iter().map(|(mute, gone)| {
        let mut plan = plan.clone();
        plan.knobs.members[*mute].votes = false;
        without_member(&plan, *gone)
    });
    merged
        .chain(unvoting)
        .filter(|plan| plan.check().is_ok())
        .collect()
}

/// The plan without each of its faults in turn: who has another role may be struck by what spared him before.
fn without_a_fault(plan: &Plan) -> Vec<Plan> {
    let without = |place: usize| {
        let mut plan = plan.clone();
        plan.faults.remove(place);
        plan
    };
    (0..plan.faults.len()).map(without).collect()
}

fn with_seed(plan: &Plan, seed: u64) -> Plan {
    Plan { seed, ..plan.clone() }
}

fn with_more_time(plan: &Plan) -> Plan {
    let mut plan = plan.clone();
    if plan.ending == Ending::None {
        plan.duration_ms += 2 * plan.knobs.lease_ms;
    }
    plan
}

fn with_logins(plan: &Plan) -> Plan {
    let mut plan = with_more_time(plan);
    plan.knobs.login_gap_ms = LOGIN_GAP_MS;
    plan.knobs.at_once_percent = 50;
    plan.knobs.users = plan.knobs.users.max(4);
    plan
}
