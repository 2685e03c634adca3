//! One plan made of another by a few small changes. The result depends on its arguments alone, and a world can be made
//! of it; what only an operator could mend, such as too many wiped disks, is left out as it is for seeds.

use crate::coverage::Moment;
use crate::entropy::{Entropy, Purpose, Stream};
use crate::fault::{Fault, FaultKind};
use crate::knobs::Knobs;
use crate::plan::Plan;
use crate::sweep::{Pieces, set_member};
use crate::work::Work;

/// A plan with more faults, or more work, than this is cut back: it would be slow and hard to read.
const INCIDENTS_MAX: usize = 40;

/// Changes `parent`: mostly 1 to 4 changes, of faults, of work, of habits of the world. `moments` are when its members
/// entered states worth a fault; `other` lends faults and work. `number` names the mutant within the search of `seed`.
pub fn mutant(parent: &Plan, moments: &[Moment], other: &Plan, seed: u64, number: u64) -> Plan {
    let entropy = Entropy::new(Entropy::new(seed).draw(Purpose::Search, 1, number));
    let mut stream = entropy.stream(Purpose::Search);
    let mut plan = parent.clone();
    plan.note.clear();
    plan.expect = None;
    let changes = *stream.pick(&[1, 1, 2, 2, 3, 4, 6]);
    for _ in 0..changes {
        let before = plan.clone();
        change(&mut plan, &mut stream, moments, other);
        tidy(&mut plan);
        if plan.check().is_err() {
            plan = before;
        }
    }
    if plan == *parent {
        plan.seed = stream.bits();
    }
    plan
}

fn change(plan: &mut Plan, stream: &mut Stream, moments: &[Moment], other: &Plan) {
    match stream.range(0, 27) {
        0 | 1 => move_fault(plan, stream),
        2 | 3 => stretch(plan, stream),
        4 => repeat(plan, stream),
        5 => swap(plan, stream),
        6 | 7 => leave_out(plan, stream),
        8 | 9 => other_member(plan, stream),
        10 => other_kind(plan, stream),
        11 | 12 => splice(plan, stream, other),
        13..=18 => aim(plan, stream, moments),
        19 | 20 => change_habits(&mut plan.knobs, stream, &other.knobs),
        21..=23 => change_work(plan, stream, moments),
        24 => add_fault(plan, stream),
        25 | 26 => add_series(plan, stream, moments),
        _ => plan.seed = stream.bits(),
    }
}

/// By how much times are changed: from a message's time to leases.
fn shift_ms(stream: &mut Stream, knobs: &Knobs) -> u64 {
    let step_ms = (knobs.latency_max_us + knobs.disk_us) / 1_000 + 2;
    let most_ms = *stream.pick(&[
        2,
        step_ms,
        step_ms * 6,
        knobs.lease_ms / 4,
        knobs.lease_ms,
        knobs.lease_ms * 4,
    ]);
    stream.range(1, most_ms.max(1))
}

fn move_fault(plan: &mut Plan, stream: &mut Stream) {
    let by_ms = shift_ms(stream, &plan.knobs);
    let is_later = stream.percent(50);
    if let Some(fault) = any_fault(plan, stream) {
        let length_ms = fault.to_ms - fault.from_ms;
        fault.from_ms = match is_later {
            true => fault.from_ms + by_ms,
            false => fault.from_ms.saturating_sub(by_ms),
        };
        fault.to_ms = fault.from_ms + length_ms;
    }
}

fn stretch(plan: &mut Plan, stream: &mut Stream) {
    let by_ms = shift_ms(stream, &plan.knobs);
    let way = stream.range(0, 3);
    if let Some(fault) = any_fault(plan, stream) {
        let length_ms = fault.to_ms - fault.from_ms;
        let length_ms = match way {
            0 => length_ms * 2,
            1 => length_ms / 2,
            2 => length_ms + by_ms,
            _ => length_ms.saturating_sub(by_ms),
        };
        fault.to_ms = fault.from_ms + length_ms.max(1);
    }
}

