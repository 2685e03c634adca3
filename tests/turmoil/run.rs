//! One run of a plan: time, faults and work. The recovery at its end is left to `recovery`.

use std::net::IpAddr;
use std::rc::Rc;
use std::time::{Duration, UNIX_EPOCH};

use maildirector::world::select;
use sim::converged::Converged;
use sim::knobs::PolicyKnob;
use sim::{Bug, Errand, Fault, FaultKind, Plan, Work, generated_logins};

use crate::dice::Dice;
use crate::doveadm::{Request, request};
use crate::host::{self, Order, Station};
use crate::insistent::Insistent;
use crate::links::Network;
use crate::outages::{Outage, outages};
use crate::plans::has_mail;
use crate::settings::{backend, host, mail_server};
use crate::stubs::{MailServer, Wanted, serve_imap, serve_mail};
use crate::taps::listen_to_users;
use crate::trace::{LogLines, Trace};
use crate::truth::{Outcome, Truth, Who};
use crate::world::{Disk, Machine, SkewedClock};

const TICK: Duration = Duration::from_millis(10);
/// When the runs begin, in Unix time.
const BEGIN: Duration = Duration::from_secs(1_700_000_000);
/// Beside what the director itself may wait, what the processes around it take to answer a login.
const ANSWER_SLACK: Duration = Duration::from_secs(2);

/// What came of a run.
pub struct Outcomes {
    pub trace: Trace,
    pub truth: Truth,
    /// The rule that was broken, in words.
    pub broken: Option<String>,
    /// Time that passed in the world.
    pub simulated: Duration,
    /// What the ring came to, when every order was insisted on and it recovered.
    pub end: Option<Converged>,
}

/// What is special about a run.
#[derive(Clone, Copy, Debug, Default)]
pub struct Manner {
    /// What is broken on purpose.
    pub bug: Option<Bug>,
    /// Whether every order is given until it is answered, for a comparison with another world.
    pub insists: bool,
}

/// Runs a plan that is possible here, with something broken on purpose or not.
pub fn run(plan: &Plan, bug: Option<Bug>) -> Outcomes {
    run_so(plan, Manner { bug, insists: false })
}

/// Runs a plan that is possible here, in this manner.
pub fn run_so(plan: &Plan, manner: Manner) -> Outcomes {
    let trace = Trace::default();
    let _logging = tracing::subscriber::set_default(LogLines(trace.clone()));
    let truth = Truth::new(trace.clone(), plan.knobs.policy == PolicyKnob::Available);
    let mut stage = Stage::new(plan, manner, trace.clone(), truth.clone());
    stage.insistent = manner.insists.then(|| Insistent::new(plan));
    let broken = stage.play().err();
    let simulated = stage.sim.elapsed();
    let end = stage.end.take();
    drop(stage);
    Outcomes {
        trace,
        truth,
        broken,
        simulated,
        end,
    }
}

/// What of a member is struck by faults now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Struck {
    is_off: bool,
    is_killed: bool,
    is_stopped: bool,
    is_failing: bool,
    slow_ms: Option<u64>,
    ppm: Option<i32>,
    wall_ms: i64,
}

/// A run in progress.
pub struct Stage<'a> {
    pub plan: &'a Plan,
    pub sim: turmoil::Sim<'static>,
    pub stations: Vec<Rc<Station>>,
    pub struck: Vec<Struck>,
    pub insistent: Option<Insistent>,
    pub end: Option<Converged>,
    pub network: Network,
    pub truth: Truth,
    pub trace: Trace,
    pub dice: Dice,
    outages: Vec<Outage>,
    /// Members that must recover; all others stay broken.
    pub core: Vec<usize>,
    work: std::vec::IntoIter<Work>,
    next: Option<Work>,
}

