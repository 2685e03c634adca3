//! Saying nothing that is not yet on disk: records to save, and votes that wait for them.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::machine::Director;
use super::output::{Event, Output};
use crate::agreement::{
    Body, Committed, Envelope, Hello, Record, Rule, Step,
    timing::{renew_every, resend_every},
};
use crate::topology::{Epoch, Incarnation, MemberId};
use crate::world::Instant;

/// Votes that wait for the disk at most; while it hangs, older ones are dropped and asked for again.
const WAITING_MAX: usize = 1024;

/// To whom a waiting vote goes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Recipient {
    One(MemberId),
    All,
}

/// What is saved, what is not yet, and what waits for it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Disk {
    written: u64,
    synced: u64,
    waiting: VecDeque<(u64, Recipient, Envelope)>,
    pub retry_at: Option<Instant>,
    pub is_halted: bool,
    /// Kept for the planted bug that forgets epochs: what the disk was told first.
    first_committed: Option<Committed>,
}

impl Disk {
    pub fn new() -> Self {
        Disk {
            written: 0,
            synced: 0,
            waiting: VecDeque::new(),
            retry_at: None,
            is_halted: false,
            first_committed: None,
        }
    }

    /// Records that this run wanted saved, and how many of them are synced.
    pub fn saves(&self) -> (u64, u64) {
        (self.written, self.synced)
    }

    /// Votes and confirmations that wait to be synced before they are said.
    pub fn unsaid(&self) -> usize {
        self.waiting.len()
    }
}

impl Director {
    /// Have the present state saved; votes from now on wait for it.
    pub(super) fn save(&mut self, out: &mut Vec<Output>) {
        self.disk.written += 1;
        let rules = self.settings.rules;
        let mut committed = self.first_start.is_none().then(|| self.committed.clone());
        if !rules.keep(Rule::EpochIsDurable) {
            self.disk.first_committed = self.disk.first_committed.take().or(committed);
            committed = self.disk.first_committed.clone();
        }
        let record = Record {
            member: self.settings.me,
            incarnation: self.incarnation,
            boot: self.boot,
            bound: self.first_start.as_ref().and_then(|f| f.bound().cloned()),
            committed,
            promised: self
                .voter
                .promised()
                .filter(|_| rules.keep(Rule::PromiseIsDurable)),
            accepted: self
                .voter
                .accepted()
                .filter(|_| rules.keep(Rule::AcceptedIsDurable))
                .cloned(),
        };
        out.push(Output::Save {
            number: self.disk.written,
            record: Arc::new(record),
        });
    }

    /// Send what depends on the saved state, once all of it is synced.
    pub(super) fn vote(&mut self, to: MemberId, body: Body, out: &mut Vec<Output>) {
        let envelope = self.envelope(body);
        self.after_sync(Recipient::One(to), envelope, out);
    }

    fn after_sync(&mut self, to: Recipient, envelope: Envelope, out: &mut Vec<Output>) {
        if self.disk.synced >= self.disk.written {
            self.release(to, envelope, out);
            return;
        }
        if self.disk.waiting.len() == WAITING_MAX {
            self.disk.waiting.pop_front();
        }
        self.disk.waiting.push_back((self.disk.written, to, envelope));
    }

    fn release(&mut self, to: Recipient, envelope: Envelope, out: &mut Vec<Output>) {
        match to {
            Recipient::One(to) => self.send_envelope(to, envelope, out),
            Recipient::All => {
                self.to_self.push_back(envelope.clone());
                out.push(Output::Flood(envelope));
            }
        }
    }

    pub(super) fn saved(&mut self, number: u64, out: &mut Vec<Output>) {
        self.disk.synced = self.disk.synced.max(number.min(self.disk.written));
        if self.disk.synced == self.disk.written {
            self.disk.retry_at = None;
        }
        while self
            .disk
            .waiting
            .front()
            .is_some_and(|(needed, ..)| *needed <= self.disk.synced)
        {
            if let Some((_, to, envelope)) = self.disk.waiting.pop_front() {
                self.release(to, envelope, out);
            }
        }
    }

    /// A storage that took another run's record ends this run; any other failure is tried again: leases go on without
    /// this member's vote as long as others make a majority.
    pub(super) fn save_failed(&mut self, is_replaced: bool, now: Instant, out: &mut Vec<Output>) {
        if !is_replaced {
            self.disk.retry_at = Some(now.plus(renew_every(self.timing())));
        } else if self.settings.rules.keep(Rule::ReplacedRunStops) {
            self.halt(now, out);
        } else {
            self.saved(self.disk.written, out);
        }
    }

