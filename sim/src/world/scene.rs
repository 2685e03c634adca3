//! The world itself: everything in it, and the loop that lets one thing happen after the other.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use maildirector::agreement::Rules;
use maildirector::director::{Limits, Output, Policy};
use maildirector::topology::{Epoch, Topology, UserId};
use maildirector::world::Instant;

use super::admins::Admins;
use super::causes::Causes;
use super::clock::Clock;
use super::configuration;
use super::doors::Doors;
use super::happening::Happening;
use super::insistent::Insistent;
use super::member::{Member, Run};
use super::network::Network;
use super::note::Note;
use super::patrons::Patrons;
use super::people::People;
use super::probes::Probes;
use super::queue::Queue;
use super::recovery::Recovery;
use super::states::States;
use crate::bug::{Bug, WorldBug};
use crate::checkers::{Agreement, Broken, Commands, Leases};
use crate::compare::Counted;
use crate::entropy::Entropy;
use crate::explain::Recorder;
use crate::knobs::{Knobs, PolicyKnob};
use crate::marks::{Mark, MarkSet};
use crate::outcome::{Counters, Outcome, Verdict};
use crate::plan::Plan;
use crate::run::{Options, TraceMode};
use crate::trace::Trace;
use crate::waits::Waits;

pub(crate) const MS: u64 = 1_000_000;
/// How often everything is looked at.
const SWEEP_EVERY_NS: u64 = 500 * MS;

/// The timer of one process.
#[derive(Clone, Copy, Debug)]
pub(super) struct Timer {
    pub(super) at_ns: u64,
    pub(super) run: u32,
}

/// A world in which a plan happens.
pub(crate) struct World<'p> {
    pub(super) plan: &'p Plan,
    pub(super) bug: Option<WorldBug>,
    pub(super) rules: Rules,
    pub(super) entropy: Entropy,
    pub(super) stop_at_ns: u64,

    pub(super) now: u64,
    pub(super) events: u64,
    pub(super) queue: Queue,
    pub(super) timers: Vec<Timer>,
    pub(super) out: Vec<Output>,

    pub(super) network: Network,
    pub(super) members: Vec<Member>,
    pub(super) runs: Vec<Run>,
    pub(super) doors: Doors,
    pub(super) people: People,
    pub(super) admins: Admins,
    /// Who gives the orders when worlds are compared, instead of those who want them.
    pub(super) insistent: Option<Box<Insistent>>,
    /// Users whose flush hook runs, by run.
    pub(super) flushing: BTreeSet<(u32, UserId)>,
    pub(super) probes: Probes,
    pub(super) is_backend_dead: Vec<bool>,
    pub(super) is_fault_on: Vec<bool>,
    pub(super) causes: Causes,
    pub(super) recovery: Recovery,
    pub(super) patrons: Patrons,

    pub(super) right: Arc<Topology>,
    pub(super) limits: Limits,
    pub(super) policy: Policy,
    pub(super) refresh_every_ns: u64,

    pub(super) leases: Vec<Leases>,
    pub(super) agreement: Agreement,
    pub(super) commands: Commands,
    pub(super) newest: Epoch,
    /// Since when that is in force somewhere.
    pub(super) newest_since_ns: u64,
    /// Whether nothing has gone wrong yet, and nothing will but for what the plan's ending leaves wrong.
    pub(super) is_faultless: bool,
    pub(super) events_at_sweep: u64,

    pub(super) trace: Trace<Note>,
    /// Everything with its causes, when somebody wants the run explained.
    pub(super) recorder: Option<Box<Recorder>>,
    pub(super) marks: MarkSet,
    pub(super) states: States,
    pub(super) waits: Waits,
    pub(super) counters: Counters,
    /// The ledger of a comparison, and the messages up to the end of the faults.
    pub(super) counted: Counted,
    pub(super) counted_messages: u64,
    pub(super) broken: Option<(Broken, u64, u64)>,
    pub(super) is_over: bool,
}