impl<'a> Stage<'a> {
    fn new(plan: &'a Plan, manner: Manner, trace: Trace, truth: Truth) -> Self {
        let knobs = Rc::new(plan.knobs.clone());
        let mut sim = turmoil::Builder::new()
            .epoch(UNIX_EPOCH + BEGIN)
            .rng_seed(plan.seed)
            .simulation_duration(Duration::from_secs(3_600))
            .tick_duration(TICK)
            .min_message_latency(Duration::from_micros(knobs.latency_min_us))
            .max_message_latency(Duration::from_micros(
                knobs.latency_max_us.max(knobs.latency_min_us),
            ))
            .tcp_capacity(4_096)
            .ephemeral_ports(1_024..=65_535)
            .enable_random_order()
            .build();
        let mut stations = Vec::new();
        for (member, knob) in knobs.members.iter().enumerate() {
            let mut dice = Dice::new(plan.seed, 100 + member as u64);
            let clock = SkewedClock::new(
                Duration::from_millis(knob.clock_offset_ms),
                i64::from(knob.clock_ppm),
            );
            let disk = Disk::new(dice.split(), Duration::from_micros(knobs.disk_us));
            let mut machine = Machine::new(clock, disk, dice);
            machine.taps = listen_to_users(&truth, &knobs, member);
            let (truth, trace) = (truth.clone(), trace.clone());
            let station = Rc::new(Station::new(
                member,
                machine,
                Rc::clone(&knobs),
                manner.bug,
                truth,
                trace,
            ));
            station.is_wanted.set(knob.is_configured);
            let software = Rc::clone(&station);
            sim.host(host(member), move || host::run(Rc::clone(&software)));
            stations.push(station);
        }
        for number in 0..knobs.backends.len() as u32 {
            let ip = backend(number);
            let mailbox = machine(plan.seed, 200 + u64::from(number));
            let truth = truth.clone();
            sim.host(ip, move || serve_backend(ip, truth.clone(), mailbox.clone()));
        }
        if has_mail(plan) && !manner.insists {
            let server = mail_server_of(plan, truth.clone());
            sim.host(mail_server(), move || server.clone().run());
        }
        let mut work = generated_logins(plan);
        work.extend(plan.work.iter().cloned());
        work.sort_by_key(|work| work.at_ms);
        let mut work = work.into_iter();
        Stage {
            plan,
            sim,
            struck: vec![Struck::default(); stations.len()],
            stations,
            network: Network::default(),
            truth,
            trace,
            dice: Dice::new(plan.seed, 1),
            insistent: None,
            end: None,
            outages: outages(&plan.faults),
            core: configured(plan).collect(),
            next: work.next(),
            work,
        }
    }

    fn play(&mut self) -> Result<(), String> {
        let duration = Duration::from_millis(self.plan.duration_ms);
        while self.sim.elapsed() < duration {
            self.strike();
            self.go_on_working();
            self.step()?;
        }
        self.recover()
    }

    pub fn step(&mut self) -> Result<(), String> {
        self.insist();
        let stepped = self.sim.step();
        stepped.map_err(|error| format!("a host failed: {error}"))?;
        self.expect_nobody_forgotten()?;
        let facts = self.truth.facts();
        match facts.violations.first() {
            Some(violation) => Err(violation.clone()),
            None => Ok(()),
        }
    }

    /// Begins and ends what is due.
    fn strike(&mut self) {
        self.trace.set_now(self.sim.elapsed());
        let now_ms = self.sim.elapsed().as_millis() as u64;
        let plan = self.plan;
        let is_on = |fault: &&Fault| (fault.from_ms..fault.to_ms).contains(&now_ms);
        let active = plan.faults.iter().filter(is_on);
        self.network
            .apply(&self.sim, &plan.knobs, active.clone(), self.sim.elapsed());
        for member in configured(plan) {
            let mut struck = Struck {
                is_killed: now_ms < plan.knobs.members[member].starts_at_ms,
                ..Struck::default()
            };
            for fault in active.clone() {
                struck.strike(&fault.kind, member);
            }
            self.change(member, struck);
        }
        let health_ms = plan.knobs.health_ms;
        let is_due = |at_ms: u64| at_ms <= now_ms && now_ms < at_ms + TICK.as_millis() as u64;
        for at in 0..self.outages.len() {
            let outage = self.outages[at];
            let ip = backend(outage.backend);
            if is_due(outage.from_ms) {
                self.truth.end_all(|session| session.backend == ip);
            }
            if self.insistent.is_some() {
                continue;
            }
            if is_due(outage.from_ms + health_ms) {
                self.type_in(0, vec![format!("HOST-DOWN\t{ip}"), format!("HOST-FLUSH\t{ip}")]);
            }
            if is_due(outage.to_ms + health_ms) {
                self.type_in(0, vec![format!("HOST-UP\t{ip}")]);
            }
        }
    }

