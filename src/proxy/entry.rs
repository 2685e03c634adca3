//! A user who was admitted, on his way into the backend: the connection, its TLS, and the login there.
//!
//! Whatever is written to a backend is written under the permit, and under the gate: bytes of a login are bytes of the user.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};

use super::channel::Channel;
use super::forward::Leave;
use super::protocol::Back;
use super::proxy_header::encode_v2;
use super::{Admitted, BackLogin, BackStep, BackendSettings, Input, Origin, Protocol, ProxyLimits};
use crate::world::{Address, Clock, Instant, Network, Stream, World, deadline, select};

/// What is read at once as long as there is only talk, in bytes.
pub(super) const READ_BYTES: usize = 4 << 10;

/// What came of a login at a backend.
pub(super) enum Entry<S> {
    /// The user is in.
    In {
        backend: Channel<S>,
        /// What the backend has said to that.
        reply: Vec<u8>,
        /// What it has said beyond that.
        left: Input,
    },
    /// The backend refuses; in its own words.
    Rejected(Vec<u8>),
    /// The director does not want him in any more.
    Revoked,
    /// The backend can't be used; in words, for the log.
    Failed(String),
}

/// Why an entry can't go on.
pub(super) enum Stop {
    Revoked,
    Failed(String),
}

impl Stop {
    fn takes_nothing() -> Self {
        Stop::Failed("it takes nothing in".to_owned())
    }

    pub fn broken(error: &io::Error) -> Self {
        Stop::Failed(format!("the connection broke: {error}"))
    }
}

/// What is the same for every login of a listener.
pub(super) struct Way<'a, W> {
    pub world: &'a W,
    pub protocol: Protocol,
    pub settings: &'a BackendSettings,
    pub limits: &'a ProxyLimits,
}

