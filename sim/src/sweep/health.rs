//! Drawing what goes wrong between directors and backends, from a stream of its own: worlds without probes stay as they are.

use super::moments::Moments;
use crate::entropy::Stream;
use crate::fault::{Fault, FaultKind};
use crate::knobs::Knobs;
use crate::work::{Errand, Order, Work};

/// Adds to a plan whose directors probe.
pub(super) fn draw(
    stream: &mut Stream,
    knobs: &Knobs,
    moments: &Moments,
    faults: &mut Vec<Fault>,
    work: &mut Vec<Work>,
) {
    if knobs.probe_ms == 0 {
        return;
    }
    let directors: Vec<usize> = (0..knobs.members.len())
        .filter(|at| knobs.members[*at].serves && knobs.members[*at].is_configured)
        .collect();
    // Most worlds in which much else goes wrong say little of what probes do; some have nothing else.
    if stream.percent(25) {
        faults.clear();
    }
    let mut fault = |from_ms: u64, length_ms: u64, kind: FaultKind| {
        let from_ms = from_ms.min(moments.duration_ms - 1);
        let to_ms = (from_ms + length_ms.max(1)).min(moments.duration_ms);
        faults.push(Fault { from_ms, to_ms, kind });
    };
    let long_ms = knobs.probe_ms * 8 + knobs.lease_ms * 2;
    for _ in 0..stream.range(0, 3) {
        let (from_ms, member) = (moments.begin_ms(stream), *stream.pick(&directors));
        fault(
            from_ms,
            stream.range(long_ms / 4, long_ms * 2),
            FaultKind::Cable { member },
        );
    }
    for _ in 0..stream.range(0, 3) {
        let (from_ms, backend) = (moments.begin_ms(stream), stream.index(knobs.backends.len()));
        let length_ms = stream.range(long_ms / 4, moments.duration_ms / 2 + long_ms);
        fault(from_ms, length_ms, FaultKind::BackendDown { backend });
        if stream.percent(50) {
            // An operator is faster, or finds it dead, too.
            let at_ms = (from_ms + stream.range(0, long_ms)).min(moments.duration_ms - 1);
            work.push(Work {
                at_ms,
                member: *stream.pick(&directors),
                errand: Errand::Command {
                    orders: vec![Order::Down {
                        backend: backend as u32,
                    }],
                },
            });
        }
    }
    if directors.len() > 2 && stream.percent(30) {
        // What one director found last stays behind when it dies; later another one finds the same.
        let (first, second) = (directors[1], directors[0]);
        let from_ms = stream.range(knobs.lease_ms, moments.duration_ms / 4 + knobs.lease_ms);
        fault(from_ms, long_ms, FaultKind::Cable { member: first });
        let dead_ms = from_ms + knobs.probe_ms * 6;
        fault(dead_ms, moments.duration_ms, FaultKind::Crash { member: first });
        let later_ms = dead_ms + knobs.lease_ms * 5;
        fault(later_ms, long_ms * 2, FaultKind::Cable { member: second });
    }
}
