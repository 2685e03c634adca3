//! The directors: processes of this very program, started, killed and started again.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use super::stage::{Stage, directors};
use crate::cli::failure::Failure;

/// The directors' processes. They end with this, and so do the guards beside them.
#[derive(Debug)]
pub(super) struct Directors {
    program: PathBuf,
    stage: Arc<Stage>,
    running: Vec<(u16, Child)>,
    /// Each run of a director has a process group, in which its guard stays when it is killed.
    groups: Vec<Pid>,
}

impl Directors {
    /// None is started yet.
    pub fn new(stage: Arc<Stage>) -> Result<Self, Failure> {
        let program = std::env::current_exe()
            .map_err(|error| Failure::Start(format!("cannot find this program: {error}")))?;
        Ok(Directors {
            program,
            stage,
            running: Vec::new(),
            groups: Vec::new(),
        })
    }

    /// Starts one.
    pub fn start(&mut self, director: u16) -> Result<(), Failure> {
        let failed = |error: io::Error| Failure::Start(format!("cannot start director {director}: {error}"));
        let log = OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.stage.log(director))
            .map_err(failed)?;
        let child = Command::new(&self.program)
            .args(["run", "-c"])
            .arg(self.stage.configuration(director))
            .env_remove("RUST_LOG")
            .env_remove("NOTIFY_SOCKET")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .process_group(0)
            .spawn()
            .map_err(failed)?;
        self.groups.push(Pid::from_raw(child.id().cast_signed()));
        self.running.push((director, child));
        Ok(())
    }

    /// Kills one as a crash would; its guard lives on.
    pub fn kill(&mut self, director: u16) {
        let dead = self.running.extract_if(.., |(number, _)| *number == director);
        for (_, mut child) in dead {
            // It may have ended by itself.
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Those that have ended without being killed; each is told once.
    pub fn ended(&mut self) -> Vec<(u16, ExitStatus)> {
        let mut ended = Vec::new();
        self.running.retain_mut(|(number, child)| match child.try_wait() {
            Ok(Some(status)) => {
                ended.push((*number, status));
                false
            }
            _ => true,
        });
        ended
    }

    /// The last line that a director logged.
    pub fn last_words(&self, director: u16) -> String {
        let log = fs::read(self.stage.log(director)).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        log.lines().last().unwrap_or("it logged nothing").to_owned()
    }
}

impl Drop for Directors {
    fn drop(&mut self) {
        for group in &self.groups {
            // Most are empty by now.
            let _ = killpg(*group, Signal::SIGKILL);
        }
        directors().for_each(|director| self.kill(director));
    }
}
