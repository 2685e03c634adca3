//! Bytes that go from one TCP socket to another by splice(2): through a pipe, never through this process's memory.
//!
//! ```text
//! source --splice--> pipe [may it go on now?] --splice--> target, but for the tail
//!                     the tail --buffer--> [may it go on now?] --write--> target
//! ```
//!
//! A pipe is taken when there may be bytes to move, and given back when it is empty again; a [`Load`] that is dropped takes its pipe
//! with it. Splicing to a closed socket raises SIGPIPE, which the standard library has ignored from the start.

use std::io;
use std::task::{Context, Poll, ready};

use nix::errno::Errno;
use nix::fcntl::{SpliceFFlags, splice};
use nix::unistd::read;
use tokio::io::Interest;
use tokio::net::TcpStream;

use super::pipes::Pipe;
use super::way::{Pace, Way, hand_on};
use super::{BUFFER, BUFFER_BYTES, Broken, Connection, Leave};
use crate::world::Clock;

/// Moved at once at most: what the largest pipe holds.
const FILL_BYTES: usize = 1 << 20;
/// The last bytes of a pipe go through the buffer: whether they end a line has to be seen.
const TAIL_BYTES: usize = 4 << 10;

/// A pipe with bytes in it. When it is dropped, they are gone, and the pipe with them.
#[derive(Debug)]
pub(super) struct Load {
    pipe: Pipe,
    bytes: usize,
}

/// Moves what has come into a pipe. Ready without a load when the buffer has to be asked instead.
pub(super) fn poll_fill<K: Clock>(
    context: &mut Context<'_>,
    source: &TcpStream,
    way: &mut Way,
    leave: Leave<'_, K>,
) -> Poll<Result<(), Broken>> {
    let Some(pipe) = way.pipes.take() else {
        way.pace = Pace::Small;
        return Poll::Ready(Ok(()));
    };
    match poll_splice_in(context, source, &pipe) {
        Poll::Ready(Ok(bytes)) if bytes > 0 => {
            if !leave.is_given() {
                return Poll::Ready(Err(Broken::Leave));
            }
            if bytes < BUFFER_BYTES {
                way.pace = Pace::Small;
            }
            way.load = Some(Load { pipe, bytes });
            Poll::Ready(Ok(()))
        }
        nothing => {
            pipe.give_back();
            nothing.map(|why| match why {
                // Most likely the end; the buffer meets it too, and is sure of it.
                Ok(_) => {
                    way.pace = Pace::Small;
                    Ok(())
                }
                Err(error) if is_inability(&error) => {
                    way.pace = Pace::Buffered;
                    Ok(())
                }
                Err(error) => Err(Broken::Reading(error)),
            })
        }
    }
}

fn poll_splice_in(context: &mut Context<'_>, source: &TcpStream, pipe: &Pipe) -> Poll<io::Result<usize>> {
    let flags = SpliceFFlags::SPLICE_F_NONBLOCK;
    loop {
        ready!(source.poll_read_ready(context))?;
        let moved = source.try_io(Interest::READABLE, || {
            splice(source, None, pipe.writing(), None, FILL_BYTES, flags).map_err(io::Error::from)
        });
        match moved {
            Err(error) if is_to_be_repeated(&error) => {}
            moved => return Poll::Ready(moved),
        }
    }
}

/// Moves on what is in the pipe, or a part of it. Ready when something has moved.
pub(super) fn poll_load<K: Clock>(
    context: &mut Context<'_>,
    target: &mut impl Connection,
    way: &mut Way,
    leave: Leave<'_, K>,
) -> Poll<Result<(), Broken>> {
    // Taken: whatever fails, the pipe goes with the bytes that are still in it.
    let Some(mut load) = way.load.take() else {
        return Poll::Ready(Ok(()));
    };
    let to_splice = load.bytes.saturating_sub(TAIL_BYTES);
    let moved = match target.as_tcp() {
        Some(socket) if to_splice > 0 && way.pace != Pace::Buffered => {
            let Poll::Ready(moved) = poll_splice_out(context, socket, &load.pipe, to_splice, leave) else {
                way.load = Some(load);
                return Poll::Pending;
            };
            match moved {
                Err(Broken::Writing(error)) if is_inability(&error) => {
                    way.pace = Pace::Buffered;
                    0
                }
                moved => moved.inspect(|moved| way.spliced(*moved))?,
            }
        }
        _ => unload(context, target, way, leave, &load)?,
    };
    load.bytes -= moved;
    if load.bytes == 0 {
        load.pipe.give_back();
    } else {
        way.load = Some(load);
    }
    Poll::Ready(Ok(()))
}

fn poll_splice_out<K: Clock>(
    context: &mut Context<'_>,
    target: &TcpStream,
    pipe: &Pipe,
    bytes: usize,
    leave: Leave<'_, K>,
) -> Poll<Result<usize, Broken>> {
    // The tail follows at once: no small segment before it.
    let flags = SpliceFFlags::SPLICE_F_NONBLOCK | SpliceFFlags::SPLICE_F_MORE;
    loop {
        ready!(target.poll_write_ready(context)).map_err(Broken::Writing)?;
        if !leave.is_given() {
            return Poll::Ready(Err(Broken::Leave));
        }
        let moved = target.try_io(Interest::WRITABLE, || {
            splice(pipe.reading(), None, target, None, bytes, flags).map_err(io::Error::from)
        });
        match moved {
            Ok(0) => return Poll::Ready(Err(Broken::Writing(io::ErrorKind::WriteZero.into()))),
            Ok(moved) => return Poll::Ready(Ok(moved)),
            Err(error) if is_to_be_repeated(&error) => {}
            Err(error) => return Poll::Ready(Err(Broken::Writing(error))),
        }
    }
}

/// Hands on what is in the pipe as if it came from the source; how many bytes it was.
fn unload<K: Clock>(
    context: &mut Context<'_>,
    target: &mut impl Connection,
    way: &mut Way,
    leave: Leave<'_, K>,
    load: &Load,
) -> Result<usize, Broken> {
    BUFFER.with_borrow_mut(|buffer| {
        let count = load.bytes.min(buffer.len());
        let count =
            read(load.pipe.reading(), &mut buffer[..count]).map_err(|error| Broken::Reading(error.into()))?;
        hand_on(context, target, way, leave, &buffer[..count])?;
        Ok(count)
    })
}

/// Nothing has come, or there is no room; or a signal has.
fn is_to_be_repeated(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
    )
}

/// The kernel, or whoever forbids this process some of its calls, does not do it; nothing is wrong with the connection.
fn is_inability(error: &io::Error) -> bool {
    let errno = error.raw_os_error().map(Errno::from_raw);
    matches!(
        errno,
        Some(Errno::EINVAL | Errno::ENOSYS | Errno::EPERM | Errno::ENOMEM)
    )
}

#[cfg(test)]
mod tests;
