//! Sessions between two pipes.

#![expect(
    clippy::disallowed_methods,
    reason = "the far ends are played by tasks of the runtime's own"
)]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

use super::*;
use crate::world::{BootClock, Instant};

pub(super) mod sockets;

/// What a pipe takes before its reader reads.
const PIPE_BYTES: usize = 1 << 10;

impl Connection for DuplexStream {
    fn as_tcp(&self) -> Option<&TcpStream> {
        None
    }
}

pub(super) fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime can be made").block_on(test);
}

pub(super) fn open_gate() -> Gate {
    let gate = Gate::default();
    gate.open_until(Instant::from_nanos(u64::MAX));
    gate
}

/// The far ends of a session, and the session.
struct Site {
    client: DuplexStream,
    backend: DuplexStream,
    session: tokio::task::JoinHandle<(Ending, u64, u64)>,
    revoker: crate::proxy::Revoker,
    is_over: Arc<AtomicBool>,
}

fn site(gate: &Gate, idle_max: Duration, first: &[u8]) -> Site {
    let (client, mut near_client) = duplex(PIPE_BYTES);
    let (backend, mut near_backend) = duplex(PIPE_BYTES);
    let is_over = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&is_over);
    let (permit, revoker) = Permit::new(move || told.store(true, Ordering::Relaxed));
    let mut ways = Ways {
        to_backend: Way::starting_with(first.to_vec()),
        to_client: Way::starting_with(Vec::new()),
    };
    let gate = gate.clone();
    let session = tokio::spawn(async move {
        let leave = Leave {
            permit: &permit,
            gate: &gate,
            clock: &BootClock,
        };
        let ending = forward(&mut near_client, &mut near_backend, &mut ways, leave, idle_max).await;
        (ending, ways.to_backend.bytes, ways.to_client.bytes)
    });
    Site {
        client,
        backend,
        session,
        revoker,
        is_over,
    }
}

const LONG: Duration = Duration::from_secs(60);

async fn read(stream: &mut DuplexStream, count: usize) -> Vec<u8> {
    let mut bytes = vec![0; count];
    stream.read_exact(&mut bytes).await.expect("so many bytes come");
    bytes
}

#[test]
fn bytes_go_both_ways_and_what_was_read_before_goes_first() {
    run(async {
        let mut site = site(&open_gate(), LONG, b"a1 SELECT INBOX\r\n");
        site.client.write_all(b"a2 NOOP\r\n").await.expect("it is taken");
        assert_eq!(
            read(&mut site.backend, 26).await,
            b"a1 SELECT INBOX\r\na2 NOOP\r\n"
        );
        site.backend.write_all(b"a2 OK\r\n").await.expect("it is taken");
        assert_eq!(read(&mut site.client, 7).await, b"a2 OK\r\n");
        assert_eq!(site.revoker.forwarded(), (26, 7));
        assert!(!site.is_over.load(Ordering::Relaxed));
    });
}

#[test]
fn a_message_larger_than_every_buffer_arrives_whole_at_a_slow_reader() {
    run(async {
        let mut site = site(&open_gate(), LONG, b"");
        let message: Vec<u8> = (0..300_000_u32)
            .map(|n| n.wrapping_mul(2_654_435_761) as u8)
            .collect();
        let sent = message.clone();
        let mut backend = site.backend;
        let sending = tokio::spawn(async move {
            backend.write_all(&sent).await.expect("it is taken");
            backend.shutdown().await.expect("it is taken");
            backend
        });
        let mut got = Vec::new();
        let mut part = [0; 7_001];
        while got.len() < message.len() {
            tokio::task::yield_now().await;
            let count = site.client.read(&mut part).await.expect("it comes");
            assert!(count > 0, "the message ends early");
            got.extend_from_slice(&part[..count]);
        }
        assert!(got == message, "the message is another one");
        drop(site.client);
        drop(sending.await.expect("it was sent"));
        let (ending, ..) = site.session.await.expect("it ends");
        assert!(matches!(ending, Ending::Finished), "{ending:?}");
    });
}

