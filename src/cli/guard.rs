//! `guard`: a process beside a director that closes its sessions when the director can't any more.
//!
//! Sessions behind stock Dovecot live in login processes, which forward bytes whether their director lives or not. A
//! director that is killed or stopped keeps no lease, so the ring may send its users elsewhere once that has run out.
//! Until then the sessions must be closed, by somebody else: this process. It is told of every lease through its
//! standard input, and is told by the end of that input that the director is gone. When another run of the
//! director serves, the sessions are that one's matter: it knows them from the journal.
//!
//! Its standard output is the pipe in which login processes say that their users are still there (`guarded`). Nothing is
//! ever written to it.

use std::fs;
use std::io;
use std::net::IpAddr;
use std::os::fd::AsFd;
use std::os::unix::process::parent_id;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::net::UnixStream;
use tokio::net::unix::pipe;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tracing::{info, warn};

use super::arguments::{Guard, GuardKick};
use super::background::{is_running, open_log};
use super::failure::Failure;
use super::runtime::runtime;
use crate::daemon::{LeaseNote, MemberReport, STATUS_SOCKET, journalled_keys};
use crate::dovecot::{Kick, KickBy, KickDone, KickSettings, Kicks, Processes, start_kicks};
use crate::world::{
    Address, Clock, Folder, Instant, RealWorld, StorageError, World, deadline, select, sleep,
};

/// What a director says that lives on and has given its state folder to another process.
pub(super) const RELEASED: &str = "released\n";
/// The guard's own corner of the state folder.
const CORNER: &str = "guard";
/// How long a director that lives may be late in saying so. Within what a lease leaves for closing.
const GRACE: Duration = Duration::from_millis(200);
/// How often a guard without its director looks whether another run has come.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How long a director may take to say whether it serves.
const ANSWER_MAX: Duration = Duration::from_millis(200);
/// The longest line that a director writes: 10,000 backends have less.
const LINE_BYTES_MAX: usize = 1 << 20;

pub(super) fn run(arguments: &Guard) -> Result<(), Failure> {
    open_log();
    runtime()?.block_on(watch(arguments))
}

async fn watch(arguments: &Guard) -> Result<(), Failure> {
    let failed = |error: &dyn std::fmt::Display| Failure::Start(format!("guard: {error}"));
    let director = parent_id();
    let input = io::stdin()
        .as_fd()
        .try_clone_to_owned()
        .map_err(|error| failed(&error))?;
    let input = pipe::Receiver::from_owned_fd(input).map_err(|error| failed(&error))?;
    let world = corner(&arguments.state_folder).await?;
    let (done, kicked) = unbounded_channel();
    let by = match arguments.kick {
        GuardKick::Ipc => KickBy::Ipc,
        GuardKick::Anvil => KickBy::Anvil,
    };
    let kicks = KickSettings {
        by: Some(by),
        service: Address::Unix(arguments.service.clone()),
        delay: Duration::from_millis(arguments.delay_ms),
        processes: Processes::new(is_running, true),
    };
    let kicks = start_kicks(world.clone(), kicks, done);
    let guard = Watching {
        clock: *world.clock(),
        director,
        is_released: false,
        folder: arguments.state_folder.clone(),
        input: Lines {
            pipe: input,
            bytes: Vec::new(),
            has_ended: false,
        },
        note: None,
        kicks,
        kicked,
        next: 1,
    };
    guard.run().await;
    Ok(())
}

/// The world of this guard. The one of an earlier run ends when it sees that there is a new one.
async fn corner(folder: &Path) -> Result<RealWorld, Failure> {
    let clock = crate::world::BootClock;
    loop {
        match RealWorld::open(&folder.join(CORNER)) {
            Err(StorageError::InUse { .. }) => sleep(&clock, LOOK_EVERY).await,
            opened => return opened.map_err(|error| Failure::Start(format!("guard: {error}"))),
        }
    }
}

struct Watching<C> {
    clock: C,
    /// The process that started this one.
    director: u32,
    /// It lives and is no member any more.
    is_released: bool,
    folder: PathBuf,
    input: Lines,
    note: Option<LeaseNote>,
    kicks: Kicks,
    kicked: UnboundedReceiver<KickDone>,
    next: u64,
}

/// What happened.
enum Happened {
    Line(Option<String>),
    LeaseEnded,
    TimeToLook,
}

impl<C: Clock> Watching<C> {
    async fn run(mut self) {
        loop {
            if self.input.has_ended && self.does_successor_serve().await {
                return;
            }
            match self.next().await {
                Happened::Line(Some(line)) if line == RELEASED.trim_end() => self.is_released = true,
                Happened::Line(Some(line)) => match read_note(&line) {
                    Some(note) => self.note = Some(note),
                    None => warn!("guard: a line of the director makes no sense; ignored"),
                },
                Happened::Line(None) if self.note.is_none() => return,
                Happened::Line(None) | Happened::TimeToLook => {}
                Happened::LeaseEnded => {
                    self.close_all().await;
                    if self.input.has_ended {
                        return;
                    }
                }
            }
        }
    }

