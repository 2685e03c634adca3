//! Which links of the simulated network are cut or held at a time, and telling the network of the changes only.

use std::collections::BTreeMap;
use std::time::Duration;

use sim::Knobs;
use sim::fault::Links;
use sim::{Fault, FaultKind};

use crate::settings::host;

/// The state of a pair of members, the lower number first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Pair {
    is_cut: bool,
    is_cut_back: bool,
    is_held: bool,
    late_ms: u64,
}

/// The network as the faults want it.
#[derive(Default)]
pub struct Network {
    pairs: BTreeMap<(usize, usize), Pair>,
}

impl Network {
    /// Makes the network as the active faults want it. Whoever is off is cut off from all, so that nothing of his last
    /// moments gets out.
    pub fn apply<'a>(
        &mut self,
        sim: &turmoil::Sim<'_>,
        knobs: &Knobs,
        active: impl Iterator<Item = &'a Fault> + Clone,
        now: Duration,
    ) {
        for low in 0..knobs.members.len() {
            for high in low + 1..knobs.members.len() {
                let mut pair = Pair::default();
                for fault in active.clone() {
                    pair.strike(fault, low, high, now);
                }
                self.set(sim, (low, high), pair, knobs);
            }
        }
    }

    fn set(&mut self, sim: &turmoil::Sim<'_>, at: (usize, usize), mut pair: Pair, knobs: &Knobs) {
        let before = self.pairs.get(&at).copied().unwrap_or_default();
        let (a, b) = (host(at.0), host(at.1));
        // Cuts come before holds: the simulated network knows only one of them at a time.
        if pair.is_cut || pair.is_cut_back {
            pair.is_held = false;
        }
        if before == pair {
            return;
        }
        if before.is_held && !pair.is_held {
            sim.release(a, b);
        }
        if before.is_cut && !pair.is_cut {
            sim.repair_oneway(a, b);
        }
        if before.is_cut_back && !pair.is_cut_back {
            sim.repair_oneway(b, a);
        }
        if pair.is_cut && !before.is_cut {
            sim.partition_oneway(a, b);
        }
        if pair.is_cut_back && !before.is_cut_back {
            sim.partition_oneway(b, a);
        }
        if pair.is_held && !before.is_held {
            sim.hold(a, b);
        }
        if before.late_ms != pair.late_ms {
            let latency = Duration::from_micros(knobs.latency_max_us) + Duration::from_millis(pair.late_ms);
            sim.set_link_max_message_latency(a, b, latency);
        }
        self.pairs.insert(at, pair);
    }
}

impl Pair {
    fn strike(&mut self, fault: &Fault, low: usize, high: usize, now: Duration) {
        let is_named = |links: &Links, from: usize, to: usize| {
            (links.from.is_empty() || links.from.contains(&from))
                && (links.to.is_empty() || links.to.contains(&to))
        };
        match &fault.kind {
            FaultKind::Partition { side } if side.contains(&low) != side.contains(&high) => {
                (self.is_cut, self.is_cut_back) = (true, true);
            }
            FaultKind::PowerCut { member } if *member == low || *member == high => {
                (self.is_cut, self.is_cut_back) = (true, true);
            }
            FaultKind::Cut { links } => {
                self.is_cut |= is_named(links, low, high);
                self.is_cut_back |= is_named(links, high, low);
            }
            FaultKind::Flap { links, period_ms } => {
                let since_ms = now.as_millis() as u64 - fault.from_ms;
                if since_ms % (*period_ms).max(2) < *period_ms / 2 {
                    self.is_cut |= is_named(links, low, high);
                    self.is_cut_back |= is_named(links, high, low);
                }
            }
            FaultKind::Hold { links } => {
                self.is_held |= is_named(links, low, high) || is_named(links, high, low);
            }
            FaultKind::Loss { links, permille }
                if is_named(links, low, high) || is_named(links, high, low) =>
            {
                match late_by_loss_ms(*permille) {
                    Some(late_ms) => self.late_ms = self.late_ms.max(late_ms),
                    None => {
                        self.is_cut |= is_named(links, low, high);
                        self.is_cut_back |= is_named(links, high, low);
                    }
                }
            }
            FaultKind::Delay { links, up_to_ms }
                if is_named(links, low, high) || is_named(links, high, low) =>
            {
                self.late_ms = self.late_ms.max(*up_to_ms);
            }
            _ => {}
        }
    }
}

/// Real TCP sends again what was lost, after 200 ms, 400 ms and so on; simulated TCP does not. So a link that loses so
/// many of a thousand packets is late here by what it takes until hardly one in a hundred is missing still; one that
/// loses most of them is as good as cut, which is none.
fn late_by_loss_ms(permille: u32) -> Option<u64> {
    match permille {
        0..=100 => Some(600),
        101..=300 => Some(3_000),
        _ => None,
    }
}
