//! Bytes of a session on their way, both ways, as long as the director allows it.
//!
//! ```text
//! client --read--> [may it go on now?] --write--> backend
//! client <--write-- [may it go on now?] <--read-- backend
//! ```
//!
//! An idle session has no buffer: what is read goes through one buffer of the thread, and only what the other side does not
//! take is kept until it does; nothing more is read meanwhile. When one side has said all, the other is told so and may go on.

use std::cell::RefCell;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{Gate, Permit};
use crate::world::Clock;

/// What is read at once, in bytes.
const BUFFER_BYTES: usize = 64 << 10;
/// So many reads of a side in a row; then other sessions have their turn.
const READS_MAX: usize = 16;
/// How long a client may go on talking to a backend that has said all.
const LINGER_MAX: Duration = Duration::from_secs(10);

thread_local! {
    static BUFFER: RefCell<Box<[u8]>> = RefCell::new(vec![0; BUFFER_BYTES].into());
}

/// What lets a session forward.
#[derive(Debug)]
pub(super) struct Leave<'a, C> {
    pub permit: &'a Permit,
    pub gate: &'a Gate,
    pub clock: &'a C,
}

impl<C: Clock> Leave<'_, C> {
    /// Whether what was read may be written now. To be asked before each write, after the read.
    pub fn is_given(&self) -> bool {
        let may_go_on = || !self.permit.needs_lease() || self.gate.is_open(self.clock.now());
        !self.permit.is_revoked() && may_go_on()
    }
}

impl<C> Clone for Leave<'_, C> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<C> Copy for Leave<'_, C> {}

/// How a session ended.
#[derive(Debug)]
pub(super) enum Ending {
    /// Both sides have said all.
    Finished,
    /// The director wants it ended: the user is moved or kicked, or there is no lease any more.
    Revoked,
    /// Nothing was said for so long.
    Idle(Duration),
    /// A connection failed.
    Failed(Side, io::Error),
}

/// One of the two connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Client,
    Backend,
}

/// What went one way.
#[derive(Debug, Default)]
pub(super) struct Way {
    /// Read and not written yet, from `start` on.
    left: Vec<u8>,
    start: usize,
    is_ended: bool,
    is_shut: bool,
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
            is_at_line: true,
            ..Way::default()
        }
    }

    /// Whether nothing is half done.
    pub fn is_between_lines(&self) -> bool {
        self.is_at_line && self.left.len() == self.start
    }
}

/// The ways of a session.
#[derive(Debug)]
pub(super) struct Ways {
    pub to_backend: Way,
    pub to_client: Way,
}

/// Forwards until both sides have said all, or something ends it before. Nothing is written after the leave has ended, but
/// a farewell may be: that is left to the caller.
pub(super) async fn forward<K: Clock>(
    client: &mut (impl AsyncRead + AsyncWrite + Unpin),
    backend: &mut (impl AsyncRead + AsyncWrite + Unpin),
    ways: &mut Ways,
    leave: Leave<'_, K>,
    idle_max: Duration,
) -> Ending {
    let clock = leave.clock;
    let mut active_at = clock.now();
    let mut revoked = pin!(leave.permit.revoked());
    let mut idle = pin!(clock.sleep_until(active_at.plus(idle_max)));
    let mut bytes = 0;
    loop {
        let was_shut = ways.to_client.is_shut;
        let ended = std::future::poll_fn(|context| {
            if revoked.as_mut().poll(context).is_ready() {
                return Poll::Ready(Some(Ending::Revoked));
            }
            if let Poll::Ready(ending) = poll_ways(context, client, backend, ways, leave) {
                return Poll::Ready(Some(ending));
            }
            if ways.to_backend.bytes + ways.to_client.bytes > bytes {
                bytes = ways.to_backend.bytes + ways.to_client.bytes;
                leave
                    .permit
                    .forwarded(ways.to_backend.bytes, ways.to_client.bytes);
                active_at = clock.now();
            }
            if ways.to_client.is_shut != was_shut {
                return Poll::Ready(None);
            }
            idle.as_mut().poll(context).map(|()| None)
        })
        .await;
        if let Some(ending) = ended {
            return ending;
        }
        let quiet_max = if ways.to_client.is_shut {
            LINGER_MAX.min(idle_max)
        } else {
            idle_max
        };
        if clock.now().since(active_at) >= quiet_max {
            return if ways.to_client.is_shut {
                Ending::Finished
            } else {
                Ending::Idle(idle_max)
            };
        }
        idle.set(clock.sleep_until(active_at.plus(quiet_max)));
    }
}

