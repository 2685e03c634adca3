//! The old process: no member any more, it keeps its sessions until they end or have to.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::sync::oneshot;
use tracing::{info, warn};

use super::frames::{Link, Talk};
use super::left::Left;
use super::words::{Kept, KeptSession, ToPredecessor, ToSuccessor};
use crate::daemon::desk::{CoreDesk, Request};
use crate::daemon::sessions::{ProxyLogin, Session, Sessions};
use crate::proxy::{self, Admitted, Desk as _, Refused};
use crate::world::{Clock, Instant, Task, World, select, sleep};

/// How often the new process is told that this one lives, and what its sessions forward.
const TELL_EVERY: Duration = Duration::from_millis(500);
/// After so long without a word the new process counts as gone.
const SILENCE_MAX: Duration = Duration::from_secs(5);
/// The new process may take so long to begin: it reads the journal, and may have sessions closed first.
const START_MAX: Duration = Duration::from_secs(30);
/// How long sessions that are closed may take to say goodbye: who waits for them goes then.
pub const FAREWELL_MAX: Duration = Duration::from_secs(2);
/// Of so many sessions it is told in one frame what they forward.
const FORWARDED_AT_ONCE: usize = 10_000;

/// A process that has handed over.
#[must_use = "its sessions end when this is dropped"]
pub struct Predecessor<W> {
    world: W,
    desk: CoreDesk,
    left: Left,
    proxies: Vec<proxy::Door>,
    /// Logins that the new process was asked for.
    asked: BTreeMap<u64, ProxyLogin>,
    /// What was last told of the sessions' bytes.
    told: BTreeMap<u64, (u64, u64)>,
    /// Everything is being closed, and nobody is waited for beyond this.
    closes_at: Option<Instant>,
    /// To be told once that the new process serves.
    serving: Option<oneshot::Sender<()>>,
    /// Stands in for the process that had handed over to this one.
    _predecessor: Option<Task>,
}

impl<W: World> Predecessor<W> {
    pub(in crate::daemon) fn new(
        world: W,
        desk: CoreDesk,
        left: Left,
        (proxies, predecessor): (Vec<proxy::Door>, Option<Task>),
    ) -> Self {
        Predecessor {
            world,
            desk,
            left,
            proxies,
            asked: BTreeMap::new(),
            told: BTreeMap::new(),
            closes_at: None,
            serving: None,
            _predecessor: predecessor,
        }
    }

    /// What it keeps, for the new process; `pid` is this one's number.
    pub fn kept(&self, pid: i32) -> Kept {
        let kept = |(id, session): (u64, &Session)| KeptSession {
            id,
            key: session.user.key.to_bits(),
            tag: session.user.tag.index(),
            name: session.name.to_string(),
            backend: session.backend,
            protocol: session.protocol.to_string(),
            client: session.client,
            since_ns: session.since.as_nanos(),
        };
        Kept {
            pid,
            until_ns: self.desk.gate().until().as_nanos(),
            sessions: self.sessions().numbered().map(kept).collect(),
        }
    }

    /// Where its sessions ask.
    pub fn desk(&self) -> &CoreDesk {
        &self.desk
    }

    fn clients(&self) -> u64 {
        proxy::clients(&self.proxies)
    }

    /// Serves who is connected, and says at `serving` when the new process serves everybody else. Ends when the last has
    /// gone, or the new process is, or somebody says so at the desk ([`CoreDesk::end_sessions`]), or after `wait`.
    pub async fn run(mut self, link: Link, wait: Duration, serving: oneshot::Sender<()>) {
        self.serving = Some(serving);
        for login in self.left.sessions.take_all_waiting() {
            self.desk.request(Request::Login(login));
        }
        let mut talk: Talk<ToPredecessor, ToSuccessor> = link.open(&self.world);
        let clock = self.world.clock().clone();
        let ends_at = clock.now().plus(wait);
        let mut heard_at = clock.now();
        let mut tell_at = clock.now();
        loop {
            let now = clock.now();
            let is_needed = self.clients() > 0 || self.sessions().count() > 0 || self.serving.is_some();
            if !is_needed || self.closes_at.is_some_and(|at| now >= at) {
                break;
            }
            if now >= tell_at {
                tell_at = now.plus(TELL_EVERY);
                self.tell(&talk);
            }
            if self.closes_at.is_none() && now >= ends_at {
                info!(
                    "{} clients are still here after {wait:?}, and are closed",
                    self.clients()
                );
                self.close_all();
            }
            let silence_max = if self.serving.is_some() {
                START_MAX
            } else {
                SILENCE_MAX
            };
            if self.closes_at.is_none() && now.since(heard_at) > silence_max {
                self.is_alone("says nothing");
            }
            select! {
                request = self.left.requests.recv() => match request {
                    Some(request) => self.request(request, &talk),
                    None => break,
                },
                word = talk.hears.recv() => match word {
                    Some(word) => {
                        heard_at = clock.now();
                        self.heard(word);
                    }
                    None => {
                        self.is_alone("is gone");
                        sleep(&clock, TELL_EVERY / 10).await;
                    }
                },
                () = clock.sleep_until(tell_at) => {}
            }
        }
        talk.end().await;
    }

