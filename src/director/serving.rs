//! Whether this director may serve: its lease, its isolation, and the closing of everything when it ends.

use super::input::Policy;
use super::machine::{Director, Heard};
use super::output::{Event, Output};
use crate::agreement::{
    Body, Boot, Lease, Nonce, Renew, Rule, Verdict,
    timing::{renew_every, resend_every, round_bound},
};
use crate::topology::{BACKENDS_MAX, Epoch, MemberId};
use crate::world::Instant;

/// Where a director stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Standing {
    /// Under a lease.
    Leased,
    /// Without a lease, and so without users.
    Isolated {
        /// Since when.
        since: Instant,
    },
    /// Without a lease, serving by the last topology: policy "available".
    Alone {
        /// Since when.
        since: Instant,
    },
}

/// All sessions are to be closed; the demand is repeated until the doors say that they are.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Closing {
    again_at: Instant,
}

/// A director's right to serve.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Serving {
    pub lease: Lease,
    pub standing: Standing,
    term: u32,
    closing: Option<Closing>,
    renew_at: Option<Instant>,
    asked_at: Option<Instant>,
    /// Policy "available": when to serve without ever having had a lease in this run.
    alone_at: Option<Instant>,
    /// Policy "available": it has begun to serve alone with this input, and who waited is to be let in at its end.
    pub owes_waiting: bool,
}

impl Serving {
    pub fn new(lease: Lease, now: Instant, alone_at: Option<Instant>) -> Self {
        Serving {
            lease,
            standing: Standing::Isolated { since: now },
            term: 0,
            closing: None,
            renew_at: None,
            asked_at: None,
            alone_at,
            owes_waiting: false,
        }
    }

    pub fn next_timer(&self) -> Option<Instant> {
        let alone_at = self
            .alone_at
            .filter(|_| matches!(self.standing, Standing::Isolated { .. }));
        let closing = self.closing.as_ref().map(|c| c.again_at);
        Instant::first_of([self.renew_at, closing, alone_at])
    }

    pub fn is_closing(&self) -> bool {
        self.closing.is_some()
    }

    /// Ask again as soon as the timers run.
    pub fn renew_soon(&mut self, now: Instant) {
        self.renew_at = Some(now);
    }
}

impl Director {
    /// Whether a front door may forward a byte now. To be asked before each forwarded read, with the clock read
    /// after the bytes are there: a process that slept past its lease forwards nothing on waking.
    pub fn may_forward(&self, now: Instant) -> bool {
        now < self.forwards_until()
    }

    /// Until when [`Director::may_forward`] holds unless something happens before; the origin when it does not hold now.
    pub fn forwards_until(&self) -> Instant {
        const ALWAYS: Instant = Instant::from_nanos(u64::MAX);
        match self.serving.standing {
            Standing::Leased if self.settings.policy == Policy::Available => ALWAYS,
            Standing::Leased => self.lease_end().unwrap_or(ALWAYS),
            Standing::Isolated { .. } => Instant::ORIGIN,
            Standing::Alone { .. } => ALWAYS,
        }
    }

    /// Where this director stands.
    pub fn standing(&self) -> Standing {
        self.serving.standing
    }

    pub(super) fn is_alone(&self) -> bool {
        matches!(self.serving.standing, Standing::Alone { .. })
    }

    /// Until when the lease runs that doors may use; in the past, or `None`, when there is none.
    pub fn lease_until(&self) -> Option<Instant> {
        self.serving.lease.until()
    }

