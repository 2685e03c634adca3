//! IMAP clients with threads of their own.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

/// One session.
pub struct Session {
    reading: BufReader<TcpStream>,
    writing: TcpStream,
}

impl Session {
    /// Logs somebody in.
    pub fn open(at: SocketAddr, user: usize) -> Self {
        let writing = TcpStream::connect(at).expect("it listens");
        writing.set_nodelay(true).expect("it is TCP");
        let reading = writing.try_clone().expect("a second handle");
        let mut session = Session {
            reading: BufReader::with_capacity(1 << 10, reading),
            writing,
        };
        session.line();
        let answer = session.command(&format!("a LOGIN user{} secret", user % 1_000));
        assert!(answer.contains(" OK"), "not let in: {answer}");
        session
    }

    /// Says it; the last line of the answer.
    pub fn command(&mut self, command: &str) -> String {
        self.writing
            .write_all(format!("{command}\r\n").as_bytes())
            .expect("it listens");
        loop {
            let line = self.line();
            if !line.starts_with('*') {
                return line;
            }
        }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.reading.read_line(&mut line).expect("it answers");
        assert!(!line.is_empty(), "it closed the connection");
        line
    }
}

/// So many log in and out again and again; how many logins there were, in which time.
pub fn log_in_for(at: SocketAddr, at_once: usize, span: Duration) -> (usize, Duration) {
    let started = Instant::now();
    let clients: Vec<_> = (0..at_once)
        .map(|client| {
            thread::spawn(move || {
                let mut logins = 0;
                while started.elapsed() < span {
                    let mut session = Session::open(at, client + logins * 7);
                    session.command("b LOGOUT");
                    logins += 1;
                }
                logins
            })
        })
        .collect();
    let logins = clients.into_iter().map(|client| client.join().expect("it lives"));
    (logins.sum(), started.elapsed())
}

/// So many sessions that say nothing.
pub fn hold(at: SocketAddr, sessions: usize) -> Vec<Session> {
    let held = (0..sessions).map(|user| Session::open(at, user)).collect();
    // For memory that is given back late.
    thread::sleep(Duration::from_millis(500));
    held
}

/// How long so many bytes take.
pub fn fetch(at: SocketAddr, bytes: u64) -> Duration {
    let mut session = Session::open(at, 1);
    let mut part = vec![0; 256 << 10];
    let started = Instant::now();
    session
        .writing
        .write_all(format!("b FETCH {bytes}\r\n").as_bytes())
        .expect("it listens");
    let mut left = bytes;
    while left > 0 {
        let count = session.reading.read(&mut part).expect("it sends");
        assert!(count > 0, "it closed the connection");
        left = left.saturating_sub(count as u64);
    }
    started.elapsed()
}

/// How long each of so many small commands takes.
pub fn commands(at: SocketAddr, count: usize) -> Vec<Duration> {
    let mut session = Session::open(at, 1);
    (0..count)
        .map(|_| {
            let started = Instant::now();
            session.command("b NOOP");
            started.elapsed()
        })
        .collect()
}