    /// End this run: close everything, answer everybody who waits, say no more.
    pub(super) fn halt(&mut self, now: Instant, out: &mut Vec<Output>) {
        self.isolate(now, out);
        self.fail_commands(now, out);
        self.disk.is_halted = true;
        out.push(Output::Halt);
    }

    pub(super) fn retry_save_if_due(&mut self, now: Instant, out: &mut Vec<Output>) {
        if self.disk.retry_at.is_some_and(|at| now >= at) {
            self.disk.retry_at = None;
            self.save(out);
        }
    }

    /// A member without a seat says hello until it has one.
    pub(super) fn hello_if_due(&mut self, now: Instant, out: &mut Vec<Output>) {
        if self.hello_at.is_none_or(|at| now < at) {
            return;
        }
        let is_fresh = self.first_start.is_some();
        let is_unseated = self.wants_vote() && !self.is_seated() && !self.is_removed();
        if !is_fresh && !is_unseated && !self.is_waiting() {
            self.hello_at = None;
            return;
        }
        let every = if is_fresh {
            resend_every(self.timing())
        } else {
            renew_every(self.timing())
        };
        self.hello_at = Some(now.plus(every));
        if !is_fresh && is_unseated {
            out.push(Output::Event(Event::Unseated));
        }
        self.say_hello(out);
    }

    /// Whether it waits to become a member. Nobody sends it what is decided while it is cut off: it has to ask.
    fn is_waiting(&self) -> bool {
        self.topology().member(self.settings.me).is_none() && !self.is_removed()
    }

    fn say_hello(&mut self, out: &mut Vec<Output>) {
        let hello = Hello {
            fingerprint: match &self.first_start {
                Some(first_start) => first_start.fingerprint(),
                None => self.settings.configured.fingerprint(),
            },
            incarnation: self.wants_vote().then_some(self.incarnation),
            is_fresh: self.first_start.is_some(),
            bound: self.first_start.as_ref().and_then(|f| f.bound().cloned()),
        };
        let envelope = self.envelope(Body::Hello(hello));
        self.after_sync(Recipient::All, envelope, out);
    }

    /// Whether the configuration makes this member a voter.
    pub(super) fn wants_vote(&self) -> bool {
        self.settings
            .configured
            .member(self.settings.me)
            .is_some_and(|m| m.votes)
    }

    pub(super) fn hello_received(
        &mut self,
        (from, epoch): (MemberId, Epoch),
        hello: Hello,
        now: Instant,
        out: &mut Vec<Output>,
    ) {
        // Once the ring has started, what is in force counts, whoever was configured how.
        if self
            .first_start
            .as_ref()
            .is_some_and(|f| f.is_of_other_configuration(&hello))
        {
            out.push(Output::Event(Event::OtherConfiguration { member: from }));
        }
        let Some(first_start) = &mut self.first_start else {
            // Its own last word as a fresh member is overtaken by what it knows now.
            let is_own = from == self.settings.me;
            if epoch > self.epoch() {
                self.fetch(from, now, out);
            } else if (hello.is_fresh || epoch < self.epoch()) && !is_own {
                self.tell(from, now, out);
            }
            if !hello.is_fresh
                && let Some(incarnation) = hello.incarnation
            {
                self.coordination.note_hello(from, incarnation, now);
                self.coordinate(now, out);
            }
            return;
        };
        if !self
            .settings
            .configured
            .member(self.settings.me)
            .is_some_and(|m| m.votes)
        {
            return;
        }
        match first_start.heard(from, &hello, &self.settings.configured) {
            Step::Wait | Step::OtherConfiguration { .. } => {}
            Step::Bind => {
                self.save(out);
                self.say_hello(out);
            }
            Step::Start(voters) => self.start_ring(&voters, now, out),
        }
    }

    fn start_ring(&mut self, voters: &BTreeMap<MemberId, Incarnation>, now: Instant, out: &mut Vec<Output>) {
        out.push(Output::Event(Event::FirstStarted));
        let topology = self.settings.configured.with_incarnations(voters);
        // The others may be about to hear the last binding; tell them as long as they ask.
        self.install(Committed::genesis(topology), None, now, out);
    }

    pub(super) fn receive_while_fresh(&mut self, envelope: Envelope, now: Instant, out: &mut Vec<Output>) {
        match envelope.body {
            Body::Hello(hello) => self.hello_received((envelope.from, envelope.epoch), hello, now, out),
            Body::Topology(committed) => self.topology_received(envelope.from, committed, now, out),
            _ => {}
        }
    }
}
