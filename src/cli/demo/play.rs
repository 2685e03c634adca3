//! The demo from its beginning to its end: sets everything up, carries out the script, shows how it goes.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, IsTerminal, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::admin;
use super::auth::open_auth;
use super::backend::{Silent, open_backend};
use super::clients::{Client, Stay};
use super::directors::Directors;
use super::ipc::open_ipc;
use super::ledger::Ledger;
use super::live::Live;
use super::login::LoginProcess;
use super::observe::Observed;
use super::relay::{Cables, open_relay};
use super::script::{Act, script};
use super::show::{Scene, Screen};
use super::stage::{Stage, backends, directors};
use super::summary::summary;
use super::tally::Tally;
use super::web::Web;
use crate::cli::arguments::Demo;
use crate::cli::failure::Failure;
use crate::cli::runtime::runtime;
use crate::topology::HashFormat;
use crate::world::{Clock, RealWorld, Task, World, select};

/// Users, each with two clients.
const USERS: u16 = 160;
/// How long one client of each user stays, and how long the other.
const STAYS: [Stay; 2] = [
    Stay {
        least: Duration::from_millis(200),
        most: Duration::from_millis(1_500),
    },
    Stay {
        least: Duration::from_secs(4),
        most: Duration::from_secs(15),
    },
];
/// The default `director_username_hash`.
const HASH_FORMAT: &str = "%Lu";
/// How long the ring may take to serve for the first time.
const START_MAX: Duration = Duration::from_secs(30);
/// Between two frames on a terminal, and between two lines elsewhere.
const FRAME: Duration = Duration::from_millis(250);
const LINE: Duration = Duration::from_secs(1);

/// Runs the demo; fails when a user was split.
pub(in crate::cli) fn run(options: &Demo, output: &mut impl Write) -> Result<(), Failure> {
    let stage = Arc::new(Stage::set(options.keep)?);
    let running = Directors::new(stage.clone())?;
    runtime()?.block_on(play(options, stage, running, output))
}

async fn play(
    options: &Demo,
    stage: Arc<Stage>,
    running: Directors,
    output: &mut impl Write,
) -> Result<(), Failure> {
    let mut stop = Stop::new().map_err(|error| Failure::Start(format!("cannot take signals: {error}")))?;
    let world = RealWorld::open(&stage.own_folder()).map_err(|error| Failure::Start(error.to_string()))?;
    let mut play = Play {
        world: world.clone(),
        stage,
        running,
        cables: Cables::default(),
        ledger: Ledger::default(),
        silent: Silent::default(),
        failed: BTreeSet::new(),
        failovers: 0,
        tally: Tally::default(),
        observed: Observed::default(),
        logins: Vec::new(),
        tasks: Vec::new(),
        commands: Vec::new(),
        absent: BTreeSet::new(),
        faults: BTreeMap::new(),
        died: 0,
        web: None,
    };
    writeln!(output, "Starting three directors, {}.", play.stage).map_err(Failure::Output)?;
    let imap: Vec<String> = directors()
        .map(|director| format!("imap://{}", play.stage.imap(director)))
        .collect();
    writeln!(
        output,
        "Log in yourself, as anybody, with any password: {}; or: curl --user anna:x '{}/INBOX;MAILINDEX=1'",
        imap.join(", "),
        imap[0]
    )
    .map_err(Failure::Output)?;
    output.flush().map_err(Failure::Output)?;
    let opened = play.furnish().await;
    opened.map_err(|error| Failure::Start(format!("cannot set up the demo: {error}")))?;
    if let Some(at) = options.web {
        play.open_web(at).await?;
        writeln!(output, "Watch it at http://{at}/").map_err(Failure::Output)?;
        output.flush().map_err(Failure::Output)?;
    }
    let is_started = select! {
        () = stop.told() => false,
        started = play.start() => { started?; true }
    };
    if !is_started {
        return Ok(());
    }
    let began = world.clock().now();
    let whole = Duration::from_secs(options.seconds);
    let is_live = !options.plain && io::stdout().is_terminal();
    let mut screen = Screen::new(is_live, began, whole);
    let clients = play.clients();
    play.perform(&mut stop, &mut screen, output).await?;
    drop(clients);
    let ended = world.clock().now();
    let text = summary(
        &play.scene(),
        &play.faults,
        (play.died, play.failovers),
        ended.since(began),
        ended,
    );
    output.write_all(text.as_bytes()).map_err(Failure::Output)?;
    if play.ledger.split_count() == 0 {
        Ok(())
    } else {
        Err(Failure::Found)
    }
}

