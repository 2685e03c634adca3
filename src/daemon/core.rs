//! The task that owns the machine: what happens goes in, what is to be done comes out.
//!
//! What keeps a lease alive comes before lookups, however many of those wait.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::{Receiver, UnboundedReceiver, UnboundedSender};
use tokio::sync::oneshot;
use tracing::error;

use super::circle::circle;
use super::closing::Closing;
use super::desk::{CoreDesk, Request};
use super::events;
use super::flushes::{FlushDone, Flushes};
use super::hand_over::Left;
use super::journal::Journal;
use super::lookups::Lookups;
use super::saver::{Saved, Saving};
use super::sessions::Sessions;
use super::settings::{Ended, LeaseNote};
use crate::agreement::HeldUsers;
use crate::config::MemberSpec;
use crate::director::{CommandError, CommandId, Director, Event, Input, Output};
use crate::dovecot::{FlushOrder, KickDone};
use crate::proxy::Desk as _;
use crate::ring::{Circle, RingEvent};
use crate::topology::{Epoch, MemberId, TagId, UserId, UserKey};
use crate::world::{Clock, Instant, World, select};

/// Requests taken before timers and the ring are looked at again.
const REQUESTS_AT_ONCE: usize = 64;

/// How often the machine is told the time of day, which may jump.
const WALL_CLOCK_EVERY: Duration = Duration::from_secs(10);
/// After a journal that could not be written, the next attempt comes so much later.
const JOURNAL_RETRY: Duration = Duration::from_secs(10);

/// Channels into the task.
pub(super) struct Inlets {
    pub requests: UnboundedReceiver<Request>,
    pub ring: Receiver<RingEvent>,
    pub saved: UnboundedReceiver<Saved>,
    pub kicked: UnboundedReceiver<KickDone>,
    pub flushed: UnboundedReceiver<FlushDone>,
}

/// The machine with what its outputs need.
pub(super) struct Core<W: World> {
    pub world: W,
    pub director: Director,
    pub desk: CoreDesk,
    pub saver: UnboundedSender<Saving>,
    pub closing: Closing,
    pub flushes: Flushes<W>,
    pub journal: Journal,
    pub lookups: Lookups,
    pub sessions: Sessions,
    /// There are doors of programs whose sessions outlive this process.
    pub has_lasting_sessions: bool,
    pub commands: BTreeMap<u64, oneshot::Sender<Result<Epoch, CommandError>>>,
    pub next_command: u64,
    /// Admins who wait for what another director says, by its number and theirs.
    pub listings: BTreeMap<(MemberId, u64), oneshot::Sender<HeldUsers>>,
    pub next_listing: u64,
    pub out: Vec<Output>,
    /// When it was last found that there is something to do; whatever is decided now is true since then.
    pub turn: Instant,
    pub journal_retry: Option<Instant>,
    /// When to tell the machine the time of day again.
    pub wall_clock_at: Instant,
    pub told_guard: Option<LeaseNote>,
    pub guard: Option<UnboundedSender<LeaseNote>>,
    pub ended: Option<Ended>,
    /// Who waits for what is left when another process has taken over.
    pub heir: Option<oneshot::Sender<Option<Left>>>,
    /// The members of the configuration.
    pub members: Arc<[MemberSpec]>,
    /// Whom the ring was last told to link with.
    pub circle: Circle,
}

/// What comes next.
enum Next {
    Due,
    Saved(Saved),
    Ring(RingEvent),
    Kicked(KickDone),
    Flushed(FlushDone),
    Requests,
    /// A task that this one can't be without has ended.
    Gone,
}

impl<W: World> Core<W> {
    /// Runs until the machine halts or the desk says stop.
    pub async fn run(mut self, mut inlets: Inlets) -> Ended {
        let mut requests = Vec::with_capacity(REQUESTS_AT_ONCE);
        self.act();
        loop {
            if let Some(ended) = self.ended.take() {
                if let Some(heir) = self.heir.take() {
                    self.leave(inlets.requests, heir);
                }
                return ended;
            }
            self.flush();
            let next = self.next(&mut inlets, &mut requests).await;
            self.turn = self.now();
            match next {
                Next::Due => self.tick(),
                Next::Saved(Saved::Durable(number)) => self.handle(Input::Saved { number }),
                Next::Saved(Saved::Failed) => self.handle(Input::SaveFailed { is_replaced: false }),
                Next::Ring(RingEvent::Message(envelope)) => self.handle(Input::Message(envelope)),
                Next::Ring(event) => events::log_ring(&event),
                Next::Kicked(done) => self.kicked(done),
                Next::Flushed(done) => {
                    let input = self.flushes.ended(done);
                    self.handle(input);
                }
                Next::Gone => return Ended::Broken,
                Next::Saved(Saved::JournalBroken) => {
                    self.journal_retry = Some(self.now().plus(JOURNAL_RETRY))
                }
                Next::Requests => {
                    for request in requests.drain(..) {
                        self.request(request);
                    }
                }
            }
        }
    }

