//! One run of a plan: time, faults, work, and at the end the recovery.

use std::net::IpAddr;
use std::rc::Rc;
use std::time::{Duration, UNIX_EPOCH};

use maildirector::topology::UserKey;
use sim::knobs::PolicyKnob;
use sim::{Bug, Ending, Errand, Fault, FaultKind, Order as Change, Plan, Work, generated_logins};

use crate::dice::Dice;
use crate::host::{self, Order, Station};
use crate::links::Network;
use crate::settings::{backend, host};
use crate::stubs::Wanted;
use crate::trace::{LogLines, Trace};
use crate::truth::{Outcome, Report, Truth, Who};
use crate::world::{Disk, Machine, SkewedClock};

const TICK: Duration = Duration::from_millis(10);
/// All that has to do with the recovery takes so many leases at most.
const RECOVERY_LEASES: u32 = 8;
/// Beside what the director itself may wait, what the processes around it take to answer a login.
const ANSWER_SLACK: Duration = Duration::from_secs(2);

/// What came of a run.
pub struct Outcomes {
    pub trace: Trace,
    pub truth: Truth,
    /// The rule that was broken, in words.
    pub broken: Option<String>,
}

/// Runs a plan that is possible here, with something broken on purpose or not.
pub fn run(plan: &Plan, bug: Option<Bug>) -> Outcomes {
    let trace = Trace::default();
    let _logging = tracing::subscriber::set_default(LogLines(trace.clone()));
    let truth = Truth::new(trace.clone(), plan.knobs.policy == PolicyKnob::Available);
    let broken = Stage::new(plan, bug, trace.clone(), truth.clone()).play().err();
    Outcomes { trace, truth, broken }
}

/// What of a member is struck by faults now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Struck {
    is_off: bool,
    is_killed: bool,
    is_stopped: bool,
    is_failing: bool,
    slow_ms: Option<u64>,
    ppm: Option<i32>,
    wall_ms: i64,
}

/// A run in progress.
struct Stage<'a> {
    plan: &'a Plan,
    sim: turmoil::Sim<'static>,
    stations: Vec<Rc<Station>>,
    struck: Vec<Struck>,
    network: Network,
    truth: Truth,
    trace: Trace,
    dice: Dice,
    work: std::vec::IntoIter<Work>,
    next: Option<Work>,
}

