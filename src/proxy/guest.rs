//! A client's connection, of whichever protocol: its PROXY header, its TLS, and reading and writing in time.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::AsyncWriteExt;

use super::channel::Channel;
use super::entry::{READ_BYTES, StreamOf, read};
use super::protocol::goodbye;
use super::proxy_header::{Header, parse};
use super::reception::Reception;
use super::{Claims, Desk, Input, Origin, TTL_MAX};
use crate::world::{Clock, Instant, Stream, World, deadline};

/// How long a client may take to read the last words.
pub(super) const FAREWELL_MAX: Duration = Duration::from_secs(1);

/// Why a client is not served any more.
pub(super) enum Left {
    /// He has gone, or was told to.
    Gone,
    /// He broke a rule; in words, for the log.
    Broken(String),
    /// He took too long.
    Late,
}

/// A client's connection.
pub(super) struct Guest<'a, W: World, D> {
    pub reception: &'a Reception<W, D>,
    /// Nothing once the connection failed in a handshake.
    pub client: Option<Channel<StreamOf<W>>>,
    /// Where he is, as far as is believed.
    pub from: SocketAddr,
    pub local: SocketAddr,
    pub is_trusted: bool,
    pub session: Box<str>,
    pub until: Instant,
    pub input: Input,
    pub out: Vec<u8>,
}

impl<'a, W: World, D: Desk> Guest<'a, W, D> {
    /// A client who has just come.
    pub fn meet(reception: &'a Reception<W, D>, stream: StreamOf<W>, from: SocketAddr) -> Self {
        let local = stream.local_address().unwrap_or(from);
        let clock = reception.world.clock();
        Guest {
            reception,
            client: Some(Channel::Plain(stream)),
            from,
            local,
            is_trusted: reception.trusts(from.ip()),
            session: format!("{:016x}", reception.world.entropy()).into(),
            until: clock.now().plus(reception.settings.limits.login),
            input: Input::default(),
            out: Vec::new(),
        }
    }

    /// Whom a backend is told about. `helo` is what he has called himself.
    pub fn origin(&self, claims: &Claims, helo: Option<&str>) -> Origin {
        let believed = if self.is_trusted {
            claims.clone()
        } else {
            // It only makes his way shorter.
            Claims {
                ttl: claims.ttl,
                ..Claims::default()
            }
        };
        let client = believed.client.map_or(self.from, SocketAddr::from);
        Origin {
            client,
            local: self.local,
            session: believed.session.unwrap_or_else(|| self.session.clone()),
            ttl: believed.ttl.unwrap_or(TTL_MAX).min(TTL_MAX),
            helo: helo.map(Into::into),
            is_tls: self.is_tls(),
        }
    }

    pub fn is_tls(&self) -> bool {
        self.client.as_ref().is_some_and(Channel::is_tls)
    }

    /// What comes before the greeting: a PROXY header and TLS, where these are wanted.
    pub async fn begin(&mut self) -> Result<(), Left> {
        let settings = &self.reception.settings;
        if settings.wants_proxy_header && self.is_trusted {
            self.take_header().await?;
        }
        if settings.is_implicit_tls {
            self.start_tls().await?;
        }
        Ok(())
    }

    async fn take_header(&mut self) -> Result<(), Left> {
        loop {
            match parse(self.input.unread()) {
                Ok(Some((header, bytes))) => {
                    self.input.consume(bytes);
                    if let Header::Proxied {
                        source, destination, ..
                    } = header
                    {
                        self.from = source;
                        self.local = destination;
                        self.is_trusted = self.reception.trusts(source.ip());
                    }
                    return Ok(());
                }
                Ok(None) => self.read().await?,
                Err(error) => return Err(Left::Broken(format!("no PROXY header: {error}"))),
            }
        }
    }

    pub async fn start_tls(&mut self) -> Result<(), Left> {
        let client = self.client.take().ok_or(Left::Gone)?;
        let tls = self.reception.settings.tls.as_ref();
        let config = tls.ok_or(Left::Gone)?.config();
        let clock = self.reception.world.clock();
        match deadline(clock, self.until, client.accept_tls(config)).await {
            Ok(Ok(client)) => {
                self.client = Some(client);
                Ok(())
            }
            Ok(Err(error)) => Err(Left::Broken(format!("TLS: {error}"))),
            Err(_) => Err(Left::Late),
        }
    }

    pub async fn read(&mut self) -> Result<(), Left> {
        self.read_part(READ_BYTES).await
    }

    /// Reads at most so many bytes at once: of a message, more than a command needs.
    pub async fn read_part(&mut self, bytes_max: usize) -> Result<(), Left> {
        let client = self.client.as_mut().ok_or(Left::Gone)?;
        let clock = self.reception.world.clock();
        let reading = read(client, &mut self.input, bytes_max);
        match deadline(clock, self.until, reading).await {
            Ok(Ok(true)) => Ok(()),
            Ok(Ok(false)) => Err(Left::Gone),
            Ok(Err(error)) => Err(Left::Broken(error.to_string())),
            Err(_) => {
                self.out = goodbye(self.reception.settings.protocol, "Disconnected for inactivity.");
                self.until = self.reception.world.clock().now().plus(FAREWELL_MAX);
                self.write().await?;
                Err(Left::Late)
            }
        }
    }

    pub async fn write(&mut self) -> Result<(), Left> {
        if self.out.is_empty() {
            return Ok(());
        }
        let client = self.client.as_mut().ok_or(Left::Gone)?;
        let out = &self.out;
        let writing = async {
            client.write_all(out).await?;
            client.flush().await
        };
        let written = deadline(self.reception.world.clock(), self.until, writing).await;
        self.out.clear();
        match written {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(Left::Broken(error.to_string())),
            Err(_) => Err(Left::Late),
        }
    }
}
