//! One way of a session: what was read on one side is written on the other, if it may be.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncWrite, ReadBuf};

use super::pipes::{PIPES, Pipes};
use super::splicing::{Load, poll_fill, poll_load};
use super::{BUFFER, Broken, Connection, Leave};
use crate::world::Clock;

/// So many reads of a side in a row; then other sessions have their turn.
const STEPS_MAX: usize = 16;
/// The same in bytes, for those that go by pipes.
const TURN_BYTES: u64 = 1 << 20;

/// How bytes come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Pace {
    /// Few at once: they go through the buffer.
    #[default]
    Small,
    /// The last read has filled the buffer: the kernel may move what comes next.
    Bulk,
    /// Through the buffer always: the kernel has refused to move them.
    Buffered,
}

/// What went one way.
#[derive(Debug)]
pub(in crate::proxy) struct Way {
    /// Read and not written yet, from `start` on.
    pub(super) left: Vec<u8>,
    start: usize,
    /// Moved and not moved on yet; comes after what is left.
    pub(super) load: Option<Load>,
    pub(super) pipes: &'static Pipes,
    pub(super) pace: Pace,
    is_ended: bool,
    pub(super) is_shut: bool,
    owes_flush: bool,
    /// Bytes that were handed on.
    pub bytes: u64,
    /// Whether the last byte that was handed on ended a line.
    pub is_at_line: bool,
}

impl Way {
    /// A way on which these bytes are to go first.
    pub fn starting_with(left: Vec<u8>) -> Self {
        Way {
            left,
            start: 0,
            load: None,
            pipes: &PIPES,
            pace: Pace::default(),
            is_ended: false,
            is_shut: false,
            owes_flush: false,
            bytes: 0,
            is_at_line: true,
        }
    }

    /// Whether nothing is half done.
    pub fn is_between_lines(&self) -> bool {
        self.is_at_line && self.left.len() == self.start && self.load.is_none()
    }
}

/// Ready when the source has said all and the target knows it.
pub(super) fn poll_way<K: Clock>(
    context: &mut Context<'_>,
    source: &mut impl Connection,
    target: &mut impl Connection,
    way: &mut Way,
    leave: Leave<'_, K>,
) -> Poll<Result<(), Broken>> {
    let until = way.bytes + TURN_BYTES;
    for _ in 0..STEPS_MAX {
        if way.bytes >= until {
            break;
        }
        if way.start < way.left.len() {
            if poll_left(context, target, way, leave)?.is_pending() {
                return Poll::Pending;
            }
            continue;
        }
        if way.load.is_some() {
            if poll_load(context, target, way, leave)?.is_pending() {
                return Poll::Pending;
            }
            continue;
        }
        if way.is_ended {
            return poll_shut(context, target, way, leave);
        }
        let is_bulk = way.pace == Pace::Bulk && target.as_tcp().is_some();
        let read = match source.as_tcp() {
            Some(socket) if is_bulk => poll_fill(context, socket, way, leave),
            _ => poll_buffer(context, source, target, way, leave),
        };
        match read {
            Poll::Ready(done) => done?,
            Poll::Pending => return poll_flush(context, target, way, leave),
        }
    }
    context.waker().wake_by_ref();
    Poll::Pending
}

/// Reads into the buffer, and hands it on.
fn poll_buffer<K: Clock>(
    context: &mut Context<'_>,
    source: &mut impl Connection,
    target: &mut impl Connection,
    way: &mut Way,
    leave: Leave<'_, K>,
) -> Poll<Result<(), Broken>> {
    BUFFER.with_borrow_mut(|buffer| {
        let mut buffer = ReadBuf::new(buffer);
        match Pin::new(&mut *source).poll_read(context, &mut buffer) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Ok(())) => {}
            // Most mail programs close TLS without a word, after they have logged out.
            Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => {}
            Poll::Ready(Err(error)) => return Poll::Ready(Err(Broken::Reading(error))),
        }
        if buffer.filled().is_empty() {
            way.is_ended = true;
            return Poll::Ready(Ok(()));
        }
        if way.pace == Pace::Small && buffer.remaining() == 0 {
            way.pace = Pace::Bulk;
        }
        Poll::Ready(hand_on(context, target, way, leave, buffer.filled()))
    })
}

