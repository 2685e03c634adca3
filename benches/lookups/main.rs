//! What a lookup costs a ring of three directors: CPU of the one that answers, CPU of the others, lookups a second.
//!
//! Real processes on loopback, a stub for the auth server, one login connection with 64 requests in flight. When
//! Dovecot's own director is installed it is measured in the same run, by the same client, and the ratio is printed.
//! Then the director that holds all users is killed and started again: how long until it serves?
//!
//! `cargo bench --bench lookups`, or only the last part: `cargo bench --bench lookups -- restart`, or what admins do:
//! `cargo bench --bench lookups -- flush`

#![expect(
    clippy::disallowed_methods,
    reason = "drives real processes, with threads and arguments of its own, in real time"
)]

mod client;
mod dovecot;
mod flush;
mod ours;
mod process;
mod restart;
mod stub_auth;

use std::path::Path;
use std::time::Duration;

use client::Client;
use process::{Scratch, cpu};

/// Requests in flight on one connection.
const IN_FLIGHT: usize = 64;
/// Users that log in again and again.
const USERS: u64 = 1_000_000;
/// Lookups before measuring: every user is known then, and pages are warm.
const WARM_UP: u64 = USERS;
/// How long each is measured.
const MEASURE: Duration = Duration::from_secs(8);

/// Director processes, the one that is asked first.
struct Subject {
    name: &'static str,
    socket: std::path::PathBuf,
    pids: Vec<u32>,
    processes: Vec<process::Killed>,
}

struct Figures {
    per_second: f64,
    own_us: f64,
    others_us: f64,
}

fn main() {
    let scratch = Scratch::new("lookups");
    if std::env::args().any(|argument| argument == "restart") {
        let mut subject = ours::start(scratch.path()).expect("a ring of maildirectors");
        Client::connect(&subject.socket).run(IN_FLIGHT, |done, _| done >= WARM_UP);
        restart::report(scratch.path(), &mut subject);
        return;
    }
    if std::env::args().any(|argument| argument == "flush") {
        return report_flushes(scratch.path());
    }
    let mut all = Vec::new();
    for start in [
        ours::start as fn(&Path) -> Result<Subject, String>,
        dovecot::start,
    ] {
        match start(scratch.path()) {
            Ok(mut subject) => {
                let figures = measure(&subject);
                println!(
                    "{:<24} {:>9.0} lookups/s   {:>6.2} us CPU a lookup   {:>6.2} us on each other director",
                    subject.name, figures.per_second, figures.own_us, figures.others_us
                );
                all.push(figures);
                if subject.name == ours::NAME {
                    restart::report(scratch.path(), &mut subject);
                }
            }
            Err(why) => println!("not measured: {why}"),
        }
    }
    if let [ours, theirs] = &all[..] {
        println!(
            "ratio                    {:>9.1} x           {:>6.2}",
            ours.per_second / theirs.per_second,
            ours.own_us / theirs.own_us
        );
    }
}

fn report_flushes(scratch: &Path) {
    let ours = ours::start_with(scratch, "ipc").expect("a ring of maildirectors");
    flush::report(&ours, &scratch.join("ours1/base/director-admin"), &[None]);
    drop(ours);
    match dovecot::start(scratch) {
        Ok(theirs) => flush::report(
            &theirs,
            &scratch.join("theirs1/base/director-admin"),
            &[None, Some(10_000)],
        ),
        Err(why) => println!("not measured: {why}"),
    }
}

fn measure(subject: &Subject) -> Figures {
    let mut client = Client::connect(&subject.socket);
    client.run(IN_FLIGHT, |done, _| done >= WARM_UP);
    let before: Vec<Duration> = subject.pids.iter().map(|pid| cpu(*pid)).collect();
    let (done, passed) = client.run(IN_FLIGHT, |_, passed| passed >= MEASURE);
    let used: Vec<Duration> = subject
        .pids
        .iter()
        .zip(before)
        .map(|(pid, before)| cpu(*pid) - before)
        .collect();
    let us = |span: Duration| span.as_secs_f64() * 1e6 / done as f64;
    let others = &used[1..];
    Figures {
        per_second: done as f64 / passed.as_secs_f64(),
        own_us: us(used[0]),
        others_us: us(others.iter().sum::<Duration>()) / others.len() as f64,
    }
}
