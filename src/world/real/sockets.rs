//! The kernel's sockets.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use nix::sys::stat::Mode;
use tokio::net::unix::pipe;
use tokio::net::{TcpSocket, UnixListener, UnixStream};

use super::ownership::{apply, told};
use super::{Socket, SocketListener};
use crate::world::{Address, Listen, Network};

/// Connections that the kernel keeps for a listener until it accepts them.
const BACKLOG: u32 = 4096;

/// The kernel's sockets.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sockets;

/// The reading end of a named pipe.
pub type Fifo = pipe::Receiver;

impl Network for Sockets {
    type Stream = Socket;
    type Listener = SocketListener;
    type Fifo = Fifo;

    async fn bind(&self, listen: &Listen) -> io::Result<SocketListener> {
        match &listen.address {
            Address::Tcp(address) => {
                let bound = bind_tcp(*address);
                bound.map_err(|error| told(error, &format!("can't listen on {address}")))
            }
            Address::Unix(path) => {
                let bound = bind_path(path, listen).await;
                bound.map_err(|error| told(error, &format!("can't listen on {}", path.display())))
            }
        }
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
        let asked = listen.clone();
        blocking(path.to_path_buf(), move |path| make_fifo(path, &asked)).await?;
        pipe::OpenOptions::new().read_write(true).open_receiver(path)
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
    Ok(SocketListener::Tcp(socket.listen(BACKLOG)?))
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
    Ok(SocketListener::Unix(listener, path.to_path_buf()))
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
