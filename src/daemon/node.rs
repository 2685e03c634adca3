//! Putting a member together: what an earlier run left, the ring, the machine's task, the doors.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedReceiver, channel, unbounded_channel};
use tokio::sync::oneshot;
use tracing::{info, warn};

use super::circle::of_file;
use super::closing::Closing;
use super::core::{Core, Inlets};
use super::desk::CoreDesk;
use super::flushes::Flushes;
use super::hand_over::{Adopted, Kept, Link, Predecessor, stand_in};
use super::journal::{self, JOURNAL, Journal, Left};
use super::lookups::Lookups;
use super::metrics::{Meter, Meters};
use super::saver::{self, RECORD};
use super::sessions::Sessions;
use super::settings::{DoorSettings, Ended, NodeSettings, StartError};
use crate::agreement::{Boot, Record};
use crate::director::{Director, Start};
use crate::dovecot::admin::{AdminSettings, open_admin};
use crate::dovecot::{
    AuthreplySettings, CONNECTIONS_MAX, Completes, Door, Kick, KickDone, KickSettings, Kicks, NotifySettings,
    Processes, RelaySettings, Rule, WaitLimits, open_authreply, open_notify_fifo, open_notify_socket,
    open_relay, start_kicks,
};
use crate::health;
use crate::lookups;
use crate::proxy;
use crate::ring::{self, decode_record};
use crate::world::{Address, Clock, Instant, Listen, Network, Storage, Task, World, sleep};

/// Events of the ring that may wait for the machine; what comes beyond is dropped, and said again by its sender.
const RING_EVENTS_MAX: usize = 10_000;

/// Sessions that are being closed may take so long to be, before another process takes over.
const CALM_MAX: Duration = Duration::from_secs(10);
/// How often it is looked whether they are.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Admins at a time.
const ADMINS_MAX: usize = 100;

/// A running member. Dropping it ends everything at once.
#[must_use = "a member ends when this is dropped"]
pub struct Node {
    desk: CoreDesk,
    doors: Vec<Door>,
    proxies: Vec<proxy::Door>,
    lookups: Vec<lookups::Door>,
    ended: oneshot::Receiver<Ended>,
    /// To say that this process serves, to one that hands over to it.
    serves: Option<oneshot::Sender<()>>,
    /// Those that write what the machine wants kept; they end when it has.
    writers: [Task; 2],
    /// Stands in for the process that has handed over to this one.
    predecessor: Option<Task>,
    _tasks: Vec<Task>,
}

/// Sessions were being closed all the time, and nothing was handed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Busy;

impl Node {
    /// Where doors ask.
    pub fn desk(&self) -> &CoreDesk {
        &self.desk
    }

    /// The doors that are open, with their counters.
    pub fn doors(&self) -> &[Door] {
        &self.doors
    }

    /// The proxies that are open, with their counters.
    pub fn proxies(&self) -> &[proxy::Door] {
        &self.proxies
    }

    /// The doors to those who look users up, with their counters.
    pub fn lookups(&self) -> &[lookups::Door] {
        &self.lookups
    }

    /// Everything is open. A process that hands over to this one is told so.
    pub fn serves(&mut self) {
        if let Some(serves) = self.serves.take() {
            // It may be gone.
            let _ = serves.send(());
        }
    }

    /// Ends the run so that another process can go on with it: what it knew is in the state folder, and its doors are closed but
    /// for clients of its own proxies, who go on.
    ///
    /// # Errors
    /// Sessions were being closed all the time; the run goes on.
    pub async fn hand_over<W: World>(self, world: &W) -> Result<Predecessor<W>, (Self, Busy)> {
        let clock = world.clock();
        let until = clock.now().plus(CALM_MAX);
        let left = loop {
            match self.desk.hand_over().await {
                Some(left) => break left,
                None if clock.now() >= until => return Err((self, Busy)),
                None => sleep(clock, LOOK_EVERY).await,
            }
        };
        for proxy in &self.proxies {
            proxy.stop_listening();
        }
        if let Some(ring) = self.desk.ring() {
            ring.close();
        }
        drop((self.doors, self.lookups, self._tasks));
        for writer in self.writers {
            writer.finished().await;
        }
        let parts = (self.proxies, self.predecessor);
        Ok(Predecessor::new(world.clone(), self.desk, left, parts))
    }

