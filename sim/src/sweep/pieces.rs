//! Single pieces of plans, drawn as for a seed, for a search that changes plans.

use super::moments::Moments;
use super::script::Script;
use super::{faults, patterns, work};
use crate::entropy::Stream;
use crate::fault::{Fault, FaultKind, KINDS};
use crate::plan::Plan;
use crate::work::{Errand, Order, Work};

/// Draws pieces that fit a plan.
pub(crate) struct Pieces<'a> {
    pub(crate) stream: &'a mut Stream,
    plan: &'a Plan,
    moments: Moments,
}

impl<'a> Pieces<'a> {
    pub(crate) fn new(stream: &'a mut Stream, plan: &'a Plan) -> Self {
        let moments = Moments::draw(stream, &plan.knobs, plan.duration_ms);
        Pieces {
            stream,
            plan,
            moments,
        }
    }

    /// Any kind of fault, on anybody.
    pub(crate) fn kind(&mut self) -> FaultKind {
        let name = *self.stream.pick(&KINDS);
        if name == "cable" {
            let member = self.stream.index(self.plan.knobs.members.len());
            return FaultKind::Cable { member };
        }
        faults::kind(self.stream, name, &self.plan.knobs)
    }

    /// A kind of fault that strikes this member, mostly alone.
    pub(crate) fn kind_on(&mut self, member: usize) -> FaultKind {
        match self.stream.range(0, 9) {
            0..=2 => FaultKind::Crash { member },
            3 => FaultKind::PowerCut { member },
            4 => FaultKind::Wipe { member },
            5 => FaultKind::Pause { member },
            6 | 7 => FaultKind::Partition { side: vec![member] },
            8 => FaultKind::SecondProcess { member },
            _ => {
                let mut kind = self.kind();
                set_member(&mut kind, member);
                kind
            }
        }
    }

    /// Members on one side of something.
    pub(crate) fn side(&mut self) -> Vec<usize> {
        faults::side(self.stream, self.plan.knobs.members.len())
    }

    /// A length between a blink and many leases.
    pub(crate) fn length_ms(&mut self) -> u64 {
        match self.stream.percent(30) {
            true => *self.stream.pick(&[1, 5, 20, 100]),
            false => self.moments.length_ms(self.stream),
        }
    }

    /// A moment at which much happens, or any other.
    pub(crate) fn begin_ms(&mut self) -> u64 {
        self.moments.begin_ms(self.stream)
    }

    /// Something for an admin to do at this time.
    pub(crate) fn work(&mut self, at_ms: u64) -> Work {
        let knobs = &self.plan.knobs;
        let member = work::director(self.stream, knobs);
        let mut script = Script::new(self.stream, knobs, &self.moments);
        let orders = match script.stream.percent(60) {
            true => vec![script.moving_order()],
            false => work::orders(self.stream, knobs),
        };
        Work {
            at_ms,
            member,
            errand: Errand::Command { orders },
        }
    }

    /// A member goes, or comes.
    pub(crate) fn membership(&mut self, at_ms: u64) -> Work {
        let member = self.stream.index(self.plan.knobs.members.len());
        let order = match self.stream.percent(50) {
            true => Order::AddMember { member },
            false => Order::RemoveMember { member },
        };
        Work {
            at_ms,
            member: work::director(self.stream, &self.plan.knobs),
            errand: Errand::Command { orders: vec![order] },
        }
    }

    /// A series of mishaps that hang together, beginning near this time.
    pub(crate) fn series(&mut self, at_ms: u64) -> (Vec<Fault>, Vec<Work>) {
        let mut script = Script::new(self.stream, &self.plan.knobs, &self.moments);
        patterns::draw(&mut script, at_ms);
        (script.faults, script.work)
    }
}

/// Lets a fault strike this member instead, where it strikes one alone.
pub(crate) fn set_member(kind: &mut FaultKind, to: usize) {
    if let Some(member) = kind.member_mut() {
        *member = to;
    } else if let Some(links) = kind.links_mut() {
        let is_sender = links.to.is_empty() || !links.from.is_empty();
        if is_sender {
            links.from = vec![to];
            links.to.retain(|other| *other != to);
        } else {
            links.to = vec![to];
        }
    } else if let FaultKind::Partition { side } = kind {
        *side = vec![to];
    }
}