/// Writes what was read; what the target does not take is kept.
pub(super) fn hand_on<K: Clock>(
    context: &mut Context<'_>,
    target: &mut (impl AsyncWrite + Unpin),
    way: &mut Way,
    leave: Leave<'_, K>,
    bytes: &[u8],
) -> Result<(), Broken> {
    if !leave.is_given() {
        return Err(Broken::Leave);
    }
    let written = match Pin::new(target).poll_write(context, bytes) {
        Poll::Ready(Ok(written)) => written,
        Poll::Ready(Err(error)) => return Err(Broken::Writing(error)),
        Poll::Pending => 0,
    };
    way.handed_on(&bytes[..written]);
    if written < bytes.len() {
        way.left.clear();
        way.left.extend_from_slice(&bytes[written..]);
        way.start = 0;
    }
    Ok(())
}

fn poll_left<K: Clock>(
    context: &mut Context<'_>,
    target: &mut (impl AsyncWrite + Unpin),
    way: &mut Way,
    leave: Leave<'_, K>,
) -> Result<Poll<()>, Broken> {
    if !leave.is_given() {
        return Err(Broken::Leave);
    }
    match Pin::new(target).poll_write(context, &way.left[way.start..]) {
        Poll::Pending => Ok(Poll::Pending),
        Poll::Ready(Err(error)) => Err(Broken::Writing(error)),
        Poll::Ready(Ok(0)) => Err(Broken::Writing(io::ErrorKind::WriteZero.into())),
        Poll::Ready(Ok(written)) => {
            let left = std::mem::take(&mut way.left);
            way.handed_on(&left[way.start..way.start + written]);
            way.start += written;
            if way.start < left.len() {
                way.left = left;
            } else {
                way.start = 0;
            }
            Ok(Poll::Ready(()))
        }
    }
}

impl Way {
    pub(super) fn handed_on(&mut self, bytes: &[u8]) {
        if let Some(last) = bytes.last() {
            self.bytes += bytes.len() as u64;
            self.is_at_line = *last == b'\n';
            self.owes_flush = true;
        }
    }

    /// So many bytes have gone past. Nobody has seen them.
    pub(super) fn spliced(&mut self, bytes: usize) {
        self.bytes += bytes as u64;
        self.is_at_line = false;
    }
}

/// TLS keeps what it could not write, and writes it when it is flushed.
fn poll_flush<K: Clock>(
    context: &mut Context<'_>,
    target: &mut (impl AsyncWrite + Unpin),
    way: &mut Way,
    leave: Leave<'_, K>,
) -> Poll<Result<(), Broken>> {
    if way.owes_flush {
        if !leave.is_given() {
            return Poll::Ready(Err(Broken::Leave));
        }
        match Pin::new(target).poll_flush(context) {
            Poll::Ready(Ok(())) => way.owes_flush = false,
            Poll::Ready(Err(error)) => return Poll::Ready(Err(Broken::Writing(error))),
            Poll::Pending => {}
        }
    }
    Poll::Pending
}

fn poll_shut<K: Clock>(
    context: &mut Context<'_>,
    target: &mut (impl AsyncWrite + Unpin),
    way: &mut Way,
    leave: Leave<'_, K>,
) -> Poll<Result<(), Broken>> {
    if way.is_shut {
        return Poll::Ready(Ok(()));
    }
    if !leave.is_given() {
        return Poll::Ready(Err(Broken::Leave));
    }
    match Pin::new(target).poll_shutdown(context) {
        Poll::Pending => Poll::Pending,
        Poll::Ready(Err(error)) => Poll::Ready(Err(Broken::Writing(error))),
        Poll::Ready(Ok(())) => {
            way.is_shut = true;
            Poll::Ready(Ok(()))
        }
    }
}