    async fn next(&self, inlets: &mut Inlets, requests: &mut Vec<Request>) -> Next {
        let clock = self.world.clock();
        let wake = [
            self.director.next_wakeup(),
            self.journal_retry,
            Some(self.wall_clock_at),
        ];
        let wake = wake.into_iter().flatten().min();
        if wake.is_some_and(|at| at <= clock.now()) {
            return Next::Due;
        }
        let due = async {
            match wake {
                Some(at) => clock.sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        let (kicked, flushed) = (&mut inlets.kicked, &mut inlets.flushed);
        let done = async {
            select! {
                done = kicked.recv() => done.map_or(Next::Gone, Next::Kicked),
                done = flushed.recv() => done.map_or(Next::Gone, Next::Flushed),
            }
        };
        select! {
            () = due => Next::Due,
            saved = inlets.saved.recv() => saved.map_or(Next::Gone, Next::Saved),
            event = inlets.ring.recv() => event.map_or(Next::Gone, Next::Ring),
            next = done => next,
            _count = inlets.requests.recv_many(requests, REQUESTS_AT_ONCE) => Next::Requests,
        }
    }

    pub(super) fn now(&self) -> Instant {
        self.world.clock().now()
    }

    fn tick(&mut self) {
        let now = self.now();
        if now >= self.wall_clock_at {
            self.wall_clock_at = now.plus(WALL_CLOCK_EVERY);
            let unix_s = self.world.clock().unix_seconds();
            self.handle(Input::WallClock { unix_s });
        }
        if self.journal_retry.is_some_and(|at| now >= at) {
            self.journal_retry = None;
            self.journal.write_whole(self.director.holds(), now);
        }
        self.handle(Input::Tick);
    }

    fn request(&mut self, request: Request) {
        match request {
            Request::Lookups(batch) => self.look_up(batch),
            Request::Refresh(key) => {
                self.desk.refresh_taken();
                self.refresh(key);
            }
            Request::Command { changes, reply } => {
                let id = self.next_command;
                self.next_command += 1;
                self.commands.insert(id, reply);
                let id = CommandId(id);
                self.handle(Input::Command { id, changes });
            }
            Request::Kick(whose) => self.handle(Input::Kick(whose)),
            Request::Configured(topology) => self.handle(Input::Configured(topology)),
            Request::Probed(failing) => {
                let failing = &failing;
                self.handle(Input::Probed { failing });
            }
            Request::ListHeld {
                of,
                first,
                last,
                reply,
            } => self.list_held(of, first, last, reply),
            Request::Look(look) => look(&self.director, self.now()),
            Request::Lookup(lookup) => self.look_one_up(lookup),
            Request::Login(login) => self.log_in(login),
            Request::SessionEnded(id) => self.session_ended(id),
            Request::EndSessions => self.sessions.iter().for_each(|session| session.revoker.revoke()),
            Request::Sessions(reply) => {
                // Whoever asked may have gone.
                let _ = reply.send(self.sessions.iter().cloned().collect());
            }
            Request::SessionCount(reply) => {
                // Whoever asked may have gone.
                let _ = reply.send(self.sessions.count());
            }
            Request::Stop => self.ended = Some(Ended::Stopped),
            Request::HandOver(heir) => self.hand_over(heir),
        }
    }

    fn hand_over(&mut self, heir: oneshot::Sender<Option<Left>>) {
        if self.sessions.are_closing() || !self.are_sessions_held() {
            // Whoever asked may have gone.
            let _ = heir.send(None);
            return;
        }
        let now = self.now();
        self.journal.write_whole(self.director.holds(), now);
        self.heir = Some(heir);
        self.ended = Some(Ended::HandedOver);
    }

    /// What is to be written is, by tasks that end when they have done so.
    fn leave(self, requests: UnboundedReceiver<Request>, heir: oneshot::Sender<Option<Left>>) {
        let sessions = self.sessions;
        // Whoever asked may have gone; then the sessions end.
        let _ = heir.send(Some(Left { sessions, requests }));
    }

    fn list_held(&mut self, of: MemberId, first: u32, last: u32, reply: oneshot::Sender<HeldUsers>) {
        // Nobody waits for an answer that never came any more.
        self.listings.retain(|_, asker| !asker.is_closed());
        let number = self.next_listing;
        self.next_listing += 1;
        self.listings.insert((of, number), reply);
        self.handle(Input::ListHeld {
            of,
            number,
            first,
            last,
        });
    }

    /// Under which tag a user is held is not said. One who is held under none is a stray: the machine has him closed.
    fn refresh(&mut self, key: UserKey) {
        let tags = self.director.topology().tags();
        let users = tags.map(|(tag, _)| UserId { key, tag });
        let held: Vec<UserId> = users
            .filter(|user| self.director.holds().find(*user).is_some())
            .collect();
        let stray = UserId {
            key,
            tag: TagId::DEFAULT,
        };
        let users = if held.is_empty() { vec![stray] } else { held };
        for user in users {
            self.handle(Input::Refresh { user });
        }
    }

    fn kicked(&mut self, done: KickDone) {
        let input = self.closing.done(done.token);
        if let Some(input) = input.and_then(|input| self.sessions.hold_back(input)) {
            self.closed(input);
        }
    }

    /// Sessions are closed, at all doors.
    pub(super) fn closed(&mut self, input: Input<'static>) {
        match &input {
            Input::Evicted { user, .. } => self.journal.entries.gone(*user),
            // Whoever was admitted is out: nobody is left for a later run to know.
            Input::AllClosed { .. } => {
                self.closing.keep_held(&self.director);
                let now = self.now();
                self.journal.write_whole(self.director.holds(), now);
            }
            _ => {}
        }
        self.handle(input);
    }

    pub(super) fn handle(&mut self, input: Input<'_>) {
        let now = self.now();
        self.director.handle(now, input, &mut self.out);
        self.act();
    }

    /// Does what the machine wants done.
    pub(super) fn act(&mut self) {
        // Before anything that was said leaves: who hears it counts on it.
        self.desk.gate().open_until(self.director.forwards_until());
        let mut out = std::mem::take(&mut self.out);
        for output in out.drain(..) {
            self.do_one(output);
        }
        self.out = out;
    }

    fn do_one(&mut self, output: Output) {
        match output {
            Output::Route {
                token,
                user,
                backend,
                serial,
            } => match self.sessions.take_waiting(token) {
                Some(waiting) => self.session_routed(waiting, user, (backend, serial)),
                None => self.routed_late(token, user, backend),
            },
            Output::Refuse { token, reason } => match self.sessions.take_waiting(token) {
                Some(waiting) => waiting.refuse(reason),
                None => self.refused_late(token, reason),
            },
            Output::Evict { user, serial, .. } => {
                self.sessions.evict(user, serial);
                self.closing.evict(user, serial);
            }
            Output::CloseAll { term } => {
                self.sessions.close_all();
                self.closing.all(term, self.backends());
            }
            Output::CloseStray { user } => self.closing.stray(user),
            Output::Flush {
                user,
                from,
                to,
                to_ip,
            } => {
                let backend = self.director.topology().backend(to);
                let name = backend.and_then(|backend| backend.hostname.as_deref());
                let order = FlushOrder {
                    hash: user.key.hash(),
                    from,
                    to: to_ip,
                    to_name: name.map_or_else(|| to_ip.to_string(), str::to_owned),
                };
                self.flushes.begin(user, to, order);
            }
            Output::KickWith(field) => self.closing.kick_with(field),
            Output::HeldListed { of, number, held } => {
                if let Some(asker) = self.listings.remove(&(of, number)) {
                    // Whoever asked may have gone.
                    let _ = asker.send(held);
                }
            }
            Output::Send { to, envelope } => self.send(to, envelope),
            Output::Flood(envelope) => {
                if let Some(ring) = self.desk.ring() {
                    ring.flood(envelope);
                }
            }
            Output::Save { number, record } => {
                // The task ends only with this one.
                let _ = self.saver.send(Saving { number, record });
            }
            Output::Reply { id, result } => {
                if let Some(reply) = self.commands.remove(&id.0) {
                    // The admin may have gone.
                    let _ = reply.send(result);
                }
            }
            Output::Event(event) => {
                events::log(&event, self.director.is_removed());
                if matches!(event, Event::Installed { .. }) {
                    self.follow_roster();
                }
            }
            Output::Halt => {
                error!(
                    "halted: the state folder belongs to another member or to a later run of this one; nothing is served \
                     from here on"
                );
                self.ended = Some(Ended::Halted);
            }
            other => error!("the machine wants what this program does not know: {other:?}; ignored"),
        }
    }

    fn send(&self, to: MemberId, envelope: crate::agreement::Envelope) {
        if let Some(ring) = self.desk.ring() {
            ring.send(to, envelope);
        }
    }

    /// Links with whoever admins have added, and with nobody whom they have removed.
    pub(super) fn follow_roster(&mut self) {
        let Some(ring) = self.desk.ring() else {
            return;
        };
        let circle = circle(&self.members, &self.director);
        if circle == self.circle {
            return;
        }
        events::log_circle(&self.circle, &circle);
        self.circle = circle.clone();
        if let Err(error) = ring.set_circle(circle, self.now()) {
            error!(
                "the members that the configuration and the ring name can't be linked: {error}; the links stay as they \
                 are: put director_servers in order and restart this member"
            );
        }
    }

    /// Where sessions may be.
    fn backends(&self) -> Vec<IpAddr> {
        let topology = self.director.topology();
        topology.backends().map(|backend| backend.ip).collect()
    }

    fn flush(&mut self) {
        self.journal.flush(self.director.holds(), self.turn);
        self.tell_guard();
    }

    fn tell_guard(&mut self) {
        let (Some(guard), Some(until)) = (&self.guard, self.director.lease_until()) else {
            return;
        };
        if self.told_guard.as_ref().is_some_and(|told| told.until == until) {
            return;
        }
        let backends = self.backends();
        let note = LeaseNote { until, backends };
        // A guard that is gone is started again by whoever listens here.
        let _ = guard.send(note.clone());
        self.told_guard = Some(note);
    }
}
