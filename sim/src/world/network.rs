//! The links between members. A message takes a random time; faults lose it, double it, delay it or hold it back.

use maildirector::agreement::Envelope;

use super::note::{Fate, Message};
use crate::entropy::{Entropy, Purpose, below};
use crate::fault::{Links, MessageKind};
use crate::knobs::Knobs;

/// What a fault does to the messages of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    Cut,
    Lose { permille: u32 },
    Duplicate { permille: u32 },
    Delay { up_to_ns: u64 },
    Hold,
}

#[derive(Clone, Copy, Debug)]
struct Rule {
    fault: u32,
    effect: Effect,
    kinds: u32,
}

#[derive(Debug, Default)]
struct Link {
    sent: u64,
    last_arrival_ns: u64,
    rules: Vec<Rule>,
}

/// A message under way.
#[derive(Debug)]
pub(crate) struct Flight {
    pub(crate) from: u8,
    pub(crate) to: u8,
    /// So many were sent on this link before it, and itself.
    pub(crate) n: u64,
    pub(crate) envelope: Envelope,
}

/// All links, and the messages on them.
#[derive(Debug)]
pub(crate) struct Network {
    members: usize,
    latency_min_ns: u64,
    latency_span_ns: u64,
    is_ordered: bool,
    entropy: Entropy,
    links: Vec<Link>,
    flights: Vec<Option<Flight>>,
    free: Vec<u32>,
    held: Vec<(u32, u32)>,
}

impl Network {
    pub(crate) fn new(knobs: &Knobs, entropy: Entropy) -> Self {
        let members = knobs.members.len();
        Network {
            members,
            latency_min_ns: knobs.latency_min_us * 1_000,
            latency_span_ns: knobs.latency_max_us.saturating_sub(knobs.latency_min_us) * 1_000,
            is_ordered: knobs.is_ordered,
            entropy,
            links: (0..members * members).map(|_| Link::default()).collect(),
            flights: Vec::new(),
            free: Vec::new(),
            held: Vec::new(),
        }
    }

    /// Takes a message; `arrive` is called with each time at which a copy of it arrives.
    pub(crate) fn send(
        &mut self,
        now: u64,
        to: u8,
        message: Message,
        envelope: Envelope,
        mut arrive: impl FnMut(u64, u32),
    ) -> Fate {
        let from = message.from();
        let index = usize::from(from) * self.members + usize::from(to);
        let who = index as u64;
        let link = &mut self.links[index];
        link.sent += 1;
        let n = link.sent;
        let latency = below(
            self.entropy.draw(Purpose::Latency, who, n),
            self.latency_span_ns + 1,
        );
        let mut at = now + self.latency_min_ns + latency;
        let mut is_twice = false;
        let mut holder = None;
        let kind = 1u32 << message.kind() as u32;
        for rule in link.rules.iter().filter(|rule| rule.kinds & kind != 0) {
            let hit = |purpose, permille| {
                let who = who | u64::from(rule.fault) << 32;
                below(self.entropy.draw(purpose, who, n), 1_000) < u64::from(permille)
            };
            match rule.effect {
                Effect::Cut => return Fate::Lost,
                Effect::Lose { permille } if hit(Purpose::Loss, permille) => return Fate::Lost,
                Effect::Duplicate { permille } => is_twice |= hit(Purpose::Duplicate, permille),
                Effect::Delay { up_to_ns } => {
                    at += below(self.entropy.draw(Purpose::Delay, who, n), up_to_ns + 1);
                }
                Effect::Hold => holder = Some(rule.fault),
                Effect::Lose { .. } => {}
            }
        }
        if self.is_ordered && link.rules.is_empty() {
            at = at.max(link.last_arrival_ns);
            link.last_arrival_ns = at;
        }
        if let Some(fault) = holder {
            let flight = self.keep(Flight {
                from,
                to,
                n,
                envelope,
            });
            self.held.push((fault, flight));
            return Fate::Held;
        }
        if is_twice {
            let later = below(self.entropy.draw(Purpose::Duplicate, who, !n), 1_000_000_000);
            arrive(
                at + later,
                self.keep(Flight {
                    from,
                    to,
                    n,
                    envelope: envelope.clone(),
                }),
            );
        }
        arrive(
            at,
            self.keep(Flight {
                from,
                to,
                n,
                envelope,
            }),
        );
        if is_twice {
            Fate::ArrivesTwice
        } else {
            Fate::Arrives
        }
    }

    /// How many messages were sent on a link.
    pub(crate) fn sent(&self, from: u8, to: u8) -> u64 {
        self.links[usize::from(from) * self.members + usize::from(to)].sent
    }

