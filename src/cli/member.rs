//! `run` and `witness`: a member from its configuration file until it is told to stop.

use std::io;
use std::net::{IpAddr, TcpListener, ToSocketAddrs};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc::{Receiver, UnboundedReceiver, unbounded_channel};
use tokio::sync::oneshot;
use tracing::{error, info, warn};

use super::account::Account;
use super::arguments::Run;
use super::failure::Failure;
use super::guarded::{GuardSettings, keep_guard};
use super::handing::{self, Identity, Inherited, Sockets};
use super::read_config::read_config;
use super::runtime::{runtime, wide_runtime};
use super::stay::{self, Asked, Heir, Leaving};
use crate::config::{Config, MemberRole, MemberSpec, Partition, Resolved, RingSecurity};
use crate::daemon::{
    Busy, CONTROL_SOCKET, ControlAnswer, DoorSettings, Ended, LeaseNote, Node, NodeSettings, Predecessor,
    Reloads, STATUS_SOCKET, Upgrades, configured, open_control, open_status, proxies, start_after,
    watch_configuration,
};
use crate::health::ProberSettings;
use crate::ring::{Security, Tls, TlsFiles};
use crate::world::{Address, BootClock, Clock, Instant, RealWorld, StorageError, Task, World, select, sleep};

/// How often sessions that are to end are counted.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// How long sessions may take to say goodbye.
const FAREWELL_MAX: Duration = Duration::from_secs(2);
/// After so long, who has the state folder is another member.
const IN_USE_MAX: Duration = Duration::from_millis(200);

/// What kind of member the command asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Whatever the configuration says.
    Any,
    /// One that serves nobody.
    Witness,
}

pub(super) fn run(arguments: &Run, kind: Kind) -> Result<(), Failure> {
    open_log();
    let config = read_config(&arguments.config)?;
    let resolved = resolve(&config);
    let (me, settings) = prepare(&config, &resolved, arguments, kind)?;
    let identity = Identity::of(&config, me.id.index());
    let inherited = match arguments.takes_over {
        false => None,
        true => Some(inherited(&identity)?),
    };
    // A director alone is one task, which only gets slower when threads hand it around.
    let runtime = if settings.proxies.is_empty() {
        runtime()?
    } else {
        wide_runtime()?
    };
    let member = Member {
        config,
        file: arguments.config.clone(),
        resolved,
        me,
        identity,
    };
    runtime.block_on(serve(member, settings, inherited))
}

/// What the process gives that hands over to this one, which has said so far that it is ready.
fn inherited(identity: &Identity) -> Result<Inherited, Failure> {
    let failed = |error: io::Error| Failure::Start(format!("cannot take over: {error}"));
    let stream = io::stdin().as_fd().try_clone_to_owned().map_err(failed)?;
    handing::take(stream.into(), identity).map_err(failed)
}

/// Log lines go to standard error; `RUST_LOG` chooses, by default everything an operator should see.
pub(super) fn open_log() {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    // A journal has its own times and colours.
    let is_terminal = io::IsTerminal::is_terminal(&io::stderr());
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_target(false)
        .with_ansi(is_terminal);
    // Only a second call can fail.
    let _ = log.try_init();
}

fn resolve(config: &Config) -> Resolved {
    let mut resolved = Resolved::default();
    for name in config.names() {
        match (name, 0).to_socket_addrs() {
            Ok(addresses) => resolved.insert(name, addresses.map(|address| address.ip()).collect()),
            Err(error) => warn!("cannot resolve {name}: {error}"),
        }
    }
    resolved
}

fn prepare(
    config: &Config,
    resolved: &Resolved,
    arguments: &Run,
    kind: Kind,
) -> Result<(MemberSpec, NodeSettings), Failure> {
    let members = config.members(resolved).map_err(Failure::faults)?;
    let local: Vec<IpAddr> = members
        .iter()
        .map(|member| member.address.ip())
        .filter(is_local)
        .collect();
    let me = config
        .me(&members, &local)
        .map_err(|fault| Failure::faults(vec![fault]))?;
    let me = members
        .iter()
        .find(|member| member.id == me)
        .expect("one of them is me")
        .clone();
    if kind == Kind::Witness && me.role != MemberRole::Witness {
        let why = format!(
            "member {} ({}) is a {} by {}; start it with `maildirector run`",
            me.id.index(),
            me.address,
            me.role.name(),
            config.file
        );
        return Err(Failure::Input(why));
    }
    let security = security(config)?;
    let mut settings = configured(config, resolved, me.id, security, is_running).map_err(Failure::faults)?;
    settings.is_bootstrap = arguments.bootstrap;
    if me.role == MemberRole::Director {
        let probes = ProberSettings::load(&config.health);
        settings.probes = probes.map_err(|error| Failure::Start(format!("{}: {error}", config.file)))?;
        let proxies = proxies(config, &host_name());
        settings.proxies = proxies.map_err(|error| Failure::Start(format!("{}: {error}", config.file)))?;
    }
    Ok((me, settings))
}

/// What this machine calls itself, for greetings.
fn host_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = name.trim();
    if name.is_empty() {
        "localhost".to_owned()
    } else {
        name.to_owned()
    }
}