    async fn next(&mut self) -> Happened {
        let ends_at = self.note.as_ref().map(|note| note.until.plus(GRACE));
        let clock = &self.clock;
        let ended = async {
            match ends_at {
                Some(at) => clock.sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        if self.input.has_ended {
            return select! {
                () = ended => Happened::LeaseEnded,
                () = sleep(clock, LOOK_EVERY) => Happened::TimeToLook,
            };
        }
        // A line that is there already comes first: it may name a longer lease.
        select! {
            line = self.input.next() => Happened::Line(line),
            () = ended => Happened::LeaseEnded,
        }
    }

    /// Whether another run of the director has a lease. Before its first one it closes nothing, even when the lease of
    /// the run before has ended: it does not know when that was.
    async fn does_successor_serve(&self) -> bool {
        if !self.has_successor() {
            return false;
        }
        let until = self.clock.now().plus(ANSWER_MAX);
        let leased = has_lease(self.folder.join(STATUS_SOCKET));
        matches!(deadline(&self.clock, until, leased).await, Ok(true))
    }

    /// Whether another run of the director has the state folder. A director that is being killed closes the pipe to
    /// here before it gives the folder up; it has done both once it is nobody's parent any more, or has said so.
    fn has_successor(&self) -> bool {
        let is_free = self.is_released || parent_id() != self.director;
        is_free && matches!(Folder::open(&self.folder), Err(StorageError::InUse { .. }))
    }

    async fn close_all(&mut self) {
        let Some(note) = self.note.take() else {
            return;
        };
        let state = if self.input.has_ended {
            "is gone"
        } else {
            "is silent"
        };
        warn!("guard: the director {state} and its lease has run out: closing all sessions");
        // Only anvil asks for them, and a director's death leaves them in its journal.
        let keys = fs::read(self.folder.join(crate::daemon::JOURNAL))
            .map(|bytes| journalled_keys(&bytes))
            .unwrap_or_default();
        let token = self.next;
        self.next += 1;
        let all = Kick::All {
            token,
            backends: note.backends,
            keys,
        };
        if self.kicks.kick(all).is_ok() && self.kicked.recv().await.is_some() {
            info!("guard: all sessions are closed");
        }
    }
}

/// Whether the member behind a status socket says that it has a lease.
async fn has_lease(socket: PathBuf) -> bool {
    let Ok(mut stream) = UnixStream::connect(socket).await else {
        return false;
    };
    let mut bytes = Vec::new();
    if stream.read_to_end(&mut bytes).await.is_err() {
        return false;
    }
    let report: Result<MemberReport, _> = serde_json::from_slice(&bytes);
    report.is_ok_and(|report| report.lease_ms.is_some())
}

/// The lines of a pipe.
struct Lines {
    pipe: pipe::Receiver,
    bytes: Vec<u8>,
    has_ended: bool,
}

impl Lines {
    /// The next line; nothing at the end. What was read stays here when nobody waits any more.
    async fn next(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.bytes.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.bytes.drain(..=end).collect();
                return Some(String::from_utf8_lossy(&line[..end]).into_owned());
            }
            let is_endless = self.bytes.len() > LINE_BYTES_MAX;
            if is_endless || !matches!(self.pipe.read_buf(&mut self.bytes).await, Ok(1..)) {
                self.has_ended = true;
                return None;
            }
        }
    }
}

/// `lease NANOSECONDS IP IP ...`, as [`write_note`] writes it.
fn read_note(line: &str) -> Option<LeaseNote> {
    let mut words = line.strip_prefix("lease ")?.split(' ');
    let until = Instant::from_nanos(words.next()?.parse().ok()?);
    let backends = words.map(str::parse).collect::<Result<Vec<IpAddr>, _>>().ok()?;
    Some(LeaseNote { until, backends })
}

/// The line for a guard.
pub(super) fn write_note(note: &LeaseNote) -> String {
    let mut line = format!("lease {}", note.until.as_nanos());
    for backend in &note.backends {
        line.push(' ');
        line.push_str(&backend.to_string());
    }
    line.push('\n');
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_read_as_it_was_written() {
        let note = LeaseNote {
            until: Instant::from_nanos(17),
            backends: vec!["10.0.0.1".parse().expect("v4"), "fd00::1".parse().expect("v6")],
        };
        let line = write_note(&note);
        assert_eq!(line, "lease 17 10.0.0.1 fd00::1\n");
        assert_eq!(read_note(line.trim_end()), Some(note));
    }

    #[test]
    fn a_line_that_is_no_note_is_none() {
        for line in ["", "lease", "lease x", "lease 5 mail1", "lease -1", "until 5"] {
            assert_eq!(read_note(line), None, "{line}");
        }
    }
}
