//! Sessions between two TCP sockets: through pipes, and through the buffer where there are none.

use tokio::net::TcpListener;

use super::super::pipes::Pipes;
use super::super::way::Pace;
use super::*;
use crate::proxy::Revoker;
use crate::proxy::channel::Channel;
use crate::world::Socket;

/// A far end and a near one.
pub(in crate::proxy::forward) async fn pair() -> (TcpStream, Channel<Socket>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let address = listener.local_addr().expect("it has one");
    let far = TcpStream::connect(address).await.expect("it listens");
    let (near, _) = listener.accept().await.expect("it has come");
    (far, Channel::Plain(Socket::Tcp(near)))
}

pub(in crate::proxy::forward) fn way(pipes: &'static Pipes) -> Way {
    let mut way = Way::starting_with(Vec::new());
    way.pipes = pipes;
    way
}

/// The same bytes for the same seed, of all values.
pub(in crate::proxy::forward) fn bytes(count: usize, seed: u64) -> Vec<u8> {
    let mut state = seed;
    let next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 56) as u8
    };
    std::iter::repeat_with(next).take(count).collect()
}

/// The far ends of a session, and the session.
struct Site {
    client: TcpStream,
    backend: TcpStream,
    session: tokio::task::JoinHandle<(Ending, Ways)>,
    revoker: Revoker,
    gate: Gate,
}

async fn site(pipes: &'static Pipes) -> Site {
    let (client, mut near_client) = pair().await;
    let (backend, mut near_backend) = pair().await;
    let (permit, revoker) = Permit::new(|| {});
    let gate = open_gate();
    let asked = gate.clone();
    let session = tokio::spawn(async move {
        let leave = Leave {
            permit: &permit,
            gate: &asked,
            clock: &BootClock,
        };
        let mut ways = Ways {
            to_backend: way(pipes),
            to_client: way(pipes),
        };
        let ending = forward(&mut near_client, &mut near_backend, &mut ways, leave, LONG).await;
        (ending, ways)
    });
    Site {
        client,
        backend,
        session,
        revoker,
        gate,
    }
}

/// Sizes of all magnitudes up to 512 KiB.
fn sizes(seed: u64) -> impl Iterator<Item = usize> {
    let exponents = bytes(4_096, seed).into_iter().cycle();
    exponents.map(|exponent| 1 << (exponent % 20))
}

/// Writes it in pieces of all sizes, and says that this was all.
async fn say(mut stream: impl AsyncWrite + Unpin, message: Vec<u8>, seed: u64) {
    let mut rest = message.as_slice();
    let mut sizes = sizes(seed);
    while !rest.is_empty() {
        let size = sizes.next().map_or(1, |size| size.min(rest.len()));
        let (piece, after) = rest.split_at(size);
        stream.write_all(piece).await.expect("it is taken");
        rest = after;
    }
    stream.shutdown().await.expect("it is taken");
}

/// Reads slowly, in pieces of all sizes, until the other side has said all.
async fn hear(mut stream: impl AsyncRead + Unpin, seed: u64) -> Vec<u8> {
    let mut heard = Vec::new();
    let mut part = vec![0; 512 << 10];
    let mut sizes = sizes(seed);
    loop {
        tokio::task::yield_now().await;
        let size = sizes.next().map_or(1, |size| size);
        match stream.read(&mut part[..size]).await.expect("it comes") {
            0 => return heard,
            count => heard.extend_from_slice(&part[..count]),
        }
    }
}

async fn both_ways(pipes: &'static Pipes, seed: u64) -> Ways {
    let site = site(pipes).await;
    let (up, down) = (
        bytes((9 << 20) + 1 + seed as usize * 65_536, seed),
        bytes((10 << 20) + 3, seed + 100),
    );
    let (client_reading, client_writing) = site.client.into_split();
    let (backend_reading, backend_writing) = site.backend.into_split();
    let saying_up = tokio::spawn(say(client_writing, up.clone(), seed + 1));
    let saying_down = tokio::spawn(say(backend_writing, down.clone(), seed + 2));
    let hearing_down = tokio::spawn(hear(client_reading, seed + 3));
    assert!(hear(backend_reading, seed + 4).await == up, "seed {seed}");
    assert!(hearing_down.await.expect("it ends") == down, "seed {seed}");
    saying_up.await.expect("it was said");
    saying_down.await.expect("it was said");
    let (ending, ways) = site.session.await.expect("it ends");
    assert!(matches!(ending, Ending::Finished), "{ending:?}");
    let counted = (ways.to_backend.bytes, ways.to_client.bytes);
    assert_eq!(counted, (up.len() as u64, down.len() as u64));
    ways
}

#[test]
fn bytes_of_all_sizes_go_both_ways_through_pipes_as_they_were_said() {
    static PIPES: Pipes = Pipes::new(2);
    run(async {
        for seed in 1..=3 {
            both_ways(&PIPES, seed).await;
        }
    });
    let (open, idle) = PIPES.counts();
    assert!(open > 0, "nothing went through a pipe");
    assert_eq!(open, idle, "a session that has ended holds no pipe");
}

#[test]
fn without_a_pipe_they_go_through_the_buffer() {
    static PIPES: Pipes = Pipes::new(0);
    run(async {
        both_ways(&PIPES, 1).await;
    });
    assert_eq!(PIPES.counts(), (0, 0));
}

#[test]
fn one_pipe_is_enough_for_two_ways() {
    static PIPES: Pipes = Pipes::new(1);
    run(async {
        both_ways(&PIPES, 2).await;
    });
    assert_eq!(PIPES.counts(), (1, 1));
}

