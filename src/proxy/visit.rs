//! One client, from the connection to the end of the session.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::AsyncWriteExt;
use tracing::{debug, info, warn};

use super::accounts::{Account, Host, Peer, Verdict};
use super::channel::Channel;
use super::counters::count;
use super::desk::{MOVED, UNAVAILABLE};
use super::entry::{Entry, StreamOf};
use super::forward::{self, Ending, Ways, forward};
use super::guest::{FAREWELL_MAX, Guest, Left};
use super::protocol::{Front, Refusal, goodbye, greets_after_tls, refusal};
use super::reception::Reception;
use super::verifier::unverified;
use super::{
    Admitted, BackLogin, Credentials, Desk, FrontStep, Input, Login, Origin, Permit, Protocol, Refused, lmtp,
};
use crate::world::{Clock, Instant, Network, World, deadline};

/// A client who is logged in.
struct Session<W: World> {
    client: Channel<StreamOf<W>>,
    backend: Channel<StreamOf<W>>,
    ways: Ways,
    admitted: Admitted,
    user: Box<str>,
    id: Box<str>,
    since: Instant,
}

impl<W: World, D: Desk> Reception<W, D> {
    /// Serves one client.
    pub async fn serve(self: &Arc<Self>, stream: StreamOf<W>, from: SocketAddr) {
        if self.settings.protocol == Protocol::Lmtp {
            let visit = Box::pin(lmtp::serve(self, stream, from));
            return self.note(visit.await, from);
        }
        // What is needed before the login is gone after it.
        let visit = Box::pin(self.visit(stream, from));
        match visit.await {
            Ok(session) => self.forward(session).await,
            Err(left) => self.note(left, from),
        }
    }

    fn note(&self, left: Left, from: SocketAddr) {
        let at = &self.settings.listen.address;
        match left {
            Left::Gone => {}
            Left::Late => {
                count(&self.counters.broken);
                debug!("{at}: {from} was silent for too long");
            }
            Left::Broken(why) => {
                count(&self.counters.broken);
                debug!("{at}: {from}: {why}");
            }
        }
    }

    async fn visit(&self, stream: StreamOf<W>, from: SocketAddr) -> Result<Box<Session<W>>, Left> {
        let mut guest = Guest::meet(self, stream, from);
        guest.run().await
    }

    async fn forward(&self, mut session: Box<Session<W>>) {
        let clock = self.world.clock();
        let leave = self.leave(&session.admitted);
        let ending = forward(
            &mut session.client,
            &mut session.backend,
            &mut session.ways,
            leave,
            self.settings.limits.idle,
        )
        .await;
        let Session {
            mut client,
            backend,
            ways,
            admitted,
            user,
            id,
            since,
        } = *session;
        // In this order: when the permit is gone, nothing can reach the backend any more.
        drop(backend);
        let ip = admitted.ip;
        drop(admitted);
        let seconds = clock.now().since(since).as_secs();
        let (up, down) = (ways.to_backend.bytes, ways.to_client.bytes);
        let protocol = self.settings.protocol.name();
        info!(
            "{protocol} {id}: {user} at {ip}: {} after {seconds} s, {up} bytes in, {down} out",
            Words(&ending)
        );
        let text = match ending {
            Ending::Revoked => "This session is closed by the server, please log in again.",
            Ending::Idle(_) => "Disconnected for inactivity.",
            Ending::Failed(forward::Side::Backend, _) => "The mail server has gone, please log in again.",
            Ending::Finished | Ending::Failed(forward::Side::Client, _) => return,
        };
        if ways.to_client.is_between_lines() {
            let goodbye = goodbye(self.settings.protocol, text);
            let until = clock.now().plus(FAREWELL_MAX);
            // Whoever does not read it has gone.
            let _ = deadline(clock, until, async {
                client.write_all(&goodbye).await?;
                client.shutdown().await
            })
            .await;
        }
    }
}

