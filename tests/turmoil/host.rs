//! A machine of the ring as a simulated host: Dovecot's processes, and a director that a service manager keeps running.

use std::cell::Cell;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use maildirector::agreement::Rules;
use maildirector::daemon::{self, CoreDesk, Ended, LeaseNote};
use maildirector::director::{CommandError, Director, Standing};
use maildirector::dovecot::Desk;
use maildirector::world::{Instant, Task, World, select, sleep};
use sim::converged::Converged;
use sim::{Bug, Knobs, WorldBug};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::doveadm::{Request, id};
use crate::settings::{has_own_proxies, kick_delay, kick_ms_max, settings};
use crate::stubs::{Ipc, LoginProcess, Wanted, command, is_final, serve_auth, visit, watch};
use crate::trace::Trace;
use crate::truth::{LeaseGate, Report, Truth};
use crate::world::{Machine, Process, true_time};

const LOGIN_PROCESSES: usize = 2;
const RESTART_AFTER: Duration = Duration::from_millis(300);
const REPORT_EVERY: Duration = Duration::from_millis(100);

/// What a test asks of a host.
#[derive(Debug)]
pub enum Order {
    Kill,
    Start,
    Stop,
    GoOn,
    Login(Wanted),
    Admin(Request),
    /// As `Admin`, and tell whether that was answered for good.
    Insist(Request),
}

/// A machine of the ring, on or off.
pub struct Station {
    pub member: usize,
    pub machine: Machine,
    pub knobs: Rc<Knobs>,
    /// What is broken on purpose.
    pub bug: Option<Bug>,
    pub truth: Truth,
    pub trace: Trace,
    /// Whether the service manager is to keep the director running.
    pub is_wanted: Cell<bool>,
    orders: Mutex<Option<UnboundedSender<Order>>>,
    pids: Cell<i32>,
}

/// A run of the director.
struct Run {
    process: Arc<Process>,
    number: i32,
    is_stopped: bool,
    _main: Task,
}

/// Everything between a start of the machine and its end.
struct Up {
    station: Rc<Station>,
    machine: Machine,
    system: Arc<Process>,
    logins: Vec<UnboundedSender<Wanted>>,
    next_login: usize,
    run: Option<Run>,
    /// Where the director takes changes that have no line.
    desk: Arc<Mutex<Option<CoreDesk>>>,
    is_running: Arc<Mutex<i32>>,
    ended: UnboundedSender<i32>,
}

enum Next {
    Order(Option<Order>),
    Ended(Option<i32>),
}

impl Station {
    pub fn new(
        member: usize,
        machine: Machine,
        knobs: Rc<Knobs>,
        bug: Option<Bug>,
        truth: Truth,
        trace: Trace,
    ) -> Self {
        Station {
            member,
            machine,
            knobs,
            bug,
            truth,
            trace,
            is_wanted: Cell::new(true),
            orders: Mutex::new(None),
            pids: Cell::new(100),
        }
    }

    /// Asks for something. False when the machine is off.
    pub fn order(&self, order: Order) -> bool {
        let orders = self.orders.lock().expect("no panic while it is held");
        orders.as_ref().is_some_and(|orders| orders.send(order).is_ok())
    }

    fn pid(&self) -> i32 {
        self.pids.set(self.pids.get() + 1);
        self.pids.get()
    }

    fn label(&self, what: &str) -> String {
        format!("m{}/{what}", self.member)
    }

    fn process(&self, what: &str) -> Arc<Process> {
        Process::new(&self.label(what), self.pid())
    }
}

/// With the machine go its login processes and so the sessions.
struct PowerEnds(Rc<Station>);

impl Drop for PowerEnds {
    fn drop(&mut self) {
        let station = &self.0;
        *station.orders.lock().expect("no panic while it is held") = None;
        station.truth.end_all(|session| session.member == station.member);
        station.truth.director_is_gone(station.member);
        let mut facts = station.truth.facts();
        facts.reports.remove(&station.member);
        facts.admins.remove(&station.member);
        // Whoever waits for an answer of this machine sees his connection end.
        facts.insisted.insert(station.member, false);
        for login in facts
            .logins
            .iter_mut()
            .filter(|login| login.member == station.member)
        {
            if login.outcome.is_none() {
                login.outcome = Some((Duration::ZERO, crate::truth::Outcome::Closed));
            }
        }
    }
}

/// The software of a host.
pub async fn run(station: Rc<Station>) -> turmoil::Result {
    let _power = PowerEnds(Rc::clone(&station));
    let (to_station, mut orders) = unbounded_channel();
    *station.orders.lock().expect("no panic while it is held") = Some(to_station);
    let (ended, mut over) = unbounded_channel();
    let mut up = Up::start(Rc::clone(&station), ended);
    if station.is_wanted.get() {
        up.start_director();
    }
    loop {
        let next = select! {
            order = orders.recv() => Next::Order(order),
            number = over.recv() => Next::Ended(number),
        };
        match next {
            Next::Order(Some(order)) => up.obey(order),
            Next::Ended(Some(number)) => up.restart(number),
            Next::Order(None) | Next::Ended(None) => return Ok(()),
        }
    }
}