impl<'p> World<'p> {
    pub(crate) fn new(plan: &'p Plan, options: &Options) -> Self {
        let knobs = &plan.knobs;
        let entropy = Entropy::new(plan.seed);
        let people = People::new(knobs.users.max(1), entropy);
        let (bug, rules) = match options.bug {
            None => (None, Rules::default()),
            Some(Bug::Rule(rule)) => (None, Rules::breaking(rule)),
            Some(Bug::World(bug)) => (Some(bug), Rules::default()),
        };
        let member = |m: &crate::knobs::MemberKnobs| {
            let clock = Clock::new(m.clock_offset_ms * MS, rate(m.clock_ppm, bug));
            Member::new(clock, m.wrong_configuration_until_ms > 0)
        };
        let mut world = World {
            plan,
            bug,
            rules,
            entropy,
            stop_at_ns: options.stop_at_ns.unwrap_or(u64::MAX),
            now: 0,
            events: 0,
            queue: Queue::default(),
            timers: Vec::new(),
            out: Vec::new(),
            network: Network::new(knobs, entropy),
            members: knobs.members.iter().map(member).collect(),
            runs: Vec::new(),
            doors: Doors::new(people.len(), knobs.members.len()),
            people,
            admins: Admins::new(knobs.backends.len()),
            insistent: None,
            flushing: BTreeSet::new(),
            probes: Probes::new(knobs.members.len(), knobs.backends.len()),
            is_backend_dead: vec![false; knobs.backends.len()],
            is_fault_on: vec![false; plan.faults.len()],
            causes: Causes::default(),
            recovery: Recovery::default(),
            patrons: Patrons::default(),
            right: Arc::new(configuration::topology(knobs, configuration::Variant::Right)),
            limits: limits(knobs),
            policy: match knobs.policy {
                PolicyKnob::Consistent => Policy::Consistent,
                PolicyKnob::Available => Policy::Available,
            },
            refresh_every_ns: configuration::shortest_expire_ms(plan) * MS / 2,
            leases: Vec::new(),
            agreement: Agreement::default(),
            commands: Commands::default(),
            newest: Epoch::ZERO,
            newest_since_ns: 0,
            is_faultless: configuration::is_faultless(plan),
            events_at_sweep: 0,
            trace: Trace::new(options.trace == TraceMode::Lines),
            recorder: None,
            marks: MarkSet::default(),
            states: States::new(knobs.members.len()),
            waits: Waits::default(),
            counters: Counters::default(),
            counted: None,
            counted_messages: 0,
            broken: None,
            is_over: false,
        };
        world.schedule();
        if let Some(visits) = options.visits {
            world.visits_are_planned(visits);
        }
        world
    }

    /// Puts everything that the plan knows of into the queue.
    fn schedule(&mut self) {
        let plan = self.plan;
        for (member, m) in (0..).zip(&plan.knobs.members) {
            self.queue
                .push(m.starts_at_ms * MS, Happening::MemberStarts { member });
            if m.wrong_configuration_until_ms > 0 {
                let at_ns = m.wrong_configuration_until_ms.max(m.starts_at_ms + 1) * MS;
                self.queue
                    .push(at_ns, Happening::ConfigurationIsMended { member });
            }
        }
        if plan.knobs.probe_ms > 0 {
            let directors = (0..).zip(&plan.knobs.members).filter(|(_, m)| m.serves);
            for (member, m) in directors {
                self.queue
                    .push(m.starts_at_ms * MS, Happening::ProbesAreDue { member });
            }
        }
        for (index, fault) in (0..).zip(&plan.faults) {
            if fault.from_ms < plan.duration_ms {
                self.queue
                    .push(fault.from_ms * MS, Happening::FaultBegins { index });
                self.queue.push(
                    fault.to_ms.max(fault.from_ms) * MS,
                    Happening::FaultEnds { index },
                );
            }
        }
        for (index, work) in (0..).zip(&plan.work) {
            if work.at_ms < plan.duration_ms {
                self.queue.push(work.at_ms * MS, Happening::WorkIsDue { index });
            }
        }
        if plan.knobs.login_gap_ms > 0 {
            self.queue.push(0, Happening::LoginIsGenerated { n: 0 });
        }
        self.queue.push(SWEEP_EVERY_NS, Happening::SweepIsDue);
        self.queue.push(plan.duration_ms * MS, Happening::RecoveryBegins);
    }

    /// Lets things happen until the plan is over or an invariant is broken.
    pub(crate) fn play(&mut self) {
        while !self.is_over && self.broken.is_none() {
            let timer = self.timers.iter().min_by_key(|timer| timer.at_ns).copied();
            let tick_at = timer.map_or(u64::MAX, |timer| timer.at_ns);
            let next_at = self.queue.next_at();
            if tick_at.min(next_at) > self.stop_at_ns || tick_at.min(next_at) == u64::MAX {
                break;
            }
            if let (Some(timer), true) = (timer, tick_at <= next_at) {
                self.now = self.now.max(tick_at);
                self.tick(timer.run);
            } else if let Some((at_ns, happening)) = self.queue.pop() {
                self.now = self.now.max(at_ns);
                self.happen(happening);
            }
        }
        self.now = self.now.min(self.stop_at_ns);
    }

