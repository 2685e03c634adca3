//! `run` and `witness`: a member from its configuration file until it is told to stop.

use std::io;
use std::net::{IpAddr, TcpListener, ToSocketAddrs};
use std::os::unix::fs::{chown, lchown};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use nix::unistd::{Gid, Group, Uid, User, setgid, setgroups, setuid};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tracing::{error, info, warn};

use super::arguments::Run;
use super::failure::Failure;
use super::guarded::{GuardSettings, keep_guard};
use super::read_config::read_config;
use super::runtime::{runtime, wide_runtime};
use crate::config::{Config, MemberRole, MemberSpec, Partition, Resolved, RingSecurity};
use crate::daemon::{
    CONTROL_SOCKET, DoorSettings, Ended, LeaseNote, Node, NodeSettings, Reloads, STATUS_SOCKET, configured,
    open_control, open_status, proxies, start, watch_configuration,
};
use crate::health::ProberSettings;
use crate::ring::{Security, Tls, TlsFiles};
use crate::world::{Address, BootClock, Clock, Instant, RealWorld, StorageError, World, select, sleep};

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
    // A director alone is one task, which only gets slower when threads hand it around.
    let runtime = if settings.proxies.is_empty() {
        runtime()?
    } else {
        wide_runtime()?
    };
    runtime.block_on(serve(&config, &arguments.config, resolved, &me, settings))
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

async fn serve(
    config: &Config,
    file: &Path,
    resolved: Resolved,
    me: &MemberSpec,
    mut settings: NodeSettings,
) -> Result<(), Failure> {
    let starting = |error: &dyn std::fmt::Display| Failure::Start(error.to_string());
    let account = Account::of(config)?;
    let world = open_world(&config.state_folder).await?;
    account.take_folder(&config.state_folder)?;
    info!(
        "member {} ({}), {} of ring {}, version {}",
        me.id.index(),
        me.address,
        me.role.name(),
        config.cluster,
        env!("CARGO_PKG_VERSION")
    );
    let guard = guard(config, &mut settings);
    let pipes = notify_pipes(&settings);
    let mut node = start(world.clone(), settings)
        .await
        .map_err(|error| starting(&error))?;
    let _guard = match guard {
        None => None,
        Some((guard, told)) => Some(world.spawn("guard", keep_guard(guard.holding(&pipes)?, told))),
    };
    let status = Address::Unix(config.state_folder.join(STATUS_SOCKET));
    let _status = open_status(world.clone(), node.desk().clone(), status.clone())
        .await
        .map_err(|error| Failure::Start(format!("cannot listen at {status}: {error}")))?;
    let read = reader(file.to_owned());
    let files = node.proxies().iter();
    let files = files.flat_map(|proxy| proxy.reloadable().to_vec()).collect();
    let (reloads, _configuration) = watch_configuration(
        world.clone(),
        node.desk().clone(),
        (config.clone(), resolved),
        files,
        read,
    );
    let control = Address::Unix(config.state_folder.join(CONTROL_SOCKET));
    let _control = open_control(
        world.clone(),
        node.desk().clone(),
        reloads.clone(),
        control.clone(),
    )
    .await
    .map_err(|error| Failure::Start(format!("cannot listen at {control}: {error}")))?;
    let _hangups = world.spawn("hangups", reload_at_hangups(reloads, &starting)?);
    account.become_it(&config.state_folder)?;
    let mut terminated = signal(SignalKind::terminate()).map_err(|error| starting(&error))?;
    let mut interrupted = signal(SignalKind::interrupt()).map_err(|error| starting(&error))?;
    // A service manager that wants to know gets it; others have no such socket.
    let _ = sd_notify::notify(&[sd_notify::NotifyState::Ready]);
    let ended = select! {
        ended = node.ended() => ended,
        _signal = terminated.recv() => Ended::Stopped,
        _signal = interrupted.recv() => Ended::Stopped,
    };
    let _ = sd_notify::notify(&[sd_notify::NotifyState::Stopping]);
    if ended == Ended::Stopped {
        select! {
            () = leave(&node, config.stop_wait) => {},
            _signal = terminated.recv() => {},
            _signal = interrupted.recv() => {},
        }
    }
    match ended {
        Ended::Stopped => {
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
fn reload_at_hangups(
    reloads: Reloads,
    starting: &dyn Fn(&dyn std::fmt::Display) -> Failure,
) -> Result<impl Future<Output = ()> + Send + 'static, Failure> {
    let mut hangups = signal(SignalKind::hangup()).map_err(|error| starting(&error))?;
    Ok(async move {
        while hangups.recv().await.is_some() {
            let answer = reloads.ask().await;
            if answer.is_done {
                info!("SIGHUP: the configuration is taken over");
            } else {
                warn!("SIGHUP: the configuration is not taken over");
            }
        }
    })
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

/// Who this process becomes once everything is open.
#[derive(Clone, Copy, Debug, Default)]
struct Account {
    uid: Option<Uid>,
    gid: Option<Gid>,
}

impl Account {
    fn of(config: &Config) -> Result<Self, Failure> {
        let failed = |what: &str, name: &str, why: &dyn std::fmt::Display| {
            Failure::Start(format!("{}: {what} = \"{name}\": {why}", config.file))
        };
        let mut account = Account::default();
        if let Some(name) = config.group.as_deref() {
            let group = Group::from_name(name).map_err(|error| failed("group", name, &error))?;
            let group = group.ok_or_else(|| failed("group", name, &"there is no such group"))?;
            account.gid = Some(group.gid);
        }
        if let Some(name) = config.user.as_deref() {
            let user = User::from_name(name).map_err(|error| failed("user", name, &error))?;
            let user = user.ok_or_else(|| failed("user", name, &"there is no such user"))?;
            account.uid = Some(user.uid);
            account.gid = account.gid.or(Some(user.gid));
        }
        Ok(account)
    }

    /// The state folder becomes the user's, and what this process makes there from now on.
    fn take_folder(self, folder: &Path) -> Result<(), Failure> {
        self.take(folder, |uid, gid| chown(folder, Some(uid), Some(gid)))
    }

    fn take(self, folder: &Path, taking: impl FnOnce(u32, u32) -> io::Result<()>) -> Result<(), Failure> {
        let (Some(uid), Some(gid)) = (self.uid, self.gid) else {
            return Ok(());
        };
        taking(uid.as_raw(), gid.as_raw()).map_err(|error| {
            let folder = folder.display();
            Failure::Start(format!("{folder}: cannot become user {uid}'s: {error}"))
        })
    }

    /// Everything is open: from here on no rights of root are needed.
    fn become_it(self, folder: &Path) -> Result<(), Failure> {
        self.take(folder, |uid, gid| hand_over(folder, uid, gid))?;
        if let Some(gid) = self.gid {
            setgroups(&[gid])
                .map_err(|error| Failure::Start(format!("cannot leave root's groups: {error}")))?;
            setgid(gid).map_err(|error| Failure::Start(format!("cannot take group {gid}: {error}")))?;
        }
        if let Some(uid) = self.uid {
            setuid(uid).map_err(|error| Failure::Start(format!("cannot become user {uid}: {error}")))?;
        }
        Ok(())
    }
}

/// The state folder and what is in it become the user's whom this process is about to be.
fn hand_over(folder: &Path, uid: u32, gid: u32) -> io::Result<()> {
    chown(folder, Some(uid), Some(gid))?;
    for entry in std::fs::read_dir(folder)? {
        lchown(entry?.path(), Some(uid), Some(gid))?;
    }
    Ok(())
}
