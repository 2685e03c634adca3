//! From a seed to a plan.

use crate::knobs::{Knobs, PolicyKnob};
use crate::plan::{Ending, FORMAT, Plan};

/// The plan of a seed.
pub fn plan(seed: u64) -> Plan {
    Plan {
        format: FORMAT,
        note: String::new(),
        expect: None,
        seed,
        duration_ms: 30_000,
        ending: Ending::AllHeal,
        knobs: Knobs {
            members: Vec::new(),
            policy: PolicyKnob::Consistent,
            lease_ms: 2_000,
            drift_ppm: 10_000,
            user_expire_ms: 5_000,
            login_wait_ms: 30_000,
            command_wait_ms: 30_000,
            backends: Vec::new(),
            users: 10,
            second_tag_percent: 0,
            login_gap_ms: 50,
            at_once_percent: 20,
            session_ms: 2_000,
            latency_min_us: 100,
            latency_max_us: 5_000,
            is_ordered: false,
            disk_us: 5_000,
            health_ms: 1_000,
            waiting_logins_max: 100,
            holds_max: 1_000,
            commands_max: 20,
            has_markers: false,
            fault_kinds: Vec::new(),
        },
        faults: Vec::new(),
        work: Vec::new(),
    }
}