impl Up {
    fn start(station: Rc<Station>, ended: UnboundedSender<i32>) -> Self {
        let machine = station.machine.started();
        let system = station.process("system");
        let world = machine.world(&system);
        let (truth, knobs) = (&station.truth, &station.knobs);
        system.spawn(serve_auth(world.clone(), machine.split())).detach();
        let ipc = Ipc {
            world,
            truth: truth.clone(),
            member: station.member,
            kick_ms_max: kick_ms_max(knobs),
            lies: station.bug == Some(Bug::World(WorldBug::EvictionConfirmedEarly)),
        };
        let ipc = ipc.serve(machine.split());
        system.spawn(ipc).detach();
        let mut logins = Vec::new();
        for _ in 0..LOGIN_PROCESSES {
            let process = station.process("login");
            let (clients, wanted) = unbounded_channel();
            let login = LoginProcess {
                world: machine.world(&process),
                machine: machine.clone(),
                truth: truth.clone(),
                trace: station.trace.clone(),
                member: station.member,
                pid: process.pid(),
                dice: machine.split(),
                busy_ms_max: kick_delay(knobs).as_millis() as u64 / 2,
            };
            process.spawn(login.run(wanted)).detach();
            logins.push(clients);
        }
        Up {
            station,
            machine,
            system,
            logins,
            next_login: 0,
            run: None,
            desk: Arc::default(),
            is_running: Arc::default(),
            ended,
        }
    }

    fn obey(&mut self, order: Order) {
        self.station
            .trace
            .note(&self.station.label("orders"), format!("{order:?}"));
        match order {
            Order::Kill => self.kill_director(),
            Order::Start => self.start_director(),
            Order::Stop => self.stop_director(true),
            Order::GoOn => self.stop_director(false),
            Order::Login(wanted) if has_own_proxies(&self.station.knobs, self.station.member) => {
                let world = self.machine.world(&self.system);
                let visiting = visit(world, self.station.truth.clone(), wanted, self.machine.split());
                self.system.spawn(visiting).detach();
            }
            Order::Login(wanted) => {
                self.next_login += 1;
                // Login processes end only with the machine.
                let _ = self.logins[self.next_login % LOGIN_PROCESSES].send(wanted);
            }
            Order::Admin(request) => self.admin(request),
            Order::Insist(request) => self.insist(request),
        }
    }

    fn admin(&self, request: Request) {
        let (truth, member) = (self.station.truth.clone(), self.station.member);
        *truth.facts().admins.entry(member).or_default() += 1;
        let asked = self.ask(request);
        let commanding = async move {
            asked.await;
            if let Some(waiting) = truth.facts().admins.get_mut(&member) {
                *waiting -= 1;
            }
        };
        self.system.spawn(commanding).detach();
    }

    fn insist(&self, request: Request) {
        let (truth, member) = (self.station.truth.clone(), self.station.member);
        let asked = self.ask(request);
        let commanding = async move {
            let is_final = asked.await;
            truth.facts().insisted.insert(member, is_final);
        };
        self.system.spawn(commanding).detach();
    }

    /// Asks the director, and tells whether it has said for good what came of it.
    fn ask(&self, request: Request) -> impl Future<Output = bool> + use<> {
        let world = self.machine.world(&self.system);
        let (trace, label) = (self.station.trace.clone(), self.station.label("admin"));
        let desk = self.desk.lock().expect("no panic while it is held").clone();
        async move {
            match request {
                Request::Typed(lines) => {
                    let answers = command(world, &lines).await;
                    trace.note(&label, format!("{lines:?}: {answers:?}"));
                    is_final(&answers)
                }
                Request::Changes(changes) => {
                    let Some(desk) = desk else { return false };
                    let result = desk.command(changes.clone()).await;
                    trace.note(&label, format!("{changes:?}: {result:?}"));
                    matches!(result, Ok(_) | Err(CommandError::Refused(_)))
                }
            }
        }
    }

    fn kill_director(&mut self) {
        if let Some(run) = self.run.take() {
            self.station.truth.director_is_gone(self.station.member);
            run.process.kill();
            *self.desk.lock().expect("no panic while it is held") = None;
            *self.is_running.lock().expect("no panic while it is held") = 0;
            self.station.truth.facts().reports.remove(&self.station.member);
        }
    }

