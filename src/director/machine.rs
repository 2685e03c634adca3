//! The machine itself: its state, the way in, and its timers. What each input does stands in the files beside this one.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use super::admission::Queue;
use super::commands::Commands;
use super::coordinate::Coordination;
use super::draining::Draining;
use super::flushing::Flushing;
use super::follow::Followed;
use super::health::Health;
use super::history::History;
use super::holds::Holds;
use super::input::{Input, Settings};
use super::output::{Event, Output};
use super::serving::Serving;
use super::storage::Disk;
use crate::agreement::{
    Body, Boot, Committed, Envelope, FirstStart, Jitter, Rule, Voter,
    timing::{heard_bound, resend_every},
};
use crate::topology::{BackendId, Epoch, Incarnation, MemberId, Timing, Topology, UserId};
use crate::world::Instant;

/// The last sign of life of a director.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Heard {
    pub boot: Boot,
    pub at: Instant,
    pub is_leased: bool,
    pub is_stuck: bool,
    pub failing: Option<Box<[BackendId]>>,
}

/// One member of the ring: a director, a witness, or a member that is still to become one.
///
/// Pure: everything it learns comes through [`Director::handle`], everything it wants goes into `out`, and time is an
/// argument. The caller gives [`Input::Tick`] at [`Director::next_wakeup`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Director {
    pub(super) settings: Settings,
    pub(super) boot: Boot,
    pub(super) incarnation: Incarnation,
    pub(super) first_start: Option<FirstStart>,
    pub(super) committed: Committed,
    pub(super) voter: Voter,
    pub(super) disk: Disk,
    pub(super) serving: Serving,
    pub(super) holds: Holds,
    pub(super) followed: Followed,
    pub(super) queue: Queue,
    pub(super) flushing: Flushing,
    pub(super) heard: BTreeMap<MemberId, Heard>,
    /// Since when this run has known a topology; before, it noted no sign of life.
    pub(super) listens_since: Instant,
    pub(super) told: BTreeMap<MemberId, Instant>,
    pub(super) fetched: BTreeMap<MemberId, Instant>,
    pub(super) coordination: Coordination,
    pub(super) commands: Commands,
    pub(super) health: Health,
    pub(super) draining: Draining,
    /// The time of day when it was last told.
    pub(super) wall: Option<(Instant, u64)>,
    pub(super) history: History,
    pub(super) jitter: Jitter,
    pub(super) to_self: VecDeque<Envelope>,
    pub(super) hello_at: Option<Instant>,
    pub(super) sweep_at: Instant,
    /// Until when no hold ends, after a time in which this process did not run.
    pub(super) keeps_holds_until: Instant,
    pub(super) now: Instant,
    pub(super) nonsense: u64,
}

impl Director {
    /// Take one input at `now` and say what is to be done. `now` that runs backwards counts as the latest seen.
    /// Inputs are applied wholly or not at all; none of them panics, whatever a peer or an admin sends.
    pub fn handle(&mut self, now: Instant, input: Input<'_>, out: &mut Vec<Output>) {
        if self.disk.is_halted {
            return;
        }
        let now = self.now.max(now);
        self.keep_holds_after_a_stall(now);
        self.now = now;
        self.end_lease_if_due(now, out);
        match input {
            Input::Tick => self.run_timers(now, out),
            Input::Login {
                token,
                key,
                tag,
                name,
                door,
            } => self.login(token, key, tag, name, door, now, out),
            Input::SessionEnded { user, serial } => {
                self.holds.close_session(user, serial, now);
            }
            Input::Refresh { user } => self.refresh(user, now, out),
            Input::Evicted { user, serial } => self.evicted(user, serial, now, out),
            Input::Flushed { user, to } => self.flushed(user, to, now, out),
            Input::AllClosed { term } => self.all_closed(term, now, out),
            Input::Message(envelope) => self.receive(envelope, now, out),
            Input::Saved { number } => self.saved(number, out),
            Input::SaveFailed { is_replaced } => self.save_failed(is_replaced, now, out),
            Input::Command { id, changes } => self.command(id, changes, now, out),
            Input::DryRun { id, changes } => self.dry_run(id, changes, now, out),
            Input::Configured(topology) => {
                if self.first_start.is_none() {
                    self.settings.configured = topology;
                }
            }
            Input::Probed { failing } => self.probed(failing, now, out),
            Input::WallClock { unix_s } => self.wall = Some((now, unix_s)),
            Input::Kick(whose) => self.kick(whose, out),
            Input::ListHeld {
                of,
                number,
                first,
                last,
            } => self.list_held(of, number, first, last, out),
        }
        self.settle(now, out);
    }

