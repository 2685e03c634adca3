//! A member from its start to its end, or until another process is the member.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::signal::unix::Signal;
use tracing::{error, info};

use super::account::Account;
use super::beside::{Beside, guard, notify_pipes, open_beside};
use super::failure::Failure;
use super::handing::{Identity, Inherited, Sockets};
use super::signals::{Next, Signals, told_to_end};
use super::stay::{self, Asked, Heir, Leaving};
use crate::config::{Config, MemberSpec, Resolved};
use crate::daemon::{
    Busy, ControlAnswer, Ended, FAREWELL_MAX, Node, NodeSettings, Predecessor, Upgrades, start_after,
};
use crate::proxy::clients;
use crate::world::{BootClock, Clock, Instant, RealWorld, StorageError, World, select, sleep};

/// How often sessions that are to end are counted.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// After so long, who has the state folder is another member.
const IN_USE_MAX: Duration = Duration::from_millis(200);

/// The member that this process is.
pub(super) struct Member {
    pub config: Config,
    pub file: PathBuf,
    pub resolved: Resolved,
    pub me: MemberSpec,
    pub identity: Identity,
}

pub(super) async fn serve(
    member: Member,
    mut settings: NodeSettings,
    inherited: Option<Inherited>,
) -> Result<(), Failure> {
    let config = &member.config;
    let account = Account::of(config)?;
    let mut world = open_world(&config.state_folder).await?;
    let mut kept = None;
    if let Some(inherited) = inherited {
        let parts = inherited.parts();
        let (sockets, link) = parts.map_err(|error| Failure::Start(format!("cannot take over: {error}")))?;
        world = world.inheriting(sockets);
        kept = Some(link);
    }
    account.take_folder(&config.state_folder)?;
    info!(
        "member {} ({}), {} of ring {}, version {}",
        member.me.id.index(),
        member.me.address,
        member.me.role.name(),
        config.cluster,
        env!("CARGO_PKG_VERSION")
    );
    let guard = guard(config, &mut settings);
    let pipes = notify_pipes(&settings);
    let node = start_after(world.clone(), settings, kept).await;
    let mut node = node.map_err(|error| Failure::Start(error.to_string()))?;
    let (upgrades, asked) = Upgrades::channel();
    let around = (config, member.file.as_path(), &member.resolved);
    let beside = open_beside(&world, &node, around, (guard, &pipes), upgrades).await?;
    world.network().forget_inherited();
    account.become_it(&config.state_folder)?;
    let mut signals = Signals::listen(asked)?;
    // A service manager that wants to know gets it; others have no such socket.
    let _ = sd_notify::notify(&[sd_notify::NotifyState::Ready]);
    node.serves();
    loop {
        let ended = match signals.next(&mut node).await {
            Next::Ended(ended) => ended,
            Next::Upgrade(asked) => match upgrade(&world, node, &member.identity).await {
                Ok(begun) => {
                    return leave_to(begun, (world, beside), (config.upgrade_wait, asked), signals.ends)
                        .await;
                }
                Err((same, why)) => {
                    node = *same;
                    let why = format!("{why}; this process goes on");
                    stay::answer(asked, ControlAnswer::refused(why));
                    continue;
                }
            },
        };
        let _ = sd_notify::notify(&[sd_notify::NotifyState::Stopping]);
        if ended == Ended::Stopped {
            select! {
                () = leave(&node, config.stop_wait) => {},
                () = told_to_end(&mut signals.ends) => {},
            }
        }
        return over(ended);
    }
}

/// The exit of a member.
fn over(ended: Ended) -> Result<(), Failure> {
    match ended {
        Ended::Stopped | Ended::HandedOver => {
            info!(
                "stopped; sessions in Dovecot's processes go on, restart within the lease or stop them too"
            );
            Ok(())
        }
        Ended::Halted => Err(Failure::Start(
            "halted: the state folder is not this run's any more".to_owned(),
        )),
        Ended::Broken => {
            error!("a task that this process can't be without has ended; this is a fault of maildirector");
            Err(Failure::Start(
                "ended by a fault of its own, see the log".to_owned(),
            ))
        }
    }
}

/// What is left of this run, what it had open, and the process that takes over.
type Begun = (Predecessor<RealWorld>, Sockets, Heir);

/// Ends this run for a new process, which is ready; or tells why not, and the run goes on.
async fn upgrade(world: &RealWorld, node: Node, me: &Identity) -> Result<Begun, (Box<Node>, String)> {
    let mut heir = match Heir::start(world, me).await {
        Ok(heir) => heir,
        Err(why) => return Err((Box::new(node), why)),
    };
    let sockets = match world.network().duplicate() {
        Ok(sockets) => sockets,
        Err(error) => {
            heir.stop();
            return Err((
                Box::new(node),
                format!("the sockets can't be handed over: {error}"),
            ));
        }
    };
    match node.hand_over(world).await {
        Ok(predecessor) => Ok((predecessor, sockets, heir)),
        Err((node, Busy)) => {
            heir.stop();
            let why = "sessions were being closed all the time; try again";
            Err((Box::new(node), why.to_owned()))
        }
    }
}

/// Gives everything to the new process and serves the sessions that are left.
async fn leave_to(
    (predecessor, sockets, heir): Begun,
    (world, beside): (RealWorld, Beside),
    (wait, asked): (Duration, Asked),
    mut ends: [Signal; 2],
) -> Result<(), Failure> {
    let Beside {
        guard,
        released,
        control,
        others,
    } = beside;
    drop(others);
    if asked.is_some() {
        // It answers, and ends.
        control.detach();
    } else {
        drop(control);
    }
    world.network().release();
    world.folder().release();
    // Without a guard nobody hears of it.
    let _ = released.send(());
    let leaving = Leaving {
        world,
        predecessor,
        sockets,
        heir,
        wait,
        asked,
    };
    let stayed = leaving.stay(&mut ends).await;
    drop(guard);
    stayed
}

/// Lets nobody new in at the proxies, waits for the sessions there to end, and closes those that do not.
async fn leave(node: &Node, wait: Duration) {
    for proxy in node.proxies() {
        proxy.stop_listening();
    }
    let clock = BootClock;
    let open = || clients(node.proxies());
    let gone_by = async |until: Instant| {
        while open() > 0 && clock.now() < until {
            sleep(&clock, LOOK_EVERY).await;
        }
    };
    if open() > 0 && !wait.is_zero() {
        info!(
            "stopping; {} sessions may go on for {wait:?}, another signal closes them",
            open()
        );
        gone_by(clock.now().plus(wait)).await;
    }
    if open() > 0 {
        info!("stopping; {} sessions are closed", open());
        node.desk().end_sessions();
        gone_by(clock.now().plus(FAREWELL_MAX)).await;
    }
}

/// The world of this run. The guard of an earlier one looks now and then whether the state folder is free, and has it
/// while it looks: only who has it for longer is another member.
async fn open_world(folder: &Path) -> Result<RealWorld, Failure> {
    let until = BootClock.now().plus(IN_USE_MAX);
    loop {
        match RealWorld::open(folder) {
            Err(StorageError::InUse { .. }) if BootClock.now() < until => {
                sleep(&BootClock, IN_USE_MAX / 20).await
            }
            opened => return opened.map_err(|error| Failure::Start(error.to_string())),
        }
    }
}
