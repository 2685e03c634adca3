//! Probes: every director looks at each backend now and then, and tells its machine what it makes of that. Looks are lost
//! now and then; a director whose cable to the backends is broken finds all of them failing.

use std::net::IpAddr;

use maildirector::director::Input;
use maildirector::health::{Judge, Verdict};
use maildirector::topology::{Change, Draft, Topology};

use super::happening::Happening;
use super::people::backend_ip;
use super::scene::{MS, World};
use crate::checkers::{
    self, brake_holds, dead_backend_bound_ns, failed_is_left, health_agreed, human_down_stays, newly_failed,
    no_flapping,
};
use crate::coverage::State;
use crate::entropy::{Purpose, below};
use crate::fault::FaultKind;
use crate::marks::Mark;

/// Looks in a row that make a backend failing, or working again.
const FALL: u32 = 3;
const RISE: u32 = 2;
/// So many of a thousand looks at a working backend fail all the same.
const LOST_PERMILLE: u64 = 10;

/// What one director makes of the backends.
#[derive(Clone, Debug, Default)]
struct Judged {
    run: Option<u32>,
    /// The daemon's own, by backend.
    judges: Vec<Judge>,
    /// When it last had a reason to fail, other than a lost look.
    bad_at_ns: Vec<Option<u64>>,
    /// When it was last judged failing, and working.
    failing_at_ns: Vec<Option<u64>>,
    working_at_ns: Vec<Option<u64>>,
}

/// All directors' probes.
#[derive(Debug, Default)]
pub(crate) struct Probes {
    judged: Vec<Judged>,
    dead_since_ns: Vec<Option<u64>>,
    /// Since when it could have been taken out of service, dead as it is: nothing forbids that, the brake neither.
    due_since_ns: Vec<Option<u64>>,
    /// Since when most directors are under a lease, as far as looks now and then tell.
    well_since_ns: Option<u64>,
    /// How often backends went up after a down, and how often operators said so.
    ups: Vec<u64>,
    ups_said: Vec<u64>,
    up_said_at_ns: Vec<Option<u64>>,
    /// When somebody came or left the last time.
    members_changed_ns: u64,
}

impl Probes {
    pub(crate) fn new(members: usize, backends: usize) -> Self {
        let judged = Judged {
            judges: vec![Judge::new(FALL, RISE); backends],
            bad_at_ns: vec![None; backends],
            failing_at_ns: vec![None; backends],
            working_at_ns: vec![None; backends],
            ..Judged::default()
        };
        Probes {
            judged: vec![judged; members],
            dead_since_ns: vec![None; backends],
            due_since_ns: vec![None; backends],
            well_since_ns: None,
            ups: vec![0; backends],
            ups_said: vec![0; backends],
            up_said_at_ns: vec![None; backends],
            members_changed_ns: 0,
        }
    }
}