/// Everything that plays.
struct Play {
    world: RealWorld,
    stage: Arc<Stage>,
    running: Directors,
    cables: Cables,
    ledger: Ledger,
    silent: Silent,
    /// Backends that the ring has out of service by its probes, as last seen.
    failed: BTreeSet<u16>,
    /// How often it took one out.
    failovers: u32,
    tally: Tally,
    observed: Observed,
    logins: Vec<LoginProcess>,
    tasks: Vec<Task>,
    /// Commands that are under way.
    commands: Vec<Task>,
    /// Directors that are isolated or dead.
    absent: BTreeSet<u16>,
    faults: BTreeMap<&'static str, u32>,
    /// Directors that ended by themselves.
    died: u32,
    /// The page, if there is one.
    web: Option<Web>,
}

impl Play {
    /// Opens everything that directors and clients need.
    async fn furnish(&mut self) -> io::Result<()> {
        let (world, stage) = (&self.world, &self.stage);
        let format = HashFormat::parse(HASH_FORMAT).expect("the default is sound");
        let port = stage.backend(1).port();
        let books = (self.ledger.clone(), self.silent.clone());
        for number in backends() {
            let opened = open_backend(world, books.clone(), number, stage.backend(number)).await;
            self.tasks.push(opened?);
        }
        for director in directors() {
            let base = stage.base(director);
            let logins = LoginProcess::new(world.clone(), director, &base, format.clone());
            let (from, to) = (stage.relay(director), stage.ring(director));
            self.tasks.extend([
                open_relay(world, self.cables.clone(), director, from, to).await?,
                open_auth(world, &base, port).await?,
                open_ipc(world, &base, logins.clone(), self.tally.clone()).await?,
                world.spawn("demo-login", logins.clone().run()),
                world.spawn(
                    "demo-observe",
                    self.observed
                        .clone()
                        .watch(world.clone(), director, stage.state(director)),
                ),
            ]);
            self.logins.push(logins);
        }
        Ok(())
    }

    /// Serves the page.
    async fn open_web(&mut self, at: SocketAddr) -> Result<(), Failure> {
        let web = Web::default();
        let opened = web.open(&self.world, at).await;
        let task = opened.map_err(|error| {
            Failure::Start(format!(
                "cannot listen at {at}: {error}; name another address by --web IP:PORT"
            ))
        })?;
        self.tasks.push(task);
        self.web = Some(web);
        Ok(())
    }

    /// Starts the directors and waits until all serve.
    async fn start(&mut self) -> Result<(), Failure> {
        for director in directors() {
            self.running.start(director)?;
        }
        let clock = self.world.clock();
        let until = clock.now().plus(START_MAX);
        while !directors().all(|director| self.observed.is_serving(director)) {
            let ended = self.running.ended().first().map(|(director, _)| *director);
            let late = directors().find(|director| !self.observed.is_serving(*director));
            let late = late.filter(|_| clock.now() >= until);
            if let Some(director) = ended.or(late) {
                let words = self.running.last_words(director);
                return Err(Failure::Start(format!(
                    "director {director} does not serve: {words}"
                )));
            }
            crate::world::sleep(clock, FRAME / 5).await;
        }
        Ok(())
    }

    fn clients(&self) -> Vec<Task> {
        let mut clients = Vec::new();
        for user in 1..=USERS {
            for (number, stay) in (1..).zip(STAYS) {
                let client = Client {
                    world: self.world.clone(),
                    user: format!("user{user}"),
                    number,
                    stay,
                    logins: self.logins.clone(),
                    observed: self.observed.clone(),
                    tally: self.tally.clone(),
                };
                clients.push(self.world.spawn("demo-client", client.live()));
            }
        }
        clients
    }

    /// Carries out the script until it is over or somebody says stop.
    async fn perform(
        &mut self,
        stop: &mut Stop,
        screen: &mut Screen,
        output: &mut impl Write,
    ) -> Result<(), Failure> {
        let world = self.world.clone();
        let clock = world.clock();
        let (began, end) = (screen.began(), screen.began().plus(screen.whole()));
        let every = if screen.is_live() { FRAME } else { LINE };
        let mut acts = script(screen.whole()).into_iter().peekable();
        let mut frame_at = began;
        let mut live = Live::new(began, screen.whole());
        loop {
            let act_at = acts.peek().map_or(end, |(at, _)| began.plus(*at));
            select! {
                () = stop.told() => {
                    self.tally.tell(clock.now(), "told to stop");
                    break;
                }
                () = clock.sleep_until(act_at.min(end)) => {
                    match acts.next_if(|_| clock.now() < end) {
                        Some((_, act)) => self.act(act)?,
                        None => break,
                    }
                }
                () = clock.sleep_until(frame_at) => {
                    frame_at = frame_at.plus(every).max(clock.now());
                    self.look_after_directors();
                    self.look_after_backends();
                    let scene = self.scene();
                    self.show(&mut live, &scene, false);
                    let drawn = screen.draw(&scene, clock.now(), output);
                    drawn.and_then(|()| output.flush()).map_err(Failure::Output)?;
                }
            }
        }
        let scene = self.scene();
        self.show(&mut live, &scene, true);
        let drawn = screen.draw(&scene, clock.now(), output);
        drawn.map_err(Failure::Output)
    }

