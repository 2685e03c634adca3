//! Backends that are emptied.

use super::*;
use crate::topology::{DRAIN_PER_SECOND_MAX, DRAIN_SPAN_MAX, Drain};

fn drain(until_unix_s: u64, per_second: u32) -> Change {
    let drain = Drain {
        since_unix_s: 1_000,
        until_unix_s,
        per_second,
    };
    Change::Drain { ip: ip(1), drain }
}

#[test]
fn a_drained_backend_has_no_points_and_moves_nobody() {
    let base = three_backends();
    let user = user_of(&base, 0, 1);
    let (drained, moves) = changed(&base, &[drain(2_000, 50)]);
    let backend = drained.backend_at(ip(1)).expect("it is still there");
    assert!(backend.is_up && backend.is_working());
    assert_eq!(
        (backend.points(), backend.shown_vhosts(), backend.vhosts),
        (0, 0, 100)
    );
    assert_eq!(drained.place(user), Some(id_at(&base, 2)));
    assert!(moves.is_empty());
    assert_ne!(drained.fingerprint(), base.fingerprint());
    let (back, moves) = changed(&drained, &[Change::CancelDrain { ip: ip(1) }]);
    assert_eq!(back, base);
    assert!(moves.is_empty());
    assert_eq!(
        changed(&base, &[Change::CancelDrain { ip: ip(1) }]).0,
        base,
        "there was none"
    );
}

#[test]
fn the_last_order_counts() {
    let (first, _) = changed(&three_backends(), &[drain(2_000, 50)]);
    let (second, _) = changed(&first, &[drain(3_000, 1)]);
    let drain = second
        .backend_at(ip(1))
        .and_then(|backend| backend.drain)
        .expect("it goes on");
    assert_eq!((drain.until_unix_s, drain.per_second), (3_000, 1));
    assert!(!drain.is_due(2_999) && drain.is_due(3_000));
}

#[test]
fn drains_out_of_range_are_refused() {
    let base = three_backends();
    let far = 1_000 + DRAIN_SPAN_MAX.as_secs();
    changed(&base, &[drain(far, DRAIN_PER_SECOND_MAX)]);
    for (until_unix_s, per_second) in [(2_000, 0), (2_000, DRAIN_PER_SECOND_MAX + 1)] {
        let refused = refused(&base, &[drain(until_unix_s, per_second)]);
        assert!(
            matches!(refused, ChangeError::DrainRateOutOfRange { .. }),
            "{refused}"
        );
    }
    for until_unix_s in [999, far + 1] {
        let refused = refused(&base, &[drain(until_unix_s, 1)]);
        assert!(
            matches!(refused, ChangeError::DrainSpanOutOfRange { .. }),
            "{refused}"
        );
    }
}