    /// Waits until the run is over.
    pub async fn ended(&mut self) -> Ended {
        (&mut self.ended).await.unwrap_or(Ended::Broken)
    }
}

/// Starts a member.
///
/// # Errors
/// The state folder or a socket does not serve; nothing is running then.
pub async fn start<W: World>(world: W, settings: NodeSettings) -> Result<Node, StartError> {
    start_after(world, settings, None).await
}

/// Starts a member. What another process keeps that hands over to this one goes on there, and is told of through the link.
///
/// # Errors
/// The state folder or a socket does not serve; nothing is running then.
pub async fn start_after<W: World>(
    world: W,
    settings: NodeSettings,
    kept: Option<(Kept, Link)>,
) -> Result<Node, StartError> {
    let boot = Boot::from_bits(world.entropy());
    let record = load_record(&world).await?;
    let reader = world.storage().read_appended(JOURNAL, journal::Reader::default());
    let left = reader.await?.finish();
    let mut tasks = Vec::new();

    let has_older = record.is_some();
    let processes = Processes::new(settings.is_running, has_older);
    let (kick_done, mut kicked) = unbounded_channel();
    let kicks = open_kicks(&world, &settings, processes.clone(), kick_done);
    let left = clear_unknown(&settings, record.as_ref(), left, &kicks, &mut kicked).await;

    let left_entries = (left.is_complete && left.is_whole).then_some(left.entries);

    let (ring_events, ring_inlet) = channel(RING_EVENTS_MAX);
    let ring = match settings.ring.clone() {
        None => None,
        Some(part) => {
            let listener = world.network().bind(&part.listen).await;
            let listener = listener.map_err(|error| socket_error(&part.listen, error))?;
            let part = ring::RingSettings {
                boot,
                ..part.settings
            };
            Some(ring::start(world.clone(), part, listener, ring_events.clone())?)
        }
    };

    let now = world.clock().now();
    let mut out = Vec::new();
    let start = Start {
        boot,
        entropy: world.entropy(),
        record,
        journal: left.holds,
        sessions: kept.as_ref().map(|(kept, _)| kept.counts()).unwrap_or_default(),
        is_bootstrap: settings.is_bootstrap,
    };
    let director = Director::start(settings.machine.clone(), start, now, &mut out);

    let (records, to_save) = unbounded_channel();
    let (save_told, saved) = unbounded_channel();
    let told = save_told.clone();
    let saving = world.spawn("saver", saver::run(world.clone(), to_save, told));
    let (writings, to_write) = unbounded_channel();
    let under_way = Arc::new(AtomicUsize::new(0));
    let writer = journal::Writer {
        writings: to_write,
        under_way: Arc::clone(&under_way),
        told: save_told,
    };
    let writers = [
        saving,
        world.spawn("journal", journal::write(world.clone(), writer)),
    ];

    let (flush_done, flushed) = unbounded_channel();
    let (desk, requests) = CoreDesk::new(settings.format.clone(), ring);
    let knows_users = matches!(settings.kick, Some((crate::dovecot::KickBy::Anvil, _)));
    let mut core = Core {
        world: world.clone(),
        director,
        desk: desk.clone(),
        saver: records,
        closing: Closing::new(kicks, knows_users),
        flushes: Flushes::new(world.clone(), settings.flush.clone(), flush_done),
        journal: Journal::new(writings, under_way),
        lookups: Lookups::default(),
        sessions: Sessions::default(),
        has_lasting_sessions: settings.has_lasting_sessions(),
        commands: BTreeMap::new(),
        next_command: 0,
        listings: BTreeMap::new(),
        next_listing: 0,
        out,
        turn: now,
        journal_retry: None,
        wall_clock_at: now,
        told_guard: None,
        guard: settings.guard.clone(),
        ended: None,
        heir: None,
        members: Arc::clone(&settings.members),
        circle: of_file(&settings.members),
    };
    core.follow_roster();
    core.closing.keep_held(&core.director);
    // A journal of a million users is not written again only because this run is a new one.
    match left_entries {
        Some(entries) => core.journal.go_on(entries),
        None => core.journal.write_whole(core.director.holds(), now),
    }
    let (predecessor, serves) = match kept {
        None => (None, None),
        Some(kept) => {
            let (task, serves) = adopt(&world, &mut core, kept, settings.is_running).await;
            (Some(task), Some(serves))
        }
    };
    let inlets = Inlets {
        requests,
        ring: ring_inlet,
        saved,
        kicked,
        flushed,
    };
    let (end, ended) = oneshot::channel();
    tasks.push(world.spawn("core", async move {
        // Without a ring nothing sends on this, and the channel has to stay open.
        let _ring_events = ring_events;
        let how = core.run(inlets).await;
        // Whoever started this may have gone.
        let _ = end.send(how);
    }));

    if let Some(probes) = settings.probes.clone() {
        tasks.push(world.spawn("prober", health::run(world.clone(), probes, desk.clone())));
    }
    let mut doors = Vec::new();
    for door in &settings.doors {
        let opened = open_door(&world, &desk, &settings, door, &processes).await;
        doors.push(opened.map_err(|error| socket_error(door.listen(), error))?);
    }
    let mut proxies = Vec::new();
    for settings in &settings.proxies {
        let opened = proxy::open_door(world.clone(), desk.clone(), settings.clone()).await;
        proxies.push(opened.map_err(|error| socket_error(&settings.listen, error))?);
    }
    let mut lookups = Vec::new();
    for settings in &settings.lookups {
        let opened = lookups::open_door(world.clone(), desk.clone(), settings.clone()).await;
        lookups.push(opened.map_err(|error| socket_error(&settings.listen, error))?);
    }
    desk.metered(meters(&settings, &doors, &lookups, &proxies));
    Ok(Node {
        desk,
        doors,
        proxies,
        lookups,
        ended,
        serves,
        writers,
        predecessor,
        _tasks: tasks,
    })
}

