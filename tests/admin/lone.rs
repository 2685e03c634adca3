//! Directors behind desks, an admin door in front of each, and somebody to talk to them. Mostly it is one director,
//! without neighbours; what several say to each other arrives at once.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use maildirector::agreement::{Body, Boot, HeldUsers, PassdbField, Rules, Whose};
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
    run_ring(name, config, 1, |ring| {
        let [lone] = <[Lone; 1]>::try_from(ring).unwrap_or_else(|_| unreachable!("one was asked for"));
        test(lone)
    });
}

/// Runs a test with the first so many directors of a configuration, in the order of their numbers.
pub fn run_ring<F: Future<Output = ()>>(
    name: &str,
    config: &str,
    directors: u16,
    test: impl FnOnce(Vec<Lone>) -> F,
) {
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
        let ring = Lone::open_ring(&world, &folder, &config, directors).await;
        test(ring).await;
    });
}

impl Lone {
    async fn open_ring(world: &RealWorld, folder: &Path, config: &Config, directors: u16) -> Vec<Self> {
        let resolved = Resolved::default();
        let configured = Arc::new(Topology::new(config.seed(&resolved).expect("no names")).expect("a seed"));
        let first = LoneDesk::start(world, &configured, directors);
        let mut ring = Vec::new();
        for place in 0..usize::from(directors) {
            let desk = LoneDesk {
                place,
                ..first.clone()
            };
            let ticking = world.spawn("ticks", desk.clone().tick());
            let name = if place == 0 {
                "director-admin".to_owned()
            } else {
                format!("director-admin-{}", place + 1)
            };
            let socket = folder.join(name);
            let settings = AdminSettings {
                listen: Listen::unix(&socket, 0o600),
                members: config.members(&resolved).expect("no names").into(),
                connections_max: 10,
            };
            let door = open_admin(world.clone(), desk.clone(), settings)
                .await
                .expect("the door opens");
            ring.push(Lone {
                desk,
                socket,
                folder: folder.to_owned(),
                world: world.clone(),
                _door: door,
                _ticking: ticking,
            });
        }
        ring
    }

    /// Waits until the director has its lease.
    pub async fn serves(&self) {
        self.eventually("it serves", || self.desk.is_serving()).await;
    }

    /// Connects and exchanges greetings.
    pub async fn connect(&self) -> Admin {
        let mut admin = self.connect_silently().await;
        admin.say("VERSION\tdirector-doveadm\t1\t0\n").await;
        admin.hears("VERSION\tdirector-doveadm\t1\t0\n").await;
        admin
    }

    /// The same at a TCP port, where a second door opens.
    pub async fn connect_by_tcp(&self) -> (Admin, Door) {
        let unused = std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let address = unused.expect("loopback has ports");
        let settings = AdminSettings {
            listen: Listen::tcp(address),
            members: Arc::default(),
            connections_max: 10,
        };
        let door = open_admin(self.world.clone(), self.desk.clone(), settings).await;
        let door = door.expect("the port is free");
        let socket = self.world.network().connect(&Address::Tcp(address), None).await;
        let mut admin = Admin {
            world: self.world.clone(),
            socket: socket.expect("somebody listens"),
        };
        admin.say("VERSION\tdirector-doveadm\t1\t0\n").await;
        admin.hears("VERSION\tdirector-doveadm\t1\t0\n").await;
        (admin, door)
    }

    pub async fn connect_silently(&self) -> Admin {
        let address = Address::Unix(self.socket.clone());
        let socket = self.world.network().connect(&address, None).await;
        Admin {
            world: self.world.clone(),
            socket: socket.expect("somebody listens"),
        }
    }