fn repeat(plan: &mut Plan, stream: &mut Stream) {
    let by_ms = shift_ms(stream, &plan.knobs);
    if let Some(fault) = any_fault(plan, stream) {
        let mut again = fault.clone();
        again.from_ms = fault.to_ms + by_ms;
        again.to_ms = again.from_ms + (fault.to_ms - fault.from_ms);
        plan.faults.push(again);
    }
}

/// Two faults change places in time.
fn swap(plan: &mut Plan, stream: &mut Stream) {
    if plan.faults.len() < 2 {
        return;
    }
    let (one, two) = (stream.index(plan.faults.len()), stream.index(plan.faults.len()));
    let times = |fault: &Fault| (fault.from_ms, fault.to_ms);
    let (of_one, of_two) = (times(&plan.faults[one]), times(&plan.faults[two]));
    (plan.faults[one].from_ms, plan.faults[one].to_ms) = of_two;
    (plan.faults[two].from_ms, plan.faults[two].to_ms) = of_one;
}

fn leave_out(plan: &mut Plan, stream: &mut Stream) {
    if !plan.faults.is_empty() {
        plan.faults.remove(stream.index(plan.faults.len()));
    }
}

fn other_member(plan: &mut Plan, stream: &mut Stream) {
    let to = stream.index(plan.knobs.members.len());
    if let Some(fault) = any_fault(plan, stream) {
        set_member(&mut fault.kind, to);
    }
}

fn other_kind(plan: &mut Plan, stream: &mut Stream) {
    let kind = Pieces::new(stream, plan).kind();
    if let Some(fault) = any_fault(plan, stream) {
        fault.kind = kind;
    }
}

/// What happens in the other plan during some time happens here, too, instead of what is here.
fn splice(plan: &mut Plan, stream: &mut Stream, other: &Plan) {
    let from_ms = stream.range(0, plan.duration_ms - 1);
    let to_ms = from_ms + stream.range(1, plan.duration_ms / 2);
    let is_meant = |at_ms: u64| (from_ms..to_ms).contains(&at_ms);
    if stream.percent(50) {
        plan.faults.retain(|fault| !is_meant(fault.from_ms));
        plan.work.retain(|work| !is_meant(work.at_ms));
    }
    let faults = other.faults.iter().filter(|fault| is_meant(fault.from_ms));
    plan.faults.extend(faults.cloned());
    let work = other.work.iter().filter(|work| is_meant(work.at_ms));
    plan.work.extend(work.cloned());
}

/// A fault begins, or ends, when somebody has just entered a state, mostly with whom it was.
fn aim(plan: &mut Plan, stream: &mut Stream, moments: &[Moment]) {
    let Some(moment) = any_moment(stream, moments) else {
        return add_fault(plan, stream);
    };
    let at_ms = near_ms(plan, stream, moment);
    let is_old = stream.percent(40) && !plan.faults.is_empty();
    if is_old {
        let ends = stream.percent(35);
        let fault = any_fault(plan, stream).expect("there is one");
        let length_ms = fault.to_ms - fault.from_ms;
        if ends {
            fault.from_ms = at_ms.saturating_sub(length_ms);
            fault.to_ms = at_ms;
        } else {
            fault.from_ms = at_ms;
            fault.to_ms = at_ms + length_ms;
        }
        return;
    }
    let mut pieces = Pieces::new(stream, plan);
    let kind = match pieces.stream.range(0, 9) {
        0..=4 => pieces.kind_on(usize::from(moment.member)),
        5 => {
            let mut side = pieces.side();
            if !side.contains(&usize::from(moment.member)) {
                side.push(usize::from(moment.member));
            }
            FaultKind::Partition { side }
        }
        6 | 7 => {
            let other = pieces.stream.index(plan.knobs.members.len());
            pieces.kind_on(other)
        }
        _ => pieces.kind(),
    };
    let length_ms = pieces.length_ms();
    plan.faults.push(Fault {
        from_ms: at_ms,
        to_ms: at_ms + length_ms,
        kind,
    });
}

