//! A director without neighbours behind a desk, an admin door in front of it, and somebody to talk to it.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use maildirector::agreement::{Boot, Rules};
use maildirector::config::{Config, Resolved, parse};
use maildirector::director::{
    CommandError, CommandId, Director, Door as Kind, Gathered, Input, Limits, LoginToken, Output, Policy,
    Settings, Start,
};
use maildirector::dovecot::admin::{AdminSettings, open_admin};
use maildirector::dovecot::{Batch, Desk, Door, LinkRow};
use maildirector::topology::{Change, Epoch, HashFormat, MemberId, Topology, UserId, UserKey};
use maildirector::world::{
    Address, Clock, Instant, Listen, Network, RealWorld, Socket, Task, World, deadline, sleep,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::oneshot;

/// What any single wait in these tests may take.
const WAIT_MAX: Duration = Duration::from_secs(20);

const TICK: Duration = Duration::from_millis(5);

/// A director, its admin door, and what drives it.
pub struct Lone {
    pub desk: LoneDesk,
    pub socket: PathBuf,
    pub folder: PathBuf,
    world: RealWorld,
    _door: Door,
    _ticking: Task,
}

/// Runs a test with a director as this file configures it; tasks run beside the test, so it may block.
pub fn run<F: Future<Output = ()>>(name: &str, config: &str, test: impl FnOnce(Lone) -> F) {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("admin").join(name);
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).expect("the target folder can be written");
    let config = parse(config, "test.toml").expect("the configuration is sound");
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build();
    runtime.expect("a runtime can be made").block_on(async {
        let world = RealWorld::open(&folder.join("state")).expect("the folder is ours");
        let lone = Lone::open(world, folder, &config).await;
        test(lone).await;
    });
}

impl Lone {
    async fn open(world: RealWorld, folder: PathBuf, config: &Config) -> Self {
        let resolved = Resolved::default();
        let configured = Arc::new(Topology::new(config.seed(&resolved).expect("no names")).expect("a seed"));
        let desk = LoneDesk::start(&world, configured.clone());
        let ticking = world.spawn("ticks", desk.clone().tick());
        let socket = folder.join("director-admin");
        let settings = AdminSettings {
            listen: Listen::unix(&socket, 0o600),
            members: config.members(&resolved).expect("no names").into(),
            configured,
            connections_max: 10,
        };
        let door = open_admin(world.clone(), desk.clone(), settings)
            .await
            .expect("the door opens");
        Lone {
            desk,
            socket,
            folder,
            world,
            _door: door,
            _ticking: ticking,
        }
    }

    /// Waits until the director has its lease.
    pub async fn serves(&self) {
        let end = self.world.clock().now().plus(WAIT_MAX);
        while !self.desk.state().director.is_serving() {
            assert!(self.world.clock().now() < end, "it never serves");
            sleep(self.world.clock(), TICK).await;
        }
    }

    /// Connects and exchanges greetings.
    pub async fn connect(&self) -> Admin {
        let mut admin = self.connect_silently().await;
        admin.say("VERSION\tdirector-doveadm\t1\t0\n").await;
        admin.hears("VERSION\tdirector-doveadm\t1\t0\n").await;
        admin
    }

    pub async fn connect_silently(&self) -> Admin {
        let address = Address::Unix(self.socket.clone());
        let socket = self.world.network().connect(&address, None).await;
        Admin {
            world: self.world.clone(),
            socket: socket.expect("somebody listens"),
        }
    }

    pub fn unix_seconds(&self) -> u64 {
        self.world.clock().unix_seconds()
    }
}

/// Somebody who talks to the door.
pub struct Admin {
    world: RealWorld,
    socket: Socket,
}

impl Admin {
    pub async fn say(&mut self, text: &str) {
        self.socket
            .write_all(text.as_bytes())
            .await
            .expect("the door reads");
    }

    /// Says a line and hears exactly this.
    pub async fn asks(&mut self, line: &str, answer: &str) {
        self.say(&format!("{line}\n")).await;
        self.hears(answer).await;
    }

    /// Reads exactly this.
    pub async fn hears(&mut self, text: &str) {
        let mut heard = vec![0; text.len()];
        let until = self.world.clock().now().plus(WAIT_MAX);
        let mut filled = 0;
        while filled < heard.len() {
            let read = deadline(self.world.clock(), until, self.socket.read(&mut heard[filled..])).await;
            match read.map(|read| read.expect("the socket works")) {
                Ok(0) | Err(_) => break,
                Ok(count) => filled += count,
            }
        }
        heard.truncate(filled);
        assert_eq!(String::from_utf8_lossy(&heard), text);
    }

    /// Reads to the empty line that ends a table.
    pub async fn table(&mut self) -> String {
        let mut heard = Vec::new();
        while !(heard == b"\n" || heard.ends_with(b"\n\n")) {
            let until = self.world.clock().now().plus(WAIT_MAX);
            let read = deadline(self.world.clock(), until, self.socket.read_buf(&mut heard)).await;
            let count = read.expect("the door answers in time").expect("the socket works");
            assert_ne!(count, 0, "closed after {:?}", String::from_utf8_lossy(&heard));
        }
        String::from_utf8(heard).expect("tables are text")
    }

