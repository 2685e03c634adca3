//! Drawing the backends that operators empty, from a stream of its own: worlds without drains stay as they are.

use super::moments::Moments;
use crate::entropy::Stream;
use crate::knobs::Knobs;
use crate::work::{Errand, Order, Work};

/// Adds to the plans that have any.
pub(super) fn draw(stream: &mut Stream, knobs: &Knobs, moments: &Moments, work: &mut Vec<Work>) {
    if !stream.percent(10) {
        return;
    }
    let directors: Vec<usize> = (0..knobs.members.len())
        .filter(|at| knobs.members[*at].serves && knobs.members[*at].is_configured)
        .collect();
    let last_ms = moments.duration_ms - 1;
    for _ in 0..stream.range(1, 2) {
        let backend = stream.index(knobs.backends.len()) as u32;
        let at_ms = moments.begin_ms(stream);
        let deadline_ms = stream.range(0, moments.duration_ms / 2);
        let per_second = *stream.pick(&[1, 2, 5, 50]);
        let mut order = |at_ms: u64, order: Order, stream: &mut Stream| {
            work.push(Work {
                at_ms: at_ms.min(last_ms),
                member: *stream.pick(&directors),
                errand: Errand::Command { orders: vec![order] },
            });
        };
        let drain = Order::Drain {
            backend,
            deadline_ms,
            per_second,
        };
        order(at_ms, drain, stream);
        if stream.percent(30) {
            let later_ms = at_ms + stream.range(0, moments.duration_ms / 2);
            order(later_ms, Order::CancelDrain { backend }, stream);
        }
    }
}
