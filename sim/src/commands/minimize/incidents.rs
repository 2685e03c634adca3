//! Cuts at faults and work.

use sim::{Errand, Fault, FaultKind, generated_logins};

use super::ddmin::{fewer, lower, rounder_ms};
use super::minimizer::Minimizer;

/// Lists the logins that come by themselves as work, of which most can then be left out.
pub fn list_logins(minimizer: &mut Minimizer) {
    if minimizer.plan().knobs.login_gap_ms == 0 || minimizer.try_change(|plan| plan.knobs.login_gap_ms = 0) {
        return;
    }
    let logins = generated_logins(minimizer.plan());
    minimizer.try_change(|plan| {
        plan.work.extend(logins);
        plan.work.sort_by_key(|work| work.at_ms);
        plan.knobs.login_gap_ms = 0;
    });
}

/// Leaves out whatever is not needed.
pub fn leave_out(minimizer: &mut Minimizer) {
    let faults = minimizer.plan().faults.clone();
    fewer(&faults, |some| {
        minimizer.try_change(|plan| plan.faults = some.to_vec())
    });
    let work = minimizer.plan().work.clone();
    fewer(&work, |some| {
        minimizer.try_change(|plan| plan.work = some.to_vec())
    });
    for place in 0..minimizer.plan().work.len() {
        let orders = match &minimizer.plan().work[place].errand {
            Errand::Command { orders } | Errand::DryRun { orders } if orders.len() > 1 => orders.clone(),
            _ => continue,
        };
        fewer(&orders, |some| {
            !some.is_empty()
                && minimizer.try_change(|plan| match &mut plan.work[place].errand {
                    Errand::Command { orders } | Errand::DryRun { orders } => *orders = some.to_vec(),
                    Errand::Kick { .. } | Errand::Login { .. } => {}
                })
        });
    }
}

/// Makes what is left smaller: on fewer members, shorter, weaker, at rounder times.
pub fn shrink(minimizer: &mut Minimizer) {
    for place in 0..minimizer.plan().faults.len() {
        shrink_strength(minimizer, place);
        shrink_members(minimizer, place);
        shrink_time(minimizer, place);
    }
    for place in 0..minimizer.plan().work.len() {
        shrink_work(minimizer, place);
    }
}

fn shrink_time(minimizer: &mut Minimizer, place: usize) {
    let Fault { from_ms, to_ms, .. } = minimizer.plan().faults[place];
    let change = |minimizer: &mut Minimizer, change: &dyn Fn(&mut Fault)| {
        minimizer.try_change(|plan| change(&mut plan.faults[place]))
    };
    // A later beginning, then an earlier end.
    let shortest = lower(to_ms - from_ms, 0, |span| {
        change(minimizer, &|fault| fault.from_ms = to_ms - span)
    });
    let from_ms = to_ms - shortest;
    lower(shortest, 0, |span| {
        change(minimizer, &|fault| fault.to_ms = from_ms + span)
    });
    let Fault { from_ms, to_ms, .. } = minimizer.plan().faults[place];
    rounder_ms(from_ms, |ms| {
        ms <= to_ms && change(minimizer, &|fault| fault.from_ms = ms)
    });
    let from_ms = minimizer.plan().faults[place].from_ms;
    rounder_ms(to_ms, |ms| {
        ms >= from_ms && change(minimizer, &|fault| fault.to_ms = ms)
    });
}

fn shrink_members(minimizer: &mut Minimizer, place: usize) {
    for pick in LISTS {
        let Some(members) = pick(&mut minimizer.plan().faults[place].kind.clone()).cloned() else {
            continue;
        };
        // An empty list of links means all of them, which is no smaller.
        fewer(&members, |some| {
            !some.is_empty()
                && minimizer.try_change(|plan| {
                    if let Some(list) = pick(&mut plan.faults[place].kind) {
                        *list = some.to_vec();
                    }
                })
        });
    }
}

type PickList = fn(&mut FaultKind) -> Option<&mut Vec<usize>>;

/// Ways to reach a list of members in a fault.
const LISTS: &[PickList] = &[
    |kind| match kind {
        FaultKind::Partition { side } => Some(side),
        _ => None,
    },
    |kind| kind.links_mut().map(|links| &mut links.from),
    |kind| kind.links_mut().map(|links| &mut links.to),
];

fn shrink_strength(minimizer: &mut Minimizer, place: usize) {
    if let Some(strength) = strength_of(&mut minimizer.plan().faults[place].kind.clone()) {
        let mut set = |wanted| {
            minimizer.try_change(|plan| {
                if let Some(mut strength) = strength_of(&mut plan.faults[place].kind) {
                    strength.write(wanted);
                }
            })
        };
        // Nothing at all is the matter of leaving out the fault.
        let least = lower(strength.read(), 1, &mut set);
        rounder_ms(least, |wanted| wanted > 0 && set(wanted));
    }
}

/// How strong a fault is: a rate, a lateness, a drift.
enum Strength<'a> {
    Permille(&'a mut u32),
    Ms(&'a mut u64),
    Ppm(&'a mut i32),
    JumpMs(&'a mut i64),
}

impl Strength<'_> {
    fn read(&self) -> u64 {
        match self {
            Strength::Permille(value) => u64::from(**value),
            Strength::Ms(value) => **value,
            Strength::Ppm(value) => u64::from(value.unsigned_abs()),
            Strength::JumpMs(value) => value.unsigned_abs(),
        }
    }

    /// Sets it to this; the sign stays.
    fn write(&mut self, wanted: u64) {
        match self {
            Strength::Permille(value) => **value = wanted as u32,
            Strength::Ms(value) => **value = wanted,
            Strength::Ppm(value) => **value = value.signum() * wanted as i32,
            Strength::JumpMs(value) => **value = value.signum() * wanted as i64,
        }
    }
}

fn strength_of(kind: &mut FaultKind) -> Option<Strength<'_>> {
    match kind {
        FaultKind::Loss { permille, .. } | FaultKind::Duplicate { permille, .. } => {
            Some(Strength::Permille(permille))
        }
        FaultKind::Delay { up_to_ms, .. }
        | FaultKind::SlowEvict { up_to_ms, .. }
        | FaultKind::SlowDisk { up_to_ms, .. } => Some(Strength::Ms(up_to_ms)),
        FaultKind::Drift { ppm, .. } => Some(Strength::Ppm(ppm)),
        FaultKind::WallJump { by_ms, .. } => Some(Strength::JumpMs(by_ms)),
        _ => None,
    }
}

fn shrink_work(minimizer: &mut Minimizer, place: usize) {
    let at_ms = minimizer.plan().work[place].at_ms;
    rounder_ms(at_ms, |ms| {
        minimizer.try_change(|plan| plan.work[place].at_ms = ms)
    });
    let Errand::Login { user, session_ms, .. } = minimizer.plan().work[place].errand else {
        return;
    };
    let change = |minimizer: &mut Minimizer, wanted: Errand| {
        minimizer.try_change(|plan| plan.work[place].errand = wanted)
    };
    change(
        minimizer,
        Errand::Login {
            user,
            is_second_tag: false,
            session_ms,
        },
    );
    let Errand::Login { is_second_tag, .. } = minimizer.plan().work[place].errand else {
        return;
    };
    let login = |session_ms| Errand::Login {
        user,
        is_second_tag,
        session_ms,
    };
    let shortest = lower(session_ms, 0, |wanted| change(minimizer, login(wanted)));
    rounder_ms(shortest, |wanted| change(minimizer, login(wanted)));
}