#[test]
fn a_pipe_that_the_kernel_cannot_splice_to_leaves_both_ways_to_the_buffer() {
    static PIPES: Pipes = Pipes::new(1);
    // Splicing takes a pipe on one side; this is none.
    let (one, other) = std::os::unix::net::UnixStream::pair().expect("there are sockets");
    PIPES.add((one.into(), other.into()));
    run(async {
        let ways = both_ways(&PIPES, 3).await;
        assert_eq!(ways.to_backend.pace, Pace::Buffered);
        assert_eq!(ways.to_client.pace, Pace::Buffered);
    });
    assert_eq!(PIPES.counts(), (1, 1));
}

#[test]
fn a_client_who_has_said_all_still_gets_a_large_answer() {
    static PIPES: Pipes = Pipes::new(2);
    run(async {
        let site = site(&PIPES).await;
        half_close(site.client, site.backend, &site.session).await;
        let (ending, _) = site.session.await.expect("it ends");
        assert!(matches!(ending, Ending::Finished), "{ending:?}");
    });
    assert!(PIPES.counts().0 > 0, "nothing went through a pipe");
}

#[test]
fn a_backend_who_has_said_all_still_gets_a_large_rest() {
    static PIPES: Pipes = Pipes::new(2);
    run(async {
        let site = site(&PIPES).await;
        half_close(site.backend, site.client, &site.session).await;
        let (ending, _) = site.session.await.expect("it ends");
        assert!(matches!(ending, Ending::Finished), "{ending:?}");
    });
    assert!(PIPES.counts().0 > 0, "nothing went through a pipe");
}

/// One side says all it has, the other hears that it was all, and only then says what it has.
async fn half_close<T>(first: TcpStream, mut second: TcpStream, session: &tokio::task::JoinHandle<T>) {
    let (said, answer) = (bytes(9 << 20, 1), bytes(10 << 20, 2));
    let (hearing, saying) = first.into_split();
    let saying = tokio::spawn(say(saying, said.clone(), 3));
    assert!(hear(&mut second, 4).await == said);
    saying.await.expect("it was said");
    assert!(!session.is_finished(), "the other side has said nothing yet");
    let answering = tokio::spawn(say(second, answer.clone(), 5));
    assert!(hear(hearing, 6).await == answer);
    answering.await.expect("it was said");
}

#[test]
fn whether_a_large_message_has_ended_a_line_is_known() {
    static PIPES: Pipes = Pipes::new(2);
    for (last, is_between_lines) in [(b'\n', true), (b'x', false)] {
        run(async {
            let site = site(&PIPES).await;
            let mut message = bytes(3 << 20, 5);
            message.extend([b'\r', last]);
            let saying = tokio::spawn(say(site.backend, message.clone(), 6));
            let (reading, mut writing) = site.client.into_split();
            assert!(hear(reading, 7).await == message);
            saying.await.expect("it was said");
            writing.shutdown().await.expect("it is taken");
            let (_, ways) = site.session.await.expect("it ends");
            assert_eq!(ways.to_client.is_between_lines(), is_between_lines);
        });
    }
    assert!(PIPES.counts().0 > 0, "nothing went through a pipe");
}

#[test]
fn nothing_arrives_after_a_session_was_revoked_in_the_middle_of_much() {
    static PIPES: Pipes = Pipes::new(2);
    run(ended_in_the_middle(&PIPES, |revoker, _| revoker.revoke()));
}

#[test]
fn nothing_arrives_after_the_lease_has_ended_in_the_middle_of_much() {
    static PIPES: Pipes = Pipes::new(2);
    run(ended_in_the_middle(&PIPES, |_, gate| {
        gate.open_until(Instant::ORIGIN);
    }));
}

async fn ended_in_the_middle(pipes: &'static Pipes, end: impl FnOnce(&Revoker, &Gate)) {
    let mut site = site(pipes).await;
    let message = bytes(16 << 20, 8);
    let (_hearing, mut saying) = site.client.into_split();
    let said = message.clone();
    let saying = tokio::spawn(async move {
        // The session ends in the middle of it.
        let _ = saying.write_all(&said).await;
    });
    let mut heard = vec![0; 4 << 20];
    site.backend.read_exact(&mut heard).await.expect("it comes");
    assert!(pipes.counts().0 > 0, "nothing goes through a pipe");
    // Nothing else runs on this thread: no byte is on its way that was not counted.
    let (forwarded, _) = site.revoker.forwarded();
    end(&site.revoker, &site.gate);
    site.backend.read_to_end(&mut heard).await.expect("it ends");
    assert_eq!(heard.len() as u64, forwarded);
    assert!(heard == message[..heard.len()]);
    assert!(heard.len() < message.len());
    let (ending, ways) = site.session.await.expect("it ends");
    assert!(matches!(ending, Ending::Revoked), "{ending:?}");
    assert_eq!(ways.to_backend.bytes, forwarded);
    drop(ways);
    let (open, idle) = pipes.counts();
    assert_eq!(open, idle, "a pipe with bytes in it is closed");
    saying.await.expect("it ends");
}

#[test]
fn a_session_in_which_nothing_moves_holds_no_pipe_and_the_next_one_takes_the_same() {
    static PIPES: Pipes = Pipes::new(64);
    run(async {
        let mut held = Vec::new();
        for seed in 0..4 {
            let Site {
                mut client,
                mut backend,
                session,
                ..
            } = site(&PIPES).await;
            let message = bytes(9 << 20, seed);
            let mut heard = vec![0; message.len()];
            let hearing = tokio::spawn(async move {
                backend.read_exact(&mut heard).await.expect("it comes");
                (backend, heard)
            });
            client.write_all(&message).await.expect("it is taken");
            let (backend, heard) = hearing.await.expect("it came");
            assert!(heard == message);
            assert!(!session.is_finished());
            assert_eq!(PIPES.counts(), (1, 1));
            held.push((client, backend));
        }
    });
}