/// Takes over the sessions that another process keeps. Those whose users are not held have ended when this returns: nothing
/// that the machine said has left yet.
async fn adopt<W: World>(
    world: &W,
    core: &mut Core<W>,
    (kept, link): (Kept, Link),
    is_running: fn(i32) -> bool,
) -> (Task, oneshot::Sender<()>) {
    let (gone, mut going) = channel(1);
    let (serves, serving) = oneshot::channel();
    let adopted = Adopted {
        pid: kept.pid,
        until: Instant::from_nanos(kept.until_ns),
        permits: core.adopt(&kept.sessions, &gone),
        is_running,
        serving,
    };
    drop(gone);
    info!(
        "{} sessions go on in process {}, which has handed over",
        kept.sessions.len(),
        kept.pid
    );
    let task = stand_in(world.clone(), core.desk.clone(), adopted, link);
    let task = world.spawn("predecessor", task);
    // Never said; it ends with the last who could.
    let _: Option<()> = going.recv().await;
    (task, serves)
}

/// The counters of all sockets.
fn meters(
    settings: &NodeSettings,
    doors: &[Door],
    lookups: &[lookups::Door],
    proxies: &[proxy::Door],
) -> Meters {
    let doors = settings.doors.iter().map(DoorSettings::name).zip(doors);
    Meters {
        doors: doors
            .map(|(name, door)| meter(name, door.address(), door.counters()))
            .collect(),
        lookups: lookups
            .iter()
            .map(|door| meter(door.protocol(), door.address(), door.counters()))
            .collect(),
        proxies: proxies
            .iter()
            .map(|door| meter(door.protocol(), door.address(), door.counters()))
            .collect(),
    }
}

fn meter<C>(protocol: &'static str, at: &Address, counters: &Arc<C>) -> Meter<C> {
    (protocol, at.to_string(), Arc::clone(counters))
}

