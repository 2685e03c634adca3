//! poolmon, the monitor that sites put beside Dovecot's director: it takes a backend out that does not answer, and back.
//!
//! `POOLMON=FILE cargo test --test dovecot` runs that very program (Perl, with IO::Socket::INET6); without it a thread
//! makes its calls: the same bytes, and gone without reading the answers to its orders.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle, sleep};
use std::time::Duration;

use crate::doveadm::director;
use crate::net::{BACKENDS, backend_ip};
use crate::site::Site;
use crate::waiting::eventually;

/// What is probed at each backend; nobody else uses it.
const PORT: u16 = 14_300;
const GREETING: &str = "VERSION\tdirector-doveadm\t1\t0\n";
/// poolmon tries a port again after three seconds before it gives a backend up.
const NOTICED_WITHIN: Duration = Duration::from_secs(20);

/// A port at a backend that greets whoever comes, until it is dropped.
struct Alive {
    ends: Arc<AtomicBool>,
    address: String,
    thread: Option<JoinHandle<()>>,
}

impl Alive {
    fn begin(backend: usize) -> Self {
        let address = format!("{}:{PORT}", backend_ip(backend));
        let listener = TcpListener::bind(&address).expect("nobody else has the port");
        let ends = Arc::new(AtomicBool::new(false));
        let is_over = Arc::clone(&ends);
        let thread = thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if is_over.load(Ordering::Relaxed) {
                    break;
                }
                // A client that has gone needs no greeting.
                let _ = (&client).write_all(b"ready\n");
            }
        });
        Alive {
            ends,
            address,
            thread: Some(thread),
        }
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
        // Wakes the thread up.
        let _ = TcpStream::connect(&self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// poolmon itself, or what does as it does.
enum Monitor {
    Program(Child),
    Double {
        ends: Arc<AtomicBool>,
        thread: Option<JoinHandle<()>>,
    },
}

impl Monitor {
    fn begin(folder: &Path, socket: PathBuf) -> Self {
        let Some(program) = std::env::var_os("POOLMON") else {
            let ends = Arc::new(AtomicBool::new(false));
            let is_over = Arc::clone(&ends);
            let thread = thread::spawn(move || {
                while !is_over.load(Ordering::Relaxed) {
                    look_at_all(&socket);
                    sleep(Duration::from_millis(500));
                }
            });
            let thread = Some(thread);
            return Monitor::Double { ends, thread };
        };
        let mut command = Command::new("perl");
        command
            .arg(program)
            .args(["-f", "-d", "-i", "1", "-t", "2", "-p"]);
        command.arg(PORT.to_string()).arg("-S").arg(socket);
        command.arg("-k").arg(folder.join("poolmon.pid"));
        command.arg("-l").arg(folder.join("poolmon.log"));
        let child = command.stdin(Stdio::null()).spawn().expect("perl is installed");
        Monitor::Program(child)
    }
}

impl Drop for Monitor {
    fn drop(&mut self) {
        match self {
            Monitor::Program(child) => {
                child.kill().expect("it runs");
                child.wait().expect("it was started here");
            }
            Monitor::Double { ends, thread } => {
                ends.store(true, Ordering::Relaxed);
                if let Some(thread) = thread.take() {
                    // Its panic has been printed.
                    let _ = thread.join();
                }
            }
        }
    }
}

fn connect(socket: &Path) -> (UnixStream, BufReader<UnixStream>) {
    let mut stream = UnixStream::connect(socket).expect("the director listens");
    stream.write_all(GREETING.as_bytes()).expect("the director reads");
    let mut reading = BufReader::new(stream.try_clone().expect("there are descriptors"));
    let mut greeting = String::new();
    reading.read_line(&mut greeting).expect("the director greets");
    assert_eq!(greeting, GREETING);
    (stream, reading)
}

fn look_at_all(socket: &Path) {
    let (mut stream, reading) = connect(socket);
    stream.write_all(b"HOST-LIST\n").expect("the director reads");
    let lines = reading.lines().map(|line| line.expect("the director answers"));
    for line in lines.take_while(|line| !line.is_empty()) {
        let fields: Vec<&str> = line.split('\t').collect();
        let (host, is_up) = (fields[0], fields[4] == "U");
        let is_alive = TcpStream::connect((host, PORT)).is_ok_and(|client| {
            let mut said = String::new();
            BufReader::new(client).read_line(&mut said).is_ok() && !said.is_empty()
        });
        if is_alive == is_up {
            continue;
        }
        let (mut stream, _reading) = connect(socket);
        let orders = if is_alive {
            format!("HOST-UP\t{host}\n")
        } else {
            format!("HOST-DOWN\t{host}\nHOST-FLUSH\t{host}\n")
        };
        stream.write_all(orders.as_bytes()).expect("the director reads");
    }
}

/// Whether every proxy's director shows the backend so.
fn is_shown(site: &Site, backend: usize, state: &str) -> bool {
    [1, 2, 3].into_iter().all(|proxy| {
        let table = director(site.proxy(proxy), &["status"]);
        let row = table
            .lines()
            .find(|row| row.starts_with(&format!("{} ", backend_ip(backend))));
        row.is_some_and(|row| row.split_whitespace().any(|word| word == state))
    })
}

pub fn poolmon_takes_a_dead_backend_out_and_brings_it_back(site: &mut Site) {
    site.must_be_calm();
    let mut alive: Vec<Option<Alive>> = (1..=BACKENDS)
        .map(|backend| Some(Alive::begin(backend)))
        .collect();
    let users = site.crowd.users().to_vec();
    let dead = site.truth.places(&users)[&users[3]];
    let _monitor = Monitor::begin(&site.folder, site.proxy(1).folder().join("run/director-admin"));

    alive[dead - 1] = None;
    eventually("the dead backend is out everywhere", NOTICED_WITHIN, || {
        is_shown(site, dead, "down").then_some(())
    });
    eventually("its users have left it", NOTICED_WITHIN, || {
        let is_left = site.truth.sample().values().all(|at| !at.contains_key(&dead));
        is_left.then_some(())
    });
    site.crowd_must_return();
    let places = site.truth.places(&users);
    assert!(
        !places.values().any(|place| *place == dead),
        "somebody is still there"
    );

    alive[dead - 1] = Some(Alive::begin(dead));
    eventually("it is back everywhere", NOTICED_WITHIN, || {
        is_shown(site, dead, "up").then_some(())
    });
    assert_eq!(
        site.truth.places(&users),
        places,
        "nobody moves because it is back"
    );
    site.flush_all(2);
}
