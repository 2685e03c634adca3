//! Sockets that a process hands to the one that takes over from it, so that no client meets a closed door meanwhile.
//!
//! ```text
//! frame     length u32, so many bytes
//! sockets   one byte, with their descriptors (unix(7), SCM_RIGHTS); which are which was said in a frame before
//! ```
//!
//! What is said in frames is left to the caller.

use std::collections::BTreeMap;
use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, recvmsg, sendmsg,
};
use tokio::net::{TcpListener, UnixListener};

use super::SocketListener;
use crate::world::Address;

/// The most sockets that can be handed over; the kernel takes 253 at once.
const HANDED_MAX: usize = 200;
/// The longest frame, in bytes.
const FRAME_BYTES_MAX: usize = 1 << 20;

/// A socket of this process that another may take over.
#[derive(Debug)]
pub(super) enum Open {
    Tcp(Weak<TcpListener>),
    Unix(Weak<UnixListener>),
    /// A named pipe, which is held open a second time for it.
    Fifo(OwnedFd),
}

impl Open {
    /// Whatever is still open of it when it is to be handed over.
    pub fn of(listener: &SocketListener) -> Self {
        match listener {
            SocketListener::Tcp(listener) => Open::Tcp(Arc::downgrade(listener)),
            SocketListener::Unix(listener, _) => Open::Unix(Arc::downgrade(listener)),
        }
    }

    /// Nothing when it is closed.
    fn duplicate(&self) -> Option<io::Result<OwnedFd>> {
        match self {
            Open::Tcp(listener) => Some(listener.upgrade()?.as_fd().try_clone_to_owned()),
            Open::Unix(listener) => Some(listener.upgrade()?.as_fd().try_clone_to_owned()),
            Open::Fifo(pipe) => Some(pipe.try_clone()),
        }
    }

    fn is_closed(&self) -> bool {
        match self {
            Open::Tcp(listener) => listener.strong_count() == 0,
            Open::Unix(listener) => listener.strong_count() == 0,
            Open::Fifo(_) => false,
        }
    }
}

/// What this process was handed and has not opened yet, and what it could hand on.
#[derive(Debug, Default)]
pub(super) struct Handed {
    inherited: Mutex<BTreeMap<Address, OwnedFd>>,
    open: Mutex<Vec<(Address, Open)>>,
}

impl Handed {
    pub fn with(inherited: impl IntoIterator<Item = (Address, OwnedFd)>) -> Self {
        Handed {
            inherited: Mutex::new(inherited.into_iter().collect()),
            ..Handed::default()
        }
    }

    /// The socket that was handed over for this address, once.
    pub fn take(&self, address: &Address) -> Option<OwnedFd> {
        entered(&self.inherited).remove(address)
    }

    /// Closes what nobody has asked for.
    pub fn forget(&self) {
        entered(&self.inherited).clear();
    }

    pub fn note(&self, address: Address, open: Open) {
        let mut all = entered(&self.open);
        all.retain(|(_, open)| !open.is_closed());
        all.push((address, open));
    }

    /// Everything that is open, a second time.
    pub fn duplicate(&self) -> io::Result<Vec<(Address, OwnedFd)>> {
        let open = entered(&self.open);
        let duplicates = open
            .iter()
            .filter_map(|(address, open)| Some(open.duplicate()?.map(|fd| (address.clone(), fd))));
        duplicates.collect()
    }

    /// One that is open, a second time.
    pub fn duplicate_one(&self, address: &Address) -> Option<io::Result<OwnedFd>> {
        let open = entered(&self.open);
        let (_, open) = open.iter().rev().find(|(at, _)| at == address)?;
        open.duplicate()
    }

    /// Closes what only this still holds open.
    pub fn close(&self) {
        entered(&self.open).clear();
    }
}

/// A value is changed by one statement each time, so a panic elsewhere spoils nothing.
fn entered<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Writes one frame.
///
/// # Errors
/// It is longer than 1 MiB, or the other end is gone or takes nothing within the socket's timeout.
pub fn send_frame(mut to: &UnixStream, bytes: &[u8]) -> io::Result<()> {
    let length = u32::try_from(bytes.len())
        .ok()
        .filter(|_| bytes.len() <= FRAME_BYTES_MAX);
    let length = length.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
    to.write_all(&length.to_be_bytes())?;
    to.write_all(bytes)
}

/// Reads one frame, and not a byte more.
///
/// # Errors
/// The other end is gone, says nothing within the socket's timeout, or announces more than 1 MiB.
pub fn receive_frame(mut from: &UnixStream) -> io::Result<Vec<u8>> {
    let mut length = [0; 4];
    from.read_exact(&mut length)?;
    let length = u32::from_be_bytes(length) as usize;
    if length > FRAME_BYTES_MAX {
        let why = format!("a frame of {length} bytes, and {FRAME_BYTES_MAX} are the most");
        return Err(io::Error::new(io::ErrorKind::InvalidData, why));
    }
    let mut bytes = vec![0; length];
    from.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// Hands sockets over, in this order.
///
/// # Errors
/// They are more than 200, or the other end is gone.
pub fn send_sockets(to: &UnixStream, sockets: &[OwnedFd]) -> io::Result<()> {
    if sockets.len() > HANDED_MAX {
        let why = format!("{} sockets, and {HANDED_MAX} are the most", sockets.len());
        return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
    }
    let sockets: Vec<_> = sockets.iter().map(AsFd::as_fd).collect();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(HANDED_MAX))];
    let mut rights = SendAncillaryBuffer::new(&mut space);
    if !sockets.is_empty() {
        rights.push(SendAncillaryMessage::ScmRights(&sockets));
    }
    sendmsg(to, &[IoSlice::new(&[0])], &mut rights, SendFlags::NOSIGNAL)?;
    Ok(())
}

/// Takes sockets that were handed over.
///
/// # Errors
/// The other end is gone, or there are others than `count`.
pub fn receive_sockets(from: &UnixStream, count: usize) -> io::Result<Vec<OwnedFd>> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(HANDED_MAX))];
    let mut rights = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0];
    let received = recvmsg(
        from,
        &mut [IoSliceMut::new(&mut byte)],
        &mut rights,
        RecvFlags::CMSG_CLOEXEC,
    )?;
    if received.bytes == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let sockets: Vec<OwnedFd> = rights
        .drain()
        .filter_map(|message| match message {
            RecvAncillaryMessage::ScmRights(sockets) => Some(sockets),
            _ => None,
        })
        .flatten()
        .collect();
    if sockets.len() != count {
        let why = format!("{} sockets came, and {count} were announced", sockets.len());
        return Err(io::Error::new(io::ErrorKind::InvalidData, why));
    }
    Ok(sockets)
}
