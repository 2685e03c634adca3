//! The connections between directors: TCP over the same links, with the same latencies and the same faults as the
//! messages of the other world have. Nothing is lost on a connection, and nothing overtakes: what a fault swallows is
//! sent again, ever more seldom, and all that comes after it waits.

use crate::entropy::{Entropy, Purpose, below};
use crate::knobs::Knobs;

const MS: u64 = 1_000_000;
/// The first retransmission; each further one waits twice as long.
const RETRANSMIT_NS: u64 = 200 * MS;
const RETRANSMIT_MAX_NS: u64 = 120_000 * MS;
/// When a lost SYN is sent again.
pub(super) const SYN_AGAIN_NS: [u64; 3] = [1_000 * MS, 2_000 * MS, 4_000 * MS];

/// What a fault does to a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// Nothing passes.
    Cut,
    /// So many packets of a thousand are lost.
    Lose { permille: u32 },
    /// Packets are late by up to this.
    Delay { up_to_ns: u64 },
}

#[derive(Debug, Default)]
struct Link {
    sent: u64,
    rules: Vec<(u32, Effect)>,
}

/// What goes to one end of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Parcel {
    Accepted,
    Connected,
    Line(String),
    Closed,
}

/// What becomes of something that has arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arrival {
    Now,
    Later(u64),
    /// It was lost after all, and waits for the link.
    Stalled,
}

/// One end of a connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct End {
    pub(super) member: u8,
    /// The process it belongs to.
    pub(super) run: u32,
    /// How that process names it.
    pub(super) connection: u32,
    pub(super) is_open: bool,
    last_arrival_ns: u64,
    /// Since when nothing passes to this end.
    stalled_since_ns: Option<u64>,
    /// What comes earlier than this waits for what was sent again.
    blocked_until_ns: u64,
}

/// A connection, by its two ends: who connected, and who was connected to.
#[derive(Debug)]
pub(super) struct Wire {
    pub(super) ends: [End; 2],
    /// What waits for a link to work again, by the end it goes to.
    stalled: [Vec<Parcel>; 2],
}

/// All links, and all connections over them.
#[derive(Debug)]
pub(super) struct Wires {
    members: usize,
    latency_min_ns: u64,
    latency_span_ns: u64,
    entropy: Entropy,
    links: Vec<Link>,
    pub(super) wires: Vec<Wire>,
}

impl Wires {
    pub(super) fn new(knobs: &Knobs, entropy: Entropy) -> Self {
        let members = knobs.members.len();
        Wires {
            members,
            latency_min_ns: knobs.latency_min_us * 1_000,
            latency_span_ns: knobs.latency_max_us.saturating_sub(knobs.latency_min_us) * 1_000,
            entropy,
            links: (0..members * members).map(|_| Link::default()).collect(),
            wires: Vec::new(),
        }
    }

    pub(super) fn open(&mut self, from: (u8, u32, u32), to: (u8, u32, u32)) -> usize {
        let end = |(member, run, connection)| End {
            member,
            run,
            connection,
            is_open: true,
            last_arrival_ns: 0,
            stalled_since_ns: None,
            blocked_until_ns: 0,
        };
        self.wires.push(Wire {
            ends: [end(from), end(to)],
            stalled: [Vec::new(), Vec::new()],
        });
        self.wires.len() - 1
    }

    /// The open connection that a process names so, and which end of it that is.
    pub(super) fn find(&self, run: u32, connection: u32) -> Option<(usize, usize)> {
        let is_meant = |end: &End| end.run == run && end.connection == connection;
        self.wires.iter().enumerate().rev().find_map(|(at, wire)| {
            let end = wire.ends.iter().position(is_meant)?;
            wire.ends[end].is_open.then_some((at, end))
        })
    }

    pub(super) fn is_cut(&self, from: u8, to: u8) -> bool {
        let rules = &self.links[self.index(from, to)].rules;
        rules.iter().any(|(_, effect)| *effect == Effect::Cut)
    }

    /// How long a packet takes.
    pub(super) fn latency_ns(&mut self, from: u8, to: u8) -> u64 {
        let index = self.index(from, to);
        let entropy = self.entropy;
        let link = &mut self.links[index];
        link.sent += 1;
        let (who, n) = (index as u64, link.sent);
        let mut ns =
            self.latency_min_ns + below(entropy.draw(Purpose::Latency, who, n), self.latency_span_ns + 1);
        for (fault, effect) in &link.rules {
            let who = who | u64::from(*fault) << 32;
            match effect {
                Effect::Cut => {}
                Effect::Delay { up_to_ns } => ns += below(entropy.draw(Purpose::Delay, who, n), up_to_ns + 1),
                Effect::Lose { permille } => {
                    let mut wait_ns = RETRANSMIT_NS;
                    let is_lost = |again: u64| {
                        below(entropy.draw(Purpose::Loss, who, n | again << 40), 1_000) < u64::from(*permille)
                    };
                    for again in 0..8 {
                        if !is_lost(again) {
                            break;
                        }
                        ns += wait_ns;
                        wait_ns *= 2;
                    }
                }
            }
        }
        ns
    }

