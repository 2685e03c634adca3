//! The end of a run: faults stop for a core of members, or for all, and the core serves, agrees and answers. Which
//! members stay broken beside it is the plan's ending; how a run goes until then is left to `run`.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use sim::fault::Links;
use sim::{Ending, Errand, Fault, FaultKind, Order, Plan};

use crate::run::{Stage, Struck, configured};
use crate::settings::backend;
use crate::truth::{Outcome, Report, Who};

/// All that has to do with the recovery takes so many leases at most.
const RECOVERY_LEASES: u32 = 8;
/// How often a user who is refused comes again.
const ATTEMPTS: usize = 8;
/// So many users log in at each director.
const USERS_MAX: u32 = 8;

impl Stage<'_> {
    /// Everybody in the core serves, agrees, and answers.
    pub fn recover(&mut self) -> Result<(), String> {
        if self.plan.ending == Ending::None || self.is_majority_lost() {
            return Ok(());
        }
        self.choose_core();
        self.heal();
        self.let_traces_end()?;
        self.expect_soon("every director serves", Stage::does_everybody_serve)?;
        self.expect_soon("all admins are answered", Stage::is_every_admin_answered)?;
        while self.orders_left() > 0 {
            let orders_left = self.orders_left();
            self.expect_soon("an order is answered", |stage| stage.orders_left() < orders_left)?;
        }
        if self.insistent.is_none() {
            self.type_in(0, self.all_backends_up());
            self.step()?;
        }
        self.expect_soon("an admin is answered", Stage::is_every_admin_answered)?;
        self.expect_soon("all serve and agree, and no login waits", |stage| {
            stage.does_everybody_serve() && stage.does_everybody_agree()
        })?;
        self.expect_logins()?;
        self.expect_soon("all mail is brought", |stage| {
            stage.truth.facts().mails.is_all_brought()
        })?;
        if self.insistent.is_some() {
            self.look_at_end()?;
        }
        Ok(())
    }

    /// What all directors of the core serve by, which is the same.
    fn look_at_end(&mut self) -> Result<(), String> {
        self.truth.facts().is_end_wanted = true;
        self.expect_soon("every director says what it serves by", |stage| {
            let facts = stage.truth.facts();
            stage.core.iter().all(|member| facts.ends.contains_key(member))
        })?;
        let ends = std::mem::take(&mut self.truth.facts().ends);
        let mut ends = ends.into_values();
        self.end = ends.next();
        match ends.find(|end| Some(end) != self.end.as_ref()) {
            None => Ok(()),
            Some(other) => Err(format!("directors serve by {:?} and {other:?}", self.end)),
        }
    }

    /// Whether only an operator can help: so many disks were wiped that no majority is left, or one before the ring
    /// began, to which others may have bound themselves.
    fn is_majority_lost(&self) -> bool {
        let knobs = &self.plan.knobs;
        let votes = |member: &usize| {
            let knobs = &knobs.members[*member];
            knobs.votes && knobs.is_configured
        };
        let voters = configured(self.plan).filter(votes).count();
        let mut wiped: Vec<usize> = self
            .plan
            .faults
            .iter()
            .filter_map(|fault| match fault.kind {
                FaultKind::Wipe { member } if votes(&member) => Some(member),
                _ => None,
            })
            .collect();
        wiped.sort_unstable();
        wiped.dedup();
        let began = self.truth.facts().began_at;
        let is_early = |fault: &Fault| {
            matches!(fault.kind, FaultKind::Wipe { .. })
                && began.is_none_or(|began| Duration::from_millis(fault.from_ms) <= began)
        };
        voters - wiped.len() <= voters / 2 || self.plan.faults.iter().any(is_early)
    }

    /// A random majority of the voters with a director among them, and perhaps some more; all where who may vote in
    /// a moment is not known here, or where nobody in it knows the ring.
    fn choose_core(&mut self) {
        let is_wipe = |fault: &Fault| matches!(fault.kind, FaultKind::Wipe { .. });
        if self.plan.ending == Ending::AllHeal || self.plan.faults.iter().any(is_wipe) {
            return;
        }
        let members = &self.plan.knobs.members;
        let mut left: Vec<usize> = configured(self.plan).collect();
        let voters = left.iter().filter(|member| members[**member].votes).count();
        let (mut core, mut votes, mut has_director) = (Vec::new(), 0, false);
        while !left.is_empty() {
            let member = left.swap_remove(self.dice.below(left.len() as u64) as usize);
            let knob = &members[member];
            let is_wanted = (knob.votes && votes <= voters / 2) || (knob.serves && !has_director);
            if is_wanted || self.dice.once_in(4) {
                core.push(member);
                votes += usize::from(knob.votes);
                has_director |= knob.serves;
            }
        }
        core.sort_unstable();
        let facts = self.truth.facts();
        if core.iter().any(|member| facts.knowing.contains(member)) {
            self.core = core;
        }
    }

    /// Ends all faults but those that the plan leaves for good.
    fn heal(&mut self) {
        self.trace.set_now(self.sim.elapsed());
        let others: Vec<usize> = configured(self.plan)
            .filter(|member| !self.core.contains(member))
            .collect();
        self.trace.note(
            "recovery",
            format!("faults end, but for {others:?}: {:?}", self.plan.ending),
        );
        let kind = match self.plan.ending {
            Ending::OthersCutOff => Some(FaultKind::Partition { side: others.clone() }),
            Ending::OthersDeaf => Some(FaultKind::Cut {
                links: Links {
                    to: others.clone(),
                    ..Links::default()
                },
            }),
            _ => None,
        };
        let lasting = kind.filter(|_| !others.is_empty()).map(|kind| Fault {
            from_ms: 0,
            to_ms: u64::MAX,
            kind,
        });
        let now = self.sim.elapsed();
        self.network
            .apply(&self.sim, &self.plan.knobs, lasting.iter(), now);
        for member in configured(self.plan) {
            let is_killed = self.plan.ending == Ending::OthersStopped && others.contains(&member);
            self.change(member, Struck::at_the_end(is_killed));
        }
    }

    /// What was begun while a disk was slow takes its time, and a lease may run out that could not be renewed before.
    fn let_traces_end(&mut self) -> Result<(), String> {
        let slowest_ms = self.plan.faults.iter().map(|fault| match fault.kind {
            FaultKind::SlowDisk { up_to_ms, .. } => up_to_ms,
            _ => 0,
        });
        let traces_ms = slowest_ms.max().unwrap_or(0).max(longest_lease_ms(self.plan));
        let end = self.sim.elapsed() + Duration::from_millis(traces_ms);
        while self.sim.elapsed() < end {
            self.step()?;
        }
        Ok(())
    }

    /// What an operator types so that every backend takes users again, under its own tag.
    fn all_backends_up(&self) -> Vec<String> {
        let mut commands = Vec::new();
        for (number, knob) in (0..).zip(&self.plan.knobs.backends) {
            let at = if knob.tag.is_empty() { "" } else { "@" };
            let ip = backend(number);
            if may_be_another(self.plan, number, &knob.tag) {
                commands.push(format!("HOST-REMOVE\t{ip}"));
            }
            commands.push(format!("HOST-SET\t{ip}{at}{}\t100", knob.tag));
            commands.push(format!("HOST-UP\t{ip}"));
        }
        commands
    }

    /// Every user gets in by every director, and to one backend. A refusal may pass (a slow disk is one), so whoever is
    /// refused comes again. Where a director may hold fewer than come, or the orders of a comparison have left no backend,
    /// some stay outside.
    fn expect_logins(&mut self) -> Result<(), String> {
        let knobs = &self.plan.knobs;
        let users = knobs.users.min(USERS_MAX);
        let room = knobs.holds_max.min(knobs.waiting_logins_max);
        let may_be_refused = room < 2 * knobs.users as usize || self.insistent.is_some();
        let mut places: BTreeMap<u32, IpAddr> = BTreeMap::new();
        let mut outside: Vec<(usize, u32)> = self
            .core_directors()
            .into_iter()
            .flat_map(|member| (0..users).map(move |user| (member, user)))
            .collect();
        for _ in 0..ATTEMPTS {
            let first = self.truth.facts().logins.len();
            for (member, user) in &outside {
                let who = Who {
                    user: *user,
                    is_second_tag: false,
                };
                self.log_in(*member, who, Duration::from_millis(500));
            }
            self.expect_soon("every login is answered", |stage| {
                let facts = stage.truth.facts();
                let mut its = facts
                    .logins
                    .iter()
                    .filter(|login| stage.core.contains(&login.member));
                its.all(|login| login.outcome.is_some())
            })?;
            let facts = self.truth.facts();
            outside.clear();
            for login in &facts.logins[first..] {
                let user = login.who.user;
                let Some((_, Outcome::Routed(ip))) = login.outcome else {
                    outside.push((login.member, user));
                    continue;
                };
                let before = *places.entry(user).or_insert(ip);
                if before != ip {
                    return Err(format!(
                        "after the recovery user {user} is sent to {before} and {ip}"
                    ));
                }
            }
            if outside.is_empty() {
                return Ok(());
            }
        }
        if may_be_refused {
            return Ok(());
        }
        Err(format!(
            "after the recovery nobody lets in, as (member, user): {outside:?}"
        ))
    }

    fn expect_soon(&mut self, what: &str, holds: impl Fn(&Self) -> bool) -> Result<(), String> {
        let span = Duration::from_millis(longest_lease_ms(self.plan)) * RECOVERY_LEASES
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

    fn core_directors(&self) -> Vec<usize> {
        let serves = |member: &usize| self.plan.knobs.members[*member].serves;
        self.core.iter().copied().filter(serves).collect()
    }

    /// What each member of the core says, when all of them say something.
    fn reports(&self) -> Option<Vec<(usize, Report)>> {
        let facts = self.truth.facts();
        let report = |member: &usize| facts.reports.get(member).map(|report| (*member, *report));
        self.core.iter().map(report).collect()
    }

    fn is_every_admin_answered(&self) -> bool {
        let facts = self.truth.facts();
        let mut waiting = self.core.iter().filter_map(|member| facts.admins.get(member));
        waiting.all(|waiting| *waiting == 0)
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
                let is_settled = r.waiting_logins == 0 && r.frozen == 0 && !r.is_unseated;
                r.committed == first.committed && r.epoch == first.epoch && is_settled
            })
        })
    }
}

/// Whether an order may have given the backend another tag than its own, or has it emptied.
fn may_be_another(plan: &Plan, number: u32, own: &str) -> bool {
    let orders = plan.work.iter().flat_map(|work| match &work.errand {
        Errand::Command { orders } => orders.as_slice(),
        _ => &[],
    });
    orders.into_iter().any(|order| match order {
        Order::AddBackend { backend, tag, .. } | Order::SetTag { backend, tag } => {
            *backend == number && tag != own
        }
        Order::Drain { backend, .. } => *backend == number,
        _ => false,
    })
}

/// The longest lease that there may ever be in this plan.
fn longest_lease_ms(plan: &Plan) -> u64 {
    let orders = plan.work.iter().flat_map(|work| match &work.errand {
        Errand::Command { orders } => orders.as_slice(),
        _ => &[],
    });
    let ordered = orders.filter_map(|order| match order {
        Order::SetLease { lease_ms } => Some(*lease_ms),
        _ => None,
    });
    ordered.fold(plan.knobs.lease_ms, u64::max)
}
