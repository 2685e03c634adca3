//! The guard's side of a running member: starting it, telling it of leases, starting it again when it is gone.

use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::unix::pipe;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::oneshot;
use tracing::{error, warn};

use super::failure::Failure;
use super::guard::{RELEASED, write_note};
use crate::daemon::LeaseNote;
use crate::dovecot::KickBy;
use crate::world::{Address, BootClock, Clock, Sockets, deadline, sleep};

/// A guard that takes no line for so long is stopped itself.
const WRITE_MAX: Duration = Duration::from_secs(1);
/// Between two attempts to start one.
const RESTART_AFTER: Duration = Duration::from_secs(1);

/// What a guard is started with.
#[derive(Clone, Debug)]
pub(super) struct GuardSettings {
    pub state_folder: PathBuf,
    pub by: KickBy,
    pub service: PathBuf,
    pub delay: Duration,
    /// A named pipe that the guard keeps open for reading.
    pub pipe: Option<Arc<OwnedFd>>,
}

impl GuardSettings {
    /// Has the guard hold the pipe in which login processes say that their users are still there. A login process that loses
    /// its reader opens the pipe anew, waits in the kernel until there is another one, and closes no session meanwhile
    /// (`login-proxy-state.c` of Dovecot). It is handed over as the guard's standard output, which it has no other use for.
    ///
    /// # Errors
    /// The process may have no more descriptors.
    pub fn holding(mut self, pipes: &[PathBuf], sockets: &Sockets) -> Result<Self, Failure> {
        let Some((pipe, others)) = pipes.split_first() else {
            return Ok(self);
        };
        for other in others {
            warn!(
                "{}: the guard holds only {}; login processes that write here may close their sessions late when this process dies",
                other.display(),
                pipe.display()
            );
        }
        // Not by its path, which may be another user's: the door has it open, or was handed it.
        let opened = sockets.duplicate_one(&Address::Unix(pipe.clone()));
        let opened = opened.map_err(|error| Failure::Start(format!("{}: {error}", pipe.display())))?;
        self.pipe = opened.map(Arc::new);
        Ok(self)
    }

    /// What the guard has for its standard output.
    fn output(&self) -> io::Result<Stdio> {
        let Some(pipe) = &self.pipe else {
            return Ok(Stdio::null());
        };
        Ok(Stdio::from(pipe.try_clone()?))
    }
}

struct Running {
    child: Child,
    pipe: pipe::Sender,
}

/// Keeps a guard running and tells it of every lease, until nobody sends any more. It outlives this process on purpose. When this
/// process stays without being the member, the guard is told at `released`.
pub(super) async fn keep_guard(
    settings: GuardSettings,
    mut notes: UnboundedReceiver<LeaseNote>,
    released: oneshot::Receiver<()>,
) {
    let clock = BootClock;
    let mut running: Option<Running> = None;
    while let Some(mut note) = notes.recv().await {
        while let Ok(newer) = notes.try_recv() {
            note = newer;
        }
        loop {
            if running
                .as_mut()
                .is_some_and(|guard| !matches!(guard.child.try_wait(), Ok(None)))
            {
                error!("the guard has ended; a new one is started");
                running = None;
            }
            if running.is_none() {
                match start(&settings) {
                    Ok(started) => running = Some(started),
                    Err(why) => {
                        error!(
                            "cannot start the guard: {why}; if this process dies now, its sessions stay open"
                        );
                        sleep(&clock, RESTART_AFTER).await;
                        continue;
                    }
                }
            }
            let Some(guard) = &mut running else {
                continue;
            };
            let line = write_note(&note);
            let until = clock.now().plus(WRITE_MAX);
            match deadline(&clock, until, guard.pipe.write_all(line.as_bytes())).await {
                Ok(Ok(())) => break,
                Ok(Err(why)) => {
                    warn!("the guard does not listen: {why}");
                    end(&mut running);
                }
                Err(_) => {
                    warn!("the guard takes nothing: it is stopped; a new one is started");
                    end(&mut running);
                }
            }
        }
    }
    if let (Ok(()), Some(mut guard)) = (released.await, running) {
        let until = clock.now().plus(WRITE_MAX);
        // When it can't be told, it closes the sessions when the lease ends, as if this process were gone.
        let _ = deadline(&clock, until, guard.pipe.write_all(RELEASED.as_bytes())).await;
    }
}

fn end(running: &mut Option<Running>) {
    if let Some(mut guard) = running.take() {
        // It may be gone already, and is not waited for longer than that takes.
        let _ = guard.child.kill();
        let _ = guard.child.wait();
    }
}

fn start(settings: &GuardSettings) -> io::Result<Running> {
    let kick = match settings.by {
        KickBy::Ipc => "ipc",
        KickBy::Anvil => "anvil",
    };
    let mut child = Command::new(std::env::current_exe()?)
        .arg("guard")
        .arg("--state-folder")
        .arg(&settings.state_folder)
        .args(["--kick", kick, "--service"])
        .arg(&settings.service)
        .args(["--delay-ms", &settings.delay.as_millis().to_string()])
        .stdin(Stdio::piped())
        .stdout(settings.output()?)
        .spawn()?;
    let input = child
        .stdin
        .take()
        .ok_or_else(|| io::Error::other("it has no standard input"))?;
    let pipe = pipe::Sender::from_owned_fd(OwnedFd::from(input))?;
    Ok(Running { child, pipe })
}
