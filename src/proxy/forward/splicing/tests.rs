//! One way between two TCP sockets, polled by hand.

#![expect(
    clippy::disallowed_methods,
    reason = "the far ends are played by tasks of the runtime's own"
)]

use std::future::poll_fn;
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt, ReadBuf};

use super::super::pipes::Pipes;
use super::super::tests::sockets::{bytes, pair, way};
use super::super::tests::{open_gate, run};
use super::super::way::poll_way;
use super::*;
use crate::proxy::channel::Channel;
use crate::proxy::{Gate, Permit};
use crate::world::{BootClock, Instant, Socket};

/// What the source says, if it can.
const SAID_BYTES: usize = 96 << 20;

/// A way, its two connections, and who is at their far ends.
struct Lane {
    near_source: Channel<Socket>,
    near_target: Channel<Socket>,
    way: Way,
    target: TcpStream,
    /// What the target has read.
    got: u64,
    /// What the source's connection has taken.
    said: Arc<AtomicU64>,
    saying: tokio::task::JoinHandle<()>,
}

async fn lane(pipes: &'static Pipes) -> Lane {
    let (mut source, near_source) = pair().await;
    let (target, near_target) = pair().await;
    let said = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&said);
    let saying = tokio::spawn(async move {
        let piece = bytes(1 << 20, 1);
        for _ in 0..SAID_BYTES / piece.len() {
            // The way ends in the middle of it.
            let Ok(()) = source.write_all(&piece).await else {
                return;
            };
            counted.fetch_add(piece.len() as u64, Ordering::Relaxed);
        }
    });
    Lane {
        near_source,
        near_target,
        way: way(pipes),
        target,
        got: 0,
        said,
        saying,
    }
}

impl Lane {
    fn poll<K: Clock>(&mut self, context: &mut Context<'_>, leave: Leave<'_, K>) -> Poll<Result<(), Broken>> {
        let Lane {
            near_source,
            near_target,
            way,
            ..
        } = self;
        poll_way(context, near_source, near_target, way, leave)
    }

    /// Lets the target read, up to 64 KiB.
    fn poll_target(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let mut part = vec![0; 64 << 10];
        let mut part = ReadBuf::new(&mut part);
        ready!(Pin::new(&mut self.target).poll_read(context, &mut part)).expect("it comes");
        self.got += part.filled().len() as u64;
        Poll::Ready(())
    }

    /// Goes on until there are bytes in a pipe. The target reads only what does not come by one.
    async fn until_loaded(&mut self, leave: Leave<'_, BootClock>) {
        poll_fn(|context| {
            loop {
                assert!(self.poll(context, leave).is_pending(), "nothing ends it");
                if self.way.load.is_some() {
                    return Poll::Ready(());
                }
                ready!(self.poll_target(context));
            }
        })
        .await;
    }