fn any_moment<'a>(stream: &mut Stream, moments: &'a [Moment]) -> Option<&'a Moment> {
    if moments.is_empty() {
        return None;
    }
    // A state first, so that those entered often do not crowd out the others.
    let mut states: Vec<_> = moments.iter().map(|moment| moment.state).collect();
    states.sort_unstable();
    states.dedup();
    let state = *stream.pick(&states);
    let of_state: Vec<&Moment> = moments.iter().filter(|moment| moment.state == state).collect();
    Some(*stream.pick(&of_state))
}

/// At the moment, or a few steps of the protocol around it.
fn near_ms(plan: &Plan, stream: &mut Stream, moment: &Moment) -> u64 {
    let at_ms = moment.at_us / 1_000;
    let step_ms = (plan.knobs.latency_max_us + plan.knobs.disk_us) / 1_000 + 1;
    match stream.range(0, 5) {
        0 => at_ms,
        1 | 2 => at_ms + 1,
        3 | 4 => at_ms + 1 + stream.range(0, step_ms * 3),
        _ => at_ms.saturating_sub(stream.range(0, step_ms * 3)),
    }
}

fn add_fault(plan: &mut Plan, stream: &mut Stream) {
    let mut pieces = Pieces::new(stream, plan);
    let (kind, from_ms, length_ms) = (pieces.kind(), pieces.begin_ms(), pieces.length_ms());
    plan.faults.push(Fault {
        from_ms,
        to_ms: from_ms + length_ms,
        kind,
    });
}

fn add_series(plan: &mut Plan, stream: &mut Stream, moments: &[Moment]) {
    let at_ms = match any_moment(stream, moments) {
        Some(moment) => near_ms(plan, stream, moment),
        None => stream.range(0, plan.duration_ms - 1),
    };
    let at_ms = at_ms.min(plan.duration_ms - 1);
    let (faults, work) = Pieces::new(stream, plan).series(at_ms);
    plan.faults.extend(faults);
    plan.work.extend(work);
}

fn change_work(plan: &mut Plan, stream: &mut Stream, moments: &[Moment]) {
    match stream.range(0, 5) {
        0 if !plan.work.is_empty() => {
            plan.work.remove(stream.index(plan.work.len()));
        }
        1 if !plan.work.is_empty() => {
            let by_ms = shift_ms(stream, &plan.knobs);
            let at = stream.index(plan.work.len());
            plan.work[at].at_ms = match stream.percent(50) {
                true => plan.work[at].at_ms + by_ms,
                false => plan.work[at].at_ms.saturating_sub(by_ms),
            };
        }
        way => {
            let at_ms = match any_moment(stream, moments) {
                Some(moment) => near_ms(plan, stream, moment),
                None => stream.range(0, plan.duration_ms - 1),
            };
            let mut pieces = Pieces::new(stream, plan);
            let work = match way {
                2 => pieces.membership(at_ms),
                _ => pieces.work(at_ms),
            };
            plan.work.push(work);
        }
    }
}

/// One habit of the other world is taken over. What names members, backends or promises of the configuration stays.
fn change_habits(knobs: &mut Knobs, stream: &mut Stream, other: &Knobs) {
    match stream.range(0, 9) {
        0 => {
            knobs.latency_min_us = other.latency_min_us;
            knobs.latency_max_us = other.latency_max_us.max(other.latency_min_us);
        }
        1 => knobs.is_ordered = !knobs.is_ordered,
        2 => knobs.disk_us = other.disk_us,
        3 => knobs.login_gap_ms = other.login_gap_ms,
        4 => knobs.at_once_percent = other.at_once_percent,
        5 => knobs.session_ms = other.session_ms,
        6 => knobs.users = knobs.users.max(other.users),
        7 => knobs.has_markers = other.has_markers,
        8 => knobs.user_expire_ms = other.user_expire_ms,
        _ => {
            for member in &mut knobs.members {
                let bound = i64::from(knobs.drift_ppm);
                let ppm = stream.range(0, bound as u64 * 2) as i64 - bound;
                member.clock_ppm = if stream.percent(50) {
                    member.clock_ppm
                } else {
                    ppm as i32
                };
            }
        }
    }
}

