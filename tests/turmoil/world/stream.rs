//! A connection: over simulated TCP, or a pipe to another process of the same host.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use maildirector::world::Stream;
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf, ReadHalf, WriteHalf};
use turmoil::net::TcpStream;
use turmoil::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

use super::chopped::Chopped;
use super::tap::Tap;
use crate::dice::Dice;

/// A connection.
pub struct SimStream {
    reading: Chopped<Reading>,
    writing: Chopped<Writing>,
    peer_pid: Option<i32>,
    local_address: Option<SocketAddr>,
    tap: Option<Tap>,
}

/// The half that reads.
#[derive(Debug)]
pub enum Reading {
    Tcp(OwnedReadHalf),
    Local(ReadHalf<DuplexStream>),
}

/// The half that writes.
#[derive(Debug)]
pub enum Writing {
    Tcp(OwnedWriteHalf),
    Local(WriteHalf<DuplexStream>),
}

impl SimStream {
    pub fn tcp(stream: TcpStream, dice: &mut Dice) -> Self {
        let local_address = stream.local_addr().ok();
        let (reading, writing) = stream.into_split();
        let stream = SimStream::new(Reading::Tcp(reading), Writing::Tcp(writing), None, dice);
        SimStream {
            local_address,
            ..stream
        }
    }

    pub fn local(pipe: DuplexStream, peer_pid: i32, dice: &mut Dice) -> Self {
        let (reading, writing) = tokio::io::split(pipe);
        SimStream::new(
            Reading::Local(reading),
            Writing::Local(writing),
            Some(peer_pid),
            dice,
        )
    }

    fn new(reading: Reading, writing: Writing, peer_pid: Option<i32>, dice: &mut Dice) -> Self {
        SimStream {
            reading: Chopped::new(reading, dice.split()),
            writing: Chopped::new(writing, dice.split()),
            peer_pid,
            local_address: None,
            tap: None,
        }
    }

    /// The same, heard by somebody as long as it is not split.
    pub fn tapped(self, tap: Option<Tap>) -> Self {
        SimStream { tap, ..self }
    }
}

impl Stream for SimStream {
    type Reading = Chopped<Reading>;
    type Writing = Chopped<Writing>;

    fn into_split(self) -> (Self::Reading, Self::Writing) {
        (self.reading, self.writing)
    }

    fn peer_pid(&self) -> Option<i32> {
        self.peer_pid
    }

    fn local_address(&self) -> Option<SocketAddr> {
        self.local_address
    }

    /// Simulated hosts deliver what was written before, which the proxies have to allow for anyway.
    fn discard_on_close(&self) -> io::Result<()> {
        Ok(())
    }
}

impl AsyncRead for SimStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.reading).poll_read(context, buffer)
    }
}

impl AsyncWrite for SimStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.writing).poll_write(context, bytes);
        if let (Poll::Ready(Ok(count)), Some(tap)) = (&written, &mut self.tap) {
            tap(&bytes[..*count]);
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.writing).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.writing).poll_shutdown(context)
    }
}

impl AsyncRead for Reading {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Reading::Tcp(half) => Pin::new(half).poll_read(context, buffer),
            Reading::Local(half) => Pin::new(half).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Writing {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Writing::Tcp(half) => Pin::new(half).poll_write(context, bytes),
            Writing::Local(half) => Pin::new(half).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Writing::Tcp(half) => Pin::new(half).poll_flush(context),
            Writing::Local(half) => Pin::new(half).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Writing::Tcp(half) => Pin::new(half).poll_shutdown(context),
            Writing::Local(half) => Pin::new(half).poll_shutdown(context),
        }
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        // Half of a pipe does not close by itself, as half of a socket does.
        if let Writing::Local(half) = self {
            let _ = Pin::new(half).poll_shutdown(&mut Context::from_waker(Waker::noop()));
        }
    }
}