    /// Has the page show how it stands.
    fn show(&self, live: &mut Live, scene: &Scene<'_>, is_over: bool) {
        if let Some(web) = &self.web {
            web.show(live.moment(scene, &self.cables, is_over, self.world.clock().now()));
        }
    }

    fn act(&mut self, act: Act) -> Result<(), Failure> {
        if let Some(fault) = act.fault() {
            *self.faults.entry(fault).or_default() += 1;
        }
        self.tally.tell(self.world.clock().now(), act.to_string());
        match act {
            Act::Down(backend) => self.command(backend, ["HOST-DOWN\t{ip}", "HOST-RESET-USERS\t{ip}"]),
            Act::Up(backend) => self.command(backend, ["HOST-UP\t{ip}", "HOST-RESET-USERS"]),
            Act::Silence(backend) => self.silent.set(backend, true),
            Act::Answer(backend) => self.silent.set(backend, false),
            Act::Cut(one, other) => self.cables.cut(one, other),
            Act::Mend(one, other) => self.cables.mend(one, other),
            Act::Isolate(director) => {
                self.absent.insert(director);
                self.cables.isolate(director);
            }
            Act::Rejoin(director) => {
                self.absent.remove(&director);
                self.cables.rejoin(director);
            }
            Act::Kill(director) => {
                self.absent.insert(director);
                self.running.kill(director);
            }
            Act::Restart(director) => {
                self.absent.remove(&director);
                self.running.start(director)?;
            }
        }
        Ok(())
    }

    /// Has a director carry out what concerns a backend, and tells how long it took.
    fn command(&mut self, backend: u16, commands: [&str; 2]) {
        let ip = self.stage.backend(backend).ip().to_string();
        let commands = commands.map(|command| command.replace("{ip}", &ip));
        let able = |director: &u16| !self.absent.contains(director) && self.observed.is_serving(*director);
        let director = directors().find(able).unwrap_or(1);
        let (world, tally, base) = (self.world.clone(), self.tally.clone(), self.stage.base(director));
        let is_over = |task: &Task| task.is_finished();
        self.commands.retain(|task| !is_over(task));
        self.commands.push(self.world.spawn("demo-admin", async move {
            let began = world.clock().now();
            let done = admin::command(&world, &base, &commands).await;
            let now = world.clock().now();
            let took = now.since(began).as_secs_f64();
            tally.tell(
                now,
                match done {
                    Ok(()) => format!("  the ring agreed on backend {backend} after {took:.1} s"),
                    Err(why) => format!("  backend {backend}: refused after {took:.1} s: {why}"),
                },
            );
        }));
    }

    fn look_after_directors(&mut self) {
        for (director, status) in self.running.ended() {
            self.died += 1;
            let words = self.running.last_words(director);
            let what = format!("director {director} ended by itself ({status}): {words}");
            self.tally.tell(self.world.clock().now(), what);
        }
    }

    /// Tells what the probes of the ring made of the backends.
    fn look_after_backends(&mut self) {
        let failed = self.scene().failed();
        let now = self.world.clock().now();
        for backend in failed.difference(&self.failed) {
            self.failovers += 1;
            let what = format!("  probes: backend {backend} is out of service, its users go elsewhere");
            self.tally.tell(now, what);
        }
        for backend in self.failed.difference(&failed) {
            self.tally
                .tell(now, format!("  probes: backend {backend} is back in service"));
        }
        self.failed = failed;
    }

    fn scene(&self) -> Scene<'_> {
        Scene {
            stage: &self.stage,
            ledger: &self.ledger,
            observed: &self.observed,
            counts: self.tally.counts(),
        }
    }
}

/// Everything that tells a program to end.
struct Stop {
    signals: [Signal; 3],
}

impl Stop {
    fn new() -> io::Result<Self> {
        Ok(Stop {
            signals: [
                signal(SignalKind::interrupt())?,
                signal(SignalKind::terminate())?,
                signal(SignalKind::hangup())?,
            ],
        })
    }

    async fn told(&mut self) {
        let [interrupt, terminate, hangup] = &mut self.signals;
        select! {
            _signal = interrupt.recv() => {},
            _signal = terminate.recv() => {},
            _signal = hangup.recv() => {},
        }
    }
}