    /// When [`Input::Tick`] is due; `None` while nothing is due until something arrives. Ask [`Director::is_halted`] for the
    /// end.
    pub fn next_wakeup(&self) -> Option<Instant> {
        if self.disk.is_halted {
            return None;
        }
        let timers = [
            self.lease_end(),
            self.serving.next_timer(),
            self.hello_at,
            (!self.holds.is_empty()).then_some(self.sweep_at),
            self.queue.next_timeout(self.settings.limits.login_wait),
            self.disk.retry_at,
            self.followed.next_timer(self.is_alone(), self.timing()),
            self.coordination.next_timer(self.topology()),
            self.commands.next_timer(self.settings.limits.command_wait),
        ];
        Instant::first_of(timers)
    }

    fn run_timers(&mut self, now: Instant, out: &mut Vec<Output>) {
        self.hello_if_due(now, out);
        self.retry_save_if_due(now, out);
        self.serving_timers(now, out);
        self.expire_logins(now, out);
        self.follow_timers(now, out);
        self.sweep_if_due(now);
        self.command_timers(now, out);
        self.coordinate(now, out);
    }

    /// Deliver what this member has sent to itself, until nothing is left, and let in who may be let in by then.
    fn settle(&mut self, now: Instant, out: &mut Vec<Output>) {
        while let Some(envelope) = self.to_self.pop_front() {
            self.dispatch(envelope, now, out);
        }
        if std::mem::take(&mut self.serving.owes_waiting) {
            self.retry_waiting(now, out);
        }
    }

    fn receive(&mut self, envelope: Envelope, now: Instant, out: &mut Vec<Output>) {
        if envelope.from == self.settings.me {
            // Another run of this member, or nonsense: what this run tells itself does not travel.
            self.note_nonsense(envelope.from, out);
            return;
        }
        if self.first_start.is_some() {
            self.receive_while_fresh(envelope, now, out);
            return;
        }
        self.dispatch(envelope, now, out);
    }

    fn dispatch(&mut self, envelope: Envelope, now: Instant, out: &mut Vec<Output>) {
        let Envelope {
            from,
            boot,
            epoch,
            body,
        } = envelope;
        // These are for any epoch: they are what closes a gap, or name their epoch themselves, or need none.
        match body {
            Body::Hello(hello) => return self.hello_received((from, epoch), hello, now, out),
            Body::Topology(committed) => return self.topology_received(from, committed, now, out),
            Body::Fetch => return self.tell(from, now, out),
            Body::Kick(whose) => return self.kick_received(whose, now, out),
            Body::ListHeld { number, first, last } => {
                return self.list_held_received(from, number, first, last, now, out);
            }
            Body::HeldListed { number, held } => {
                return out.push(Output::HeldListed {
                    of: from,
                    number,
                    held,
                });
            }
            Body::Grant { boot, nonce } => {
                self.granted(from, boot, nonce, now, out);
                if epoch < self.epoch() {
                    self.tell(from, now, out);
                }
                return;
            }
            _ => {}
        }
        if self.first_start.is_some() {
            return;
        }
        if epoch < self.epoch() {
            self.receive_older(from, boot, body, now, out);
            return;
        }
        if epoch > self.epoch() {
            self.fetch(from, now, out);
            return;
        }
        match body {
            Body::Renew(renew) => self.renew_received(from, boot, &renew, now, out),
            Body::Lacks(value) => self.bind(value, None, now, out),
            Body::Survey(number) => self.survey_received(from, number, now, out),
            Body::Surveyed {
                number,
                statement,
                pins_held,
            } => {
                self.surveyed((from, boot), number, statement, pins_held, now, out);
            }
            Body::Prepare { ballot, proposal } => self.prepare_received(from, ballot, &proposal, now, out),
            Body::Promise { ballot, accepted } => self.promised(from, ballot, accepted, now, out),
            Body::Refused { ballot, promised } => self.refused(ballot, promised, now, out),
            Body::Held { ballot, holds } => self.held_received(from, ballot, holds, now, out),
            Body::Propose { ballot, value } => self.propose_received(from, ballot, value, now, out),
            Body::Accepted { ballot, statement } => self.accepted(from, boot, ballot, &statement, now, out),
            Body::Confirmed(id) => self.confirmed(from, boot, id, now, out),
            Body::Commit(value) => self.commit_received(&value, now, out),
            Body::Request(request) => self.request_received(from, boot, request, now, out),
            Body::Count { number, changes } => self.count_received(from, number, changes, out),
            Body::Counted {
                number,
                moved,
                pinned,
            } => self.counted(from, number, moved, pinned, out),
            Body::Hello(_)
            | Body::Topology(_)
            | Body::Fetch
            | Body::Grant { .. }
            | Body::Kick(_)
            | Body::ListHeld { .. }
            | Body::HeldListed { .. } => {}
        }
    }

