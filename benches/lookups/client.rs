//! A login process: one connection with many requests in flight.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;
#[expect(clippy::disallowed_types, reason = "a benchmark times the real world")]
use std::time::Instant;

use super::USERS;

pub struct Client {
    stream: UnixStream,
    input: Vec<u8>,
    next: u64,
}

impl Client {
    /// Connects and takes the greeting.
    pub fn connect(socket: &Path) -> Self {
        let stream = UnixStream::connect(socket).expect("the director listens");
        stream
            .set_read_timeout(Some(Duration::from_secs(60)))
            .expect("a time limit");
        let mut client = Client {
            stream,
            input: Vec::new(),
            next: 1,
        };
        let hello = format!("VERSION\t1\t2\nCPID\t{}\n", std::process::id());
        client.stream.write_all(hello.as_bytes()).expect("a greeting");
        while !client.input.ends_with(b"DONE\n") {
            client.read();
        }
        client.input.clear();
        client
    }

    /// Keeps so many requests in flight until `is_enough` of those answered and the time passed; answers both.
    #[expect(
        clippy::disallowed_types,
        clippy::disallowed_methods,
        reason = "a benchmark times the real world"
    )]
    pub fn run(&mut self, in_flight: usize, is_enough: impl Fn(u64, Duration) -> bool) -> (u64, Duration) {
        let started = Instant::now();
        let (mut done, mut open) = (0, 0);
        let mut output = Vec::new();
        loop {
            let passed = started.elapsed();
            let is_over = is_enough(done, passed);
            if is_over && open == 0 {
                return (done, passed);
            }
            while !is_over && open < in_flight {
                // Without locality: each is somewhere else in the tables of a director.
                let user = self.next.wrapping_mul(7_919) % USERS;
                output.extend_from_slice(
                    format!("AUTH\t{}\tPLAIN\tu{user}@example.com\n", self.next).as_bytes(),
                );
                self.next += 1;
                open += 1;
            }
            self.stream.write_all(&output).expect("requests are taken");
            output.clear();
            self.read();
            let mut taken = 0;
            while let Some(length) = self.input[taken..].iter().position(|byte| *byte == b'\n') {
                let line = &self.input[taken..taken + length];
                assert!(line.starts_with(b"OK\t"), "{}", String::from_utf8_lossy(line));
                taken += length + 1;
                done += 1;
                open -= 1;
            }
            self.input.drain(..taken);
        }
    }

    fn read(&mut self) {
        let mut chunk = [0; 65_536];
        let read = self.stream.read(&mut chunk).expect("answers come");
        assert!(read > 0, "the director closed the connection");
        self.input.extend_from_slice(&chunk[..read]);
    }
}