    pub fn change(&mut self, member: usize, struck: Struck) {
        let before = std::mem::replace(&mut self.struck[member], struck);
        if before == struck {
            return;
        }
        self.trace
            .note(&format!("m{member}/faults"), format!("{struck:?}"));
        let station = Rc::clone(&self.stations[member]);
        let knob = &self.plan.knobs.members[member];
        let now = self.sim.elapsed();
        let Machine { clock, disk, .. } = &station.machine;
        if before.ppm != struck.ppm {
            clock.set_rate(now, i64::from(struck.ppm.unwrap_or(knob.clock_ppm)));
        }
        clock.set_wall(struck.wall_ms);
        if before.slow_ms != struck.slow_ms {
            let usual = Duration::from_micros(self.plan.knobs.disk_us);
            disk.set_slow(struck.slow_ms.map_or(usual, Duration::from_millis));
        }
        if before.is_failing != struck.is_failing {
            disk.set_failing(struck.is_failing);
        }
        station.is_wanted.set(!struck.is_killed);
        match (before.is_off, struck.is_off) {
            (false, true) => {
                self.sim.crash(host(member));
                disk.lose_power();
                clock.restart(now, Duration::from_millis(self.dice.below(10_000)));
            }
            (true, false) => self.sim.bounce(host(member)),
            _ => {}
        }
        // Who is off hears no orders, and starts as the others do.
        match (before.is_killed, struck.is_killed) {
            (false, true) => drop(station.order(Order::Kill)),
            (true, false) => drop(station.order(Order::Start)),
            _ => {}
        }
        match (before.is_stopped, struck.is_stopped) {
            (false, true) => drop(station.order(Order::Stop)),
            (true, false) => drop(station.order(Order::GoOn)),
            _ => {}
        }
        let wipes = |fault: &Fault| {
            matches!(fault.kind, FaultKind::Wipe { member: wiped } if wiped == member)
                && now.as_millis() as u64 == fault.from_ms / 10 * 10
        };
        if self.plan.faults.iter().any(wipes) {
            disk.wipe();
        }
    }

    fn go_on_working(&mut self) {
        let now_ms = self.sim.elapsed().as_millis() as u64;
        while let Some(work) = self.next.take_if(|work| work.at_ms <= now_ms) {
            self.next = self.work.next();
            match work.errand {
                Errand::Login {
                    user,
                    is_second_tag,
                    session_ms,
                } => self.log_in(
                    work.member,
                    Who { user, is_second_tag },
                    Duration::from_millis(session_ms),
                ),
                Errand::Kick { user } => self.type_in(work.member, vec![format!("USER-KICK\tuser{user}")]),
                Errand::Command { .. } if self.insistent.is_some() => {}
                Errand::Command { orders } => {
                    let request = request(&orders, unix_s(self.sim.elapsed()));
                    self.admin(work.member, request);
                }
                Errand::DryRun { .. } => {}
            }
        }
    }

    pub fn log_in(&mut self, member: usize, who: Who, session: Duration) {
        let login = self.truth.asked(who, member, self.sim.elapsed());
        let wanted = Wanted { login, who, session };
        if !self.stations[member].order(Order::Login(wanted)) {
            self.truth.ended(login, Outcome::Closed, self.sim.elapsed());
        }
    }

    pub fn type_in(&self, from: usize, lines: Vec<String>) {
        self.admin(from, Request::Typed(lines));
    }

    /// Has an admin give commands at the first member from this one on that runs.
    fn admin(&self, from: usize, request: Request) {
        let count = self.stations.len();
        for member in (from..from + count).map(|member| member % count) {
            let is_there = self.struck[member] == Struck::default()
                && self.core.contains(&member)
                && self.plan.knobs.members[member].serves;
            if is_there && self.stations[member].order(Order::Admin(request.clone())) {
                return;
            }
        }
    }