    /// A message of an older epoch changes nothing here; its sender is brought up to date.
    fn receive_older(&mut self, from: MemberId, boot: Boot, body: Body, now: Instant, out: &mut Vec<Output>) {
        match &body {
            Body::Renew(renew) if !self.settings.rules.keep(Rule::GrantAtOwnEpochOnly) => {
                self.answer_renew(from, boot, renew, now, out);
            }
            Body::Commit(value) if !self.settings.rules.keep(Rule::CommitAppliesToItsEpoch) => {
                self.commit_received(value, now, out);
            }
            Body::Request(request) if !self.settings.rules.keep(Rule::CommandsApplyOnce) => {
                self.request_received(from, boot, request.clone(), now, out);
            }
            _ => {}
        }
        self.tell(from, now, out);
    }

    /// Send the topology, at most once in half a resend interval to each.
    pub(super) fn tell(&mut self, to: MemberId, now: Instant, out: &mut Vec<Output>) {
        let gap = resend_every(self.timing()) / 2;
        if self.first_start.is_some() || is_too_soon(&mut self.told, to, now, gap) {
            return;
        }
        let committed = self.committed.clone();
        self.send(to, Body::Topology(committed), out);
    }

    pub(super) fn fetch(&mut self, from: MemberId, now: Instant, out: &mut Vec<Output>) {
        let gap = resend_every(self.timing()) / 2;
        let is_lazy_witness = !self.serves() && !self.settings.rules.keep(Rule::BehindFetches);
        if !is_lazy_witness && !is_too_soon(&mut self.fetched, from, now, gap) {
            self.send(from, Body::Fetch, out);
        }
    }

    /// Doors refresh holds twice in a `user_expire`. What they said while this process stood still is still to be read when it
    /// goes on, so nobody is forgotten before all doors had the time to speak again. Without a stall an input comes with
    /// every part of a sweep.
    fn keep_holds_after_a_stall(&mut self, now: Instant) {
        let expire = self.timing().user_expire;
        if now.since(self.now) >= expire / STALLS_PER_EXPIRE {
            self.keeps_holds_until = now.plus(expire);
        }
    }

    fn sweep_if_due(&mut self, now: Instant) {
        if now >= self.sweep_at {
            let expire = self.timing().user_expire;
            if now >= self.keeps_holds_until || !self.settings.rules.keep(Rule::StallsKeepHolds) {
                self.holds.sweep(
                    now,
                    expire,
                    1 + self.holds.len() / SWEEPS_PER_EXPIRE,
                    &mut Vec::new(),
                );
            }
            self.sweep_at = now.plus(expire / SWEEPS_PER_EXPIRE as u32);
        }
    }

    pub(super) fn note_nonsense(&mut self, from: MemberId, out: &mut Vec<Output>) {
        self.nonsense += 1;
        out.push(Output::Event(Event::Nonsense { from }));
    }

    /// Wrap a body with what every message carries.
    pub(super) fn envelope(&self, body: Body) -> Envelope {
        Envelope {
            from: self.settings.me,
            boot: self.boot,
            epoch: self.epoch(),
            body,
        }
    }

    /// Send to one member, possibly itself.
    pub(super) fn send(&mut self, to: MemberId, body: Body, out: &mut Vec<Output>) {
        let envelope = self.envelope(body);
        self.send_envelope(to, envelope, out);
    }

