//! What is still to happen, in the order of time; of two things at the same time, the one that was put in first.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::net::IpAddr;
use std::sync::Arc;

use maildirector::agreement::{Envelope, Record};
use maildirector::topology::UserId;

/// One thing to happen. What belongs to a run of a member names it by its count.
#[derive(Clone, Debug)]
pub(super) enum Event {
    Arrives {
        to: usize,
        envelope: Envelope,
    },
    Tick {
        member: usize,
    },
    Saved {
        member: usize,
        boots: u64,
        number: u64,
        record: Arc<Record>,
    },
    Evicted {
        member: usize,
        boots: u64,
        user: UserId,
        serial: u32,
    },
    AllClosed {
        member: usize,
        boots: u64,
        term: u32,
    },
    /// The guard beside a member looks whether its lease has been renewed.
    GuardLooks {
        member: usize,
        boots: u64,
    },
    /// A member's probes have made up their mind.
    Probed {
        member: usize,
        failing: Option<IpAddr>,
    },
    Starts {
        member: usize,
    },
    Login {
        user: usize,
    },
}

impl Event {
    /// The member whose process has to take it in; none where only its host or its users are concerned.
    pub fn process(&self) -> Option<usize> {
        match *self {
            Event::Arrives { to: member, .. }
            | Event::Tick { member }
            | Event::Saved { member, .. }
            | Event::Evicted { member, .. }
            | Event::AllClosed { member, .. }
            | Event::Probed { member, .. } => Some(member),
            Event::GuardLooks { .. } | Event::Starts { .. } | Event::Login { .. } => None,
        }
    }
}

/// A queue of events. Their bodies lie beside the heap, so that it moves only what it compares.
#[derive(Clone, Debug, Default)]
pub(super) struct Agenda {
    heap: BinaryHeap<Reverse<(u64, u64, u32)>>,
    bodies: Vec<Option<Event>>,
    free: Vec<u32>,
    numbers: u64,
}

impl Agenda {
    pub fn push(&mut self, at: u64, event: Event) {
        let place = match self.free.pop() {
            Some(place) => {
                self.bodies[place as usize] = Some(event);
                place
            }
            None => {
                self.bodies.push(Some(event));
                (self.bodies.len() - 1) as u32
            }
        };
        self.numbers += 1;
        self.heap.push(Reverse((at, self.numbers, place)));
    }

    /// The next event, if it happens before `end`.
    pub fn pop_before(&mut self, end: u64) -> Option<(u64, Event)> {
        let Reverse((at, _, place)) = *self.heap.peek()?;
        if at >= end {
            return None;
        }
        self.heap.pop();
        self.free.push(place);
        self.bodies[place as usize].take().map(|event| (at, event))
    }
}