/// Whether this machine has the address: nothing else can listen at it.
fn is_local(ip: &IpAddr) -> bool {
    TcpListener::bind((*ip, 0)).is_ok()
}

pub(super) fn is_running(pid: i32) -> bool {
    Path::new("/proc").join(pid.to_string()).exists()
}

fn security(config: &Config) -> Result<Security, Failure> {
    match &config.ring.security {
        Some(RingSecurity::Tls { ca, certificate, key }) => {
            let files = TlsFiles {
                ca: ca.clone(),
                certificate: certificate.clone(),
                key: key.clone(),
            };
            let tls = Tls::load(files).map_err(|error| Failure::Start(error.to_string()))?;
            Ok(Security::Tls(Arc::new(tls)))
        }
        Some(RingSecurity::Insecure) => {
            warn!("insecure = true: whoever reaches the ring's port can speak as any member");
            Ok(Security::Insecure)
        }
        // A ring of one has no links.
        None => Ok(Security::Insecure),
    }
}

/// The member that this process is.
struct Member {
    config: Config,
    file: PathBuf,
    resolved: Resolved,
    me: MemberSpec,
    identity: Identity,
}

/// What runs beside a member.
struct Beside {
    guard: Option<Task>,
    /// To tell the guard that this process is no member any more.
    released: oneshot::Sender<()>,
    control: Task,
    _others: [Task; 3],
}

/// What a member is told from outside.
struct Signals {
    ends: [Signal; 2],
    upgrades: Signal,
    asked: Receiver<oneshot::Sender<ControlAnswer>>,
}

/// What comes next.
enum Next {
    Ended(Ended),
    Upgrade(Asked),
}

impl Signals {
    async fn next(&mut self, node: &mut Node) -> Next {
        let [terminated, interrupted] = &mut self.ends;
        let asked = async {
            match self.asked.recv().await {
                Some(asked) => asked,
                None => std::future::pending().await,
            }
        };
        select! {
            ended = node.ended() => Next::Ended(ended),
            _signal = terminated.recv() => Next::Ended(Ended::Stopped),
            _signal = interrupted.recv() => Next::Ended(Ended::Stopped),
            asked = asked => Next::Upgrade(Some(asked)),
            _signal = self.upgrades.recv() => Next::Upgrade(None),
        }
    }
}

fn listen_to(kind: SignalKind) -> Result<Signal, Failure> {
    signal(kind).map_err(|error| Failure::Start(error.to_string()))
}

async fn serve(
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
    let beside = open_beside(&world, &node, &member, (guard, &pipes), upgrades).await?;
    world.network().forget_inherited();
    account.become_it(&config.state_folder)?;
    let mut signals = Signals {
        ends: [
            listen_to(SignalKind::terminate())?,
            listen_to(SignalKind::interrupt())?,
        ],
        upgrades: listen_to(SignalKind::user_defined2())?,
        asked,
    };
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
        let [terminated, interrupted] = &mut signals.ends;
        if ended == Ended::Stopped {
            select! {
                () = leave(&node, config.stop_wait) => {},
                _signal = terminated.recv() => {},
                _signal = interrupted.recv() => {},
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

/// Opens what is beside the machine: the guard, the sockets for commands, what reads the configuration again.
async fn open_beside(
    world: &RealWorld,
    node: &Node,
    member: &Member,
    (guard, pipes): (Option<(GuardSettings, UnboundedReceiver<LeaseNote>)>, &[PathBuf]),
    upgrades: Upgrades,
) -> Result<Beside, Failure> {
    let config = &member.config;
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
    let read = reader(member.file.clone());
    let files = node.proxies().iter();
    let files = files.flat_map(|proxy| proxy.reloadable().to_vec()).collect();
    let known = (config.clone(), member.resolved.clone());
    let (reloads, configuration) = watch_configuration(world.clone(), desk.clone(), known, files, read);
    let socket = at(CONTROL_SOCKET);
    let asks = (reloads.clone(), upgrades);
    let control = open_control(world.clone(), desk, asks, socket.clone()).await;
    let hangups = reload_at_hangups(reloads, listen_to(SignalKind::hangup())?);
    Ok(Beside {
        guard,
        released,
        control: control.map_err(|error| closed(&socket, error))?,
        _others: [status, configuration, world.spawn("hangups", hangups)],
    })
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
        _others,
    } = beside;
    drop(_others);
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
    let open = || -> u64 {
        node.proxies()
            .iter()
            .map(|proxy| proxy.counters().counted().open)
            .sum()
    };
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

/// A director whose sessions live in other processes gets a guard; one that is alone has nobody who could serve its
/// users elsewhere, and one that serves without a majority keeps its sessions on purpose.
fn guard(
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
fn notify_pipes(settings: &NodeSettings) -> Vec<PathBuf> {
    let pipe = |door: &DoorSettings| match door {
        DoorSettings::Notify { listen } => listen.address.path().map(Path::to_owned),
        _ => None,
    };
    settings.doors.iter().filter_map(pipe).collect()
}