impl<W: World> Way<'_, W> {
    /// Brings the user in.
    pub async fn enter(
        &self,
        admitted: &Admitted,
        login: BackLogin,
        origin: &Origin,
        leave: Leave<'_, W::Clock>,
    ) -> Entry<StreamOf<W>> {
        let entry = async {
            let mut backend = self.connect(admitted, origin, leave).await?;
            self.log_in(&mut backend, admitted, login, leave).await
        };
        let entered = select! {
            () = leave.permit.revoked() => Err(Stop::Revoked),
            entered = entry => entered,
        };
        match entered {
            Ok(entry) => entry,
            Err(Stop::Revoked) => Entry::Revoked,
            Err(Stop::Failed(why)) => Entry::Failed(why),
        }
    }

    /// A connection to the backend, with its PROXY header and with TLS from the first byte where these are wanted.
    pub async fn connect(
        &self,
        admitted: &Admitted,
        origin: &Origin,
        leave: Leave<'_, W::Clock>,
    ) -> Result<Option<Channel<StreamOf<W>>>, Stop> {
        let port = admitted.port.unwrap_or(self.settings.port);
        let address = SocketAddr::new(admitted.ip, port);
        if address == origin.local {
            return Err(Stop::Failed(
                "it is this listener: the login would come back".to_owned(),
            ));
        }
        let clock = self.world.clock();
        let until = clock.now().plus(self.limits.connect);
        let to = Address::Tcp(address);
        let connecting = self.world.network().connect(&to, None);
        let stream = match deadline(clock, until, connecting).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return Err(Stop::Failed(format!("cannot connect: {error}"))),
            Err(_) => {
                let span = self.limits.connect.as_secs_f32();
                return Err(Stop::Failed(format!("no connection within {span} s")));
            }
        };
        // What a closed session has left in the system's buffers must not reach the mailbox later.
        let _ = stream.discard_on_close();
        let mut backend = Channel::Plain(stream);
        if self.settings.sends_proxy_header {
            let header = encode_v2(origin.client, origin.local, origin.is_tls);
            write(&mut backend, &header, || leave.is_given(), (clock, until)).await?;
        }
        match &self.settings.tls {
            Some(tls) if !tls.is_by_command => self.start_tls(backend, admitted, until).await.map(Some),
            _ => Ok(Some(backend)),
        }
    }

    /// The handshake, as the side that has connected.
    pub async fn start_tls(
        &self,
        backend: Channel<StreamOf<W>>,
        admitted: &Admitted,
        until: Instant,
    ) -> Result<Channel<StreamOf<W>>, Stop> {
        let Some(tls) = &self.settings.tls else {
            return Err(Stop::Failed("TLS is not configured".to_owned()));
        };
        let own = admitted
            .hostname
            .as_deref()
            .and_then(|name| ServerName::try_from(name.to_owned()).ok());
        let name = own.or_else(|| tls.name.clone());
        let name = name.unwrap_or_else(|| ServerName::from(admitted.ip));
        let handshake = backend.connect_tls(Arc::clone(&tls.config), name);
        match deadline(self.world.clock(), until, handshake).await {
            Ok(Ok(backend)) => Ok(backend),
            Ok(Err(error)) => Err(Stop::Failed(format!("TLS: {error}"))),
            Err(_) => Err(Stop::Failed("no TLS handshake in time".to_owned())),
        }
    }

    /// `backend` is taken out of its place when TLS starts, and when the user is in.
    async fn log_in(
        &self,
        backend: &mut Option<Channel<StreamOf<W>>>,
        admitted: &Admitted,
        login: BackLogin,
        leave: Leave<'_, W::Clock>,
    ) -> Result<Entry<StreamOf<W>>, Stop> {
        let clock = self.world.clock();
        let until = clock.now().plus(self.limits.backend_login);
        let gone = || Stop::Failed("the connection is gone".to_owned());
        let back = Back::new(self.protocol, login);
        let mut back = back.ok_or_else(|| Stop::Failed("this protocol has no login".to_owned()))?;
        let (mut input, mut out) = (Input::default(), Vec::new());
        loop {
            let step = back.feed(&mut input, &mut out);
            let channel = backend.as_mut().ok_or_else(gone)?;
            if !out.is_empty() {
                write(channel, &out, || leave.is_given(), (clock, until)).await?;
                out.clear();
            }
            match step {
                BackStep::More => match deadline(clock, until, read(channel, &mut input, READ_BYTES)).await {
                    Ok(Ok(true)) => {}
                    Ok(Ok(false)) => {
                        return Err(Stop::Failed(
                            "it closed the connection during the login".to_owned(),
                        ));
                    }
                    Ok(Err(error)) => return Err(Stop::broken(&error)),
                    Err(_) => {
                        let span = self.limits.backend_login.as_secs_f32();
                        return Err(Stop::Failed(format!("no answer to the login within {span} s")));
                    }
                },
                BackStep::StartTls => {
                    if !input.unread().is_empty() {
                        return Err(Stop::Failed("it went on talking before TLS".to_owned()));
                    }
                    let plain = backend.take().ok_or_else(gone)?;
                    *backend = Some(self.start_tls(plain, admitted, until).await?);
                    back.tls_started();
                }
                BackStep::Accepted(reply) => {
                    let backend = backend.take().ok_or_else(gone)?;
                    return Ok(Entry::In {
                        backend,
                        reply,
                        left: input,
                    });
                }
                BackStep::Rejected(reply) => return Ok(Entry::Rejected(reply)),
                BackStep::Failed(why) => return Err(Stop::Failed(why)),
            }
        }
    }
}

/// A connection of this world.
pub(super) type StreamOf<W> = <<W as World>::Network as Network>::Stream;

/// Writes to a backend. Every byte is asked for anew: a backend that takes a part and then nothing must not get the rest after
/// the lease.
pub(super) async fn write<C: Clock>(
    channel: &mut (impl AsyncWrite + Unpin),
    bytes: &[u8],
    is_given: impl Fn() -> bool,
    (clock, until): (&C, Instant),
) -> Result<(), Stop> {
    let mut left = bytes;
    let writing = async {
        while !left.is_empty() {
            let wrote = poll_fn(|context| {
                if !is_given() {
                    return Poll::Ready(Err(Stop::Revoked));
                }
                let wrote = Pin::new(&mut *channel).poll_write(context, left);
                wrote.map_err(|error| Stop::broken(&error))
            });
            match wrote.await? {
                0 => return Err(Stop::takes_nothing()),
                count => left = &left[count..],
            }
        }
        poll_fn(|context| {
            if !is_given() {
                return Poll::Ready(Err(Stop::Revoked));
            }
            let flushed = Pin::new(&mut *channel).poll_flush(context);
            flushed.map_err(|error| Stop::broken(&error))
        })
        .await
    };
    let written = deadline(clock, until, writing).await;
    written.unwrap_or_else(|_| Err(Stop::takes_nothing()))
}

/// Reads at most so many bytes at once; false when the other side has said all.
pub(super) async fn read(
    channel: &mut (impl AsyncRead + Unpin),
    input: &mut Input,
    bytes_max: usize,
) -> io::Result<bool> {
    let mut limited = channel.take(bytes_max as u64);
    Ok(limited.read_buf(input.room(bytes_max)).await? > 0)
}
