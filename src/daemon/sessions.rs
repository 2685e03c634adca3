//! Sessions of this member's own proxies: who has one, since when and where, and closing them at the machine's word.
//!
//! A session is on the list from the answer to its login until its permit is dropped, when nothing of it can reach the
//! backend any more.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

use tokio::sync::mpsc::Sender;
use tokio::sync::oneshot;

use super::core::Core;
use super::desk::CoreDesk;
use super::hand_over::KeptSession;
use crate::director::{Door, Input, LoginToken, RefuseReason};
use crate::proxy::{Admitted, Permit, Refused, Revoker};
use crate::topology::{BackendId, TagId, UserId, UserKey};
use crate::world::{Instant, World};

/// A login at a proxy.
#[derive(Debug)]
pub(super) struct ProxyLogin {
    pub key: UserKey,
    pub name: Box<str>,
    pub tag: Box<str>,
    pub protocol: &'static str,
    pub client: SocketAddr,
    pub reply: oneshot::Sender<Result<Admitted, Refused>>,
}

/// A login that waits for the machine.
#[derive(Debug)]
pub(super) struct Waiting {
    login: ProxyLogin,
    /// Users held when it came; none once it has waited.
    held: usize,
}

impl Waiting {
    /// The machine does not let him in.
    pub fn refuse(self, reason: RefuseReason) {
        // The client may have gone.
        let _ = self.login.reply.send(Err(Refused::Reason(reason)));
    }
}

/// A session.
#[derive(Clone, Debug)]
pub(super) struct Session {
    pub user: UserId,
    pub serial: u32,
    pub name: Box<str>,
    pub backend: IpAddr,
    pub protocol: Cow<'static, str>,
    pub client: SocketAddr,
    pub since: Instant,
    pub revoker: Revoker,
    /// It is closed at the machine's word, so the machine is not told of its end.
    is_demanded: bool,
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    next: u64,
    waiting: BTreeMap<u64, Waiting>,
    open: BTreeMap<u64, Session>,
    by_hold: BTreeSet<(UserId, u32, u64)>,
    /// Of those open, how many are closed at the machine's word.
    demanded: usize,
    /// What the machine is told once the sessions that it means are gone.
    held_back: Vec<Input<'static>>,
}

impl Sessions {
    /// All that are open, by age.
    pub fn iter(&self) -> impl Iterator<Item = &Session> {
        self.open.values()
    }

    /// How many are open.
    pub fn count(&self) -> usize {
        self.open.len()
    }

    /// All that are open with their numbers, by age.
    pub fn numbered(&self) -> impl Iterator<Item = (u64, &Session)> {
        self.open.iter().map(|(id, session)| (*id, session))
    }

    /// A number for a session, which no other has.
    pub fn number(&mut self) -> u64 {
        let number = self.next;
        self.next += 1;
        number
    }

    /// Whether something is being closed at the machine's word.
    pub fn are_closing(&self) -> bool {
        self.demanded > 0 || !self.held_back.is_empty()
    }

    /// Logins that wait for the machine, which will not answer.
    pub fn take_all_waiting(&mut self) -> impl Iterator<Item = ProxyLogin> {
        std::mem::take(&mut self.waiting)
            .into_values()
            .map(|waiting| waiting.login)
    }

    /// A session begins with its permit; when that is dropped the desk is told.
    fn begin(&mut self, id: u64, desk: &CoreDesk, session: impl FnOnce(Revoker) -> Session) -> Permit {
        let desk = desk.clone();
        let (permit, revoker) = Permit::new(move || desk.session_ended(id));
        let session = session(revoker);
        self.by_hold.insert((session.user, session.serial, id));
        self.open.insert(id, session);
        permit
    }

    /// A session whose user another process's machine has let in, see `hand_over`.
    pub fn admitted_elsewhere(
        &mut self,
        id: u64,
        desk: &CoreDesk,
        login: &ProxyLogin,
        (backend, since): (IpAddr, Instant),
    ) -> Permit {
        let user = UserId {
            key: login.key,
            tag: TagId::DEFAULT,
        };
        self.begin(id, desk, |revoker| Session {
            user,
            serial: 0,
            name: login.name.clone(),
            backend,
            protocol: login.protocol.into(),
            client: login.client,
            since,
            revoker,
            is_demanded: false,
        })
    }

    /// The login with this token, if it came through a proxy and waits.
    pub fn take_waiting(&mut self, token: LoginToken) -> Option<Waiting> {
        self.waiting.remove(&token.0)
    }

    /// Closes those of one hold.
    pub fn evict(&mut self, user: UserId, serial: u32) {
        let ids: Vec<u64> = self.of_hold(user, serial).collect();
        for id in ids {
            self.demand(id);
        }
    }

    fn of_hold(&self, user: UserId, serial: u32) -> impl Iterator<Item = u64> {
        let of_hold = self.by_hold.range((user, serial, 0)..=(user, serial, u64::MAX));
        of_hold.map(|(_, _, id)| *id)
    }

    /// Closes all.
    pub fn close_all(&mut self) {
        let ids: Vec<u64> = self.open.keys().copied().collect();
        for id in ids {
            self.demand(id);
        }
    }

