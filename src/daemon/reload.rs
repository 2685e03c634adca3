//! A changed configuration, taken over by a member that goes on running: wholly, or nothing of it.
//!
//! What it asks for is found by `config`; here it becomes commands to the ring. Reading the file is left to the caller.

use std::net::IpAddr;
use std::sync::Arc;

use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::sync::oneshot;
use tracing::{info, warn};

use super::control_talk::ControlAnswer;
use super::desk::CoreDesk;
use super::names::{resolve, watch_names};
use crate::config::{Config, Fault, MemberSpec, Reload, Resolved, roster};
use crate::director::CommandError;
use crate::dovecot::Desk;
use crate::proxy::Reloadable;
use crate::topology::{Change, ChangeError, Topology};
use crate::world::{Clock, Task, World};

/// Reloads that may wait for the one under way.
const WAITING_MAX: usize = 4;
/// How often changes are found anew when another director was faster.
const ATTEMPTS: usize = 3;

/// Where reloads are asked for. Clones ask the same member.
#[derive(Clone, Debug)]
pub struct Reloads(Sender<oneshot::Sender<ControlAnswer>>);

impl Reloads {
    /// Has the configuration read again and taken over; tells what became of it when that is known.
    pub async fn ask(&self) -> ControlAnswer {
        let (reply, answer) = oneshot::channel();
        if self.0.try_send(reply).is_err() {
            return ControlAnswer::refused(
                "reloads are under way already; nothing was taken over by this one",
            );
        }
        let stopped = || ControlAnswer::refused("the member has stopped meanwhile");
        answer.await.unwrap_or_else(|_| stopped())
    }
}

/// Keeps the ring to the configuration: resolves the backends' names again and again, and takes over what `read` gives
/// whenever somebody asks, the proxies' certificates and accounts too. `config` and `known` are those that the member was started with; `read` tells in words why
/// there is no configuration.
pub fn watch_configuration<W: World>(
    world: W,
    desk: CoreDesk,
    (config, known): (Config, Resolved),
    files: Vec<Reloadable>,
    read: impl Fn() -> Result<Config, String> + Send + 'static,
) -> (Reloads, Task) {
    let (asking, asked) = channel(WAITING_MAX);
    let watching = Watching {
        _names: watch_names(world.clone(), desk.clone(), config.clone(), known.clone()),
        world: world.clone(),
        desk,
        config,
        known,
        files,
    };
    let task = world.spawn("reload", watching.run(asked, read));
    (Reloads(asking), task)
}

/// The configuration in use.
struct Watching<W: World> {
    world: W,
    desk: CoreDesk,
    config: Config,
    known: Resolved,
    /// Those of the proxies.
    files: Vec<Reloadable>,
    _names: Task,
}

impl<W: World> Watching<W> {
    async fn run(
        mut self,
        mut asked: Receiver<oneshot::Sender<ControlAnswer>>,
        read: impl Fn() -> Result<Config, String> + Send + 'static,
    ) {
        while let Some(reply) = asked.recv().await {
            let answer = match read() {
                Ok(new) => self.take_over(new).await,
                Err(why) => Err(why),
            };
            let answer = match answer {
                Ok(lines) => ControlAnswer { is_done: true, lines },
                Err(why) => ControlAnswer::refused(why),
            };
            for line in &answer.lines {
                if answer.is_done {
                    info!("reload: {line}");
                } else {
                    warn!("reload refused, the configuration in use stays: {line}");
                }
            }
            // Whoever asked may have gone.
            let _ = reply.send(answer);
        }
    }

    /// Tells what was done, or why nothing of the new configuration is in use.
    async fn take_over(&mut self, new: Config) -> Result<Vec<String>, String> {
        let resolved = resolve(&self.world, &new, &self.known).await;
        let running = self.running().await?;
        let reload = self.config.reloaded(&new, &self.known, &resolved, &running);
        let reload = reload.map_err(|error| error.to_string())?;
        let seed = new.seed(&resolved).map_err(|faults| said(&faults))?;
        let configured = Topology::new(seed).map_err(|error| error.to_string())?;
        let mut lines = self.change(&reload).await?;
        for files in &self.files {
            // The rest is taken over already, and what was read before still serves.
            if let Err(error) = files.reload() {
                lines.push(format!("a proxy keeps what it has read before: {error}"));
            }
        }
        self.desk.configured(Arc::new(configured));
        let (world, desk) = (self.world.clone(), self.desk.clone());
        self._names = watch_names(world, desk, new.clone(), resolved.clone());
        (self.config, self.known) = (new, resolved);
        Ok(lines)
    }

    /// The members of the ring, as admins have changed it.
    async fn running(&self) -> Result<Vec<MemberSpec>, String> {
        let file = self.config.members(&self.known).map_err(|faults| said(&faults))?;
        let looked = self
            .desk
            .read(move |director, _| roster(&file, director.topology(), director.me()));
        let stopped = || "the member has stopped meanwhile".to_owned();
        looked.await.ok_or_else(stopped)
    }

    /// Has the ring changed in one command. Every director reloads, so what another has done already is passed over.
    async fn change(&self, reload: &Reload) -> Result<Vec<String>, String> {
        for _ in 0..ATTEMPTS {
            let topology = self
                .desk
                .read(|director, _| Arc::clone(director.topology()))
                .await;
            let topology = topology.ok_or("the member has stopped meanwhile")?;
            let (changes, lines) = missing(reload, &topology, self.world.clock().unix_seconds());
            if changes.is_empty() {
                return Ok(lines);
            }
            match self.desk.command(changes).await {
                Ok(epoch) => {
                    let done = [format!("the ring has decided, {epoch}")];
                    return Ok(lines.into_iter().chain(done).collect());
                }
                Err(CommandError::Refused(
                    ChangeError::BackendExists { .. } | ChangeError::UnknownBackend { .. },
                )) => {}
                Err(error) => return Err(error.to_string()),
            }
        }
        Err("others change the same backends; nothing was taken over: try again".to_owned())
    }
}

fn said(faults: &[Fault]) -> String {
    let faults: Vec<String> = faults.iter().map(ToString::to_string).collect();
    faults.join("\n")
}

/// What is still to be changed, and what there is to tell.
fn missing(reload: &Reload, topology: &Topology, at_unix_s: u64) -> (Vec<Change>, Vec<String>) {
    let (mut changes, mut lines) = (Vec::new(), Vec::new());
    for backend in &reload.added {
        let ip = backend.ip;
        if topology.backend_at(ip).is_some() {
            lines.push(format!("{ip} is there already"));
        } else {
            changes.push(Change::AddBackend(backend.clone()));
            lines.push(format!("{ip} is added"));
        }
    }
    for &ip in &reload.dropped {
        lines.push(dropped(ip, topology));
        if topology.backend_at(ip).is_some_and(|backend| backend.is_up) {
            changes.push(Change::Down { ip, at_unix_s });
        }
    }
    if lines.is_empty() {
        lines.push("the backends are the same; nothing to change".to_owned());
    }
    (changes, lines)
}

fn dropped(ip: IpAddr, topology: &Topology) -> String {
    match topology.backend_at(ip) {
        None => format!("{ip} is gone already"),
        Some(_) => format!(
            "{ip} is not named any more: it gets no new users; `doveadm director remove {ip}` closes the sessions that \
             are left"
        ),
    }
}
