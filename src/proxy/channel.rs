//! A connection that may get TLS: the same type before and after.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ServerConfig};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::{TlsAcceptor, TlsConnector, TlsStream};

use super::forward::Connection;
use crate::world::Stream;

/// A connection, in the clear or with TLS.
#[derive(Debug)]
pub(super) enum Channel<S> {
    /// In the clear.
    Plain(S),
    /// With TLS. Boxed: it is twenty times as large.
    Tls(Box<TlsStream<S>>),
}

impl<S: AsyncRead + AsyncWrite + Unpin> Channel<S> {
    /// Whether what is written is encrypted.
    pub fn is_tls(&self) -> bool {
        matches!(self, Channel::Tls(_))
    }

    /// The handshake as the side that was connected to.
    ///
    /// # Errors
    /// The other side breaks it off, or speaks no TLS; the connection is closed.
    pub async fn accept_tls(self, config: Arc<ServerConfig>) -> io::Result<Self> {
        let stream = TlsAcceptor::from(config).accept(self.plain()?).await?;
        Ok(Channel::Tls(Box::new(stream.into())))
    }

    /// The handshake as the side that has connected.
    ///
    /// # Errors
    /// The other side breaks it off, speaks no TLS, or its certificate is not what `name` demands; the connection is closed.
    pub async fn connect_tls(self, config: Arc<ClientConfig>, name: ServerName<'static>) -> io::Result<Self> {
        let stream = TlsConnector::from(config).connect(name, self.plain()?).await?;
        Ok(Channel::Tls(Box::new(stream.into())))
    }

    fn plain(self) -> io::Result<S> {
        match self {
            Channel::Plain(stream) => Ok(stream),
            Channel::Tls(_) => Err(io::Error::other("there is TLS already")),
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Channel<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Channel::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Channel::Tls(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Channel<S> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Channel::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Channel::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Channel::Plain(stream) => Pin::new(stream).poll_flush(context),
            Channel::Tls(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Channel::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Channel::Tls(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}

impl<S: Stream> Connection for Channel<S> {
    fn as_tcp(&self) -> Option<&TcpStream> {
        match self {
            Channel::Plain(stream) => stream.as_tcp(),
            Channel::Tls(_) => None,
        }
    }
}
