//! A connection, by TCP or through the file system.

use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream, tcp, unix};

use crate::world::Stream;

/// A connection.
#[derive(Debug)]
pub enum Socket {
    /// By TCP.
    Tcp(TcpStream),
    /// Through the file system.
    Unix(UnixStream),
}

/// The half of a connection that reads.
#[derive(Debug)]
pub enum SocketReading {
    /// By TCP.
    Tcp(tcp::OwnedReadHalf),
    /// Through the file system.
    Unix(unix::OwnedReadHalf),
}

/// The half of a connection that writes.
#[derive(Debug)]
pub enum SocketWriting {
    /// By TCP.
    Tcp(tcp::OwnedWriteHalf),
    /// Through the file system.
    Unix(unix::OwnedWriteHalf),
}

impl Stream for Socket {
    type Reading = SocketReading;
    type Writing = SocketWriting;

    fn into_split(self) -> (SocketReading, SocketWriting) {
        match self {
            Socket::Tcp(stream) => {
                let (reading, writing) = stream.into_split();
                (SocketReading::Tcp(reading), SocketWriting::Tcp(writing))
            }
            Socket::Unix(stream) => {
                let (reading, writing) = stream.into_split();
                (SocketReading::Unix(reading), SocketWriting::Unix(writing))
            }
        }
    }

    fn peer_pid(&self) -> Option<i32> {
        match self {
            Socket::Tcp(_) => None,
            Socket::Unix(stream) => stream.peer_cred().ok()?.pid(),
        }
    }

    fn local_address(&self) -> Option<SocketAddr> {
        match self {
            Socket::Tcp(stream) => stream.local_addr().ok(),
            Socket::Unix(_) => None,
        }
    }

    fn discard_on_close(&self) -> io::Result<()> {
        match self {
            Socket::Tcp(stream) => stream.set_zero_linger(),
            Socket::Unix(_) => Ok(()),
        }
    }

    fn as_tcp(&self) -> Option<&TcpStream> {
        match self {
            Socket::Tcp(stream) => Some(stream),
            Socket::Unix(_) => None,
        }
    }
}

macro_rules! reads {
    ($kind:ident) => {
        impl AsyncRead for $kind {
            fn poll_read(
                self: Pin<&mut Self>,
                context: &mut Context<'_>,
                buffer: &mut ReadBuf<'_>,
            ) -> Poll<io::Result<()>> {
                match self.get_mut() {
                    $kind::Tcp(inner) => Pin::new(inner).poll_read(context, buffer),
                    $kind::Unix(inner) => Pin::new(inner).poll_read(context, buffer),
                }
            }
        }
    };
}

macro_rules! writes {
    ($kind:ident) => {
        impl AsyncWrite for $kind {
            fn poll_write(
                self: Pin<&mut Self>,
                context: &mut Context<'_>,
                bytes: &[u8],
            ) -> Poll<io::Result<usize>> {
                match self.get_mut() {
                    $kind::Tcp(inner) => Pin::new(inner).poll_write(context, bytes),
                    $kind::Unix(inner) => Pin::new(inner).poll_write(context, bytes),
                }
            }

            fn poll_write_vectored(
                self: Pin<&mut Self>,
                context: &mut Context<'_>,
                pieces: &[IoSlice<'_>],
            ) -> Poll<io::Result<usize>> {
                match self.get_mut() {
                    $kind::Tcp(inner) => Pin::new(inner).poll_write_vectored(context, pieces),
                    $kind::Unix(inner) => Pin::new(inner).poll_write_vectored(context, pieces),
                }
            }

            fn is_write_vectored(&self) -> bool {
                true
            }

            fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
                match self.get_mut() {
                    $kind::Tcp(inner) => Pin::new(inner).poll_flush(context),
                    $kind::Unix(inner) => Pin::new(inner).poll_flush(context),
                }
            }

            fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
                match self.get_mut() {
                    $kind::Tcp(inner) => Pin::new(inner).poll_shutdown(context),
                    $kind::Unix(inner) => Pin::new(inner).poll_shutdown(context),
                }
            }
        }
    };
}

reads!(Socket);
reads!(SocketReading);
writes!(Socket);
writes!(SocketWriting);