async fn load_record<W: World>(world: &W) -> Result<Option<Record>, StartError> {
    let Some(bytes) = world.storage().load(RECORD).await? else {
        return Ok(None);
    };
    let record = decode_record(&bytes).map_err(|error| StartError::Record {
        why: error.to_string(),
    })?;
    Ok(Some(record))
}

fn open_kicks<W: World>(
    world: &W,
    settings: &NodeSettings,
    processes: Processes,
    done: tokio::sync::mpsc::UnboundedSender<KickDone>,
) -> Kicks {
    let nowhere = Address::Unix("/nonexistent".into());
    let (by, service) = match &settings.kick {
        None => (None, nowhere),
        Some((by, service)) => (Some(*by), service.clone()),
    };
    let settings = KickSettings {
        by,
        service,
        delay: settings.kick_delay,
        processes,
    };
    start_kicks(world.clone(), settings, done)
}

/// An earlier run that did not know everybody whom it had admitted: whoever has sessions is closed before anything is
/// served.
async fn clear_unknown(
    settings: &NodeSettings,
    record: Option<&Record>,
    left: Left,
    kicks: &Kicks,
    kicked: &mut UnboundedReceiver<KickDone>,
) -> Left {
    let Some(committed) = record.and_then(|record| record.committed.as_ref()) else {
        return left;
    };
    if left.is_complete || settings.kick.is_none() {
        return left;
    }
    warn!("the journal of holds is missing or incomplete: all sessions are closed before this member serves");
    let backends: Vec<IpAddr> = committed.topology.backends().map(|backend| backend.ip).collect();
    let keys = journal::keys(left.holds);
    let all = Kick::All {
        token: 0,
        backends,
        keys,
    };
    if kicks.kick(all).is_ok() {
        kicked.recv().await;
    }
    Left::default()
}

async fn open_door<W: World>(
    world: &W,
    desk: &CoreDesk,
    settings: &NodeSettings,
    door: &DoorSettings,
    processes: &Processes,
) -> std::io::Result<Door> {
    let (world, desk) = (world.clone(), desk.clone());
    let master_user_separator = settings.master_user_separator;
    let marks_hash = settings.marks_hash();
    let limits = WaitLimits {
        // The other half is for the way to the login process.
        answer_age: settings.kick_delay / 2,
        ..WaitLimits::default()
    };
    let relay = |listen: &Listen, auth: &Address, completes, processes| RelaySettings {
        listen: listen.clone(),
        auth: auth.clone(),
        rule: Rule {
            completes,
            master_user_separator,
            marks_hash,
        },
        connections_max: CONNECTIONS_MAX,
        limits,
        processes,
    };
    match door {
        DoorSettings::Login { listen, auth } => {
            open_relay(
                world,
                desk,
                relay(listen, auth, Completes::Ok, Some(processes.clone())),
            )
            .await
        }
        DoorSettings::Userdb { listen, auth } => {
            open_relay(world, desk, relay(listen, auth, Completes::Pass, None)).await
        }
        DoorSettings::Authreply { listen } => {
            let settings = AuthreplySettings {
                listen: listen.clone(),
                master_user_separator,
                marks_hash,
                connections_max: CONNECTIONS_MAX,
                limits,
            };
            open_authreply(world, desk, settings).await
        }
        DoorSettings::Admin { listen } => {
            let settings = AdminSettings {
                listen: listen.clone(),
                members: Arc::clone(&settings.members),
                connections_max: ADMINS_MAX,
            };
            open_admin(world, desk, settings).await
        }
        DoorSettings::Notify { listen } => {
            let settings = NotifySettings {
                listen: listen.clone(),
                master_user_separator,
                connections_max: CONNECTIONS_MAX,
            };
            match listen.address {
                Address::Unix(_) => open_notify_fifo(world, desk, settings).await,
                Address::Tcp(_) => open_notify_socket(world, desk, settings).await,
            }
        }
    }
}

fn socket_error(listen: &Listen, error: std::io::Error) -> StartError {
    StartError::Socket {
        at: listen.address.clone(),
        error,
    }
}
