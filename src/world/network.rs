//! Sockets: what a host can open, and what it can read and write.

use std::io;
use std::net::{IpAddr, SocketAddr};

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use super::{Address, Listen};

/// A host's sockets. Nothing in here has a deadline of its own: callers wrap what waits in [`deadline`](super::deadline).
pub trait Network: Clone + Send + Sync + 'static {
    /// A connection.
    type Stream: Stream;
    /// A socket that accepts connections.
    type Listener: Listener<Stream = Self::Stream>;
    /// The reading end of a named pipe.
    type Fifo: AsyncRead + Unpin + Send + 'static;

    /// A socket that accepts connections from now on. A path that nobody answers at is replaced.
    fn bind(&self, listen: &Listen) -> impl Future<Output = io::Result<Self::Listener>> + Send;

    /// A connection to an address, from an address of this host if one is named.
    fn connect(
        &self,
        to: &Address,
        from: Option<IpAddr>,
    ) -> impl Future<Output = io::Result<Self::Stream>> + Send;

    /// The addresses of a name, sorted, each once; of an address itself without asking anybody.
    fn resolve(&self, name: &str) -> impl Future<Output = io::Result<Vec<IpAddr>>> + Send;

    /// A named pipe, created if it is not there. It is held open for reading and writing, so reading never meets its
    /// end when a writer closes.
    fn fifo(&self, listen: &Listen) -> impl Future<Output = io::Result<Self::Fifo>> + Send;
}

/// A socket that accepts connections.
pub trait Listener: Send + Sync + 'static {
    /// What it accepts.
    type Stream: Stream;

    /// The next connection, and from where if it came by TCP. After an error wait a little: out of file descriptors,
    /// it fails at once again.
    fn accept(&self) -> impl Future<Output = io::Result<(Self::Stream, Option<SocketAddr>)>> + Send;

    /// Where it listens, with the port that the system chose.
    ///
    /// # Errors
    /// The system does not say.
    fn address(&self) -> io::Result<Address>;
}

/// A connection.
pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static {
    /// The half that reads.
    type Reading: AsyncRead + Unpin + Send + 'static;
    /// The half that writes; dropping it says that no more comes.
    type Writing: AsyncWrite + Unpin + Send + 'static;

    /// Both halves, each usable without the other.
    fn into_split(self) -> (Self::Reading, Self::Writing);

    /// The process at the other end, when the system knows: on a Unix socket, when it connected.
    fn peer_pid(&self) -> Option<i32>;

    /// This host's end, when it came by TCP.
    fn local_address(&self) -> Option<SocketAddr>;

    /// From now on, closing it throws away what the system has taken and not delivered yet.
    ///
    /// # Errors
    /// The system can't; what it has taken is still delivered.
    fn discard_on_close(&self) -> io::Result<()>;

    /// The kernel's TCP socket, when the connection is nothing else: the kernel can then move bytes from one to another
    /// without this process reading them. None for a simulated one.
    fn as_tcp(&self) -> Option<&TcpStream> {
        None
    }
}