    /// What came of it.
    pub(crate) fn outcome(mut self) -> Outcome {
        let verdict = match self.broken.take() {
            None => Verdict::Ok,
            Some((Broken { invariant, words }, at_ns, event)) => Verdict::Violation {
                invariant,
                words,
                at_ns,
                event,
            },
        };
        self.counters.epochs = self.agreement.epochs().len() as u64;
        Outcome {
            verdict,
            events: self.events,
            simulated_ns: self.now,
            healing: self.healing(),
            outages: self.patrons.outages(self.now),
            trace_hash: self.trace.digest(),
            last_events: self.trace.last_lines(),
            lines: self.trace.take_lines(),
            marks: self.marks,
            reached: self.states.reached,
            waits: self.waits,
            counters: self.counters,
        }
    }

    /// Notes the first broken invariant; the run ends there.
    #[inline]
    pub(super) fn check(&mut self, result: Result<(), Broken>) {
        if let Err(broken) = result
            && self.broken.is_none()
        {
            self.broken = Some((broken, self.now, self.events));
        }
    }

    /// What was seen of the broken invariant; nothing when none is broken.
    pub(crate) fn broken_words(&self) -> &str {
        self.broken.as_ref().map_or("", |(broken, ..)| &broken.words)
    }

    pub(crate) fn break_off(&mut self, broken: Broken) {
        self.check(Err(broken));
    }

    #[inline]
    pub(super) fn note(&mut self, note: Note) {
        self.trace.note(self.now, self.events, note);
        if let Some(recorder) = &mut self.recorder {
            recorder.note(self.now, self.events, note);
        }
    }

    #[inline]
    pub(super) fn mark(&mut self, mark: Mark) {
        self.marks.hit(mark);
    }

    #[inline]
    pub(super) fn push(&mut self, at_ns: u64, happening: Happening) {
        self.queue.push(at_ns, happening);
    }

    /// What the machines of this member believe the time to be.
    #[inline]
    pub(super) fn local(&self, member: u8) -> Instant {
        let member = &self.members[usize::from(member)];
        Instant::from_nanos(self.seen_by_machine(member, member.clock.at(self.now)))
    }

    #[inline]
    pub(super) fn seen_by_machine(&self, member: &Member, local_ns: u64) -> u64 {
        match self.bug {
            Some(WorldBug::WallClock) => local_ns.saturating_add_signed(member.wall_offset_ns),
            _ => local_ns,
        }
    }

    /// When the machine's clock shows this, in true time.
    pub(super) fn when(&self, member: u8, at: Instant) -> u64 {
        let member = &self.members[usize::from(member)];
        let local_ns = match self.bug {
            Some(WorldBug::WallClock) => at.as_nanos().saturating_add_signed(-member.wall_offset_ns),
            _ => at.as_nanos(),
        };
        member.clock.when(local_ns)
    }

    pub(super) fn schedule_sweep(&mut self) {
        self.push(self.now + SWEEP_EVERY_NS, Happening::SweepIsDue);
    }

    pub(super) fn knobs(&self) -> &'p Knobs {
        &self.plan.knobs
    }
}

fn limits(knobs: &Knobs) -> Limits {
    Limits {
        waiting_logins: knobs.waiting_logins_max,
        login_wait: Duration::from_millis(knobs.login_wait_ms),
        holds: knobs.holds_max,
        commands: knobs.commands_max,
        command_wait: Duration::from_millis(knobs.command_wait_ms),
        changes_per_command: 100,
        history: 50,
        flushes: knobs.flushes_max,
        name_bytes: 64,
    }
}

/// At what rate a clock runs that should run at `ppm`. Beyond the bound is twenty times as far off as the bound allows,
/// but at most by two fifths.
pub(super) fn rate(ppm: i32, bug: Option<WorldBug>) -> i64 {
    let ppm = i64::from(ppm);
    if bug == Some(WorldBug::DriftBeyondBound) {
        (ppm * 20).clamp(-400_000, 400_000)
    } else {
        ppm
    }
}
