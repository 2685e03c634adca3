//! A socket that accepts connections, by TCP or in the file system.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::net::{TcpListener, UnixListener};

use super::Socket;
use crate::world::{Address, Listener};

/// A socket that accepts connections.
#[derive(Debug)]
pub enum SocketListener {
    /// By TCP.
    Tcp(Arc<TcpListener>),
    /// In the file system, at that path; the path stays when this is dropped, and is replaced by the next who binds it.
    Unix(Arc<UnixListener>, PathBuf),
}

impl Listener for SocketListener {
    type Stream = Socket;

    async fn accept(&self) -> io::Result<(Socket, Option<SocketAddr>)> {
        match self {
            SocketListener::Tcp(listener) => {
                let (stream, from) = listener.accept().await?;
                stream.set_nodelay(true)?;
                Ok((Socket::Tcp(stream), Some(from)))
            }
            SocketListener::Unix(listener, _) => {
                let (stream, _) = listener.accept().await?;
                Ok((Socket::Unix(stream), None))
            }
        }
    }

    fn address(&self) -> io::Result<Address> {
        match self {
            SocketListener::Tcp(listener) => Ok(Address::Tcp(listener.local_addr()?)),
            SocketListener::Unix(_, path) => Ok(Address::Unix(path.clone())),
        }
    }
}