    /// Goes on until something of the way is kept: by a pipe, or without one.
    async fn until_stuck(&mut self, leave: Leave<'_, BootClock>) {
        poll_fn(|context| {
            assert!(self.poll(context, leave).is_pending(), "nothing ends it");
            let is_stuck = self.way.load.is_some() || !self.way.left.is_empty();
            if is_stuck { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }

    /// Goes on while the target reads, until the way ends; then the target reads the rest.
    async fn drain<K: Clock>(&mut self, leave: Leave<'_, K>) -> Result<(), Broken> {
        let ended = poll_fn(|context| {
            loop {
                if let Poll::Ready(ended) = self.poll(context, leave) {
                    return Poll::Ready(ended);
                }
                ready!(self.poll_target(context));
            }
        })
        .await;
        self.near_target.shutdown().await.expect("it is there");
        let mut rest = Vec::new();
        self.got += self.target.read_to_end(&mut rest).await.expect("it ends") as u64;
        ended
    }
}

fn leave<'a>(permit: &'a Permit, gate: &'a Gate) -> Leave<'a, BootClock> {
    Leave {
        permit,
        gate,
        clock: &BootClock,
    }
}

#[test]
fn what_is_in_a_pipe_when_the_permit_is_revoked_is_not_written_and_the_pipe_is_closed() {
    static PIPES: Pipes = Pipes::new(2);
    run(async {
        let (permit, revoker) = Permit::new(|| {});
        let gate = open_gate();
        let mut lane = lane(&PIPES).await;
        lane.until_loaded(leave(&permit, &gate)).await;
        assert_eq!(PIPES.counts(), (1, 0));
        assert!(!lane.way.is_between_lines());
        let handed_on = lane.way.bytes;
        revoker.revoke();
        let ended = lane.drain(leave(&permit, &gate)).await;
        assert!(matches!(ended, Err(Broken::Leave)));
        assert_eq!((lane.way.bytes, lane.got), (handed_on, handed_on));
        drop(lane.way);
        assert_eq!(PIPES.counts(), (0, 0), "it is closed, not kept with bytes in it");
        lane.saying.abort();
    });
}

#[test]
fn what_is_in_a_pipe_when_the_lease_ends_is_not_written() {
    static PIPES: Pipes = Pipes::new(2);
    run(async {
        let (permit, _revoker) = Permit::new(|| {});
        let gate = open_gate();
        let mut lane = lane(&PIPES).await;
        lane.until_loaded(leave(&permit, &gate)).await;
        let handed_on = lane.way.bytes;
        gate.open_until(Instant::ORIGIN);
        let ended = lane.drain(leave(&permit, &gate)).await;
        assert!(matches!(ended, Err(Broken::Leave)));
        assert_eq!((lane.way.bytes, lane.got), (handed_on, handed_on));
        drop(lane.way);
        assert_eq!(PIPES.counts(), (0, 0));
        lane.saying.abort();
    });
}

/// A clock that goes on by a nanosecond whenever it is read.
#[derive(Clone, Debug, Default)]
struct Counting(Arc<AtomicU64>);

impl Clock for Counting {
    fn now(&self) -> Instant {
        Instant::from_nanos(self.0.fetch_add(1, Ordering::Relaxed))
    }

    fn unix_seconds(&self) -> u64 {
        0
    }

    async fn sleep_until(&self, _: Instant) {
        std::future::pending().await
    }
}

#[test]
fn a_lease_that_ends_at_any_question_lets_nothing_more_through() {
    static PIPES: Pipes = Pipes::new(2);
    run(async {
        let (permit, _revoker) = Permit::new(|| {});
        for answers in 0..24 {
            let gate = Gate::default();
            gate.open_until(Instant::from_nanos(answers));
            let clock = Counting::default();
            let leave = Leave {
                permit: &permit,
                gate: &gate,
                clock: &clock,
            };
            let mut lane = lane(&PIPES).await;
            // Before the first question there is something in the pipe.
            lane.way.pace = Pace::Bulk;
            let ended = lane.drain(leave).await;
            assert!(matches!(ended, Err(Broken::Leave)));
            assert_eq!(lane.way.bytes, lane.got);
            assert_eq!(clock.now(), Instant::from_nanos(answers + 1), "it asks no more");
            // One question after a pipe was filled, one before each write.
            assert_eq!(lane.got == 0, answers < 2, "{answers}: {}", lane.got);
            drop(lane.way);
            let (open, idle) = PIPES.counts();
            assert_eq!(open, idle, "what was in it is gone");
            lane.saying.abort();
        }
    });
}

#[test]
fn a_reader_who_does_not_read_stops_the_writer_and_one_pipe_is_all_that_is_kept() {
    static PIPES: Pipes = Pipes::new(8);
    run(async {
        let (permit, _revoker) = Permit::new(|| {});
        let gate = open_gate();
        let leave = leave(&permit, &gate);
        let mut lane = lane(&PIPES).await;
        lane.until_loaded(leave).await;
        let mut quiet_for = 0;
        let mut before = (0, 0);
        while quiet_for < 1_000 {
            tokio::task::yield_now().await;
            poll_fn(|context| {
                assert!(lane.poll(context, leave).is_pending(), "nothing ends it");
                Poll::Ready(())
            })
            .await;
            let now = (lane.said.load(Ordering::Relaxed), lane.way.bytes);
            quiet_for = if now == before { quiet_for + 1 } else { 0 };
            before = now;
        }
        assert!(!lane.saying.is_finished(), "the writer was not stopped");
        let kept = lane.way.load.as_ref().map_or(0, |load| load.bytes) + lane.way.left.len();
        assert!(kept <= FILL_BYTES, "{kept}");
        assert!(PIPES.counts().0 <= 1, "{:?}", PIPES.counts());
        assert!(lane.drain(leave).await.is_ok());
        assert_eq!(lane.got, SAID_BYTES as u64);
        assert_eq!(lane.way.bytes, lane.got);
        assert_eq!(PIPES.counts(), (1, 1));
    });
}

#[test]
fn readers_who_do_not_read_take_no_more_pipes_than_there_are_and_no_more_than_a_buffer_without() {
    static PIPES: Pipes = Pipes::new(2);
    run(async {
        let (permit, _revoker) = Permit::new(|| {});
        let gate = open_gate();
        let leave = leave(&permit, &gate);
        let mut lanes = Vec::new();
        for _ in 0..2 {
            let mut lane = lane(&PIPES).await;
            lane.until_loaded(leave).await;
            lanes.push(lane);
        }
        for _ in 0..2 {
            let mut lane = lane(&PIPES).await;
            lane.until_stuck(leave).await;
            assert!(lane.way.load.is_none());
            assert!(lane.way.left.len() <= BUFFER_BYTES);
            lanes.push(lane);
        }
        assert_eq!(PIPES.counts(), (2, 0));
        for mut lane in lanes {
            assert!(lane.drain(leave).await.is_ok());
            assert_eq!(lane.got, SAID_BYTES as u64);
        }
        assert_eq!(PIPES.counts(), (2, 2));
    });
}

#[test]
fn a_target_that_has_gone_ends_the_way_and_closes_the_pipe() {
    static PIPES: Pipes = Pipes::new(2);
    run(async {
        let (permit, _revoker) = Permit::new(|| {});
        let gate = open_gate();
        let leave = leave(&permit, &gate);
        let mut lane = lane(&PIPES).await;
        lane.until_loaded(leave).await;
        let Lane {
            mut near_source,
            mut near_target,
            mut way,
            target,
            saying,
            ..
        } = lane;
        drop(target);
        let ended =
            poll_fn(|context| poll_way(context, &mut near_source, &mut near_target, &mut way, leave)).await;
        assert!(matches!(ended, Err(Broken::Writing(_))));
        assert_eq!(PIPES.counts(), (0, 0));
        saying.abort();
    });
}

#[test]
fn what_the_kernel_does_not_splice_out_goes_through_the_buffer() {
    static PIPES: Pipes = Pipes::new(1);
    // Splicing takes a pipe on one side; this is none.
    let (reading, mut writing) = UnixStream::pair().expect("there are sockets");
    let message = bytes(80 << 10, 3);
    writing.write_all(&message).expect("it has room");
    PIPES.add((reading.into(), writing.into()));
    run(async {
        let (permit, _revoker) = Permit::new(|| {});
        let gate = open_gate();
        let (source, mut near_source) = pair().await;
        let (mut target, mut near_target) = pair().await;
        let mut way = way(&PIPES);
        way.load = PIPES.take().map(|pipe| Load {
            pipe,
            bytes: message.len(),
        });
        drop(source);
        let leave = leave(&permit, &gate);
        let ended =
            poll_fn(|context| poll_way(context, &mut near_source, &mut near_target, &mut way, leave)).await;
        assert!(ended.is_ok());
        let mut heard = Vec::new();
        target.read_to_end(&mut heard).await.expect("it ends");
        assert!(heard == message);
        assert_eq!(way.pace, Pace::Buffered);
        assert_eq!(PIPES.counts(), (1, 1));
    });
}
