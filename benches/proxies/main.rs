//! What a session through a proxy costs: logins a second and their CPU, bytes a second and their CPU, memory of an idle session, and
//! the time that a small command takes longer.
//!
//! Real processes on loopback, plain TCP, in front of a stub that speaks enough IMAP; the same clients come to the stub itself, to
//! our proxy, and to HAProxy (TCP mode), nginx (mail proxy, with a stub for its `auth_http`) and Dovecot (imap-login as a proxy) where
//! they are installed.
//!
//! `cargo bench --bench proxies`

#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "drives real processes, with threads and clocks of its own, in real time"
)]

mod clients;
#[path = "../lookups/process.rs"]
mod process;
mod stub;
mod subjects;

use std::fs;
use std::time::Duration;

use process::{Scratch, cpu};
use subjects::Subject;

/// Clients that log in and out, one login after the other each.
const AT_ONCE: usize = 50;
/// How long they do.
const LOGINS_FOR: Duration = Duration::from_secs(4);
/// Fetched in one session.
const BULK_BYTES: u64 = 1 << 30;
/// Sessions that are held and say nothing.
const IDLE: usize = 1_500;
/// Small commands, one after the other.
const COMMANDS: usize = 20_000;

fn main() {
    let scratch = Scratch::new("proxies");
    stub::serve();
    println!(
        "{:<14} {:>10} {:>12} {:>9} {:>9} {:>14} {:>10} {:>10}",
        "", "logins/s", "CPU a login", "GB/s", "CPU a GB", "idle session", "p50", "p99"
    );
    let mut direct = None;
    for start in [
        subjects::direct,
        subjects::ours,
        subjects::haproxy,
        subjects::nginx,
        subjects::dovecot,
    ] {
        match start(scratch.path()) {
            Ok(subject) => {
                let p99 = report(&subject, direct);
                direct.get_or_insert(p99);
            }
            Err(why) => println!("not measured: {why}"),
        }
    }
}

/// Prints a line; gives the time within which 99 % of the commands were answered.
fn report(subject: &Subject, direct: Option<Duration>) -> Duration {
    clients::log_in_for(subject.address, AT_ONCE, LOGINS_FOR / 4);
    let before = used(subject);
    let (logins, passed) = clients::log_in_for(subject.address, AT_ONCE, LOGINS_FOR);
    let per_login = (used(subject) - before).as_secs_f64() * 1e6 / logins as f64;
    let memory = resident(subject);
    let held = clients::hold(subject.address, IDLE);
    let idle = resident(subject).saturating_sub(memory) / IDLE as u64;
    drop(held);
    let before = used(subject);
    let seconds = clients::fetch(subject.address, BULK_BYTES).as_secs_f64();
    let gigabytes = BULK_BYTES as f64 / 1e9;
    let per_gigabyte = (used(subject) - before).as_secs_f64() / gigabytes;
    let mut times = clients::commands(subject.address, COMMANDS);
    times.sort_unstable();
    let (p50, p99) = (times[COMMANDS / 2], times[COMMANDS * 99 / 100]);
    let added = direct.map_or_else(String::new, |direct| {
        format!(" ({:+.0} us)", (p99.as_secs_f64() - direct.as_secs_f64()) * 1e6)
    });
    println!(
        "{:<14} {:>10.0} {:>9.0} us {:>9.2} {:>7.2} s {:>12} B {:>7.0} us {:>7.0} us{added}",
        subject.name,
        logins as f64 / passed.as_secs_f64(),
        per_login,
        gigabytes / seconds,
        per_gigabyte,
        idle,
        p50.as_secs_f64() * 1e6,
        p99.as_secs_f64() * 1e6,
    );
    p99
}

/// CPU time of all processes of a subject.
fn used(subject: &Subject) -> Duration {
    subject.pids().into_iter().map(cpu).sum()
}

/// Their memory, in bytes.
fn resident(subject: &Subject) -> u64 {
    let of = |pid: u32| -> u64 {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("the process runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|line| line.trim().strip_suffix(" kB"));
        kib.and_then(|kib| kib.parse::<u64>().ok()).expect("kilobytes") << 10
    };
    subject.pids().into_iter().map(of).sum()
}
