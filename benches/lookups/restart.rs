//! How long a director that is killed with all its users held takes until it answers a lookup again.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;
#[expect(clippy::disallowed_types, reason = "a benchmark times the real world")]
use std::time::Instant;

use super::process::Killed;
use super::{Subject, USERS, ours};

const ROUNDS: usize = 15;
/// Between two attempts: the processor is the director's meanwhile.
const PAUSE: Duration = Duration::from_millis(1);

/// Kills the first director and starts it again, many times.
pub fn report(scratch: &Path, subject: &mut Subject) {
    let mut spans = Vec::new();
    for round in 0..ROUNDS {
        // Its guard, and a lease that it had, are of no account: its sessions live elsewhere and its name is the same.
        drop(subject.processes.remove(0));
        spans.push(start_again(scratch, subject, round));
    }
    spans.sort_unstable();
    println!(
        "killed with {USERS} users held and started again, {ROUNDS} times: the first lookup is answered after {:.0} ms \
         (median), {:.0} ms (best), {:.0} ms (worst)",
        milliseconds(spans[ROUNDS / 2]),
        milliseconds(spans[0]),
        milliseconds(spans[ROUNDS - 1])
    );
}

#[expect(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "a benchmark times the real world"
)]
fn start_again(scratch: &Path, subject: &mut Subject, round: usize) -> Duration {
    let started = Instant::now();
    let child = ours::run(&scratch.join("ours1/maildirector.toml")).expect("it started before");
    subject.processes.insert(0, Killed(child));
    while !matches!(is_answered(&subject.socket, round), Ok(true)) {
        assert!(
            started.elapsed() < Duration::from_secs(60),
            "no lookup was answered for a minute"
        );
        sleep(PAUSE);
    }
    started.elapsed()
}

/// Asks for a user once; whether the answer names a backend.
fn is_answered(socket: &Path, round: usize) -> io::Result<bool> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    let hello = format!("VERSION\t1\t2\nCPID\t{}\n", 100_000 + round);
    stream.write_all(hello.as_bytes())?;
    read_until(&mut stream, b"DONE\n")?;
    let user = round * 7_919;
    stream.write_all(format!("AUTH\t1\tPLAIN\tu{user}@example.com\n").as_bytes())?;
    Ok(read_until(&mut stream, b"\n")?.starts_with(b"OK\t"))
}

fn read_until(stream: &mut UnixStream, end: &[u8]) -> io::Result<Vec<u8>> {
    let mut read = Vec::new();
    let mut chunk = [0; 4096];
    while !read.ends_with(end) {
        match stream.read(&mut chunk)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            count => read.extend_from_slice(&chunk[..count]),
        }
    }
    Ok(read)
}

fn milliseconds(span: Duration) -> f64 {
    span.as_secs_f64() * 1e3
}