    /// Sends something to one end; the time at which it arrives, unless it has to wait for the link.
    pub(super) fn send(
        &mut self,
        now: u64,
        wire: usize,
        end: usize,
        parcel: Parcel,
    ) -> Option<(u64, Parcel)> {
        let (from, to) = (
            self.wires[wire].ends[1 - end].member,
            self.wires[wire].ends[end].member,
        );
        let is_cut = self.is_cut(from, to);
        let latency_ns = self.latency_ns(from, to);
        let wire = &mut self.wires[wire];
        let at = &mut wire.ends[end];
        if is_cut || at.stalled_since_ns.is_some() {
            at.stalled_since_ns.get_or_insert(now);
            wire.stalled[end].push(parcel);
            return None;
        }
        at.last_arrival_ns = at.last_arrival_ns.max(now + latency_ns);
        Some((at.last_arrival_ns, parcel))
    }

    /// Something is there: whether it can be taken in now. If not, it waits for the link, or until the time given.
    pub(super) fn arrive(&mut self, now: u64, wire: usize, end: usize, parcel: &Parcel) -> Arrival {
        let (from, to) = (
            self.wires[wire].ends[1 - end].member,
            self.wires[wire].ends[end].member,
        );
        let is_cut = self.is_cut(from, to);
        let wire = &mut self.wires[wire];
        let at = &mut wire.ends[end];
        if is_cut {
            at.stalled_since_ns.get_or_insert(now);
            wire.stalled[end].push(parcel.clone());
            Arrival::Stalled
        } else if at.blocked_until_ns > now {
            Arrival::Later(at.blocked_until_ns)
        } else {
            Arrival::Now
        }
    }

    /// A fault begins to work on the links for which `is_meant` holds.
    pub(super) fn add(&mut self, fault: u32, effect: Effect, is_meant: impl Fn(usize, usize) -> bool) {
        for from in 0..self.members {
            for to in (0..self.members).filter(|to| *to != from) {
                if is_meant(from, to) {
                    self.links[from * self.members + to].rules.push((fault, effect));
                }
            }
        }
    }

    /// A fault works no longer. What was stalled arrives with the next retransmission: `arrive` is told of each parcel.
    pub(super) fn remove(&mut self, now: u64, fault: u32, mut arrive: impl FnMut(u64, usize, usize, Parcel)) {
        for link in &mut self.links {
            link.rules.retain(|(of, _)| *of != fault);
        }
        for at in 0..self.wires.len() {
            for end in 0..2 {
                let (from, to) = (
                    self.wires[at].ends[1 - end].member,
                    self.wires[at].ends[end].member,
                );
                let Some(since_ns) = self.wires[at].ends[end].stalled_since_ns else {
                    continue;
                };
                if self.is_cut(from, to) {
                    continue;
                }
                let arrives_ns = next_retransmission(since_ns, now) + self.latency_ns(from, to);
                let wire = &mut self.wires[at];
                wire.ends[end].stalled_since_ns = None;
                wire.ends[end].last_arrival_ns = arrives_ns;
                wire.ends[end].blocked_until_ns = arrives_ns;
                for parcel in std::mem::take(&mut wire.stalled[end]) {
                    arrive(arrives_ns, at, end, parcel);
                }
            }
        }
    }

    fn index(&self, from: u8, to: u8) -> usize {
        usize::from(from) * self.members + usize::from(to)
    }
}

/// When what was first sent at `since_ns` is sent again, not before `now`.
fn next_retransmission(since_ns: u64, now: u64) -> u64 {
    let (mut at_ns, mut wait_ns) = (since_ns, RETRANSMIT_NS);
    while at_ns < now {
        at_ns += wait_ns;
        wait_ns = (wait_ns * 2).min(RETRANSMIT_MAX_NS);
    }
    at_ns
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::plan;

    fn line(text: &str) -> Parcel {
        Parcel::Line(text.to_owned())
    }

    #[test]
    fn what_a_cut_swallows_arrives_in_order_after_it() {
        let mut wires = Wires::new(&plan(1).knobs, Entropy::new(1));
        let wire = wires.open((0, 0, 0), (1, 1, 0));
        let first = wires.send(0, wire, 1, line("1"));
        assert!(first.is_some_and(|(at_ns, _)| at_ns > 0));
        wires.add(7, Effect::Cut, |_, _| true);
        assert_eq!(wires.send(10, wire, 1, line("2")), None);
        let mut arrived = Vec::new();
        wires.remove(32_000 * MS, 7, |at_ns, _, _, parcel| {
            arrived.push((at_ns, parcel))
        });
        assert_eq!(arrived.len(), 1);
        // 0.2 s, 0.6, 1.4, 3, 6.2, 12.6, 25.4: the next one is at 51 s.
        assert!((51_000 * MS..51_200 * MS).contains(&arrived[0].0), "{arrived:?}");
        let later = wires.send(40_000 * MS, wire, 1, line("3"));
        assert!(later.is_some_and(|(at_ns, _)| at_ns >= arrived[0].0));
    }
}