    pub(super) fn send_envelope(&mut self, to: MemberId, envelope: Envelope, out: &mut Vec<Output>) {
        if to == self.settings.me {
            self.to_self.push_back(envelope);
        } else {
            out.push(Output::Send { to, envelope });
        }
    }

    /// Send to all members, this one included.
    pub(super) fn flood(&mut self, body: Body, out: &mut Vec<Output>) {
        let envelope = self.envelope(body);
        self.to_self.push_back(envelope.clone());
        out.push(Output::Flood(envelope));
    }

    /// The epoch in force here.
    pub fn epoch(&self) -> Epoch {
        self.committed.epoch()
    }

    /// What is decided, as far as this member knows.
    pub fn committed(&self) -> &Committed {
        &self.committed
    }

    /// The topology in force here.
    pub fn topology(&self) -> &Arc<Topology> {
        &self.committed.topology
    }

    /// Seconds since 1970, by what was last told; nothing before that.
    pub(super) fn unix_seconds(&self, now: Instant) -> Option<u64> {
        let (then, unix_s) = self.wall?;
        Some(unix_s.saturating_add(now.since(then).as_secs()))
    }

    pub(super) fn timing(&self) -> Timing {
        self.committed.topology.timing()
    }

    /// The table of holds.
    pub fn holds(&self) -> &Holds {
        &self.holds
    }

    /// The topology of the configuration.
    pub fn configured(&self) -> &Arc<Topology> {
        &self.settings.configured
    }

    /// This run's name.
    pub fn boot(&self) -> Boot {
        self.boot
    }

    /// Which member this is.
    pub fn me(&self) -> MemberId {
        self.settings.me
    }

    /// Whether the run is over.
    pub fn is_halted(&self) -> bool {
        self.disk.is_halted
    }

    /// Whether no topology is known yet.
    pub fn is_fresh(&self) -> bool {
        self.first_start.is_some()
    }

    /// Whether the topology lists this member as a director.
    pub(super) fn serves(&self) -> bool {
        self.first_start.is_none() && self.topology().member(self.settings.me).is_some_and(|m| m.serves)
    }

    /// Whether this was a member and an admin has removed it, as far as it knows.
    pub fn is_removed(&self) -> bool {
        self.first_start.is_none() && self.topology().has_left(self.settings.me)
    }

    /// Whether this member's vote counts: it is a voter, and its storage is the one that the ring knows.
    pub(super) fn is_seated(&self) -> bool {
        let is_known = |incarnation| {
            incarnation == self.incarnation || !self.settings.rules.keep(Rule::WipedVoterIsSilent)
        };
        self.first_start.is_none()
            && self
                .topology()
                .member(self.settings.me)
                .is_some_and(|m| m.votes && is_known(m.incarnation))
    }

    /// Whether a login of a user without a hold here would wait.
    pub fn is_frozen(&self, user: UserId) -> bool {
        let here = self.topology().place(user);
        self.followed
            .freezes(user, here, self.is_alone(), self.settings.rules)
    }

    /// Members whom a sign of life was heard of lately, this one not among them.
    pub(super) fn is_heard(&self, member: MemberId, now: Instant) -> bool {
        let bound = heard_bound(self.timing());
        self.heard.get(&member).is_some_and(|h| now.since(h.at) <= bound)
    }

    /// Members who have not been silent for long enough to count as gone: those who are heard, and, after a start, those who
    /// have had no time to be.
    pub(super) fn may_be_there(&self, member: MemberId, now: Instant) -> bool {
        let heard_at = self.heard.get(&member).map_or(self.listens_since, |h| h.at);
        now.since(heard_at) <= heard_bound(self.timing())
    }
}

/// How many looks at a part of the holds make a whole sweep, spread over one `user_expire`.
const SWEEPS_PER_EXPIRE: usize = 16;

/// A process that got no input for such a part of a `user_expire` did not run: between two refreshes passes a half, and
/// with a quarter more no hold has ended yet.
const STALLS_PER_EXPIRE: u32 = 4;

/// Whether something was done for this member less than `gap` ago; if not, it counts as done now.
fn is_too_soon(
    done: &mut BTreeMap<MemberId, Instant>,
    member: MemberId,
    now: Instant,
    gap: Duration,
) -> bool {
    if done.get(&member).is_some_and(|at| now.since(*at) < gap) {
        return true;
    }
    done.insert(member, now);
    false
}