    pub async fn is_closed(&mut self) {
        let mut heard = Vec::new();
        let until = self.world.clock().now().plus(WAIT_MAX);
        let read = deadline(self.world.clock(), until, self.socket.read_to_end(&mut heard)).await;
        read.expect("the door closes in time").expect("the socket works");
        assert_eq!(String::from_utf8_lossy(&heard), "");
    }
}

/// The desk of a director whose storage syncs at once and whose doors close sessions at once.
#[derive(Clone)]
pub struct LoneDesk {
    world: RealWorld,
    state: Arc<Mutex<State>>,
}

struct State {
    director: Director,
    commands: u64,
    waiting: BTreeMap<CommandId, oneshot::Sender<Result<Epoch, CommandError>>>,
    kicked: Vec<UserId>,
    links: Vec<LinkRow>,
}

impl LoneDesk {
    fn start(world: &RealWorld, configured: Arc<Topology>) -> Self {
        let settings = Settings {
            me: MemberId::from_index(1),
            configured,
            policy: Policy::Consistent,
            close_bound: Duration::ZERO,
            limits: Limits {
                command_wait: Duration::from_millis(300),
                ..Limits::default()
            },
            rules: Rules::default(),
        };
        let start = Start {
            boot: Boot::from_bits(1),
            entropy: 1,
            record: None,
            journal: Gathered::default(),
            is_bootstrap: false,
        };
        let mut out = Vec::new();
        let now = world.clock().now();
        let mut state = State {
            director: Director::start(settings, start, now, &mut out),
            commands: 0,
            waiting: BTreeMap::new(),
            kicked: Vec::new(),
            links: Vec::new(),
        };
        state.carry_out(now, out);
        LoneDesk {
            world: world.clone(),
            state: Arc::new(Mutex::new(state)),
        }
    }

    async fn tick(self) {
        loop {
            sleep(self.world.clock(), TICK).await;
            self.give(Input::Tick);
        }
    }

    /// A user is sent to his backend and stays held.
    pub fn login(&self, name: &str, tag: &str) {
        self.give(Input::Login {
            token: LoginToken(0),
            key: self.key(name),
            tag,
            name,
            door: Kind::Refreshing,
        });
        assert!(self.held_at(name).is_some(), "{name} was not let in");
    }

    /// Where a user is held.
    pub fn held_at(&self, name: &str) -> Option<IpAddr> {
        let state = self.state();
        let hash = self.key(name).hash();
        let hold = state.director.holds().scan(hash, hash).next()?;
        state
            .director
            .topology()
            .backend(hold.backend)
            .map(|backend| backend.ip)
    }

    pub fn epoch(&self) -> u64 {
        self.state().director.epoch().number()
    }

    pub fn kicked(&self) -> Vec<UserId> {
        self.state().kicked.clone()
    }

    pub fn link(&self, row: LinkRow) {
        self.state().links.push(row);
    }

    fn give(&self, input: Input<'_>) {
        let now = self.world.clock().now();
        let mut out = Vec::new();
        let mut state = self.state();
        state.director.handle(now, input, &mut out);
        state.carry_out(now, out);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no test panics while it looks")
    }
}

impl State {
    fn carry_out(&mut self, now: Instant, mut outputs: Vec<Output>) {
        while !outputs.is_empty() {
            let mut more = Vec::new();
            for output in outputs {
                match output {
                    Output::Save { number, .. } => {
                        self.director.handle(now, Input::Saved { number }, &mut more)
                    }
                    Output::CloseAll { term } => {
                        self.director.handle(now, Input::AllClosed { term }, &mut more)
                    }
                    Output::Evict { user, serial, .. } => {
                        self.kicked.push(user);
                        self.director
                            .handle(now, Input::Evicted { user, serial }, &mut more);
                    }
                    Output::Reply { id, result } => {
                        if let Some(admin) = self.waiting.remove(&id) {
                            let _ = admin.send(result);
                        }
                    }
                    _ => {}
                }
            }
            outputs = more;
        }
    }
}

impl Desk for LoneDesk {
    fn ask(&self, batch: Batch) {
        batch.give_back(Instant::ORIGIN);
    }

    fn refresh(&self, _key: UserKey) {}

    fn key(&self, name: &str) -> UserKey {
        HashFormat::default().key(name)
    }

    async fn command(&self, changes: Vec<Change>) -> Result<Epoch, CommandError> {
        let answer = {
            let mut state = self.state();
            state.commands += 1;
            let id = CommandId(state.commands);
            let (admin, answer) = oneshot::channel();
            state.waiting.insert(id, admin);
            drop(state);
            self.give(Input::Command { id, changes });
            answer
        };
        answer.await.expect("every command is answered")
    }

    fn kick(&self, user: UserId) {
        self.give(Input::Kick { user });
    }

    async fn read<R: Send + 'static>(
        &self,
        look: impl FnOnce(&Director, Instant) -> R + Send + 'static,
    ) -> Option<R> {
        let now = self.world.clock().now();
        let state = self.state();
        (!state.director.is_halted()).then(|| look(&state.director, now))
    }

    fn links(&self) -> Vec<LinkRow> {
        self.state().links.clone()
    }
}