impl<W: World, D: Desk> Guest<'_, W, D> {
    async fn run(&mut self) -> Result<Box<Session<W>>, Left> {
        let settings = &self.reception.settings;
        self.begin().await?;
        let is_tls = self.is_tls();
        let Some(mut front) = Front::new(settings.protocol, Arc::clone(&settings.front), is_tls) else {
            return Err(Left::Gone);
        };
        front.greet(&mut self.out);
        loop {
            self.write().await?;
            let step = front.feed(&mut self.input, &mut self.out);
            match step {
                FrontStep::More => {
                    self.write().await?;
                    self.read().await?;
                }
                FrontStep::StartTls => {
                    self.write().await?;
                    // Nobody knows who has written what came before the handshake.
                    self.input.clear();
                    self.start_tls().await?;
                    front.tls_started();
                    if greets_after_tls(settings.protocol) {
                        front.greet(&mut self.out);
                    }
                }
                FrontStep::Login(credentials) => {
                    self.write().await?;
                    if let Some(session) = self.log_in(&mut front, credentials).await? {
                        return Ok(session);
                    }
                }
                FrontStep::Close => {
                    self.write().await?;
                    if let Some(client) = &mut self.client {
                        // He may have gone first.
                        let _ = client.shutdown().await;
                    }
                    return Err(Left::Gone);
                }
            }
        }
    }

    /// The session, or nothing when the client may try again.
    async fn log_in(
        &mut self,
        front: &mut Front,
        credentials: Credentials,
    ) -> Result<Option<Box<Session<W>>>, Left> {
        let reception = self.reception;
        let settings = &reception.settings;
        let origin = self.origin(front.claims(), front.helo());
        let Some(passed_on) = origin.passed_on() else {
            warn!(
                "{}: {} came through too many proxies; is there a loop?",
                settings.listen.address, self.from
            );
            front.unavailable("Too many proxies.", &mut self.out);
            return Ok(None);
        };
        let Some(account) = self.verify(front, credentials, &origin).await else {
            return Ok(None);
        };
        let Some(admitted) = self.admit(front, &account).await else {
            return Ok(None);
        };
        let user: Box<str> = account.user.into();
        let login = BackLogin {
            credentials: account.sent,
            origin: settings.backend.tells_origin.then_some(passed_on),
            host: settings.front.host.clone(),
            wants_starttls: settings.backend.wants_starttls(),
        };
        let leave = reception.leave(&admitted);
        match reception.way().enter(&admitted, login, &origin, leave).await {
            Entry::In { backend, reply, left } => {
                count(&reception.counters.logins);
                self.settle(front, (backend, &reply, left), admitted, user)
                    .map(Some)
            }
            Entry::Rejected(reply) => {
                count(&reception.counters.rejected);
                front.rejected(&reply, &mut self.out);
                Ok(None)
            }
            Entry::Revoked => {
                front.unavailable(MOVED, &mut self.out);
                Ok(None)
            }
            Entry::Failed(why) => {
                count(&reception.counters.backend_failed);
                warn!(
                    "{}: {user} could not be logged in at backend {}: {why}",
                    settings.listen.address, admitted.ip
                );
                front.unavailable(UNAVAILABLE, &mut self.out);
                Ok(None)
            }
        }
    }

    /// The client's account, if he has proved himself, or if that is left to the backend; else he was told.
    async fn verify(
        &mut self,
        front: &mut Front,
        credentials: Credentials,
        origin: &Origin,
    ) -> Option<Account> {
        let reception = self.reception;
        let settings = &reception.settings;
        let peer = Peer {
            service: settings.protocol.name(),
            local: origin.local,
            remote: origin.client,
            is_tls: origin.is_tls,
            session: &origin.session,
        };
        let verifying = reception
            .verifier
            .verify(&reception.world, &credentials, peer, self.until);
        let verdict = match verifying.await {
            Some(verdict) => verdict,
            None => {
                let user = self.routed_name(&credentials.user);
                return Some(unverified(&user, credentials));
            }
        };
        let (counter, at) = (&reception.counters, &settings.listen.address);
        match verdict {
            Verdict::In(account) => return Some(*account),
            Verdict::Wrong => {
                count(&counter.rejected);
                let reply = refusal(settings.protocol, Refusal::Wrong, "Authentication failed.");
                front.rejected(&reply, &mut self.out);
            }
            Verdict::Refused(why) => {
                count(&counter.rejected);
                front.rejected(
                    &refusal(settings.protocol, Refusal::NotAllowed, &why),
                    &mut self.out,
                );
            }
            Verdict::TemporarilyUnavailable(why) => {
                count(&counter.unverified);
                warn!("{at}: {why}");
                front.unavailable(
                    "The password can't be verified now, please try again.",
                    &mut self.out,
                );
            }
        }
        None
    }

    /// Where the client is let in; else he was told why not.
    async fn admit(&mut self, front: &mut Front, account: &Account) -> Option<Admitted> {
        let reception = self.reception;
        let settings = &reception.settings;
        if let Some(host) = &account.host {
            return self.fixed(front, account, host).await;
        }
        let login = Login {
            user: &account.user,
            tag: account.tag.as_deref().unwrap_or(&settings.tag),
            protocol: settings.protocol.name(),
            client: self.from,
        };
        match reception.desk.admit(login).await {
            Ok(admitted) => Some(Admitted {
                port: account.port,
                ..admitted
            }),
            Err(refused) => {
                count(&reception.counters.refused);
                self.tell_refused(front, &account.user, refused);
                None
            }
        }
    }

    /// A user whose account names his backend is there whatever the ring decides.
    async fn fixed(&mut self, front: &mut Front, account: &Account, host: &Host) -> Option<Admitted> {
        let (hostname, known) = match host {
            Host::Address(ip) => (None, Some(*ip)),
            Host::Name { name, address } => (Some(name.clone()), *address),
        };
        let ip = match (known, &hostname) {
            (None, Some(name)) => {
                let clock = self.reception.world.clock();
                let resolving = self.reception.world.network().resolve(name);
                let found = deadline(
                    clock,
                    clock.now().plus(self.reception.settings.limits.connect),
                    resolving,
                )
                .await;
                found
                    .ok()
                    .and_then(Result::ok)
                    .and_then(|ips| ips.first().copied())
            }
            (known, _) => known,
        };
        let Some(ip) = ip else {
            count(&self.reception.counters.backend_failed);
            let (at, user) = (&self.reception.settings.listen.address, &account.user);
            warn!(
                "{at}: {user} is not let in: the host {hostname:?} of his account has no address; correct it"
            );
            front.unavailable(UNAVAILABLE, &mut self.out);
            return None;
        };
        Some(Admitted {
            ip,
            hostname,
            port: account.port,
            permit: Permit::unconditional(),
        })
    }

    /// From here on bytes are only forwarded.
    fn settle(
        &mut self,
        front: &mut Front,
        (backend, reply, left): (Channel<StreamOf<W>>, &[u8], Input),
        admitted: Admitted,
        user: Box<str>,
    ) -> Result<Box<Session<W>>, Left> {
        front.accepted(reply, &mut self.out);
        let mut to_client = std::mem::take(&mut self.out);
        to_client.extend_from_slice(left.unread());
        let ways = Ways {
            to_backend: forward::Way::starting_with(self.input.unread().to_vec()),
            to_client: forward::Way::starting_with(to_client),
        };
        let settings = &self.reception.settings;
        info!(
            "{} {}: {user} from {} at {}",
            settings.protocol.name(),
            self.session,
            self.from,
            admitted.ip
        );
        Ok(Box::new(Session {
            client: self.client.take().ok_or(Left::Gone)?,
            backend,
            ways,
            admitted,
            user,
            id: self.session.clone(),
            since: self.reception.world.clock().now(),
        }))
    }

    fn tell_refused(&mut self, front: &mut Front, user: &str, refused: Refused) {
        let at = &self.reception.settings.listen.address;
        if let Refused::Reason(reason) = refused {
            warn!("{at}: {user} is not let in: {reason}");
        }
        front.unavailable(refused.words(), &mut self.out);
    }

    /// A master user logs in for somebody: that one is routed.
    fn routed_name(&self, user: &str) -> Box<str> {
        let separator = self.reception.settings.master_user_separator;
        let cut = separator.and_then(|separator| user.split_once(separator));
        cut.map_or(user, |(user, _)| user).into()
    }
}

/// An ending, as the log has it.
struct Words<'a>(&'a Ending);

impl std::fmt::Display for Words<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            Ending::Finished => f.write_str("ended"),
            Ending::Revoked => f.write_str("closed by the director"),
            Ending::Idle(span) => write!(f, "closed, idle for {} s", span.as_secs()),
            Ending::Failed(forward::Side::Client, error) => {
                write!(f, "the client's connection broke ({error})")
            }
            Ending::Failed(forward::Side::Backend, error) => {
                write!(f, "the backend's connection broke ({error})")
            }
        }
    }
}
