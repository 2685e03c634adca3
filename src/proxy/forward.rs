//! Bytes of a session on their way, both ways, as long as the director allows it.
//!
//! ```text
//! client --read--> [may it go on now?] --write--> backend
//! client <--write-- [may it go on now?] <--read-- backend
//! ```
//!
//! An idle session has no buffer: what is read goes through one buffer of the thread, and only what the other side does not
//! take is kept until it does; nothing more is read meanwhile. When one side has said all, the other is told so and may go on.
//!
//! | part | what |
//! |---|---|
//! | `way` | one of the two ways: reading, asking, writing |
//! | `splicing` | the same by splice(2), when both sides are plain TCP and more comes at once than the buffer holds |
//! | `pipes` | the pipes that this takes: a limited number, for all sessions, and each only while there are bytes in it |

mod pipes;
mod splicing;
mod way;

use std::cell::RefCell;
use std::io;
use std::pin::pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use super::{Gate, Permit};
use crate::world::Clock;
pub(super) use way::Way;
use way::poll_way;

/// What is read into memory at once, in bytes, and all that a way keeps there when its reader is slow. More would not help TLS:
/// rustls takes so much at once, and gives less.
const BUFFER_BYTES: usize = 64 << 10;
/// How long a client may go on talking to a backend that has said all.
const LINGER_MAX: Duration = Duration::from_secs(10);

thread_local! {
    static BUFFER: RefCell<Box<[u8]>> = RefCell::new(vec![0; BUFFER_BYTES].into());
}

/// A connection of a session.
pub(super) trait Connection: AsyncRead + AsyncWrite + Unpin {
    /// The kernel's socket, when what is read and written here is what goes over it.
    fn as_tcp(&self) -> Option<&TcpStream>;
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

/// The ways of a session.
#[derive(Debug)]
pub(super) struct Ways {
    pub to_backend: Way,
    pub to_client: Way,
}

/// Forwards until both sides have said all, or something ends it before. Nothing is written after the leave has ended, but
/// a farewell may be: that is left to the caller.
pub(super) async fn forward<K: Clock>(
    client: &mut impl Connection,
    backend: &mut impl Connection,
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
    client: &mut impl Connection,
    backend: &mut impl Connection,
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

#[cfg(test)]
mod tests;
