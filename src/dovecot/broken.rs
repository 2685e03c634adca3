//! Why a connection was closed other than by its peers' will, and writing that does not wait for ever.

use std::fmt;
use std::io;
use std::time::Duration;

use tokio::io::{AsyncWrite, AsyncWriteExt};

use super::LineTooLong;
use crate::world::{Clock, Instant, deadline};

/// A peer that takes nothing for so long while there is something for it is given up.
pub(super) const STALL_MAX: Duration = Duration::from_secs(30);

/// Why a connection was closed. Nothing else is harmed.
#[derive(Debug)]
#[non_exhaustive]
pub(super) enum Broken {
    /// A line was too long. The sender's fault.
    LineTooLong(LineTooLong),
    /// A peer does not read what is sent to it.
    Stalled {
        /// Which one.
        peer: &'static str,
    },
    /// A peer did not read an answer while that was sure to be true.
    ReadLate {
        /// Which one.
        peer: &'static str,
    },
    /// The director did not give a batch back.
    DeskSilent {
        /// How long it was waited for.
        waited: Duration,
    },
    /// The peer does not speak the door's protocol.
    Stranger {
        /// What it should have said.
        wanted: &'static str,
    },
    /// The socket failed.
    Socket(io::Error),
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Broken::LineTooLong(error) => error.fmt(f),
            Broken::Stalled { peer } => {
                write!(f, "the {peer} has read nothing for {} s", STALL_MAX.as_secs())
            }
            Broken::ReadLate { peer } => write!(
                f,
                "the {peer} reads so slowly that an answer to it grew too old to be sure of"
            ),
            Broken::DeskSilent { waited } => {
                write!(f, "the director did not answer within {} s", waited.as_secs())
            }
            Broken::Stranger { wanted } => write!(f, "the client did not begin with {wanted:?}"),
            Broken::Socket(error) => error.fmt(f),
        }
    }
}

impl From<LineTooLong> for Broken {
    fn from(error: LineTooLong) -> Self {
        Broken::LineTooLong(error)
    }
}

impl Broken {
    /// A failing socket; that a peer went away is no fault.
    pub(super) fn from_socket(error: io::Error) -> Result<(), Self> {
        match error.kind() {
            io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => Ok(()),
            _ => Err(Broken::Socket(error)),
        }
    }
}

/// Writes all bytes to the peer called so; false when it has gone.
///
/// # Errors
/// The peer takes nothing for too long, or the socket fails.
pub(super) async fn write_all<C: Clock, S: AsyncWrite + Unpin>(
    clock: &C,
    peer: &'static str,
    writing: &mut S,
    bytes: &[u8],
) -> Result<bool, Broken> {
    write_all_within(None, clock, peer, writing, bytes).await
}

/// As [`write_all`]; what is not written by then must not be written any more.
///
/// # Errors
/// As there, and when the peer does not take everything in time.
pub(super) async fn write_all_within<C: Clock, S: AsyncWrite + Unpin>(
    within: Option<Instant>,
    clock: &C,
    peer: &'static str,
    writing: &mut S,
    bytes: &[u8],
) -> Result<bool, Broken> {
    let mut rest = bytes;
    while !rest.is_empty() {
        let now = clock.now();
        if within.is_some_and(|within| within < now) {
            return Err(Broken::ReadLate { peer });
        }
        let stalled_at = now.plus(STALL_MAX);
        let until = within.map_or(stalled_at, |within| within.min(stalled_at));
        match deadline(clock, until, writing.write(rest)).await {
            Ok(Ok(0)) => return Ok(false),
            Ok(Ok(written)) => rest = &rest[written..],
            Ok(Err(error)) => return Broken::from_socket(error).map(|()| false),
            Err(_) if until < stalled_at => return Err(Broken::ReadLate { peer }),
            Err(_) => return Err(Broken::Stalled { peer }),
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use tokio::io::duplex;

    use super::*;
    use crate::world::Instant;

    /// A clock whose every wait is over at once.
    #[derive(Clone)]
    struct Rushing;

    impl Clock for Rushing {
        fn now(&self) -> Instant {
            Instant::ORIGIN
        }

        fn unix_seconds(&self) -> u64 {
            0
        }

        async fn sleep_until(&self, _at: Instant) {}
    }

    fn run(test: impl Future<Output = ()>) {
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        runtime.expect("a runtime can be made").block_on(test);
    }

    #[test]
    fn peer_that_reads_nothing_is_given_up() {
        run(async {
            let (mut writing, _reading) = duplex(8);
            let written = write_all(&Rushing, "client", &mut writing, b"12345678").await;
            assert!(written.expect("there is room"));
            let stalled = write_all(&Rushing, "client", &mut writing, b"9").await;
            let error = stalled.expect_err("there is no room");
            assert_eq!(error.to_string(), "the client has read nothing for 30 s");
            let within = Some(Rushing.now().plus(Duration::from_secs(1)));
            let late = write_all_within(within, &Rushing, "client", &mut writing, b"9").await;
            assert!(
                matches!(late, Err(Broken::ReadLate { peer: "client" })),
                "{late:?}"
            );
        });
    }

    #[test]
    fn peer_that_has_gone_is_no_fault() {
        run(async {
            let (mut writing, reading) = duplex(8);
            drop(reading);
            assert!(
                !write_all(&Rushing, "client", &mut writing, b"1")
                    .await
                    .expect("no fault")
            );
        });
    }
}