fn any_fault<'a>(plan: &'a mut Plan, stream: &mut Stream) -> Option<&'a mut Fault> {
    match plan.faults.len() {
        0 => None,
        count => plan.faults.get_mut(stream.index(count)),
    }
}

/// Brings times into the run, leaves out what does not fit, and keeps to what operators see to.
fn tidy(plan: &mut Plan) {
    let last_ms = plan.duration_ms - 1;
    for fault in &mut plan.faults {
        fault.from_ms = fault.from_ms.min(last_ms);
        fault.to_ms = fault.to_ms.clamp(fault.from_ms + 1, plan.duration_ms);
    }
    for work in &mut plan.work {
        work.at_ms = work.at_ms.min(last_ms);
    }
    let knobs = &plan.knobs;
    plan.faults.retain(|fault| fault.kind.fits(knobs));
    let members = knobs.members.len();
    plan.work
        .retain(|work: &Work| work.member < members && work.errand.fits(knobs));
    // A minority of the disks may be wiped, each once: more than that only the operator can mend.
    let mut wipes_left = knobs.minority();
    let mut wiped = Vec::new();
    plan.faults.retain(|fault| {
        let FaultKind::Wipe { member } = fault.kind else {
            return true;
        };
        let may_be = knobs.members[member].votes && !wiped.contains(&member) && wipes_left > 0;
        if may_be {
            wiped.push(member);
            wipes_left -= 1;
        }
        may_be
    });
    plan.faults.truncate(INCIDENTS_MAX);
    plan.work.truncate(INCIDENTS_MAX);
    plan.work.sort_by_key(|work| work.at_ms);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::coverage::State;

    fn moments() -> Vec<Moment> {
        let moment = |n: u64| Moment {
            state: State::ALL[n as usize % State::ALL.len()],
            member: 0,
            at_us: n * 300_000,
        };
        (0..60).map(moment).collect()
    }

    #[test]
    fn a_world_can_be_made_of_every_mutant() {
        for number in 0..3_000 {
            let (parent, other) = (Plan::from_seed(number % 50), Plan::from_seed(number + 1));
            let mut plan = parent;
            // Mutants of mutants, as in a long search.
            for generation in 0..3 {
                plan = mutant(&plan, &moments(), &other, generation, number);
                plan.check().unwrap_or_else(|error| panic!("{number}: {error}"));
                let inside = |fault: &Fault| fault.from_ms < fault.to_ms && fault.to_ms <= plan.duration_ms;
                assert!(plan.faults.iter().all(inside), "{number}");
            }
        }
    }

    #[test]
    fn a_mutant_depends_on_its_arguments_alone_and_is_no_copy() {
        let (parent, other) = (Plan::from_seed(3), Plan::from_seed(4));
        for number in 0..200 {
            let one = mutant(&parent, &moments(), &other, 9, number);
            assert_eq!(one, mutant(&parent, &moments(), &other, 9, number));
            assert_ne!(one, parent, "{number}");
        }
        let differ = |number: &u64| {
            mutant(&parent, &moments(), &other, 9, *number)
                != mutant(&parent, &moments(), &other, 10, *number)
        };
        assert!((0..50).filter(differ).count() > 45);
    }

    #[test]
    fn only_a_minority_of_disks_is_wiped() {
        for number in 0..500 {
            let mut plan = Plan::from_seed(number);
            for member in (0..plan.knobs.members.len()).chain([0]) {
                plan.faults.push(Fault {
                    from_ms: 1,
                    to_ms: 2,
                    kind: FaultKind::Wipe { member },
                });
            }
            tidy(&mut plan);
            let wipes = plan.faults.iter().filter(|f| f.kind.is_wipe());
            assert!(wipes.count() <= plan.knobs.minority());
        }
    }
}