    /// Waits until something is so.
    pub async fn eventually(&self, what: &str, is_so: impl Fn() -> bool) {
        let end = self.world.clock().now().plus(WAIT_MAX);
        while !is_so() {
            assert!(self.world.clock().now() < end, "still not: {what}");
            sleep(self.world.clock(), TICK).await;
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
    /// Of the whole ring.
    state: Arc<Mutex<State>>,
    /// Whose desk this is.
    place: usize,
}

struct State {
    members: Vec<Seat>,
    commands: u64,
    waiting: BTreeMap<CommandId, oneshot::Sender<Result<Epoch, CommandError>>>,
    listings: BTreeMap<u64, oneshot::Sender<HeldUsers>>,
    links: Vec<LinkRow>,
}

struct Seat {
    director: Director,
    kicked: Vec<UserId>,
    kicked_with: Vec<PassdbField>,
    is_mute: bool,
}

impl LoneDesk {
    fn start(world: &RealWorld, configured: &Arc<Topology>, directors: u16) -> Self {
        let now = world.clock().now();
        let mut state = State {
            members: Vec::new(),
            commands: 0,
            waiting: BTreeMap::new(),
            listings: BTreeMap::new(),
            links: Vec::new(),
        };
        let mut outputs = VecDeque::new();
        for number in 1..=directors {
            let settings = Settings {
                me: MemberId::from_index(number),
                configured: configured.clone(),
                policy: Policy::Consistent,
                close_bound: Duration::ZERO,
                limits: Limits {
                    command_wait: Duration::from_millis(if directors == 1 { 300 } else { 5_000 }),
                    ..Limits::default()
                },
                rules: Rules::default(),
            };
            let start = Start {
                boot: Boot::from_bits(number.into()),
                entropy: number.into(),
                record: None,
                journal: Gathered::default(),
                sessions: Vec::new(),
                is_bootstrap: false,
            };
            let mut out = Vec::new();
            let director = Director::start(settings, start, now, &mut out);
            let place = state.members.len();
            state.members.push(Seat {
                director,
                kicked: Vec::new(),
                kicked_with: Vec::new(),
                is_mute: false,
            });
            outputs.extend(out.into_iter().map(|output| (place, output)));
        }
        state.carry_out(now, outputs);
        LoneDesk {
            world: world.clone(),
            state: Arc::new(Mutex::new(state)),
            place: 0,
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
        self.look(|seat| {
            let hash = self.key(name).hash();
            let hold = seat.director.holds().scan(hash, hash).next()?;
            let backend = seat.director.topology().backend(hold.backend);
            backend.map(|backend| backend.ip)
        })
    }

    pub fn epoch(&self) -> u64 {
        self.look(|seat| seat.director.epoch().number())
    }

    pub fn kicked(&self) -> Vec<UserId> {
        self.look(|seat| seat.kicked.clone())
    }

    pub fn kicked_with(&self) -> Vec<PassdbField> {
        self.look(|seat| seat.kicked_with.clone())
    }

    /// From now on nobody is told whom this director holds.
    pub fn is_mute_about_users(&self) {
        self.state().members[self.place].is_mute = true;
    }

    pub fn link(&self, row: LinkRow) {
        self.state().links.push(row);
    }

    fn is_serving(&self) -> bool {
        self.look(|seat| seat.director.is_serving())
    }

    fn give(&self, input: Input<'_>) {
        let now = self.world.clock().now();
        let mut state = self.state();
        let mut outputs = VecDeque::new();
        state.give(self.place, now, input, &mut outputs);
        state.carry_out(now, outputs);
    }

    fn look<A>(&self, look: impl FnOnce(&Seat) -> A) -> A {
        look(&self.state().members[self.place])
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no test panics while it looks")
    }
}

impl State {
    fn give(&mut self, place: usize, now: Instant, input: Input<'_>, to: &mut VecDeque<(usize, Output)>) {
        let mut out = Vec::new();
        self.members[place].director.handle(now, input, &mut out);
        to.extend(out.into_iter().map(|output| (place, output)));
    }

    fn carry_out(&mut self, now: Instant, mut outputs: VecDeque<(usize, Output)>) {
        while let Some((at, output)) = outputs.pop_front() {
            let more = &mut outputs;
            match output {
                Output::Save { number, .. } => self.give(at, now, Input::Saved { number }, more),
                Output::CloseAll { term } => self.give(at, now, Input::AllClosed { term }, more),
                Output::Evict { user, serial, .. } => {
                    self.members[at].kicked.push(user);
                    self.give(at, now, Input::Evicted { user, serial }, more);
                }
                Output::HeldListed { number, held, .. } => {
                    if let Some(asker) = self.listings.remove(&number) {
                        let _ = asker.send(held);
                    }
                }
                Output::KickWith(field) => self.members[at].kicked_with.push(field),
                Output::Reply { id, result } => {
                    if let Some(admin) = self.waiting.remove(&id) {
                        let _ = admin.send(result);
                    }
                }
                Output::Send { envelope, .. }
                    if self.members[at].is_mute && matches!(envelope.body, Body::HeldListed { .. }) => {}
                Output::Send { to, envelope } => {
                    let place = self.members.iter().position(|seat| seat.director.me() == to);
                    if let Some(place) = place {
                        self.give(place, now, Input::Message(envelope), more);
                    }
                }
                Output::Flood(envelope) => {
                    for place in (0..self.members.len()).filter(|place| *place != at) {
                        self.give(place, now, Input::Message(envelope.clone()), more);
                    }
                }
                _ => {}
            }
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

    fn kick(&self, whose: Whose) {
        self.give(Input::Kick(whose));
    }

    fn held_users(
        &self,
        of: MemberId,
        first: u32,
        last: u32,
    ) -> impl Future<Output = Option<HeldUsers>> + Send + use<> {
        let answer = {
            let mut state = self.state();
            state.commands += 1;
            let number = state.commands;
            let (asker, answer) = oneshot::channel();
            state.listings.insert(number, asker);
            drop(state);
            self.give(Input::ListHeld {
                of,
                number,
                first,
                last,
            });
            answer
        };
        async { answer.await.ok() }
    }

    async fn read<R: Send + 'static>(
        &self,
        look: impl FnOnce(&Director, Instant) -> R + Send + 'static,
    ) -> Option<R> {
        let now = self.world.clock().now();
        self.look(|seat| (!seat.director.is_halted()).then(|| look(&seat.director, now)))
    }

    fn links(&self) -> Vec<LinkRow> {
        self.state().links.clone()
    }
}
