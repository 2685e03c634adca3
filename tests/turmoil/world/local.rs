//! The sockets and named pipes in the file system of one host, from one start of the machine to the next.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use tokio::io::{AsyncRead, DuplexStream, ReadBuf, duplex};
use tokio::sync::mpsc::{self, Receiver, Sender, error::TrySendError};

/// Connections that nobody has accepted yet.
const BACKLOG: usize = 128;
/// What is on its way in one direction, and in a named pipe.
const PIPE_BYTES: usize = 65_536;

/// A connection and the process that made it.
pub type Incoming = (DuplexStream, i32);

/// Sockets and pipes by path. Clones are the same.
#[derive(Clone, Debug, Default)]
pub struct Paths {
    sockets: Arc<Mutex<BTreeMap<PathBuf, Sender<Incoming>>>>,
    pipes: Arc<Mutex<BTreeMap<PathBuf, Arc<Mutex<Pipe>>>>>,
}

/// A named pipe's contents.
#[derive(Debug, Default)]
pub struct Pipe {
    bytes: VecDeque<u8>,
    reader: Option<Waker>,
}

/// The reading end of a named pipe.
#[derive(Debug)]
pub struct PipeReading(Arc<Mutex<Pipe>>);

impl Paths {
    /// Listens; a path that nobody answers at is replaced.
    pub fn bind(&self, path: &Path) -> io::Result<Receiver<Incoming>> {
        let mut sockets = self.sockets.lock().expect("no panic while it is held");
        if sockets.get(path).is_some_and(|socket| !socket.is_closed()) {
            return Err(io::ErrorKind::AddrInUse.into());
        }
        let (to_listener, incoming) = mpsc::channel(BACKLOG);
        sockets.insert(path.to_owned(), to_listener);
        Ok(incoming)
    }

    /// Connects as the process with this number.
    pub fn connect(&self, path: &Path, pid: i32) -> io::Result<DuplexStream> {
        let sockets = self.sockets.lock().expect("no panic while it is held");
        let listener = sockets.get(path).ok_or(io::ErrorKind::NotFound)?;
        let (ours, theirs) = duplex(PIPE_BYTES);
        listener.try_send((theirs, pid)).map_err(|error| match error {
            TrySendError::Full(_) => io::ErrorKind::WouldBlock,
            TrySendError::Closed(_) => io::ErrorKind::ConnectionRefused,
        })?;
        Ok(ours)
    }

    /// Makes a named pipe, or opens the one that is there.
    pub fn pipe(&self, path: &Path) -> PipeReading {
        let mut pipes = self.pipes.lock().expect("no panic while it is held");
        PipeReading(Arc::clone(pipes.entry(path.to_owned()).or_default()))
    }

    /// Writes a line into a named pipe, if there is one and it has room, as login processes do.
    pub fn write_line(&self, path: &Path, line: &str) {
        let pipes = self.pipes.lock().expect("no panic while it is held");
        let Some(pipe) = pipes.get(path) else {
            return;
        };
        let mut pipe = pipe.lock().expect("no panic while it is held");
        if pipe.bytes.len() + line.len() < PIPE_BYTES {
            pipe.bytes.extend(line.as_bytes());
            pipe.bytes.push_back(b'\n');
            if let Some(reader) = pipe.reader.take() {
                reader.wake();
            }
        }
    }
}

impl AsyncRead for PipeReading {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut pipe = self.0.lock().expect("no panic while it is held");
        if pipe.bytes.is_empty() {
            pipe.reader = Some(context.waker().clone());
            return Poll::Pending;
        }
        let count = pipe.bytes.len().min(buffer.remaining());
        let bytes: Vec<u8> = pipe.bytes.drain(..count).collect();
        buffer.put_slice(&bytes);
        Poll::Ready(Ok(()))
    }
}