    /// Every login is answered in time, or its connection closed; time in which the director stood still does not
    /// count, nor that in which its disk took nothing.
    fn expect_nobody_forgotten(&self) -> Result<(), String> {
        let now = self.sim.elapsed();
        if !now.as_millis().is_multiple_of(500) {
            return Ok(());
        }
        let patience = Duration::from_millis(self.plan.knobs.login_wait_ms) + ANSWER_SLACK;
        let facts = self.truth.facts();
        for login in facts.logins.iter().filter(|login| login.outcome.is_none()) {
            let waited = now.saturating_sub(login.asked_at);
            if waited > patience + self.excused(login.member, login.asked_at) {
                return Err(format!("a login was not answered within {waited:?}: {login:?}"));
            }
        }
        Ok(())
    }

    fn excused(&self, member: usize, since: Duration) -> Duration {
        let is_excuse = |fault: &&Fault| match &fault.kind {
            FaultKind::Pause { member: struck } => *struck == member,
            FaultKind::SlowDisk { member: struck, .. } => *struck == member,
            _ => false,
        };
        let spans = self.plan.faults.iter().filter(is_excuse).map(|fault| {
            let from = Duration::from_millis(fault.from_ms).max(since);
            Duration::from_millis(fault.to_ms).saturating_sub(from)
        });
        spans.sum()
    }
}

/// A backend with all that it speaks.
async fn serve_backend(ip: IpAddr, truth: Truth, mailbox: Machine) -> turmoil::Result {
    select! {
        ended = serve_imap(ip) => ended,
        ended = serve_mail(ip, truth, mailbox) => ended,
    }
}

fn mail_server_of(plan: &Plan, truth: Truth) -> MailServer {
    let knobs = &plan.knobs;
    let directors = configured(plan).filter(|member| knobs.members[*member].serves);
    MailServer {
        machine: machine(plan.seed, 300),
        truth,
        directors: directors.collect(),
        users: knobs.users,
        until: Duration::from_millis(plan.duration_ms),
        login_wait: Duration::from_millis(knobs.login_wait_ms),
    }
}

/// A machine beside the ring, whose clock is right.
fn machine(seed: u64, purpose: u64) -> Machine {
    let mut dice = Dice::new(seed, purpose);
    let disk = Disk::new(dice.split(), Duration::ZERO);
    Machine::new(SkewedClock::new(Duration::ZERO, 0), disk, dice)
}

/// The time of day so long after the beginning, in Unix seconds.
pub fn unix_s(elapsed: Duration) -> u64 {
    (BEGIN + elapsed).as_secs()
}

/// The members of the configuration. Others are machines without a director: no order lets them join here.
pub fn configured(plan: &Plan) -> impl Iterator<Item = usize> {
    let members = plan.knobs.members.iter().enumerate();
    members
        .filter(|(_, member)| member.is_configured)
        .map(|(number, _)| number)
}

impl Struck {
    /// By nothing, unless it is stopped for good.
    pub fn at_the_end(is_killed: bool) -> Self {
        Struck {
            is_killed,
            ..Struck::default()
        }
    }

    fn strike(&mut self, kind: &FaultKind, at: usize) {
        match kind {
            FaultKind::PowerCut { member } if *member == at => self.is_off = true,
            FaultKind::Crash { member } | FaultKind::Wipe { member } if *member == at => {
                self.is_killed = true
            }
            FaultKind::Pause { member } if *member == at => self.is_stopped = true,
            FaultKind::BrokenDisk { member } if *member == at => self.is_failing = true,
            FaultKind::SlowDisk { member, up_to_ms } if *member == at => self.slow_ms = Some(*up_to_ms),
            FaultKind::Drift { member, ppm } if *member == at => self.ppm = Some(*ppm),
            FaultKind::WallJump { member, by_ms } if *member == at => self.wall_ms += by_ms,
            // Nothing is handed over here: a member that is to be upgraded goes on as it is.
            FaultKind::Upgrade { .. } => {}
            _ => {}
        }
    }
}