    fn sessions(&self) -> &Sessions {
        &self.left.sessions
    }

    fn is_alone(&mut self, how: &str) {
        if self.closes_at.is_none() {
            let count = self.sessions().count();
            if count > 0 {
                warn!(
                    "the process that took over {how}: {count} sessions are closed, nobody could say when they have to end"
                );
            }
            self.close_all();
        }
    }

    fn close_all(&mut self) {
        self.serving = None;
        self.left.sessions.close_all();
        self.closes_at = Some(self.world.clock().now().plus(FAREWELL_MAX));
    }

    fn tell(&mut self, talk: &Talk<ToPredecessor, ToSuccessor>) {
        let mut changed = Vec::new();
        for (id, session) in self.left.sessions.numbered() {
            let bytes = session.revoker.forwarded();
            if self.told.insert(id, bytes) != Some(bytes) {
                changed.push((id, bytes.0, bytes.1));
            }
        }
        if changed.is_empty() {
            talk.say(ToSuccessor::Forwarded(Vec::new()));
        }
        for some in changed.chunks(FORWARDED_AT_ONCE) {
            talk.say(ToSuccessor::Forwarded(some.to_vec()));
        }
    }

    fn request(&mut self, request: Request, talk: &Talk<ToPredecessor, ToSuccessor>) {
        match request {
            Request::SessionEnded(id) => {
                self.left.sessions.ended(id);
                self.told.remove(&id);
                talk.say(ToSuccessor::Ended(id));
            }
            Request::Login(login) if self.closes_at.is_none() => {
                let id = self.left.sessions.number();
                talk.say(ToSuccessor::Wants {
                    id,
                    user: login.name.to_string(),
                    tag: login.tag.to_string(),
                    protocol: login.protocol.to_owned(),
                    client: login.client,
                });
                self.asked.insert(id, login);
            }
            Request::Login(login) => {
                // The client may have gone.
                let _ = login.reply.send(Err(Refused::Stopping));
            }
            Request::EndSessions => self.close_all(),
            // Whoever asks for the member sees that this process is none any more.
            _ => {}
        }
    }

    fn heard(&mut self, word: ToPredecessor) {
        match word {
            ToPredecessor::Until(until_ns) => self.desk.gate().open_until(Instant::from_nanos(until_ns)),
            ToPredecessor::Serving => {
                if let Some(serving) = self.serving.take() {
                    // Whoever waited may have gone.
                    let _ = serving.send(());
                }
            }
            ToPredecessor::Close(id) => self.left.sessions.demand(id),
            ToPredecessor::Refused(id) => {
                if let Some(login) = self.asked.remove(&id) {
                    // The client may have gone.
                    let _ = login.reply.send(Err(Refused::Stopping));
                }
            }
            ToPredecessor::Admitted {
                id,
                ip,
                hostname,
                port,
            } => {
                let Some(login) = self.asked.remove(&id) else {
                    return;
                };
                let since = self.world.clock().now();
                let sessions = &mut self.left.sessions;
                let permit = sessions.admitted_elsewhere(id, &self.desk, &login, (ip, since));
                // When the client has gone the permit is dropped here, and the session ends.
                let _ = login.reply.send(Ok(Admitted {
                    ip,
                    hostname: hostname.map(String::into_boxed_str),
                    port,
                    permit,
                }));
            }
        }
    }
}