#[test]
fn a_client_who_has_said_all_still_hears_the_answer() {
    run(async {
        let mut site = site(&open_gate(), LONG, b"");
        site.client.write_all(b"QUIT\r\n").await.expect("it is taken");
        site.client.shutdown().await.expect("it is taken");
        let mut said = Vec::new();
        site.backend.read_to_end(&mut said).await.expect("it comes");
        assert_eq!(said, b"QUIT\r\n");
        site.backend.write_all(b"+OK\r\n").await.expect("it is taken");
        drop(site.backend);
        let mut heard = Vec::new();
        site.client.read_to_end(&mut heard).await.expect("it comes");
        assert_eq!(heard, b"+OK\r\n");
        let (ending, up, down) = site.session.await.expect("it ends");
        assert!(matches!(ending, Ending::Finished), "{ending:?}");
        assert_eq!((up, down), (6, 5));
    });
}

#[test]
fn nothing_is_forwarded_once_the_gate_is_shut() {
    run(async {
        let gate = open_gate();
        let mut site = site(&gate, LONG, b"");
        site.client.write_all(b"a1 NOOP\r\n").await.expect("it is taken");
        assert_eq!(read(&mut site.backend, 9).await, b"a1 NOOP\r\n");
        gate.open_until(Instant::ORIGIN);
        site.client
            .write_all(b"a2 STORE 1 +FLAGS (\\Deleted)\r\n")
            .await
            .expect("it is taken");
        let (ending, up, _) = site.session.await.expect("it ends");
        assert!(matches!(ending, Ending::Revoked), "{ending:?}");
        assert_eq!(up, 9);
        let mut rest = Vec::new();
        site.backend.read_to_end(&mut rest).await.expect("it ends");
        assert_eq!(rest, b"");
        assert!(site.is_over.load(Ordering::Relaxed));
    });
}

#[test]
fn what_a_slow_backend_has_not_taken_is_not_sent_after_the_lease() {
    run(async {
        let gate = open_gate();
        let mut site = site(&gate, LONG, b"");
        let client = tokio::spawn(async move {
            // The session ends in the middle of it.
            let _ = site.client.write_all(&[b'x'; 10 * PIPE_BYTES]).await;
        });
        while site.revoker.forwarded().0 == 0 {
            tokio::task::yield_now().await;
        }
        gate.open_until(Instant::ORIGIN);
        let mut got = Vec::new();
        site.backend.read_to_end(&mut got).await.expect("it ends");
        assert_eq!(got.len(), PIPE_BYTES, "only what the pipe had taken before");
        let (ending, ..) = site.session.await.expect("it ends");
        assert!(matches!(ending, Ending::Revoked), "{ending:?}");
        client.await.expect("it ends");
    });
}

#[test]
fn a_revoked_session_ends_at_once_though_nothing_moves() {
    run(async {
        let site = site(&open_gate(), LONG, b"");
        site.revoker.revoke();
        let (ending, ..) = site.session.await.expect("it ends");
        assert!(matches!(ending, Ending::Revoked), "{ending:?}");
    });
}

#[test]
fn a_session_in_which_nothing_is_said_ends() {
    run(async {
        let site = site(&open_gate(), Duration::from_millis(30), b"");
        let (ending, ..) = site.session.await.expect("it ends");
        assert!(matches!(ending, Ending::Idle(_)), "{ending:?}");
    });
}

#[test]
fn a_farewell_may_follow_a_whole_line_only() {
    let mut way = Way::starting_with(Vec::new());
    assert!(way.is_between_lines());
    way.handed_on(b"* 1 FETCH (BODY[] {5}\r\nab");
    assert!(!way.is_between_lines());
    way.handed_on(b"cde)\r\n");
    assert!(way.is_between_lines());
    way.left = b"half".to_vec();
    assert!(!way.is_between_lines());
}
