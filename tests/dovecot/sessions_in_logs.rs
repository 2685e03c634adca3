//! The ground truth again, from the backends' logs: when each session began and ended, to the microsecond.
//!
//! `truth` looks once a second and may miss a short moment; logs don't.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

/// What the backends' mail processes say at the end of a session; see `sessions`.
pub const LOGOUT_FORMAT: &str = "session=<%{session}>";

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

/// `... imap-login: Info: Login: user=<anna>, ..., session=<x>` and
/// `... imap(anna)<17><x>: Info: Disconnected: ... session=<x> ...` (or `Logged out`). The end of a session is known by
/// what [`LOGOUT_FORMAT`] writes into the text: of many processes that end at once Dovecot's log process sometimes leaves
/// out who they are, and writes `imap: Info: ...`.
fn sessions(log: &str, backend: usize) -> Vec<(String, Session)> {
    let mut open: BTreeMap<&str, (&str, u64)> = BTreeMap::new();
    // Two processes write one log: a mail process whose client is gone at once may be faster than the login process
    // that has just handed over to it.
    let mut ended: BTreeSet<&str> = BTreeSet::new();
    let mut found = Vec::new();
    for line in log.lines() {
        let Some((time, rest)) = line.split_once(' ') else {
            continue;
        };
        let Some(at) = time.replace('.', "").parse::<u64>().ok() else {
            continue;
        };
        let Some(session) = between(rest, "session=<", ">") else {
            continue;
        };
        if let Some((_, login)) = rest.split_once("-login: Info: Login: user=<") {
            let Some((user, _)) = login.split_once('>') else {
                continue;
            };
            if !ended.remove(session) {
                open.insert(session, (user, at));
            }
        } else if rest.contains(": Info: Disconnected") || rest.contains(": Info: Logged out") {
            let Some((user, begin)) = open.remove(session) else {
                ended.insert(session);
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
    let stands = |(user, begin): (&str, u64)| {
        let session = Session {
            begin,
            end: u64::MAX,
            backend,
        };
        (user.to_owned(), session)
    };
    found.extend(open.into_values().map(stands));
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