    /// The message arrives, unless its link was cut meanwhile: half of what was under way is lost then.
    pub(crate) fn arrive(&mut self, flight: u32) -> Option<Flight> {
        let taken = self.flights[flight as usize].take()?;
        self.free.push(flight);
        let index = usize::from(taken.from) * self.members + usize::from(taken.to);
        let link = &self.links[index];
        let is_cut = link
            .rules
            .iter()
            .any(|rule| rule.effect == Effect::Cut && rule.kinds == u32::MAX);
        let coin = || {
            self.entropy.draw(
                Purpose::CutOnArrival,
                index as u64,
                u64::from(flight) << 32 | link.sent,
            )
        };
        if is_cut && coin() & 1 == 0 {
            None
        } else {
            Some(taken)
        }
    }

    /// Keeps a message that can't be taken in yet.
    pub(crate) fn keep(&mut self, flight: Flight) -> u32 {
        match self.free.pop() {
            Some(slot) => {
                self.flights[slot as usize] = Some(flight);
                slot
            }
            None => {
                self.flights.push(Some(flight));
                (self.flights.len() - 1) as u32
            }
        }
    }

    /// The faults that lie on this link now, by their places in the plan.
    pub(crate) fn faults_on(&self, from: usize, to: usize) -> impl Iterator<Item = u32> + '_ {
        let rules = &self.links[from * self.members + to].rules;
        rules.iter().map(|rule| rule.fault)
    }

    /// A fault begins to work on all links for which `is_meant` holds.
    pub(crate) fn add(
        &mut self,
        fault: u32,
        effect: Effect,
        only: &[MessageKind],
        is_meant: impl Fn(usize, usize) -> bool,
    ) {
        let kinds = match only {
            [] => u32::MAX,
            _ => only.iter().fold(0, |kinds, kind| kinds | 1 << *kind as u32),
        };
        for from in 0..self.members {
            for to in (0..self.members).filter(|to| *to != from) {
                if is_meant(from, to) {
                    self.links[from * self.members + to]
                        .rules
                        .push(Rule { fault, effect, kinds });
                }
            }
        }
    }

    /// A fault works no longer; what it held back arrives within 50 ms, in random order.
    pub(crate) fn remove(&mut self, now: u64, fault: u32, mut arrive: impl FnMut(u64, u32)) {
        for link in &mut self.links {
            link.rules.retain(|rule| rule.fault != fault);
        }
        let entropy = self.entropy;
        self.held.retain(|(holder, flight)| {
            if *holder != fault {
                return true;
            }
            let after = below(
                entropy.draw(Purpose::Release, u64::from(fault), u64::from(*flight)),
                50_000_000,
            );
            arrive(now + after, *flight);
            false
        });
    }
}

/// Whether a link is among those that a fault names.
pub(crate) fn is_named(links: &Links, from: usize, to: usize) -> bool {
    (links.from.is_empty() || links.from.contains(&from)) && (links.to.is_empty() || links.to.contains(&to))
}

#[cfg(test)]
mod tests {
    use maildirector::agreement::{Body, Boot};
    use maildirector::topology::{Epoch, MemberId};

    use super::*;
    use crate::plan::Plan;

    fn network(members: usize) -> Network {
        let mut knobs = Plan::from_seed(1).knobs;
        knobs.members = vec![knobs.members[0].clone(); members];
        Network::new(&knobs, Entropy::new(1))
    }

    fn send(network: &mut Network, to: u8) -> (Fate, Vec<(u64, u32)>) {
        let from = MemberId::from_index(0);
        let envelope = Envelope {
            from,
            boot: Boot::from_bits(1),
            epoch: Epoch::ZERO,
            body: Body::Fetch,
        };
        let mut arrivals = Vec::new();
        let message = Message::of(&envelope);
        let fate = network.send(0, to, message, envelope, |at, flight| arrivals.push((at, flight)));
        (fate, arrivals)
    }

    #[test]
    fn a_cut_link_loses_all_and_the_other_way_none() {
        let mut network = network(3);
        network.add(7, Effect::Cut, &[], |from, to| from == 0 && to == 1);
        assert_eq!(send(&mut network, 1).0, Fate::Lost);
        assert_eq!(send(&mut network, 2).0, Fate::Arrives);
        network.remove(0, 7, |_, _| ());
        assert_eq!(send(&mut network, 1).0, Fate::Arrives);
    }

    #[test]
    fn held_messages_arrive_when_the_hold_ends() {
        let mut network = network(2);
        network.add(7, Effect::Hold, &[MessageKind::Fetch], |_, _| true);
        assert_eq!(send(&mut network, 1), (Fate::Held, vec![]));
        let mut arrivals = Vec::new();
        network.remove(5, 7, |at, flight| arrivals.push((at, flight)));
        assert_eq!(arrivals.len(), 1);
        assert!(network.arrive(arrivals[0].1).is_some());
        assert!(network.arrive(arrivals[0].1).is_none());
    }

    #[test]
    fn a_fault_of_one_kind_of_message_leaves_the_others_alone() {
        let mut network = network(2);
        network.add(
            7,
            Effect::Lose { permille: 1_000 },
            &[MessageKind::Commit],
            |_, _| true,
        );
        assert_eq!(send(&mut network, 1).0, Fate::Arrives);
    }
}