    fn stop_director(&mut self, is_stopped: bool) {
        let Some(run) = &mut self.run else {
            return;
        };
        run.is_stopped = is_stopped;
        if is_stopped {
            run.process.stop();
            self.station.truth.facts().reports.remove(&self.station.member);
        } else {
            run.process.go_on();
        }
    }

    fn restart(&mut self, number: i32) {
        if self.run.as_ref().is_some_and(|run| run.number == number) {
            self.kill_director();
            if self.station.is_wanted.get() {
                self.start_director();
            }
        }
    }

    fn start_director(&mut self) {
        if self.run.is_some() {
            return;
        }
        let station = &self.station;
        let process = station.process("director");
        let number = process.pid();
        let (guard, notes) = unbounded_channel();
        let has_kicks = !has_own_proxies(&station.knobs, station.member);
        if has_kicks && station.bug != Some(Bug::World(WorldBug::NoServiceGuard)) {
            self.guard(number, notes);
        }
        let world = self.machine.world(&process);
        let mut settings = settings(&station.knobs, station.member);
        settings.guard = has_kicks.then_some(guard);
        if let Some(Bug::Rule(rule)) = station.bug {
            settings.machine.rules = Rules::breaking(rule);
        }
        let (ended, is_running) = (self.ended.clone(), Arc::clone(&self.is_running));
        let (truth, trace) = (station.truth.clone(), station.trace.clone());
        let (member, label) = (station.member, station.label("director"));
        let clock = self.machine.clock.clone();
        let (users, at_desk) = (station.knobs.users, Arc::clone(&self.desk));
        let main = process.spawn(async move {
            *is_running.lock().expect("no panic while it is held") = number;
            match daemon::start(world.clone(), settings).await {
                Err(error) => trace.note(&label, format!("cannot start: {error}")),
                Ok(mut node) => {
                    let desk = node.desk().clone();
                    *at_desk.lock().expect("no panic while it is held") = Some(desk.clone());
                    let gate = maildirector::proxy::Desk::gate(&desk).clone();
                    let lease = LeaseGate {
                        gate,
                        clock: clock.clone(),
                    };
                    truth.facts().gates.insert(member, lease);
                    let reporting = report(world.clone(), desk, truth.clone(), member, users);
                    let _reports = world.spawn("reports", reporting);
                    let how = node.ended().await;
                    trace.note(&label, format!("ended: {how:?}"));
                    if how != Ended::Stopped {
                        let mut facts = truth.facts();
                        facts.violations.push(format!("{label} ended: {how:?}"));
                        facts.has_crashed |= how == Ended::Broken;
                    }
                }
            }
            sleep(&clock, RESTART_AFTER).await;
            // The machine ends only with this task.
            let _ = ended.send(number);
        });
        self.run = Some(Run {
            process,
            number,
            is_stopped: false,
            _main: main,
        });
    }

    fn guard(&self, number: i32, notes: UnboundedReceiver<LeaseNote>) {
        let process = self.station.process("guard");
        let world = self.machine.world(&process);
        let knobs = &self.station.knobs;
        let is_running = Arc::clone(&self.is_running);
        let (truth, member) = (self.station.truth.clone(), self.station.member);
        let does_successor_serve = move || {
            let running = *is_running.lock().expect("no panic while it is held");
            let report = truth.facts().reports.get(&member).copied();
            running != 0 && running != number && report.is_some_and(|report| report.is_serving)
        };
        let grace = Duration::from_millis(knobs.lease_ms / 50);
        let watching = watch(
            world,
            notes,
            grace,
            kick_delay(knobs),
            does_successor_serve,
            self.station.trace.clone(),
        );
        process.spawn(watching).detach();
    }
}

/// Tells again and again how a director stands.
async fn report(world: impl World, desk: impl Desk, truth: Truth, member: usize, users: u32) {
    loop {
        sleep(world.clock(), REPORT_EVERY).await;
        let Some(found) = desk.read(move |director, now| look(director, now, users)).await else {
            return;
        };
        let is_end_wanted = truth.facts().is_end_wanted;
        if is_end_wanted {
            // The plan's members are numbered from 0, these from 1.
            let end = desk.read(move |director, _| Converged::of(director.topology(), users, 1));
            if let Some(end) = end.await {
                truth.facts().ends.insert(member, end);
            }
        }
        truth.reported(member, found, true_time());
    }
}

fn look(director: &Director, now: Instant, users: u32) -> Report {
    let ring = director.ring_status(now);
    let mut committed = DefaultHasher::new();
    director.committed().hash(&mut committed);
    Report {
        is_serving: ring.standing == Standing::Leased,
        is_fresh: director.is_fresh(),
        epoch: ring.epoch.number(),
        committed: committed.finish(),
        waiting_logins: director.limits_used().waiting_logins,
        frozen: (0..users).filter(|user| director.is_frozen(id(*user))).count(),
        is_unseated: director.is_unseated(),
    }
}
