//! The kernel's sockets.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nix::sys::stat::Mode;
use tokio::net::unix::pipe;
use tokio::net::{TcpListener, TcpSocket, UnixListener, UnixStream};

use super::handed::{Handed, Open};
use super::ownership::{apply, told};
use super::{Socket, SocketListener};
use crate::world::{Address, Listen, Network};

/// Connections that the kernel keeps for a listener until it accepts them.
const BACKLOG: u32 = 4096;

/// The kernel's sockets. Clones are the same.
#[derive(Clone, Debug, Default)]
pub struct Sockets {
    handed: Arc<Handed>,
}

impl Sockets {
    /// With sockets that another process has handed over: whoever binds their addresses gets them.
    pub fn with(inherited: impl IntoIterator<Item = (Address, OwnedFd)>) -> Self {
        Sockets {
            handed: Arc::new(Handed::with(inherited)),
        }
    }

    /// Closes what was handed over and not bound.
    pub fn forget_inherited(&self) {
        self.handed.forget();
    }

    /// Every socket that is bound, a second time, for another process.
    ///
    /// # Errors
    /// The process may have no more descriptors.
    pub fn duplicate(&self) -> io::Result<Vec<(Address, OwnedFd)>> {
        self.handed.duplicate()
    }

    /// The socket or named pipe that is bound there, a second time; nothing when none is.
    ///
    /// # Errors
    /// The process may have no more descriptors.
    pub fn duplicate_one(&self, address: &Address) -> io::Result<Option<OwnedFd>> {
        self.handed.duplicate_one(address).transpose()
    }

    /// They are another process's now: closes what is open only to be handed over.
    pub fn release(&self) {
        self.handed.close();
    }
}

/// A socket that another process has bound.
fn inherited(fd: OwnedFd, address: &Address) -> io::Result<SocketListener> {
    Ok(match address {
        Address::Tcp(_) => {
            let listener = std::net::TcpListener::from(fd);
            listener.set_nonblocking(true)?;
            SocketListener::Tcp(Arc::new(TcpListener::from_std(listener)?))
        }
        Address::Unix(path) => {
            let listener = std::os::unix::net::UnixListener::from(fd);
            listener.set_nonblocking(true)?;
            SocketListener::Unix(Arc::new(UnixListener::from_std(listener)?), path.clone())
        }
    })
}

/// The reading end of a named pipe.
pub type Fifo = pipe::Receiver;

impl Network for Sockets {
    type Stream = Socket;
    type Listener = SocketListener;
    type Fifo = Fifo;

    async fn bind(&self, listen: &Listen) -> io::Result<SocketListener> {
        let at = &listen.address;
        let bound = match (self.handed.take(at), at) {
            (Some(fd), at) => inherited(fd, at),
            (None, Address::Tcp(address)) => bind_tcp(*address),
            (None, Address::Unix(path)) => bind_path(path, listen).await,
        };
        let bound = bound.map_err(|error| told(error, &format!("can't listen on {at}")))?;
        self.handed.note(at.clone(), Open::of(&bound));
        Ok(bound)
    }

    async fn connect(&self, to: &Address, from: Option<IpAddr>) -> io::Result<Socket> {
        match to {
            Address::Tcp(address) => {
                let socket = tcp_socket(*address)?;
                if let Some(from) = from {
                    socket.bind(SocketAddr::new(from, 0))?;
                }
                let stream = socket.connect(*address).await?;
                stream.set_nodelay(true)?;
                Ok(Socket::Tcp(stream))
            }
            Address::Unix(path) => Ok(Socket::Unix(UnixStream::connect(path).await?)),
        }
    }

    async fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        if let Ok(ip) = name.parse() {
            return Ok(vec![ip]);
        }
        let found = tokio::net::lookup_host((name, 0)).await?;
        let mut ips: Vec<_> = found.map(|address| address.ip()).collect();
        ips.sort_unstable();
        ips.dedup();
        Ok(ips)
    }

    async fn fifo(&self, listen: &Listen) -> io::Result<Fifo> {
        let Some(path) = listen.address.path() else {
            let why = format!("{} is not a path, and a named pipe needs one", listen.address);
            return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
        };
        let receiver = match self.handed.take(&listen.address) {
            Some(fd) => pipe::Receiver::from_owned_fd(fd)?,
            None => {
                let asked = listen.clone();
                blocking(path.to_path_buf(), move |path| make_fifo(path, &asked)).await?;
                pipe::OpenOptions::new().read_write(true).open_receiver(path)?
            }
        };
        let again = receiver.as_fd().try_clone_to_owned()?;
        self.handed.note(listen.address.clone(), Open::Fifo(again));
        Ok(receiver)
    }
}

fn tcp_socket(address: SocketAddr) -> io::Result<TcpSocket> {
    match address {
        SocketAddr::V4(_) => TcpSocket::new_v4(),
        SocketAddr::V6(_) => TcpSocket::new_v6(),
    }
}

fn bind_tcp(address: SocketAddr) -> io::Result<SocketListener> {
    let socket = tcp_socket(address)?;
    // A restart shall not wait for connections of the run before to be forgotten.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(SocketListener::Tcp(Arc::new(socket.listen(BACKLOG)?)))
}

/// Binds beside the path and renames, so that nobody meets a socket with the wrong owner or one that nobody reads.
async fn bind_path(path: &Path, listen: &Listen) -> io::Result<SocketListener> {
    match UnixStream::connect(path).await {
        Ok(_) => {
            let why = "another process answers there";
            return Err(io::Error::new(io::ErrorKind::AddrInUse, why));
        }
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let mut beside = OsString::from(path);
    beside.push(".new");
    let beside = PathBuf::from(beside);
    let _ = fs::remove_file(&beside);
    let listener = UnixListener::bind(&beside)?;
    let (asked, goal) = (listen.clone(), path.to_path_buf());
    blocking(beside, move |beside| {
        let placed = replaceable(&goal)
            .and_then(|()| apply(beside, &asked))
            .and_then(|()| fs::rename(beside, &goal));
        if placed.is_err() {
            let _ = fs::remove_file(beside);
        }
        placed
    })
    .await?;
    Ok(SocketListener::Unix(Arc::new(listener), path.to_path_buf()))
}

/// Refuses to replace what is not a socket: it was never ours.
fn replaceable(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(found) if !found.file_type().is_socket() => {
            let why = "there is something else than a socket";
            Err(io::Error::new(io::ErrorKind::AlreadyExists, why))
        }
        _ => Ok(()),
    }
}

fn make_fifo(path: &Path, listen: &Listen) -> io::Result<()> {
    match nix::unistd::mkfifo(path, Mode::S_IRUSR | Mode::S_IWUSR) {
        Ok(()) => {}
        Err(nix::errno::Errno::EEXIST) if fs::symlink_metadata(path)?.file_type().is_fifo() => {}
        Err(error) => {
            return Err(told(
                error.into(),
                &format!("can't make the named pipe {}", path.display()),
            ));
        }
    }
    apply(path, listen)
}

/// File system work that may wait for a disk or a name service.
async fn blocking<T: Send + 'static>(
    path: PathBuf,
    work: impl FnOnce(&Path) -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    #[expect(clippy::disallowed_methods, reason = "files have no other asynchronous door")]
    let done = tokio::task::spawn_blocking(move || work(&path)).await;
    done.map_err(io::Error::other)?
}

#[cfg(test)]
mod tests;
