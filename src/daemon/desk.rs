//! The desk where doors ask, and the channel from there to the one task that owns the machine.

use std::fmt;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;

use super::hand_over::Left;
use super::lookups::Lookup;
use super::metrics::{Measured, Meters};
use super::sessions::{ProxyLogin, Session};
use super::status::{health, look};
use crate::agreement::{HeldUsers, Whose};
use crate::director::{CommandError, Director};
use crate::dovecot::{Batch, Desk, LinkRow};
use crate::lookups;
use crate::proxy::{self, Admitted, Gate, Login, Refused};
use crate::ring::Ring;
use crate::topology::{Change, Epoch, HashFormat, MemberId, Topology, UserKey};
use crate::world::Instant;
use std::time::Duration;

/// Reports of users alive that may wait; what comes beyond is dropped and counted, and comes again before a hold ends.
const REFRESHES_MAX: usize = 100_000;

/// Looks at the machine.
pub(super) type Look = Box<dyn FnOnce(&Director, Instant) + Send>;

/// What the task that owns the machine is asked for.
pub(super) enum Request {
    Lookups(Batch),
    Refresh(UserKey),
    Command {
        changes: Vec<Change>,
        reply: oneshot::Sender<Result<Epoch, CommandError>>,
    },
    Kick(Whose),
    Configured(Arc<Topology>),
    Probed(Vec<IpAddr>),
    ListHeld {
        of: MemberId,
        first: u32,
        last: u32,
        reply: oneshot::Sender<HeldUsers>,
    },
    Look(Look),
    /// A lookup of another door than Dovecot's.
    Lookup(Lookup),
    /// A client of a proxy wants in.
    Login(ProxyLogin),
    /// A session of a proxy has ended.
    SessionEnded(u64),
    /// Every session of a proxy is to end; the machine hears of each.
    EndSessions,
    /// Who has sessions?
    Sessions(oneshot::Sender<Vec<Session>>),
    /// How many sessions are there?
    SessionCount(oneshot::Sender<usize>),
    Stop,
    /// Another process takes over: end, if nothing is being closed.
    HandOver(oneshot::Sender<Option<Left>>),
}

/// The process's director, as its doors see it. Clones are the same desk.
#[derive(Clone)]
pub struct CoreDesk {
    requests: UnboundedSender<Request>,
    shared: Arc<Shared>,
}

struct Shared {
    format: HashFormat,
    ring: Option<Ring>,
    gate: Gate,
    refreshes: AtomicUsize,
    refreshes_dropped: AtomicU64,
    meters: OnceLock<Arc<Meters>>,
}

impl CoreDesk {
    pub(super) fn new(format: HashFormat, ring: Option<Ring>) -> (Self, UnboundedReceiver<Request>) {
        let (requests, taken) = unbounded_channel();
        let shared = Arc::new(Shared {
            format,
            ring,
            gate: Gate::default(),
            refreshes: AtomicUsize::new(0),
            refreshes_dropped: AtomicU64::new(0),
            meters: OnceLock::new(),
        });
        (CoreDesk { requests, shared }, taken)
    }

    /// Ends the run: its state is on disk, sessions in other processes go on.
    pub fn stop(&self) {
        self.request(Request::Stop);
    }

    /// Reports of users alive that came faster than they could be noted.
    pub fn refreshes_dropped(&self) -> u64 {
        self.shared.refreshes_dropped.load(Ordering::Relaxed)
    }

    /// From now on this is what the configuration says.
    pub fn configured(&self, topology: Arc<Topology>) {
        self.request(Request::Configured(topology));
    }

    /// These backends fail and all others work, as this director's own probes find.
    pub(super) fn probed(&self, failing: Vec<IpAddr>) {
        self.request(Request::Probed(failing));
    }

    pub(super) fn ring(&self) -> Option<&Ring> {
        self.shared.ring.as_ref()
    }

    pub(super) fn refresh_taken(&self) {
        self.shared.refreshes.fetch_sub(1, Ordering::Relaxed);
    }

    /// Ends all sessions at proxies of its own, with a word to each client. Their users may log in elsewhere at once.
    pub fn end_sessions(&self) {
        self.request(Request::EndSessions);
    }

    /// The sessions of this member's own proxies, by age; nothing when it has stopped.
    pub(super) async fn sessions(&self) -> Vec<Session> {
        let (reply, answer) = oneshot::channel();
        self.request(Request::Sessions(reply));
        answer.await.unwrap_or_default()
    }

    /// All sockets are open: these are their counters. Said once.
    pub(super) fn metered(&self, meters: Meters) {
        // A second time there would be nothing new.
        let _ = self.shared.meters.set(Arc::new(meters));
    }

