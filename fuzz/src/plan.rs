//! Plans of the simulator: the bytes are a plan's text, or else a seed and changes to the plan that it stands for.

use sim::{Fault, FaultKind, Options, Plan, Verdict};

/// More changes leave nothing of the seed's plan.
const EDITS_MAX: usize = 16;

/// A text is refused or is a plan that survives its text; and a seed's plan whose faults were moved, dropped and mixed
/// with another's breaks nothing.
pub fn run(bytes: &[u8]) {
    if let Ok(text) = str::from_utf8(bytes)
        && let Ok(plan) = Plan::parse(text)
    {
        assert_eq!(
            Plan::parse(&plan.to_text()).expect("a plan's text is a plan"),
            plan
        );
        return;
    }
    let Some((seed, edits)) = bytes.split_first_chunk() else {
        return;
    };
    let mut plan = Plan::from_seed(u32::from_le_bytes(*seed).into());
    for edit in edits.as_chunks().0.iter().take(EDITS_MAX) {
        apply(&mut plan, *edit);
    }
    if plan.check().is_ok() {
        let outcome = sim::run(&plan, &Options::default());
        assert_eq!(outcome.verdict, Verdict::Ok, "{}", plan.to_text());
    }
}

/// One change: what, at which place, and two numbers.
fn apply(plan: &mut Plan, [what, place, from, length]: [u8; 4]) {
    let faults = plan.faults.len();
    let part = |of: u8| u64::from(of) * plan.duration_ms / 256;
    match what % 4 {
        0 if faults > 0 => drop(plan.faults.remove(usize::from(place) % faults)),
        1 if !plan.work.is_empty() => drop(plan.work.remove(usize::from(place) % plan.work.len())),
        2 if faults > 0 => {
            let (from_ms, to_ms) = (part(from), plan.duration_ms.min(part(from) + part(length) / 4));
            let fault = &mut plan.faults[usize::from(place) % faults];
            if is_movable(&fault.kind) {
                *fault = Fault {
                    from_ms,
                    to_ms,
                    kind: fault.kind.clone(),
                };
            }
        }
        _ => {
            let other = Plan::from_seed(u64::from(from) << 8 | u64::from(length));
            let fault = other.faults.get(usize::from(place) % other.faults.len().max(1));
            plan.faults.extend(
                fault
                    .filter(|fault| is_movable(&fault.kind) && fault.to_ms <= plan.duration_ms)
                    .cloned(),
            );
        }
    }
}

/// Whether the ring bears any number of these at once. Only so many storages may be lost, and only so far may clocks
/// drift; plans that are drawn keep to that, and a fault that is moved might not.
fn is_movable(kind: &FaultKind) -> bool {
    matches!(
        kind,
        FaultKind::Partition { .. }
            | FaultKind::Cut { .. }
            | FaultKind::Flap { .. }
            | FaultKind::Loss { .. }
            | FaultKind::Duplicate { .. }
            | FaultKind::Delay { .. }
            | FaultKind::Hold { .. }
            | FaultKind::Crash { .. }
            | FaultKind::Pause { .. }
            | FaultKind::Upgrade { .. }
    )
}