    /// Closes one.
    pub fn demand(&mut self, id: u64) {
        let Some(session) = self.open.get_mut(&id) else {
            return;
        };
        if !session.is_demanded {
            session.is_demanded = true;
            self.demanded += 1;
            session.revoker.revoke();
        }
    }

    /// Keeps what would say too early that sessions are closed; gives it back when it would not.
    pub fn hold_back(&mut self, input: Input<'static>) -> Option<Input<'static>> {
        if self.contradicts(&input) {
            self.held_back.push(input);
            return None;
        }
        Some(input)
    }

    fn contradicts(&self, input: &Input<'_>) -> bool {
        match *input {
            Input::Evicted { user, serial } => self.of_hold(user, serial).next().is_some(),
            Input::AllClosed { .. } => self.demanded > 0,
            _ => false,
        }
    }

    /// One is over.
    pub fn ended(&mut self, id: u64) -> Option<Session> {
        let session = self.open.remove(&id)?;
        self.by_hold.remove(&(session.user, session.serial, id));
        if session.is_demanded {
            self.demanded -= 1;
        }
        Some(session)
    }

    /// What may be said now.
    fn released(&mut self) -> Vec<Input<'static>> {
        let held_back = std::mem::take(&mut self.held_back);
        let (kept, released) = held_back.into_iter().partition(|input| self.contradicts(input));
        self.held_back = kept;
        released
    }
}

impl<W: World> Core<W> {
    /// A client wants in.
    pub(super) fn log_in(&mut self, login: ProxyLogin) {
        let token = self.lookups.token();
        let (key, name, tag) = (login.key, login.name.clone(), login.tag.clone());
        let held = self.director.holds().len();
        self.sessions.waiting.insert(token.0, Waiting { login, held });
        self.handle(Input::Login {
            token,
            key,
            tag: &tag,
            name: &name,
            door: Door::Exact,
        });
        if let Some(waiting) = self.sessions.waiting.get_mut(&token.0) {
            waiting.held = 0;
        }
    }

    pub(super) fn session_routed(
        &mut self,
        waiting: Waiting,
        user: UserId,
        (backend, serial): (BackendId, u32),
    ) {
        let Waiting { login, held } = waiting;
        if self.has_lasting_sessions && self.director.holds().len() > held {
            // Somebody of another program's sessions may join this hold, and is known to a later run by it.
            self.journal.entries.held(user, backend, &login.name);
        }
        let found = self.director.topology().backend(backend);
        let place = found.map(|backend| (backend.ip, backend.hostname.clone()));
        // The machine routes to backends of its topology only; one that is gone has no address to go to.
        let Some((ip, hostname)) = place else {
            self.handle(Input::SessionEnded { user, serial });
            let reason = RefuseReason::NoBackend { tag: user.tag };
            return Waiting { login, held }.refuse(reason);
        };
        let (id, since) = (self.sessions.number(), self.now());
        let permit = self.sessions.begin(id, &self.desk, |revoker| Session {
            user,
            serial,
            name: login.name,
            backend: ip,
            protocol: login.protocol.into(),
            client: login.client,
            since,
            revoker,
            is_demanded: false,
        });
        // When the client has gone the permit is dropped here, and the session ends.
        let _ = login.reply.send(Ok(Admitted {
            ip,
            hostname,
            port: None,
            permit,
        }));
    }

    /// Takes over the sessions that the process before this one keeps: a permit for each, by its number there. Those whose
    /// users are not held are taken back at once, and `gone` is dropped when the last of these has ended.
    pub(super) fn adopt(&mut self, kept: &[KeptSession], gone: &Sender<()>) -> Vec<(u64, Permit)> {
        let mut permits = Vec::with_capacity(kept.len());
        for session in kept {
            let Some(hold) = self.director.holds().find(session.user()) else {
                let gone = gone.clone();
                let (permit, revoker) = Permit::new(move || drop(gone));
                revoker.revoke();
                permits.push((session.id, permit));
                continue;
            };
            let (serial, id) = (hold.serial, self.sessions.number());
            let permit = self.sessions.begin(id, &self.desk, |revoker| Session {
                user: session.user(),
                serial,
                name: session.name.as_str().into(),
                backend: session.backend,
                protocol: session.protocol.clone().into(),
                client: session.client,
                since: Instant::from_nanos(session.since_ns),
                revoker,
                is_demanded: false,
            });
            permits.push((session.id, permit));
        }
        permits
    }

    /// Whether every session counts in the hold of its user, so that another run knows all by the holds.
    pub(super) fn are_sessions_held(&self) -> bool {
        let holds = self.director.holds();
        let is_held = |session: &Session| {
            let hold = holds.find(session.user);
            hold.is_some_and(|hold| hold.serial == session.serial && !hold.is_evicting)
        };
        self.sessions.iter().all(is_held)
    }

    /// A permit was dropped.
    pub(super) fn session_ended(&mut self, id: u64) {
        let Some(session) = self.sessions.ended(id) else {
            return;
        };
        if !session.is_demanded {
            let Session { user, serial, .. } = session;
            self.handle(Input::SessionEnded { user, serial });
        }
        for input in self.sessions.released() {
            self.closed(input);
        }
    }
}

impl CoreDesk {
    pub(super) fn session_ended(&self, id: u64) {
        self.request(super::desk::Request::SessionEnded(id));
    }
}