    /// Has the run end for another process, and gives what is left of it; nothing while sessions are being closed.
    pub(super) async fn hand_over(&self) -> Option<Left> {
        let (reply, answer) = oneshot::channel();
        self.request(Request::HandOver(reply));
        answer.await.ok().flatten()
    }

    /// How many sessions there are; nothing when it has stopped.
    async fn session_count(&self) -> Option<usize> {
        let (reply, answer) = oneshot::channel();
        self.request(Request::SessionCount(reply));
        answer.await.ok()
    }

    pub(super) fn request(&self, request: Request) {
        // Nobody takes it when the run is over; whoever waits for an answer sees its channel closed.
        let _ = self.requests.send(request);
    }
}

impl Desk for CoreDesk {
    fn ask(&self, batch: Batch) {
        self.request(Request::Lookups(batch));
    }

    fn refresh(&self, key: UserKey) {
        if self.shared.refreshes.fetch_add(1, Ordering::Relaxed) >= REFRESHES_MAX {
            self.refresh_taken();
            self.shared.refreshes_dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        self.request(Request::Refresh(key));
    }

    fn key(&self, name: &str) -> UserKey {
        self.shared.format.key(name)
    }

    async fn command(&self, changes: Vec<Change>) -> Result<Epoch, CommandError> {
        let (reply, answer) = oneshot::channel();
        self.request(Request::Command { changes, reply });
        let stopped = CommandError::Unknown {
            waited: Duration::ZERO,
        };
        answer.await.unwrap_or(Err(stopped))
    }

    fn kick(&self, whose: Whose) {
        self.request(Request::Kick(whose));
    }

    fn held_users(
        &self,
        of: MemberId,
        first: u32,
        last: u32,
    ) -> impl Future<Output = Option<HeldUsers>> + Send + use<> {
        let (reply, answer) = oneshot::channel();
        self.request(Request::ListHeld {
            of,
            first,
            last,
            reply,
        });
        async { answer.await.ok() }
    }

    async fn read<R: Send + 'static>(
        &self,
        look: impl FnOnce(&Director, Instant) -> R + Send + 'static,
    ) -> Option<R> {
        let (found, answer) = oneshot::channel();
        self.request(Request::Look(Box::new(move |director, now| {
            // Whoever asked may have gone.
            let _ = found.send(look(director, now));
        })));
        answer.await.ok()
    }

    fn links(&self) -> Vec<LinkRow> {
        let links = self.ring().map(Ring::links).unwrap_or_default();
        let row = |link: crate::ring::LinkStatus| LinkRow {
            peer: link.peer,
            address: link.address,
            state: format!("{} since {}", link.direction, link.since).into(),
        };
        links.into_iter().map(row).collect()
    }
}

impl proxy::Desk for CoreDesk {
    async fn admit(&self, login: Login<'_>) -> Result<Admitted, Refused> {
        let (reply, answer) = oneshot::channel();
        self.request(Request::Login(ProxyLogin {
            key: self.shared.format.key(login.user),
            name: login.user.into(),
            tag: login.tag.into(),
            protocol: login.protocol,
            client: login.client,
            reply,
        }));
        answer.await.unwrap_or(Err(Refused::Stopping))
    }

    fn gate(&self) -> &Gate {
        &self.shared.gate
    }
}

impl lookups::Desk for CoreDesk {
    async fn look_up(&self, query: lookups::Query<'_>) -> Result<lookups::Found, lookups::Refused> {
        let (reply, answer) = oneshot::channel();
        self.request(Request::Lookup(Lookup {
            key: self.shared.format.key(query.user),
            name: query.user.into(),
            tag: query.tag.into(),
            reply,
        }));
        let answered = answer.await.map_err(|_| lookups::Refused::Stopping)?;
        answered.map_err(lookups::Refused::Reason)
    }

    async fn health(&self) -> Option<lookups::Health> {
        self.read(health).await
    }

    async fn report(&self) -> Option<String> {
        let report = look(self).await?;
        serde_json::to_string(&report).ok()
    }

    async fn metrics(&self) -> Option<String> {
        let measured = Measured {
            report: look(self).await?,
            sessions: self.session_count().await?,
            nonsense: self.read(|director, _| director.limits_used().nonsense).await?,
            refreshes_dropped: self.refreshes_dropped(),
            meters: self.shared.meters.get().cloned(),
        };
        Some(measured.text())
    }
}

impl fmt::Debug for CoreDesk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CoreDesk")
    }
}