fn poll_ways<K: Clock>(
    context: &mut Context<'_>,
    client: &mut (impl AsyncRead + AsyncWrite + Unpin),
    backend: &mut (impl AsyncRead + AsyncWrite + Unpin),
    ways: &mut Ways,
    leave: Leave<'_, K>,
) -> Poll<Ending> {
    let up = match poll_way(context, client, backend, &mut ways.to_backend, leave) {
        Poll::Ready(Err(broken)) => return Poll::Ready(broken.ending(Side::Client, Side::Backend)),
        up => up.is_ready(),
    };
    match poll_way(context, backend, client, &mut ways.to_client, leave) {
        Poll::Ready(Err(broken)) => Poll::Ready(broken.ending(Side::Backend, Side::Client)),
        Poll::Ready(Ok(())) if up => Poll::Ready(Ending::Finished),
        _ => Poll::Pending,
    }
}

/// Why a way can't go on.
enum Broken {
    Leave,
    Reading(io::Error),
    Writing(io::Error),
}

impl Broken {
    fn ending(self, from: Side, to: Side) -> Ending {
        match self {
            Broken::Leave => Ending::Revoked,
            Broken::Reading(error) => Ending::Failed(from, error),
            Broken::Writing(error) => Ending::Failed(to, error),
        }
    }
}

/// Ready when the source has said all and the target knows it.
fn poll_way<K: Clock>(
    context: &mut Context<'_>,
    source: &mut (impl AsyncRead + Unpin),
    target: &mut (impl AsyncWrite + Unpin),
    way: &mut Way,
    leave: Leave<'_, K>,
) -> Poll<Result<(), Broken>> {
    for _ in 0..READS_MAX {
        if way.start < way.left.len() {
            if poll_left(context, target, way, leave)?.is_pending() {
                return Poll::Pending;
            }
            continue;
        }
        if way.is_ended {
            return poll_shut(context, target, way, leave);
        }
        let read = BUFFER.with_borrow_mut(|buffer| {
            let mut buffer = ReadBuf::new(buffer);
            match Pin::new(&mut *source).poll_read(context, &mut buffer) {
                Poll::Pending => Poll::Pending,
                // Most mail programs close TLS without a word, after they have logged out.
                Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => {
                    way.is_ended = true;
                    Poll::Ready(Ok(()))
                }
                Poll::Ready(Err(error)) => Poll::Ready(Err(Broken::Reading(error))),
                Poll::Ready(Ok(())) if buffer.filled().is_empty() => {
                    way.is_ended = true;
                    Poll::Ready(Ok(()))
                }
                Poll::Ready(Ok(())) => Poll::Ready(hand_on(context, target, way, leave, buffer.filled())),
            }
        });
        match read {
            Poll::Ready(done) => done?,
            Poll::Pending => return poll_flush(context, target, way, leave),
        }
    }
    context.waker().wake_by_ref();
    Poll::Pending
}

/// Writes what was read; what the target does not take is kept.
fn hand_on<K: Clock>(
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
    fn handed_on(&mut self, bytes: &[u8]) {
        if let Some(last) = bytes.last() {
            self.bytes += bytes.len() as u64;
            self.is_at_line = *last == b'\n';
            self.owes_flush = true;
        }
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

#[cfg(test)]
mod tests;
