//! Drawing upgrades, from a stream of its own: worlds without one stay as they are.

use super::moments::Moments;
use super::script::Script;
use crate::entropy::Stream;
use crate::fault::{Fault, FaultKind};
use crate::knobs::Knobs;
use crate::work::Work;

/// What is added to the plans that have any: members are upgraded while their users are moved, and what took over dies or
/// is cut off soon.
pub(super) fn draw(stream: &mut Stream, knobs: &Knobs, moments: &Moments) -> (Vec<Fault>, Vec<Work>) {
    if !stream.percent(12) {
        return (Vec::new(), Vec::new());
    }
    let mut script = Script::new(stream, knobs, moments);
    for _ in 0..script.stream.range(1, 3) {
        let at_ms = moments.begin_ms(script.stream);
        upgrade(&mut script, at_ms);
    }
    (script.faults, script.work)
}

fn upgrade(script: &mut Script<'_>, at_ms: u64) {
    let lease_ms = script.knobs.lease_ms;
    let member = if script.stream.percent(90) {
        script.director()
    } else {
        script.member()
    };
    let patience_ms = *script.stream.pick(&[1, 100, 2_000, 5_000]);
    script.fault(at_ms, patience_ms, FaultKind::Upgrade { member });
    for _ in 0..script.stream.range(0, 4) {
        let from_ms = at_ms.saturating_sub(lease_ms / 5);
        let command_ms = script.stream.range(from_ms, at_ms + lease_ms * 2);
        script.moving_command(command_ms);
    }
    if script.stream.percent(30) {
        let again_ms = at_ms + script.stream.range(1, lease_ms * 2);
        script.fault(again_ms, patience_ms, FaultKind::Upgrade { member });
    }
    let after_ms = script.stream.range(0, lease_ms * 2);
    let tenths = *script.stream.pick(&[0, 1, 5, 15]);
    let length_ms = script.lease_ms(tenths);
    match script.stream.range(0, 9) {
        0..=2 => script.fault(at_ms + after_ms, length_ms, FaultKind::Crash { member }),
        3 => script.away(at_ms + after_ms, length_ms, member),
        4 => script.fault(at_ms + after_ms, length_ms, FaultKind::Pause { member }),
        5 => script.fault(at_ms + after_ms, length_ms, FaultKind::PowerCut { member }),
        _ => {}
    }
}
