//! An upgrade as the old process sees it: starts the new one, gives it all sockets and the state folder, and stays until the
//! sessions at its own proxies have ended.

use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::pin::pin;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tokio::signal::unix::Signal;
use tokio::sync::oneshot;
use tracing::{error, info, warn};

use super::failure::Failure;
use super::handing::{self, Identity, Sockets};
use super::signals::told_to_end;
use crate::daemon::{ControlAnswer, Predecessor};
use crate::world::{RealWorld, World, select};

/// The option of `run` and `witness` that says so to a new process.
pub(super) const TAKES_OVER: &str = "--takes-over";

/// A new process that would take over.
#[derive(Debug)]
pub(super) struct Heir {
    child: Child,
    stream: UnixStream,
}

impl Heir {
    /// Starts the program anew, as it lies on disk now, with this process's own arguments; it has read its configuration and
    /// can be the same member when this returns.
    pub async fn start(world: &RealWorld, me: &Identity) -> Result<Heir, String> {
        let (ours, its) = UnixStream::pair().map_err(|error| format!("no pair of sockets: {error}"))?;
        let program = program();
        let child = Command::new(&program)
            .args(arguments())
            .stdin(Stdio::from(OwnedFd::from(its)))
            .spawn()
            .map_err(|error| format!("cannot start {}: {error}", program.display()))?;
        let mut heir = Heir { child, stream: ours };
        let stream = heir.stream.try_clone().map_err(|error| error.to_string())?;
        let heard = world.compute(move || handing::hear(&stream)).await;
        let said = match heard {
            Some(Ok(identity)) => identity.takes_over_from(me),
            Some(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => {
                Err("it ended before it was ready, see its log lines".to_owned())
            }
            Some(Err(error)) => Err(format!("it does not become ready: {error}")),
            None => Err("this process is about to end".to_owned()),
        };
        if let Err(why) = said {
            heir.stop();
            return Err(format!("{}: {why}", program.display()));
        }
        Ok(heir)
    }

    /// It is not needed.
    pub fn stop(&mut self) {
        // It may be gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The program's file, also when it was replaced since it was started.
fn program() -> PathBuf {
    let path = std::env::current_exe().unwrap_or_default();
    let text = path.to_string_lossy();
    // proc(5), of /proc/PID/exe.
    match text.strip_suffix(" (deleted)") {
        Some(path) => PathBuf::from(path),
        None => path,
    }
}

fn arguments() -> Vec<OsString> {
    let own = std::env::args_os().skip(1);
    let kept = own.filter(|argument| argument != TAKES_OVER && argument != "--bootstrap");
    kept.chain([OsString::from(TAKES_OVER)]).collect()
}

/// Who asked for the upgrade; nobody hears of it when a signal did.
pub(super) type Asked = Option<oneshot::Sender<ControlAnswer>>;

/// Tells how an upgrade went.
pub(super) fn answer(asked: Asked, answer: ControlAnswer) {
    for line in &answer.lines {
        if answer.is_done {
            info!("upgrade: {line}");
        } else {
            warn!("upgrade: {line}");
        }
    }
    if let Some(asked) = asked {
        // Whoever asked may have gone.
        let _ = asked.send(answer);
    }
}

/// What a process that hands over still has.
pub(super) struct Leaving {
    pub world: RealWorld,
    pub predecessor: Predecessor<RealWorld>,
    pub sockets: Sockets,
    pub heir: Heir,
    /// How long sessions may go on here.
    pub wait: Duration,
    pub asked: Asked,
}

impl Leaving {
    /// Gives everything away, and serves the sessions that are here to their end. The state folder has to be free.
    ///
    /// # Errors
    /// The new process did not come to serve: the sessions here are closed, and the member has to be started anew.
    pub async fn stay(self, ends: &mut [Signal; 2]) -> Result<(), Failure> {
        let Leaving {
            world,
            predecessor,
            sockets,
            heir,
            wait,
            asked,
        } = self;
        let Heir { child, stream } = heir;
        let new = child.id();
        let failed = |why: String| {
            error!(
                "upgrade: process {new} took over and does not serve ({why}); this one ends, start the member anew"
            );
            Failure::Start("the upgrade failed, see the log".to_owned())
        };
        let own = rustix::process::getpid().as_raw_nonzero().get();
        let kept = predecessor.kept(own);
        let count = kept.sessions.len();
        let given = world.compute(move || handing::give(&stream, sockets, &kept).map(|()| stream));
        let link = match given.await {
            Some(Ok(stream)) => handing::link(stream).map_err(|error| failed(error.to_string()))?,
            Some(Err(error)) => return Err(failed(error.to_string())),
            None => return Err(failed("this process is about to end".to_owned())),
        };
        let (serving, serves) = oneshot::channel();
        let desk = predecessor.desk().clone();
        let mut staying = pin!(predecessor.run(link, wait, serving));
        let does_serve = select! {
            served = serves => served.is_ok(),
            () = &mut staying => false,
        };
        if !does_serve {
            answer(
                asked,
                ControlAnswer::refused(format!("process {new} did not come to serve, see the log")),
            );
            return Err(failed("it said nothing".to_owned()));
        }
        // From here on the service manager watches the new one.
        let _ = sd_notify::notify(&[sd_notify::NotifyState::MainPid(new)]);
        let line = format!(
            "process {new} is the member now; {count} sessions stay with process {own} until they end, {wait:?} at the longest"
        );
        answer(
            asked,
            ControlAnswer {
                is_done: true,
                lines: vec![line],
            },
        );
        select! {
            () = &mut staying => return Ok(()),
            () = told_to_end(ends) => {}
        }
        info!("told to stop: the sessions that are left here are closed");
        desk.end_sessions();
        staying.await;
        Ok(())
    }
}
