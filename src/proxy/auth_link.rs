//! A connection to Dovecot's auth server, made when somebody is to be verified, and again when it is lost.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::sync::oneshot;
use tracing::warn;

use super::accounts::{AuthClient, Event, PENDING_MAX, Peer, Verdict};
use super::entry::{READ_BYTES, StreamOf, read};
use super::{Credentials, Input};
use crate::world::{Address, Clock, Network, Stream, Task, World, deadline, select};

/// How long the auth server may take to greet, and to take a question in.
const TALK_MAX: Duration = Duration::from_secs(5);
/// What a process number may be.
const PID_BITS: u64 = 0x7fff_ffff;

/// Where to ask. Dropping it closes the connection.
#[derive(Debug)]
pub(super) struct AuthLink {
    asks: Sender<Ask>,
    _task: Task,
}

/// One question, on its way.
struct Ask {
    credentials: Credentials,
    service: Box<str>,
    local: SocketAddr,
    remote: SocketAddr,
    is_tls: bool,
    session: Box<str>,
    reply: oneshot::Sender<Verdict>,
}

impl AuthLink {
    /// Connects when it is asked for the first time.
    pub fn start<W: World>(world: &W, socket: Address) -> Self {
        let (asks, asked) = channel(PENDING_MAX);
        let own = world.clone();
        let task = world.spawn("auth link", async move { keep(&own, &socket, asked).await });
        AuthLink { asks, _task: task }
    }

    /// What the auth server says.
    pub async fn verify(&self, credentials: &Credentials, peer: Peer<'_>) -> Verdict {
        let (reply, answer) = oneshot::channel();
        let ask = Ask {
            credentials: credentials.clone(),
            service: peer.service.into(),
            local: peer.local,
            remote: peer.remote,
            is_tls: peer.is_tls,
            session: peer.session.into(),
            reply,
        };
        if self.asks.try_send(ask).is_err() {
            let why = format!("{PENDING_MAX} questions to Dovecot's auth wait already; look why it is slow");
            return Verdict::TemporarilyUnavailable(why);
        }
        let lost = || Verdict::TemporarilyUnavailable("the connection to Dovecot's auth was lost".to_owned());
        answer.await.unwrap_or_else(|_| lost())
    }
}

async fn keep<W: World>(world: &W, socket: &Address, mut asked: Receiver<Ask>) {
    while let Some(first) = asked.recv().await {
        let clock = world.clock();
        let connecting = world.network().connect(socket, None);
        let connected = deadline(clock, clock.now().plus(TALK_MAX), connecting).await;
        let stream = match connected.map_err(io::Error::from) {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) | Err(error) => {
                refuse(
                    first,
                    &format!("{socket}: cannot connect to Dovecot's auth: {error}"),
                );
                continue;
            }
        };
        let (reading, writing) = stream.into_split();
        let link = Link {
            world,
            client: AuthClient::new(pid(world)),
            input: Input::default(),
            out: Vec::new(),
            next: 1,
            early: VecDeque::from([first]),
            waiting: BTreeMap::new(),
        };
        if let Err(error) = link.talk::<StreamOf<W>>(reading, writing, &mut asked).await {
            warn!(
                "{socket}: the connection to Dovecot's auth is lost: {error}; it is made again for the next login"
            );
        }
    }
}

/// Dovecot refuses a second connection that says the same process number.
fn pid<W: World>(world: &W) -> u32 {
    u32::try_from(world.entropy() & PID_BITS).unwrap_or(1).max(1)
}

/// One connection.
struct Link<'a, W> {
    world: &'a W,
    client: AuthClient,
    input: Input,
    out: Vec<u8>,
    next: u32,
    /// Asked before the greeting was over.
    early: VecDeque<Ask>,
    waiting: BTreeMap<u32, oneshot::Sender<Verdict>>,
}

impl<W: World> Link<'_, W> {
    /// Asks and answers until the connection is lost.
    async fn talk<S: Stream>(
        mut self,
        mut reading: S::Reading,
        mut writing: S::Writing,
        asked: &mut Receiver<Ask>,
    ) -> io::Result<()> {
        let clock = self.world.clock();
        self.client.hello(&mut self.out);
        let greeted_by = clock.now().plus(TALK_MAX);
        loop {
            self.write(&mut writing).await?;
            let greeting = async {
                if self.client.is_ready() {
                    std::future::pending().await
                } else {
                    clock.sleep_until(greeted_by).await
                }
            };
            let came = select! {
                () = greeting => return self.lost("it has not greeted in time"),
                came = read(&mut reading, &mut self.input, READ_BYTES) => Some(came),
                ask = asked.recv() => match ask {
                    Some(ask) => { self.early.push_back(ask); None }
                    None => return Ok(()),
                },
            };
            match came {
                None => {}
                Some(Ok(true)) => {
                    let events = self.client.feed(&mut self.input, &mut self.out);
                    self.take(events)?;
                }
                Some(Ok(false)) => return self.lost("it has closed it"),
                Some(Err(error)) => return self.lost(&error.to_string()),
            }
            self.ask();
        }
    }

    async fn write(&mut self, writing: &mut (impl AsyncWrite + Unpin)) -> io::Result<()> {
        if self.out.is_empty() {
            return Ok(());
        }
        let clock = self.world.clock();
        let out = std::mem::take(&mut self.out);
        let written = deadline(clock, clock.now().plus(TALK_MAX), writing.write_all(&out)).await;
        match written.map_err(io::Error::from) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) | Err(error) => self.lost(&error.to_string()),
        }
    }

    /// Asks everything that can be asked now.
    fn ask(&mut self) {
        if !self.client.is_ready() {
            return;
        }
        while let Some(ask) = self.early.pop_front() {
            let id = self.next;
            self.next = self.next.checked_add(1).unwrap_or(1);
            let peer = Peer {
                service: &ask.service,
                local: ask.local,
                remote: ask.remote,
                is_tls: ask.is_tls,
                session: &ask.session,
            };
            match self.client.ask(id, &ask.credentials, &peer, &mut self.out) {
                Ok(()) => {
                    self.waiting.insert(id, ask.reply);
                }
                // Whoever asked may have gone.
                Err(verdict) => drop(ask.reply.send(verdict)),
            }
        }
    }

    fn take(&mut self, events: Vec<Event>) -> io::Result<()> {
        for event in events {
            match event {
                Event::Ready => {}
                Event::Answer { id, verdict } => {
                    if let Some(reply) = self.waiting.remove(&id) {
                        // Whoever asked may have gone.
                        let _ = reply.send(verdict);
                    }
                }
                Event::Broken(why) => return self.lost(&why),
            }
        }
        Ok(())
    }

    /// Everybody who waits is told that nobody knows.
    fn lost(&mut self, why: &str) -> io::Result<()> {
        for ask in self.early.drain(..) {
            refuse(ask, why);
        }
        for event in self.client.ended() {
            if let Event::Answer { id, verdict } = event
                && let Some(reply) = self.waiting.remove(&id)
            {
                // Whoever asked may have gone.
                let _ = reply.send(verdict);
            }
        }
        Err(io::Error::other(why.to_owned()))
    }
}

fn refuse(ask: Ask, why: &str) {
    let why = format!(
        "user {:?} was not verified: {why}; the client was told to try again: look whether Dovecot's auth runs",
        ask.credentials.user
    );
    // Whoever asked may have gone.
    let _ = ask.reply.send(Verdict::TemporarilyUnavailable(why));
}