impl<'a> Stage<'a> {
    fn new(plan: &'a Plan, bug: Option<Bug>, trace: Trace, truth: Truth) -> Self {
        let knobs = Rc::new(plan.knobs.clone());
        let mut sim = turmoil::Builder::new()
            .epoch(UNIX_EPOCH + Duration::from_secs(1_700_000_000))
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
            let machine = Machine::new(clock, disk, dice);
            let (truth, trace) = (truth.clone(), trace.clone());
            let station = Rc::new(Station::new(
                member,
                machine,
                Rc::clone(&knobs),
                bug,
                truth,
                trace,
            ));
            let software = Rc::clone(&station);
            sim.host(host(member), move || host::run(Rc::clone(&software)));
            stations.push(station);
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
            next: work.next(),
            work,
        }
    }

    fn play(mut self) -> Result<(), String> {
        let duration = Duration::from_millis(self.plan.duration_ms);
        while self.sim.elapsed() < duration {
            self.strike();
            self.go_on_working();
            self.step()?;
        }
        if self.plan.ending == Ending::AllHeal {
            self.recover()?;
        }
        Ok(())
    }

    fn step(&mut self) -> Result<(), String> {
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
        for member in 0..self.stations.len() {
            let mut struck = Struck {
                is_killed: now_ms < plan.knobs.members[member].starts_at_ms,
                ..Struck::default()
            };
            for fault in active.clone() {
                struck.strike(&fault.kind, member);
            }
            self.change(member, struck);
        }
        for fault in &plan.faults {
            let is_due = |at_ms: u64| at_ms <= now_ms && now_ms < at_ms + TICK.as_millis() as u64;
            if let FaultKind::BackendDown { backend: number } = fault.kind {
                let health_ms = plan.knobs.health_ms;
                let ip = backend(number as u32);
                if is_due(fault.from_ms) {
                    self.truth.end_all(|session| session.backend == ip);
                }
                if is_due(fault.from_ms + health_ms) {
                    self.admin(0, vec![format!("HOST-DOWN\t{ip}"), format!("HOST-FLUSH\t{ip}")]);
                }
                if is_due(fault.to_ms + health_ms) {
                    self.admin(0, vec![format!("HOST-UP\t{ip}")]);
                }
            }
        }
    }

    fn change(&mut self, member: usize, struck: Struck) {
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
                Errand::Kick { user } => self.admin(work.member, vec![format!("USER-KICK\tuser{user}")]),
                Errand::Command { orders } => {
                    self.admin(work.member, orders.iter().filter_map(line).collect());
                }
                Errand::DryRun { .. } => {}
            }
        }
    }

    fn log_in(&mut self, member: usize, who: Who, session: Duration) {
        let login = self.truth.asked(who, member, self.sim.elapsed());
        let wanted = Wanted { login, who, session };
        if !self.stations[member].order(Order::Login(wanted)) {
            self.truth.ended(login, Outcome::Closed, self.sim.elapsed());
        }
    }

    /// Has an admin give commands at the first member from this one on that runs.
    fn admin(&self, from: usize, commands: Vec<String>) {
        let count = self.stations.len();
        for member in (from..from + count).map(|member| member % count) {
            let is_there = self.struck[member] == Struck::default() && self.plan.knobs.members[member].serves;
            if is_there && self.stations[member].order(Order::Admin(commands.clone())) {
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

    /// All faults have ended: everybody serves, agrees, and answers.
    fn recover(&mut self) -> Result<(), String> {
        self.heal();
        self.let_traces_end()?;
        self.expect_soon("every director serves", Stage::does_everybody_serve)?;
        let mut commands: Vec<String> = Vec::new();
        for (number, knob) in (0..).zip(&self.plan.knobs.backends) {
            let at = if knob.tag.is_empty() { "" } else { "@" };
            let ip = backend(number);
            commands.push(format!("HOST-SET\t{ip}{at}{}\t100", knob.tag));
            commands.push(format!("HOST-UP\t{ip}"));
        }
        self.expect_soon("all admins are answered", Stage::is_every_admin_answered)?;
        self.admin(0, commands);
        self.step()?;
        self.expect_soon("an admin is answered", Stage::is_every_admin_answered)?;
        self.expect_soon("all serve and agree, and no login waits", |stage| {
            stage.does_everybody_serve() && stage.does_everybody_agree()
        })?;
        self.expect_logins()
    }

    /// What was begun while a disk was slow takes its time, and a lease may run out that could not be renewed before.
    fn let_traces_end(&mut self) -> Result<(), String> {
        let slowest_ms = self.plan.faults.iter().map(|fault| match fault.kind {
            FaultKind::SlowDisk { up_to_ms, .. } => up_to_ms,
            _ => 0,
        });
        let traces_ms = slowest_ms.max().unwrap_or(0).max(self.plan.knobs.lease_ms);
        let end = self.sim.elapsed() + Duration::from_millis(traces_ms);
        while self.sim.elapsed() < end {
            self.step()?;
        }
        Ok(())
    }

    /// Every user gets in by every director, and to one backend.
    fn expect_logins(&mut self) -> Result<(), String> {
        let first = self.truth.facts().logins.len();
        let users = self.plan.knobs.users.min(8);
        let directors = (0..self.stations.len()).filter(|member| self.plan.knobs.members[*member].serves);
        for member in directors.collect::<Vec<_>>() {
            for user in 0..users {
                let who = Who {
                    user,
                    is_second_tag: false,
                };
                self.log_in(member, who, Duration::from_millis(500));
            }
        }
        self.expect_soon("every login is answered", |stage| {
            let facts = stage.truth.facts();
            facts.logins.iter().all(|login| login.outcome.is_some())
        })?;
        let facts = self.truth.facts();
        for user in 0..users {
            let its = facts.logins[first..]
                .iter()
                .filter(|login| login.who.user == user);
            let outcomes: Vec<Option<IpAddr>> = its
                .map(|login| match login.outcome {
                    Some((_, Outcome::Routed(ip))) => Some(ip),
                    _ => None,
                })
                .collect();
            if outcomes[0].is_none() || outcomes.iter().any(|ip| *ip != outcomes[0]) {
                return Err(format!("after the recovery user {user} is sent to {outcomes:?}"));
            }
        }
        Ok(())
    }

    fn heal(&mut self) {
        self.trace.set_now(self.sim.elapsed());
        let knobs = &self.plan.knobs;
        self.network
            .apply(&self.sim, knobs, std::iter::empty(), self.sim.elapsed());
        for member in 0..self.stations.len() {
            self.change(member, Struck::default());
        }
    }

    fn expect_soon(&mut self, what: &str, holds: impl Fn(&Self) -> bool) -> Result<(), String> {
        let span = Duration::from_millis(self.plan.knobs.lease_ms) * RECOVERY_LEASES
            + Duration::from_millis(self.plan.knobs.command_wait_ms);
        let end = self.sim.elapsed() + span;
        while !holds(self) {
            if self.sim.elapsed() > end {
                let facts = self.truth.facts();
                let waiting = facts.logins.iter().find(|login| login.outcome.is_none());
                return Err(format!(
                    "not within {span:?} of healing: {what}; {:?}, {waiting:?}",
                    facts.reports
                ));
            }
            self.step()?;
        }
        Ok(())
    }

    fn reports(&self) -> Option<Vec<(usize, Report)>> {
        let facts = self.truth.facts();
        let reports: Vec<_> = facts
            .reports
            .iter()
            .map(|(member, report)| (*member, *report))
            .collect();
        (reports.len() == self.stations.len()).then_some(reports)
    }

    fn is_every_admin_answered(&self) -> bool {
        self.truth.facts().admins.values().all(|waiting| *waiting == 0)
    }

    fn does_everybody_serve(&self) -> bool {
        let serves = |member: usize| self.plan.knobs.members[member].serves;
        self.reports()
            .is_some_and(|reports| reports.iter().all(|(member, r)| r.is_serving || !serves(*member)))
    }

    fn does_everybody_agree(&self) -> bool {
        self.reports().is_some_and(|reports| {
            let first = reports[0].1;
            reports.iter().all(|(_, r)| {
                r.committed == first.committed && r.epoch == first.epoch && r.waiting_logins == 0
            })
        })
    }
}

impl Struck {
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
            _ => {}
        }
    }
}