    /// Epochs at which a lease is held that runs at `now`.
    pub fn lease_epochs(&self, now: Instant) -> impl Iterator<Item = Epoch> + '_ {
        self.serving.lease.epochs(now)
    }

    /// Whether logins are answered with a backend.
    pub fn is_serving(&self) -> bool {
        !matches!(self.serving.standing, Standing::Isolated { .. })
    }

    pub(super) fn lease_end(&self) -> Option<Instant> {
        let is_leased = self.serving.standing == Standing::Leased;
        if !is_leased || !self.settings.rules.keep(Rule::AdmitOnlyUnderLease) {
            return None;
        }
        Some(self.serving.lease.until().unwrap_or(Instant::ORIGIN))
    }

    pub(super) fn end_lease_if_due(&mut self, now: Instant, out: &mut Vec<Output>) {
        if self.lease_end().is_some_and(|end| now >= end) {
            match self.settings.policy {
                Policy::Consistent => self.isolate(now, out),
                Policy::Available => self.stand_alone(now, out),
            }
        }
    }

    /// Stop serving in this instant: forward nothing more, close everything, forget all holds.
    pub(super) fn isolate(&mut self, now: Instant, out: &mut Vec<Output>) {
        self.serving.standing = Standing::Isolated { since: now };
        if self.settings.rules.keep(Rule::ConfirmedSurvivesIsolation) {
            self.serving.lease.void();
        } else {
            self.followed.unbind();
        }
        let (epoch, holds) = (self.epoch(), self.holds.len());
        out.push(Output::Event(Event::Isolated { epoch, holds }));
        self.close_all(now, out);
        self.refuse_waiting(now, out);
    }

    pub(super) fn close_all(&mut self, now: Instant, out: &mut Vec<Output>) {
        self.holds.clear();
        self.followed.all_evicted();
        self.serving.term = self.serving.term.wrapping_add(1);
        if self.settings.rules.keep(Rule::CloseBeforeRenewing) {
            self.serving.closing = Some(Closing {
                again_at: now.plus(round_bound(self.timing())),
            });
        }
        out.push(Output::CloseAll {
            term: self.serving.term,
        });
    }

    fn stand_alone(&mut self, now: Instant, out: &mut Vec<Output>) {
        self.serving.standing = Standing::Alone { since: now };
        // Users frozen for a value are served from here on, so it is not confirmed any more, and askings that named
        // it as confirmed may not bring a lease.
        self.serving.lease.void();
        self.followed.unbind();
        out.push(Output::Event(Event::Isolated {
            epoch: self.epoch(),
            holds: self.holds.len(),
        }));
        // Not at once: the input that found the lease ended may be the next topology.
        self.serving.owes_waiting = true;
    }

    pub(super) fn all_closed(&mut self, term: u32, now: Instant, out: &mut Vec<Output>) {
        if self.serving.closing.is_some() && term == self.serving.term {
            self.serving.closing = None;
            self.serving.renew_soon(now);
            self.confirm_if_closed(now, out);
            self.serving_timers(now, out);
        }
    }

    pub(super) fn serving_timers(&mut self, now: Instant, out: &mut Vec<Output>) {
        let again_after = round_bound(self.timing());
        if let Some(closing) = &mut self.serving.closing
            && now >= closing.again_at
        {
            closing.again_at = now.plus(again_after);
            out.push(Output::CloseAll {
                term: self.serving.term,
            });
        }
        let is_due = self.serving.alone_at.is_some_and(|at| now >= at);
        if is_due && matches!(self.serving.standing, Standing::Isolated { .. }) {
            if self.serves() {
                self.stand_alone(now, out);
            } else {
                // Without a topology, or as no director, there is nothing to serve by yet.
                self.serving.alone_at = Some(now.plus(self.timing().lease));
            }
        }
        if self.serving.renew_at.is_some_and(|at| now >= at) {
            self.renew(now, out);
        }
    }

    /// Ask all voters for a lease, unless sessions are still open that no lease may cover.
    fn renew(&mut self, now: Instant, out: &mut Vec<Output>) {
        if !self.serves() {
            self.serving.renew_at = None;
            return;
        }
        // Without a lease of this epoch there is somebody to hurry for: users to serve, or a round to confirm.
        let is_renewed = self.serving.lease.is_renewed(self.epoch(), now);
        let every = if is_renewed {
            renew_every(self.timing())
        } else {
            resend_every(self.timing())
        };
        self.serving.renew_at = Some(now.plus(every));
        if self.serving.is_closing() || self.followed.has_contradictions() {
            return;
        }
        // Confirmations and installs each want a fresh asking; a burst of them is worth one.
        let gap = resend_every(self.timing()) / 4;
        if let Some(asked_at) = self.serving.asked_at
            && now.since(asked_at) < gap
        {
            self.serving.renew_at = Some(asked_at.plus(gap));
            return;
        }
        self.serving.asked_at = Some(now);
        let topology = self.committed.topology.clone();
        let renew = Renew {
            nonce: self.serving.lease.ask(&topology, now),
            confirmed: self.followed.confirmed_ids(),
            is_leased: self.serving.standing == Standing::Leased,
            is_stuck: self.followed.is_stuck(now, self.timing()),
            failing: self.opinion(),
        };
        self.flood(Body::Renew(renew), out);
    }

    pub(super) fn renew_received(
        &mut self,
        from: MemberId,
        boot: Boot,
        renew: &Renew,
        now: Instant,
        out: &mut Vec<Output>,
    ) {
        if from != self.settings.me {
            if renew
                .failing
                .as_ref()
                .is_some_and(|failing| failing.len() > BACKENDS_MAX)
            {
                self.note_nonsense(from, out);
                return;
            }
            let (is_leased, is_stuck) = (renew.is_leased, renew.is_stuck);
            self.heard.insert(
                from,
                Heard {
                    boot,
                    at: now,
                    is_leased,
                    is_stuck,
                    failing: renew.failing.clone(),
                },
            );
            // It may be the first word of a coordinator, and a member that does not serve has no timer of its own.
            self.send_commands(now, out);
        }
        self.answer_renew(from, boot, renew, now, out);
        if renew.is_stuck {
            self.coordinate(now, out);
        }
    }

    pub(super) fn answer_renew(
        &mut self,
        from: MemberId,
        boot: Boot,
        renew: &Renew,
        now: Instant,
        out: &mut Vec<Output>,
    ) {
        if !self.is_seated() || !self.topology().member(from).is_some_and(|m| m.serves) {
            return;
        }
        match self.voter.asked(from, boot, &renew.confirmed, self.timing(), now) {
            Verdict::Granted => self.vote(
                from,
                Body::Grant {
                    boot,
                    nonce: renew.nonce,
                },
                out,
            ),
            Verdict::Lacks(value) => self.vote(from, Body::Lacks(value), out),
            Verdict::Full => {}
        }
    }

    pub(super) fn granted(
        &mut self,
        voter: MemberId,
        boot: Boot,
        nonce: Nonce,
        now: Instant,
        out: &mut Vec<Output>,
    ) {
        if boot != self.boot && self.settings.rules.keep(Rule::LeaseBelongsToBoot) {
            return;
        }
        if !self.serving.lease.granted(nonce, voter, now) || !self.serves() {
            return;
        }
        self.tell_holds_if_due(now, out);
        let is_live = self.serving.lease.until().is_some_and(|until| until > now);
        if is_live && self.serving.standing != Standing::Leased {
            self.serving.standing = Standing::Leased;
            self.serving.alone_at = None;
            out.push(Output::Event(Event::Serving { epoch: self.epoch() }));
            self.retry_waiting(now, out);
            // Others find their coordinator by who says that it is leased: tell them now, not in a renew interval.
            self.serving.renew_soon(now);
        }
    }
}
