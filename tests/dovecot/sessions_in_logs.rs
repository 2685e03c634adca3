//! The ground truth again, from the backends' logs: when each session began and ended, to the microsecond.
//!
//! `truth` looks once a second and may miss a short moment; logs don't.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

/// How far apart the lines of two processes may be written that tell of the same moment, in microseconds.
const ORDER_US_MAX: u64 = 1_000_000;

/// Where a session was, and from when to when, in microseconds of the system's clock.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Session {
    begin: u64,
    end: u64,
    backend: usize,
}

/// What the logs tell.
pub struct Told {
    /// Sessions that were read of, the ones that still stand included.
    pub sessions: usize,
    /// Pairs of one user's sessions that stood at two backends at the same time: the user, and what was read.
    pub splits: Vec<(String, String)>,
}

/// Read the backends' logs; the first is number 1.
pub fn read(logs: &[PathBuf]) -> Told {
    let mut by_user: BTreeMap<String, Vec<Session>> = BTreeMap::new();
    for (backend, log) in (1..).zip(logs) {
        let text = fs::read_to_string(log).expect("the backend writes a log");
        for (user, session) in sessions(&text, backend) {
            by_user.entry(user).or_default().push(session);
        }
    }
    let sessions = by_user.values().map(Vec::len).sum();
    let splits = by_user
        .iter_mut()
        .flat_map(|(user, sessions)| overlaps(user, sessions));
    Told {
        splits: splits.collect(),
        sessions,
    }
}

/// `... imap-login: Info: Login: user=<anna>, ..., mpid=17, ...` and `... imap(anna)<17><...>: Info: Disconnected: ...`
/// (or `Logged out`).
fn sessions(log: &str, backend: usize) -> Vec<(String, Session)> {
    let mut open: BTreeMap<(String, &str), u64> = BTreeMap::new();
    // Two processes write one log: a mail process whose client is gone at once may be faster than the login process
    // that has just handed over to it.
    let mut ended: BTreeMap<(String, &str), u64> = BTreeMap::new();
    let mut found = Vec::new();
    for line in log.lines() {
        let Some((time, rest)) = line.split_once(' ') else {
            continue;
        };
        let Some(at) = time.replace('.', "").parse().ok() else {
            continue;
        };
        if let Some((_, login)) = rest.split_once("-login: Info: Login: user=<") {
            let Some((user, login)) = login.split_once('>') else {
                continue;
            };
            let Some(pid) = between(login, "mpid=", ",") else {
                continue;
            };
            let known = (user.to_owned(), pid);
            if ended.remove(&known).is_none_or(|end| at - end > ORDER_US_MAX) {
                open.insert(known, at);
            }
        } else if rest.contains(": Info: Disconnected") || rest.contains(": Info: Logged out") {
            let (Some(user), Some(pid)) = (between(rest, "(", ")"), between(rest, ")<", ">")) else {
                continue;
            };
            let known = (user.to_owned(), pid);
            let Some(begin) = open.remove(&known) else {
                ended.insert(known, at);
                continue;
            };
            let session = Session {
                begin,
                end: at,
                backend,
            };
            found.push((user.to_owned(), session));
        }
    }
    let stands = |((user, _), begin)| {
        (
            user,
            Session {
                begin,
                end: u64::MAX,
                backend,
            },
        )
    };
    found.extend(open.into_iter().map(stands));
    found
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(before)?;
    Some(rest.split_once(after)?.0)
}

/// Pairs of one user's sessions that stood at different backends at the same time.
fn overlaps(user: &str, sessions: &mut [Session]) -> Vec<(String, String)> {
    sessions.sort();
    let mut found = Vec::new();
    for (at, later) in sessions.iter().enumerate() {
        let earlier = sessions[..at].iter();
        for other in earlier.filter(|other| other.backend != later.backend && other.end > later.begin) {
            let together = other.end.min(later.end) - later.begin;
            let what = format!("{user}: {other:?} and {later:?}, together for {together} us");
            found.push((user.to_owned(), what));
        }
    }
    found
}
