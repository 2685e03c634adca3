//! One check of one backend over the world's sockets, with one deadline for all of it.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use memchr::memchr;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio_rustls::TlsConnector;

use super::check::Check;
use super::exchange::{Exchange, LINE_BYTES_MAX, Step};
use super::fault::ProbeFault;
use crate::config::TlsUse;
use crate::world::{Address, Clock, Network, World, deadline};

/// Read at once.
const READ_BYTES: usize = 2 << 10;

/// What the backend is at, for whoever has to tell that it is silent.
struct Talk<'a> {
    exchange: Exchange<'a>,
    stage: &'static str,
}

/// How the talk on one connection ended.
enum Turn {
    Done,
    StartTls,
}

/// Makes the check, within `timeout` from the first packet to the last.
///
/// # Errors
/// The backend does not stand it.
pub async fn probe<W: World>(
    world: &W,
    check: &Check,
    ip: IpAddr,
    timeout: Duration,
) -> Result<(), ProbeFault> {
    let clock = world.clock();
    let until = clock.now().plus(timeout);
    let mut talk = Talk {
        exchange: Exchange::new(check),
        stage: "a connection",
    };
    let made = deadline(clock, until, through(world, check, ip, &mut talk)).await;
    made.unwrap_or(Err(ProbeFault::Silent {
        to: talk.stage,
        within: timeout,
    }))
}

async fn through<W: World>(
    world: &W,
    check: &Check,
    ip: IpAddr,
    talk: &mut Talk<'_>,
) -> Result<(), ProbeFault> {
    let address = Address::Tcp(SocketAddr::new(ip, check.port));
    let connected = world.network().connect(&address, None).await;
    let mut stream = connected.map_err(|error| ProbeFault::Connect {
        why: error.to_string(),
    })?;
    let is_first = check.tls == TlsUse::Tls;
    if !is_first {
        let step = talk.exchange.connected();
        if let Turn::Done = talk.on(&mut stream, step).await? {
            return Ok(());
        }
    }
    let mut stream = secure(check, ip, stream, talk).await?;
    let step = if is_first {
        talk.exchange.connected()
    } else {
        talk.exchange.secured()
    };
    talk.on(&mut stream, step).await.map(|_| ())
}

async fn secure<S: AsyncRead + AsyncWrite + Unpin>(
    check: &Check,
    ip: IpAddr,
    stream: S,
    talk: &mut Talk<'_>,
) -> Result<tokio_rustls::client::TlsStream<S>, ProbeFault> {
    talk.stage = "the TLS handshake";
    let name = check.trust.name.clone();
    let name = name.unwrap_or_else(|| ServerName::IpAddress(ip.into()));
    let connector = TlsConnector::from(check.trust.client.clone());
    let made = connector.connect(name, stream).await;
    made.map_err(|error| ProbeFault::Tls {
        why: error.to_string(),
    })
}

impl Talk<'_> {
    async fn on<S: AsyncRead + AsyncWrite + Unpin>(
        &mut self,
        stream: &mut S,
        first: Step,
    ) -> Result<Turn, ProbeFault> {
        let mut unread: Vec<u8> = Vec::new();
        let mut step = first;
        loop {
            self.stage = self.exchange.awaits();
            match step {
                Step::Send(bytes) => {
                    let sent = stream.write_all(&bytes).await;
                    // What it said before it closed is read below.
                    if sent.is_ok() && stream.flush().await.is_err() {
                        return Err(ProbeFault::Closed { to: self.stage });
                    }
                }
                Step::Wait => {}
                // What stands here was said before TLS, by whoever is in between (CVE-2011-0411).
                Step::StartTls if unread.is_empty() => return Ok(Turn::StartTls),
                Step::StartTls => return Err(ProbeFault::refused(self.stage, &unread)),
                Step::Done(goodbye) => {
                    // The verdict stands, whatever becomes of the last word.
                    let _ = stream.write_all(goodbye).await;
                    let _ = stream.shutdown().await;
                    return Ok(Turn::Done);
                }
                Step::Failed(fault) => return Err(fault),
            }
            let line = self.read_line(stream, &mut unread).await?;
            step = self.exchange.line(&line);
        }
    }

    async fn read_line<S: AsyncRead + Unpin>(
        &self,
        stream: &mut S,
        unread: &mut Vec<u8>,
    ) -> Result<Vec<u8>, ProbeFault> {
        loop {
            if let Some(end) = memchr(b'\n', unread) {
                let mut line: Vec<u8> = unread.drain(..=end).collect();
                line.pop();
                if line.last() == Some(&b'\r') {
                    line.pop();
                }
                return Ok(line);
            }
            if unread.len() > LINE_BYTES_MAX {
                return Err(ProbeFault::TooMuch { to: self.stage });
            }
            let mut some = [0; READ_BYTES];
            match stream.read(&mut some).await {
                Ok(0) | Err(_) => return Err(ProbeFault::Closed { to: self.stage }),
                Ok(count) => unread.extend_from_slice(&some[..count]),
            }
        }
    }
}
