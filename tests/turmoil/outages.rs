//! Mail servers that die: when, and for how long.

use sim::{Fault, FaultKind};

/// A mail server is dead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outage {
    /// Its number.
    pub backend: u32,
    pub from_ms: u64,
    pub to_ms: u64,
}

/// All of them; one that flaps dies again and again.
pub fn outages(faults: &[Fault]) -> Vec<Outage> {
    let mut found = Vec::new();
    for fault in faults {
        let (backend, turn_ms) = match fault.kind {
            FaultKind::BackendDown { backend } => (backend, None),
            FaultKind::BackendFlap { backend, period_ms } => (backend, Some((period_ms / 2).max(1))),
            _ => continue,
        };
        let mut from_ms = fault.from_ms;
        while from_ms < fault.to_ms {
            let to_ms = turn_ms.map_or(fault.to_ms, |turn_ms| fault.to_ms.min(from_ms + turn_ms));
            found.push(Outage {
                backend: backend as u32,
                from_ms,
                to_ms,
            });
            from_ms = to_ms + turn_ms.unwrap_or(0);
        }
    }
    found
}

#[test]
fn a_backend_that_flaps_is_dead_in_every_other_turn() {
    let fault = Fault {
        from_ms: 100,
        to_ms: 1_000,
        kind: FaultKind::BackendFlap {
            backend: 2,
            period_ms: 400,
        },
    };
    let spans: Vec<(u64, u64)> = outages(&[fault])
        .iter()
        .map(|outage| (outage.from_ms, outage.to_ms))
        .collect();
    assert_eq!(spans, [(100, 300), (500, 700), (900, 1_000)]);
}