impl World<'_> {
    pub(super) fn has_probes(&self) -> bool {
        self.knobs().probe_ms > 0
    }

    pub(super) fn backend_was_seen(&mut self, backend: usize, is_dead: bool) {
        self.probes.dead_since_ns[backend] = is_dead.then_some(self.now);
    }

    pub(super) fn probes_are_due(&mut self, member: u8) {
        let every_ns = self.knobs().probe_ms * MS;
        let bits = self.entropy.draw(Purpose::Probe, u64::from(member), self.now);
        self.push(
            self.now + every_ns / 2 + below(bits, every_ns),
            Happening::ProbesAreDue { member },
        );
        let state = &self.members[usize::from(member)];
        let Some(run) = state.current.filter(|_| state.paused == 0) else {
            return;
        };
        let is_cut = state.cables_broken > 0;
        let now = self.now;
        let judged = &mut self.probes.judged[usize::from(member)];
        if judged.run != Some(run) {
            judged.run = Some(run);
            judged.judges.fill(Judge::new(FALL, RISE));
        }
        for backend in 0..judged.judges.len() {
            let bits = self.entropy.draw(
                Purpose::Probe,
                1 << 32 | u64::from(member) << 16 | backend as u64,
                now,
            );
            let is_lost = below(bits, 1_000) < LOST_PERMILLE;
            let is_bad = is_cut || self.is_backend_dead[backend];
            if is_bad {
                judged.bad_at_ns[backend] = Some(now);
            }
            judged.judges[backend].hear(!is_bad && !is_lost);
            match judged.judges[backend].verdict() {
                Verdict::Unknown => {}
                Verdict::Failing => judged.failing_at_ns[backend] = Some(now),
                Verdict::Working => judged.working_at_ns[backend] = Some(now),
            }
        }
        let verdicts = judged.judges.iter().map(Judge::verdict);
        if verdicts.clone().any(|verdict| verdict == Verdict::Unknown) {
            return;
        }
        let failing: Vec<IpAddr> = (0..)
            .zip(verdicts)
            .filter(|(_, verdict)| *verdict == Verdict::Failing)
            .map(|(backend, _)| backend_ip(backend))
            .collect();
        self.give(run, Input::Probed { failing: &failing }, None);
    }

    /// A topology is in force for the first time: what has become of backends?
    pub(super) fn health_is_right(&mut self, before: &Topology, after: &Topology) {
        let members = |topology: &Topology| topology.members().map(|member| member.id).collect::<Vec<_>>();
        if members(before) != members(after) {
            self.probes.members_changed_ns = self.now;
        }
        self.check(brake_holds(before, after));
        self.check(failed_is_left(before, after));
        for backend in after.backends() {
            let Some(number) = self.backend_number(backend.ip) else {
                continue;
            };
            let was_down = before.backend(backend.id).is_some_and(|earlier| !earlier.is_up);
            if was_down && backend.is_up {
                self.probes.ups[number] += 1;
                let (ups, said) = (self.probes.ups[number], self.probes.ups_said[number]);
                self.check(human_down_stays(backend.id, ups, said));
            }
        }
        for backend in newly_failed(before, after) {
            self.mark(Mark::BackendFailed);
            self.states.set_of_ring(self.now, State::BackendFailed, true);
            let Some(number) = self.backend_number(backend.ip) else {
                continue;
            };
            if let Some((failing, working)) = self.opinions(before, number, |judged| &judged.failing_at_ns) {
                self.check(health_agreed(
                    backend.id,
                    checkers::Verdict::Failed,
                    failing,
                    working,
                ));
                self.check(no_flapping(
                    backend.id,
                    failing + working,
                    self.had_reason(number),
                ));
            }
        }
        let is_back = |backend: &&maildirector::topology::Backend| {
            !backend.is_failed
                && backend.is_up
                && before
                    .backend(backend.id)
                    .is_some_and(|earlier| earlier.is_failed)
        };
        for backend in after.backends().filter(is_back) {
            self.mark(Mark::BackendRecovered);
            self.states.set_of_ring(self.now, State::BackendFailed, false);
            let Some(number) = self.backend_number(backend.ip) else {
                continue;
            };
            if self.may_be_overruled(number, 0) {
                continue;
            }
            let opinions = self.opinions(before, number, |judged| &judged.working_at_ns);
            if let Some((working, failing)) = opinions {
                self.check(health_agreed(
                    backend.id,
                    checkers::Verdict::CameBack,
                    working,
                    failing,
                ));
            }
        }
    }

    /// An operator, or an admin's health check, wants it up.
    pub(super) fn up_is_said(&mut self, ip: IpAddr) {
        if let Some(number) = self.backend_number(ip) {
            self.probes.ups_said[number] += 1;
            self.probes.up_said_at_ns[number] = Some(self.now);
        }
    }

    /// Whether any director had lately a reason to find the backend failing.
    fn had_reason(&self, backend: usize) -> bool {
        let window_ns = 3 * self.longest_lease_ns();
        let mut bad = self
            .probes
            .judged
            .iter()
            .filter_map(|judged| judged.bad_at_ns[backend]);
        bad.any(|at| self.now - at <= window_ns)
    }

    /// An operator's `up` overrules the probes until they find anew; it is decided within the wait of commands or never.
    fn may_be_overruled(&self, backend: usize, since_ns: u64) -> bool {
        let wait_ns = self.knobs().command_wait_ms * MS + self.longest_lease_ns() + since_ns;
        let said_at = self.probes.up_said_at_ns[backend];
        said_at.is_some_and(|at| self.now - at <= wait_ns)
    }

    fn backend_number(&self, ip: IpAddr) -> Option<usize> {
        (0..self.is_backend_dead.len()).find(|number| backend_ip(*number as u32) == ip)
    }

    /// How many directors found it so lately, and how many under a lease did not; `None` while other things go wrong.
    fn opinions(
        &self,
        topology: &Topology,
        backend: usize,
        found_so: impl Fn(&Judged) -> &Vec<Option<u64>>,
    ) -> Option<(usize, usize)> {
        let window_ns = 3 * self.longest_lease_ns();
        let has_settled = self.now > self.probes.members_changed_ns + window_ns;
        if !has_settled || !self.is_undisturbed_for(window_ns) {
            return None;
        }
        let (mut so, mut otherwise) = (0, 0);
        for member in topology.members().filter(|member| member.serves) {
            let index = usize::from(member.id.index());
            let lately = |at: u64| self.now - at <= window_ns;
            if found_so(&self.probes.judged[index])[backend].is_some_and(lately) {
                so += 1;
            } else if self.members[index].current.is_some_and(|run| self.is_live(run)) {
                otherwise += 1;
            }
        }
        Some((so, otherwise))
    }

    /// Whether nothing but backends and cables went wrong for so long.
    fn is_undisturbed_for(&self, span_ns: u64) -> bool {
        let now = self.now;
        let is_disturbing = |(fault, is_on): (&crate::fault::Fault, &bool)| {
            let (from_ns, to_ns) = (fault.from_ms * MS, fault.to_ms * MS);
            match fault.kind {
                FaultKind::BackendDown { .. } | FaultKind::BackendFlap { .. } | FaultKind::Cable { .. } => {
                    false
                }
                // Who has been dead for long disturbs nobody.
                FaultKind::Crash { .. } | FaultKind::PowerCut { .. } if *is_on => now < from_ns + span_ns,
                _ => *is_on || (from_ns <= now && now < to_ns + span_ns),
            }
        };
        let mut faults = self.plan.faults.iter().zip(&self.is_fault_on);
        // Who has just come has no lease yet while he is judged by.
        let begins_ns = self.knobs().members.iter().map(|member| member.starts_at_ms * MS);
        let last_ns = begins_ns.max().unwrap_or(0);
        now > last_ns + 2 * span_ns && !self.recovery.has_begun() && !faults.any(is_disturbing)
    }

    pub(super) fn longest_lease_ns(&self) -> u64 {
        super::configuration::longest_lease(self.plan).as_nanos() as u64
    }

    /// Since when most directors are under a lease, as far as looks now and then tell.
    pub(super) fn look_whether_well(&mut self) {
        let Some(newest) = self.agreement.newest().cloned() else {
            return;
        };
        let directors = || newest.topology.members().filter(|member| member.serves);
        let is_leased = |index: u16| {
            self.members[usize::from(index)]
                .current
                .is_some_and(|run| self.is_live(run))
        };
        let leased = directors().filter(|member| is_leased(member.id.index())).count();
        let is_well = leased * 2 > directors().count();
        self.probes.well_since_ns = is_well.then(|| self.probes.well_since_ns.unwrap_or(self.now));
    }

    /// Whether the ring was in order for so long, and nothing but backends and cables went wrong.
    pub(super) fn is_well_for(&self, span_ns: u64) -> bool {
        let well_since = self.probes.well_since_ns;
        well_since.is_some_and(|since| self.now - since >= span_ns) && self.is_undisturbed_for(span_ns)
    }

    /// A backend that has been dead for long, while nothing else was wrong, has to be out.
    pub(super) fn dead_backends_are_out(&mut self) {
        if !self.has_probes() {
            return;
        }
        let lease = super::configuration::longest_lease(self.plan);
        let bound_ns = dead_backend_bound_ns(self.knobs().probe_ms, lease);
        let Some(newest) = self.agreement.newest().cloned() else {
            return;
        };
        self.note_due(&newest.topology);
        // What a cable's cut had taken out leaves no room below the brake until it is back.
        let is_cable = |(fault, is_on): (&crate::fault::Fault, &bool)| {
            matches!(fault.kind, FaultKind::Cable { .. })
                && (*is_on || (fault.from_ms * MS <= self.now && self.now < fault.to_ms * MS + bound_ns))
        };
        let mut faults = self.plan.faults.iter().zip(&self.is_fault_on);
        if faults.any(is_cable) || !self.is_well_for(bound_ns) {
            return;
        }
        for number in 0..self.is_backend_dead.len() {
            let is_long = self.probes.due_since_ns[number].is_some_and(|since| self.now - since > bound_ns);
            let Some(backend) = newest.topology.backend_at(backend_ip(number as u32)) else {
                continue;
            };
            if is_long && !self.may_be_overruled(number, bound_ns) {
                let words = format!("{} is dead for long and still in service", backend.id);
                self.check(Err(checkers::Broken::new(
                    crate::outcome::Invariant::DeadBackendOut,
                    words,
                )));
            }
        }
    }

    fn note_due(&mut self, topology: &Topology) {
        for (number, dead_since) in self.probes.dead_since_ns.iter().enumerate() {
            let backend = topology.backend_at(backend_ip(number as u32));
            let in_service = backend.filter(|backend| backend.is_up && !backend.is_failed);
            let is_due = dead_since.is_some()
                && in_service.is_some_and(|backend| {
                    let fail = Change::Fail {
                        ip: backend.ip,
                        at_unix_s: 0,
                        evicts: true,
                    };
                    Draft::of(topology).apply(&[fail]).is_ok()
                });
            let due_since = &mut self.probes.due_since_ns[number];
            *due_since = is_due.then(|| due_since.unwrap_or(self.now));
        }
    }
}
