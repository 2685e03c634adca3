//! What runs beside a member's machine: its guard, the sockets by which commands ask, and what reads the configuration again.

use std::io;
use std::path::{Path, PathBuf};

use tokio::signal::unix::{Signal, SignalKind};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::sync::oneshot;
use tracing::{info, warn};

use super::failure::Failure;
use super::guarded::{GuardSettings, keep_guard};
use super::read_config::read_config;
use super::signals::listen_to;
use crate::config::{Config, Partition, Resolved};
use crate::daemon::{
    CONTROL_SOCKET, DoorSettings, LeaseNote, Node, NodeSettings, Reloads, STATUS_SOCKET, Upgrades,
    open_control, open_status, watch_configuration,
};
use crate::world::{Address, RealWorld, Task, World};

/// What runs beside a member.
pub(super) struct Beside {
    pub guard: Option<Task>,
    /// To tell the guard that this process is no member any more.
    pub released: oneshot::Sender<()>,
    pub control: Task,
    pub others: [Task; 3],
}

/// Opens what is beside the machine: the guard, the sockets for commands, what reads the configuration again.
pub(super) async fn open_beside(
    world: &RealWorld,
    node: &Node,
    (config, file, resolved): (&Config, &Path, &Resolved),
    (guard, pipes): (Option<(GuardSettings, UnboundedReceiver<LeaseNote>)>, &[PathBuf]),
    upgrades: Upgrades,
) -> Result<Beside, Failure> {
    let (released, is_released) = oneshot::channel();
    let guard = match guard {
        None => None,
        Some((guard, told)) => {
            let keeping = keep_guard(guard.holding(pipes, world.network())?, told, is_released);
            Some(world.spawn("guard", keeping))
        }
    };
    let at = |name: &str| Address::Unix(config.state_folder.join(name));
    let closed = |at: &Address, error: io::Error| Failure::Start(format!("cannot listen at {at}: {error}"));
    let (desk, socket) = (node.desk().clone(), at(STATUS_SOCKET));
    let status = open_status(world.clone(), desk.clone(), socket.clone()).await;
    let status = status.map_err(|error| closed(&socket, error))?;
    let read = reader(file.to_owned());
    let files = node.proxies().iter();
    let files = files.flat_map(|proxy| proxy.reloadable().to_vec()).collect();
    let known = (config.clone(), resolved.clone());
    let (reloads, configuration) = watch_configuration(world.clone(), desk.clone(), known, files, read);
    let socket = at(CONTROL_SOCKET);
    let asks = (reloads.clone(), upgrades);
    let control = open_control(world.clone(), desk, asks, socket.clone()).await;
    let hangups = reload_at_hangups(reloads, listen_to(SignalKind::hangup())?);
    Ok(Beside {
        guard,
        released,
        control: control.map_err(|error| closed(&socket, error))?,
        others: [status, configuration, world.spawn("hangups", hangups)],
    })
}

/// Reads the configuration again, and tells in words why there is none.
fn reader(file: PathBuf) -> impl Fn() -> Result<Config, String> + Send + 'static {
    move || {
        read_config(&file).map_err(|failure| match failure {
            Failure::Faults(faults) => {
                let faults: Vec<String> = faults.iter().map(ToString::to_string).collect();
                faults.join("\n")
            }
            Failure::Input(why) | Failure::Start(why) => why,
            other => format!("{}: {other:?}", file.display()),
        })
    }
}

/// Every SIGHUP is a reload; what became of it is logged.
async fn reload_at_hangups(reloads: Reloads, mut hangups: Signal) {
    while hangups.recv().await.is_some() {
        let answer = reloads.ask().await;
        if answer.is_done {
            info!("SIGHUP: the configuration is taken over");
        } else {
            warn!("SIGHUP: the configuration is not taken over");
        }
    }
}

/// A director whose sessions live in other processes gets a guard; one that is alone has nobody who could serve its
/// users elsewhere, and one that serves without a majority keeps its sessions on purpose.
pub(super) fn guard(
    config: &Config,
    settings: &mut NodeSettings,
) -> Option<(GuardSettings, UnboundedReceiver<LeaseNote>)> {
    let (by, service) = settings.kick.clone()?;
    let Address::Unix(service) = service else {
        return None;
    };
    if settings.ring.is_none() || config.partition == Partition::Available {
        return None;
    }
    let (notes, told) = unbounded_channel();
    settings.guard = Some(notes);
    let guard = GuardSettings {
        state_folder: config.state_folder.clone(),
        by,
        service,
        delay: config.user_kick_delay,
        pipe: None,
    };
    Some((guard, told))
}

/// The named pipes in which login processes say that their users are still there.
pub(super) fn notify_pipes(settings: &NodeSettings) -> Vec<PathBuf> {
    let pipe = |door: &DoorSettings| match door {
        DoorSettings::Notify { listen } => listen.address.path().map(Path::to_owned),
        _ => None,
    };
    settings.doors.iter().filter_map(pipe).collect()
}
