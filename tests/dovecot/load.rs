//! Many clients and mail servers at the directors' own proxies at once, while a backend is emptied and a director killed:
//! nobody is at two backends, and no mail that was taken is lost.
//!
//! `MAILDIRECTOR_LOAD_CLIENTS=500 MAILDIRECTOR_LOAD_SECONDS=180` makes it a long one; `load.py` has the clients.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::deaths::CLOSED_WITHIN;
use crate::doveadm::director;
use crate::member::LEASE;
use crate::net::{BACKENDS, MEMBERS, backend_ip, member_ip};
use crate::site::Site;

const PROGRAM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/dovecot/load.py");
const CLIENTS: u64 = 60;
const SECONDS: u64 = 12;
/// In each round one backend is emptied and one director killed.
const ROUND_SECONDS: u64 = 36;

/// How many clients, for how long.
struct Size {
    clients: u64,
    seconds: u64,
}

impl Size {
    fn wanted() -> Self {
        let number = |name: &str, usual: u64| {
            let written = std::env::var(name).ok();
            written.map_or(usual, |text| {
                text.parse().unwrap_or_else(|_| panic!("{name} is no number"))
            })
        };
        Size {
            clients: number("MAILDIRECTOR_LOAD_CLIENTS", CLIENTS),
            seconds: number("MAILDIRECTOR_LOAD_SECONDS", SECONDS),
        }
    }

    /// Fewer than clients.
    fn users(&self) -> u64 {
        (self.clients * 3 / 10).max(1)
    }
}

/// `load.py`, until it is dropped.
struct Load {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Load {
    fn start(site: &Site, size: &Size) -> Self {
        let numbers = [size.clients, size.seconds, size.users()].map(|number| number.to_string());
        let members: Vec<String> = (1..=MEMBERS).map(member_ip).collect();
        let backends: Vec<String> = (1..=BACKENDS).map(backend_ip).collect();
        // `-B`: nothing is written beside the sources.
        let mut child = Command::new("python3")
            .args(["-B", PROGRAM])
            .args(numbers)
            .arg(site.folder.join("ring-ca/ca.pem"))
            .args([members.join(","), backends.join(",")])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3 is installed");
        Load {
            input: child.stdin.take().expect("it is a pipe"),
            output: BufReader::new(child.stdout.take().expect("it is a pipe")),
            child,
        }
    }

    /// Until all clients have left and all mail is delivered.
    fn must_end(&mut self) {
        assert_eq!(self.line(), "done\n", "load.py fails, see above");
    }

    /// Counts the mails: what it tells.
    fn count(&mut self) -> Value {
        writeln!(self.input, "count").expect("it waits for this");
        serde_json::from_str(&self.line()).expect("load.py prints an object")
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).expect("it is a pipe");
        line
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn sleep_until(when: Instant) {
    sleep(when.saturating_duration_since(Instant::now()));
}

/// One backend is emptied and comes back, then one director is killed and started again: in each second round only when
/// its lease is over.
fn trouble(site: &mut Site, round: u32, begins: Instant, span: Duration) {
    let number = usize::try_from(round).expect("few rounds");
    let backend = backend_ip(number % BACKENDS + 1);
    let killed = number % MEMBERS + 1;
    let operator = killed % MEMBERS + 1;
    sleep_until(begins + span.mul_f64(0.2));
    director(site.proxy(operator), &["down", &backend]);
    director(site.proxy(operator), &["flush", &backend]);
    sleep_until(begins + span.mul_f64(0.45));
    director(site.proxy(operator), &["up", &backend]);
    sleep_until(begins + span.mul_f64(0.55));
    site.member_mut(killed).kill();
    if round % 2 == 1 {
        sleep(LEASE + Duration::from_secs(2));
    }
    site.member_mut(killed).start();
    site.member(killed).must_serve();
    sleep_until(begins + span);
}

/// Clients who are at a backend, with their processes there.
fn who_is_left(site: &Site) -> Vec<String> {
    let sample = site.truth.sample();
    let ours = sample.iter().filter(|(user, _)| user.starts_with("load"));
    ours.map(|(user, places)| format!("{user}: {places:?}")).collect()
}

/// What was found under these names, for a reader.
fn list<'a>(told: &'a Value, key: &str) -> &'a Vec<Value> {
    told[key]
        .as_array()
        .unwrap_or_else(|| panic!("no {key} in {told}"))
}

fn print(size: &Size, told: &Value) {
    let (tally, mail) = (&told["tally"], &told["mail"]);
    println!(
        "{} clients, {} users, {} s: {} sessions, {} commands, {} deliveries, {} retries, lost {}, \
         doubled {} ({} of them after a broken connection)\n{told:#}",
        size.clients,
        size.users(),
        size.seconds,
        tally["sessions"],
        tally["commands"],
        mail["deliveries"],
        mail["retries"],
        list(mail, "lost").len(),
        mail["doubled"],
        mail["doubled after a broken connection"]
    );
}

fn must_be_sound(size: &Size, told: &Value) {
    let (tally, mail) = (&told["tally"], &told["mail"]);
    let count = |key: &str| tally[key].as_u64().unwrap_or(0);
    for key in ["lost", "doubled without reason", "not taken", "not as sent"] {
        assert!(list(mail, key).is_empty(), "{key}: {:#?}", mail[key]);
    }
    assert!(list(told, "faults").is_empty(), "{:#?}", told["faults"]);
    assert!(count("sessions") >= size.clients, "not everybody came in");
    assert!(mail["deliveries"].as_u64() > Some(0), "nothing was delivered");
    let (broken, goodbyes) = (count("sessions broken"), count("sessions told goodbye"));
    assert!(goodbyes > 0, "nobody felt the flush");
    assert!(broken > goodbyes, "nobody felt that a director was killed");
}

pub fn many_clients_and_mail_servers_lose_no_mail_while_the_site_changes(site: &mut Site) {
    site.must_be_calm();
    let size = Size::wanted();
    let rounds = u32::try_from(size.seconds / ROUND_SECONDS)
        .expect("few rounds")
        .max(1);
    let span = Duration::from_secs(size.seconds) / rounds;
    let is_large = size.clients > CLIENTS;
    if is_large {
        // One machine for hundreds of both would be too busy to keep to the leases' times.
        site.crowd.rest();
    }
    let begins = Instant::now();
    let mut load = Load::start(site, &size);
    for round in 0..rounds {
        trouble(site, round, begins + span * round, span);
    }
    load.must_end();
    // Whoever is asked for his mails directly must not be at another backend still.
    let until = Instant::now() + CLOSED_WITHIN;
    while !who_is_left(site).is_empty() && Instant::now() < until {
        sleep(Duration::from_millis(200));
    }
    assert_eq!(who_is_left(site), [""; 0], "clients who are still at a backend");
    let told = load.count();
    if is_large {
        site.crowd.come_again();
    }
    print(&size, &told);
    must_be_sound(&size, &told);
}
