//! What a plan is made of while it is drawn: faults, work, and how many disks may still be wiped.

use super::moments::Moments;
use crate::entropy::Stream;
use crate::fault::{Fault, FaultKind, Links, MessageKind};
use crate::knobs::Knobs;
use crate::work::{Errand, Order, Work};

/// A plan in the making.
pub(super) struct Script<'a> {
    pub(super) stream: &'a mut Stream,
    pub(super) knobs: &'a Knobs,
    pub(super) moments: &'a Moments,
    pub(super) faults: Vec<Fault>,
    pub(super) work: Vec<Work>,
    pub(super) wipes_left: usize,
}

impl<'a> Script<'a> {
    pub(super) fn new(stream: &'a mut Stream, knobs: &'a Knobs, moments: &'a Moments) -> Self {
        Script {
            stream,
            knobs,
            moments,
            faults: Vec::new(),
            work: Vec::new(),
            wipes_left: knobs.minority(),
        }
    }

    pub(super) fn fault(&mut self, from_ms: u64, length_ms: u64, kind: FaultKind) {
        let from_ms = from_ms.min(self.moments.duration_ms - 1);
        let to_ms = (from_ms + length_ms.max(1)).min(self.moments.duration_ms);
        if let FaultKind::Wipe { member } = &kind {
            let is_again = self.faults.iter().any(|fault| fault.kind == kind);
            if !self.knobs.members[*member].votes || is_again || self.wipes_left == 0 {
                return;
            }
            self.wipes_left -= 1;
        }
        self.faults.push(Fault { from_ms, to_ms, kind });
    }

    pub(super) fn command(&mut self, at_ms: u64, member: usize, orders: Vec<Order>) {
        let at_ms = at_ms.min(self.moments.duration_ms - 1);
        self.work.push(Work {
            at_ms,
            member,
            errand: Errand::Command { orders },
        });
    }

    /// A change that moves users, asked for anywhere.
    pub(super) fn moving_command(&mut self, at_ms: u64) {
        let member = self.director();
        let orders = vec![self.moving_order()];
        self.command(at_ms, member, orders);
    }

    pub(super) fn moving_order(&mut self) -> Order {
        let backend = self.stream.index(self.knobs.backends.len()) as u32;
        let user = self.stream.index(self.knobs.users as usize) as u32;
        match self.stream.range(0, 8) {
            0 | 1 => Order::Flush {
                backend: Some(backend),
            },
            2..=3 => Order::Move { user, backend },
            4 => Order::MoveHash { user, backend },
            5 => Order::SetVhosts {
                backend,
                vhosts: self.stream.range(0, 30) as u32,
            },
            6 => Order::Down { backend },
            7 => Order::Up { backend },
            _ => Order::RemoveBackend { backend },
        }
    }

    pub(super) fn director(&mut self) -> usize {
        let is_meant =
            |index: &usize| self.knobs.members[*index].serves && self.knobs.members[*index].is_configured;
        let directors: Vec<usize> = (0..self.knobs.members.len()).filter(is_meant).collect();
        *self.stream.pick(&directors)
    }

    pub(super) fn member(&mut self) -> usize {
        self.stream.index(self.knobs.members.len())
    }

    /// All members but this one.
    pub(super) fn others(&self, member: usize) -> Vec<usize> {
        (0..self.knobs.members.len())
            .filter(|other| *other != member)
            .collect()
    }

    /// Some of the others, at least one where there is any.
    pub(super) fn some_others(&mut self, member: usize) -> Vec<usize> {
        let mut some = self.others(member);
        while some.len() > 1 && self.stream.percent(40) {
            some.remove(self.stream.index(some.len()));
        }
        some
    }

    /// About as long as a few steps of a round take.
    pub(super) fn blink_ms(&mut self) -> u64 {
        let step_ms = (self.knobs.latency_max_us + self.knobs.disk_us) / 1_000 + 2;
        let steps = *self.stream.pick(&[1, 3, 6, 10]);
        self.stream.range(0, step_ms * steps)
    }

    /// So many tenths of a lease, within a fifth of it.
    pub(super) fn lease_ms(&mut self, tenths: u64) -> u64 {
        let ms = self.knobs.lease_ms * tenths / 10;
        self.stream.range(ms - ms / 5, ms + ms / 5)
    }

    pub(super) fn cut(
        &mut self,
        from_ms: u64,
        length_ms: u64,
        from: &[usize],
        to: &[usize],
        only: &[MessageKind],
    ) {
        let links = Links {
            from: from.to_vec(),
            to: to.to_vec(),
            only: only.to_vec(),
        };
        self.fault(from_ms, length_ms, FaultKind::Cut { links });
    }

    /// Nobody hears this member, nor does it hear anybody, or only one of both.
    pub(super) fn away(&mut self, from_ms: u64, length_ms: u64, member: usize) {
        match self.stream.range(0, 5) {
            0 => self.cut(from_ms, length_ms, &[member], &[], &[]),
            1 => self.cut(from_ms, length_ms, &[], &[member], &[]),
            2 => self.fault(from_ms, length_ms, FaultKind::Pause { member }),
            _ => self.fault(from_ms, length_ms, FaultKind::Partition { side: vec![member] }),
        }
    }

    /// A process dies and is back soon.
    pub(super) fn restart(&mut self, at_ms: u64, member: usize) {
        let length_ms = *self.stream.pick(&[1, 5, 20, 100, self.knobs.lease_ms / 5]);
        if self.stream.percent(40) {
            let up_to_ms = self.stream.range(20, 200);
            self.fault(
                at_ms.saturating_sub(200),
                400,
                FaultKind::SlowDisk { member, up_to_ms },
            );
        }
        let kind = match self.stream.range(0, 9) {
            0 => FaultKind::PowerCut { member },
            1 | 2 => FaultKind::Wipe { member },
            _ => FaultKind::Crash { member },
        };
        self.fault(at_ms, length_ms, kind);
    }
}