/// The line of `doveadm director` for a change.
fn line(change: &Change) -> Option<String> {
    Some(match change {
        Change::AddBackend {
            backend: number,
            vhosts,
            tag,
        } => {
            let at = if tag.is_empty() { "" } else { "@" };
            format!("HOST-SET\t{}{at}{tag}\t{vhosts}", backend(*number))
        }
        Change::RemoveBackend { backend: number } => format!("HOST-REMOVE\t{}", backend(*number)),
        Change::SetVhosts {
            backend: number,
            vhosts,
        } => {
            format!("HOST-UPDATE\t{}\t{vhosts}", backend(*number))
        }
        Change::Up { backend: number } => format!("HOST-UP\t{}", backend(*number)),
        Change::Down { backend: number } => format!("HOST-DOWN\t{}", backend(*number)),
        Change::Flush {
            backend: Some(number),
        } => format!("HOST-FLUSH\t{}", backend(*number)),
        Change::Flush { backend: None } => "HOST-FLUSH".to_owned(),
        Change::Move {
            user,
            backend: number,
        } => format!("USER-MOVE\tuser{user}\t{}", backend(*number)),
        // As the stock doveadm says it.
        Change::MoveHash {
            user,
            backend: number,
        } => {
            let hash = UserKey::of_expanded(format!("user{user}").as_bytes()).hash();
            format!("USER-MOVE\t{hash}\t{}", backend(*number))
        }
        _ => return None,
    })
}
