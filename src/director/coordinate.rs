//! The coordinator's part: who coordinates, what the next round is for, and its way from survey to commit.
//!
//! Being coordinator is a hint that serves progress. Two may act at once; ballots keep that safe and random delays keep
//! it short.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::machine::Director;
use super::output::{Event, Output, RoundLeft};
use super::serving::Standing;
use crate::agreement::{
    Answered, Ballot, Body, Boot, Noted, Proposal, Request, Round, Rule, Statement, Value, ValueId,
    majority_clear_at,
    timing::{held_bound, renew_every, resend_every, stretched},
};
use crate::topology::{BackendId, Change, Incarnation, MemberId, Topology, UserId};
use crate::world::Instant;

/// Pins that one topology may have; users held beyond it are moved instead of pinned.
const PINS_MAX: usize = 1_000_000;

/// A value with more pins is said again only to all at once. What is for one member passes every link of the ring too, so one
/// copy for each silent member would fill the links, and leases would run out behind them.
const PINS_SAID_TO_ONE_MAX: usize = 4_096;

/// Questions before a round: which leases are out, which pins are in use.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Survey {
    number: u64,
    started: Instant,
    again_at: Instant,
    /// Which runs have answered.
    answered: BTreeSet<(MemberId, Boot)>,
    noted: BTreeMap<MemberId, Noted>,
    pins_held: BTreeMap<MemberId, Vec<UserId>>,
}

/// A coordinator's memory; every member has one, since any may become coordinator.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Coordination {
    pub round: Option<Round>,
    survey: Option<Survey>,
    requests: BTreeMap<MemberId, Request>,
    /// Voters that say that their storage is another than the ring knows.
    unseated: BTreeMap<MemberId, (Incarnation, Instant)>,
    counter: u64,
    surveys: u64,
    again_at: Option<Instant>,
    to_all_at: Instant,
    not_before: Instant,
    /// Pins seen at one look; those still there and not held a `user_expire` later may go.
    pins_seen: Option<(Instant, BTreeSet<UserId>)>,
    look_at: Option<Instant>,
}

/// What a round would be for.
struct Wanted {
    requests: Vec<Request>,
    is_takeover: bool,
    reseat: Option<Change>,
    is_pins_due: bool,
    /// What probes find.
    health: Vec<Change>,
    /// Who has to leave drained backends.
    drain: Vec<Change>,
}

impl Coordination {
    pub fn new() -> Self {
        Coordination {
            round: None,
            survey: None,
            requests: BTreeMap::new(),
            unseated: BTreeMap::new(),
            counter: 0,
            surveys: 0,
            again_at: None,
            to_all_at: Instant::ORIGIN,
            not_before: Instant::ORIGIN,
            pins_seen: None,
            look_at: None,
        }
    }

    pub fn note_counter(&mut self, counter: u64) {
        self.counter = self.counter.max(counter);
    }

    pub fn note_hello(&mut self, member: MemberId, incarnation: Incarnation, now: Instant) {
        self.unseated.insert(member, (incarnation, now));
    }

    /// Whether it is asking voters for leases and directors for pins, before a round.
    pub fn is_surveying(&self) -> bool {
        self.survey.is_some()
    }

    pub fn next_timer(&self, topology: &Topology) -> Option<Instant> {
        let of_round = self.round.as_ref().and_then(|round| {
            let majority = topology.majority();
            Instant::first_of([round.commits_at(majority), round.prepares_at(majority)])
        });
        Instant::first_of([self.again_at, of_round, self.look_at])
    }
}

impl Director {
    /// Who seems to be coordinator: the lowest director that says it holds a lease.
    pub fn coordinator(&self, now: Instant) -> Option<MemberId> {
        let me = self.settings.me;
        let is_leased = |id: MemberId| {
            if id == me {
                self.serving.standing == Standing::Leased
            } else {
                let is_heard =
                    self.is_heard(id, now) || !self.settings.rules.keep(Rule::SilentIsNoCoordinator);
                is_heard && self.heard.get(&id).is_some_and(|h| h.is_leased)
            }
        };
        self.topology()
            .members()
            .find(|m| m.serves && is_leased(m.id))
            .map(|m| m.id)
    }

    /// Do what is due as coordinator; leave what was begun when another is.
    pub(super) fn coordinate(&mut self, now: Instant, out: &mut Vec<Output>) {
        if self.first_start.is_some() || self.disk.is_halted {
            return;
        }
        if self.coordinator(now) != Some(self.settings.me) {
            self.coordination.survey = None;
            self.coordination.look_at = None;
            // What is proposed keeps users waiting, and the new coordinator may know nothing of it: see it through.
            let is_proposed = self
                .coordination
                .round
                .as_ref()
                .is_some_and(|r| r.value().is_some());
            if is_proposed && self.serving.standing == Standing::Leased {
                self.drive_round(now, out);
            } else {
                self.leave_round(RoundLeft::NotCoordinator, out);
                self.coordination.again_at = None;
            }
            return;
        }
        let look_at = now.plus(renew_every(self.timing()));
        let drain_at = self.draining.next_look(now).unwrap_or(look_at);
        self.coordination.look_at = Some(look_at.min(drain_at));
        if self.coordination.round.is_some() {
            self.drive_round(now, out);
        } else if now >= self.coordination.not_before {
            self.consider_round(now, out);
        }
    }

    fn wanted(&mut self, now: Instant, out: &mut Vec<Output>) -> Option<Wanted> {
        let is_stuck =
            |id: &MemberId| self.heard.get(id).is_some_and(|h| h.is_stuck) && self.is_heard(*id, now);
        let is_any_stuck = self.followed.is_stuck(now, self.timing()) || self.heard.keys().any(is_stuck);
        let is_takeover = is_any_stuck && self.settings.rules.keep(Rule::StuckIsTakenOver);
        let reseat = self.reseat(now);
        let is_pins_due = self.are_pins_due(now);
        let requests: Vec<Request> = self.coordination.requests.values().cloned().collect();
        let health = self.health_changes(now, out);
        let drain = self.drain_changes(now);
        let is_wanted = !drain.is_empty()
            || !health.is_empty()
            || is_takeover
            || reseat.is_some()
            || is_pins_due
            || !requests.is_empty();
        is_wanted.then_some(Wanted {
            requests,
            is_takeover,
            reseat,
            is_pins_due,
            health,
            drain,
        })
    }

    /// A voter whose storage was wiped: first its old incarnation loses its vote, then the new one gets it.
    fn reseat(&self, now: Instant) -> Option<Change> {
        let topology = self.topology();
        self.coordination
            .unseated
            .iter()
            .find_map(|(id, (incarnation, at))| {
                let member = topology.member(*id)?;
                let is_recent = now.since(*at) <= renew_every(self.timing()) * 3;
                let change = match (member.votes, member.incarnation == *incarnation) {
                    _ if !is_recent => None,
                    (true, true) => None,
                    (true, false) => Some(Change::Unseat { id: *id }),
                    (false, _) => Some(Change::Seat {
                        id: *id,
                        incarnation: *incarnation,
                    }),
                };
                // What is impossible now would cost a round, and then another one, for ever.
                let mut draft = self.committed.draft(self.settings.rules);
                change.filter(|change| draft.apply(std::slice::from_ref(change)).is_ok())
            })
    }

    /// Whether pins have stood for a `user_expire` since this coordinator first saw them.
    fn are_pins_due(&mut self, now: Instant) -> bool {
        let pins = self.committed.topology.pins();
        if pins.len() == 0 {
            self.coordination.pins_seen = None;
            return false;
        }
        match &self.coordination.pins_seen {
            Some((at, _)) => now.since(*at) >= self.committed.topology.timing().user_expire,
            None => {
                let users = pins.map(|(user, _)| user).collect();
                self.coordination.pins_seen = Some((now, users));
                false
            }
        }
    }

    fn consider_round(&mut self, now: Instant, out: &mut Vec<Output>) {
        let Some(wanted) = self.wanted(now, out) else {
            self.coordination.survey = None;
            self.coordination.again_at = None;
            return;
        };
        let proposal = Proposal {
            requests: wanted.requests.clone(),
            upkeep: wanted.health.clone(),
        };
        // Users who wait already, or whose backend is gone, gain nothing from waiting for a quiet moment.
        if (wanted.is_takeover || proposal.is_urgent()) && self.coordination.survey.is_none() {
            self.start_round(proposal, wanted.is_takeover, now, out);
            return;
        }
        if self.coordination.survey.is_none() {
            self.start_survey(now, out);
        } else if self.is_survey_done(&wanted, proposal.is_urgent(), now) {
            let upkeep = [
                self.upkeep(&wanted, now),
                wanted.health.clone(),
                wanted.drain.clone(),
            ]
            .concat();
            self.coordination.survey = None;
            if proposal.is_empty() && upkeep.is_empty() && !wanted.is_takeover {
                self.coordination.again_at = None;
                return;
            }
            self.draining.begun(now);
            self.start_round(Proposal { upkeep, ..proposal }, wanted.is_takeover, now, out);
        } else {
            self.repeat_survey(now, out);
        }
    }

    fn start_survey(&mut self, now: Instant, out: &mut Vec<Output>) {
        self.coordination.surveys += 1;
        let number = self.coordination.surveys;
        let again_at = now.plus(resend_every(self.timing()));
        self.coordination.survey = Some(Survey {
            number,
            started: now,
            again_at,
            answered: BTreeSet::new(),
            noted: BTreeMap::new(),
            pins_held: BTreeMap::new(),
        });
        self.coordination.again_at = Some(again_at);
        self.flood(Body::Survey(number), out);
    }

    fn repeat_survey(&mut self, now: Instant, out: &mut Vec<Output>) {
        let gap = resend_every(self.timing());
        let Some(survey) = &mut self.coordination.survey else {
            return;
        };
        if now >= survey.again_at {
            survey.again_at = now.plus(gap);
            self.coordination.again_at = Some(survey.again_at);
            let number = survey.number;
            self.flood(Body::Survey(number), out);
        }
    }

    /// Whether the round can commit about as soon as it is proposed: of a majority of the voters, every lease belongs to
    /// a run that is heard, or has answered. A director that died is waited for here, where nobody is frozen yet.
    fn is_survey_done(&self, wanted: &Wanted, is_urgent: bool, now: Instant) -> bool {
        let Some(survey) = &self.coordination.survey else {
            return false;
        };
        let timing = self.timing();
        let waited = now.since(survey.started);
        if is_urgent || wanted.is_takeover || waited >= stretched(timing.lease, timing.drift_ppm) * 2 {
            return true;
        }
        let is_present = |member: MemberId, boot: Boot| {
            (member == self.settings.me && boot == self.boot)
                || survey.answered.contains(&(member, boot))
                || (self.is_heard(member, now) && self.heard.get(&member).is_some_and(|h| h.boot == boot))
        };
        let clear_at = survey.noted.values().map(|n| n.clear_at(is_present));
        let is_clear = majority_clear_at(clear_at, self.topology().majority()).is_some_and(|at| at <= now);
        let directors = self.topology().members().filter(|m| m.serves);
        let are_pins_known = directors
            .map(|m| m.id)
            .all(|id| survey.pins_held.contains_key(&id));
        let is_only_pins = wanted.requests.is_empty() && wanted.reseat.is_none() && wanted.drain.is_empty();
        is_clear && (are_pins_known || !wanted.is_pins_due || !is_only_pins || waited >= held_bound(timing))
    }

    /// The coordinator's own changes, as far as the survey supports them.
    fn upkeep(&mut self, wanted: &Wanted, now: Instant) -> Vec<Change> {
        let mut upkeep: Vec<Change> = wanted.reseat.iter().cloned().collect();
        if !wanted.is_pins_due {
            return upkeep;
        }
        let topology = Arc::clone(self.topology());
        let pins: BTreeSet<UserId> = topology.pins().map(|(user, _)| user).collect();
        let seen = self.coordination.pins_seen.replace((now, pins));
        let (Some(survey), Some((_, seen))) = (&self.coordination.survey, seen) else {
            return upkeep;
        };
        let mut directors = topology.members().filter(|m| m.serves);
        let is_blind = !directors.all(|m| survey.pins_held.contains_key(&m.id));
        if is_blind && self.settings.rules.keep(Rule::PinsInUseStay) {
            return upkeep;
        }
        let held: BTreeSet<UserId> = survey.pins_held.values().flatten().copied().collect();
        let is_free = |user: &UserId| !held.contains(user) || !self.settings.rules.keep(Rule::PinsInUseStay);
        let users: Box<[UserId]> = seen
            .into_iter()
            .filter(|u| topology.own_pin(*u).is_some() && is_free(u))
            .collect();
        if !users.is_empty() {
            upkeep.push(Change::Release { users });
        }
        upkeep
    }

    fn start_round(&mut self, proposal: Proposal, is_takeover: bool, now: Instant, out: &mut Vec<Output>) {
        if self.settings.rules.keep(Rule::BallotsAreNeverReused) || self.coordination.counter == 0 {
            self.coordination.counter = self.coordination.counter.saturating_add(1);
        }
        let ballot = Ballot {
            counter: self.coordination.counter,
            member: self.settings.me,
            boot: self.boot,
        };
        let (rules, epoch, timing) = (self.settings.rules, self.epoch(), self.timing());
        let proposal = Arc::new(proposal);
        let held_until = now.plus(held_bound(timing));
        self.coordination.round = Some(Round::new(
            rules,
            ballot,
            epoch,
            Arc::clone(&proposal),
            held_until,
        ));
        self.coordination.survey = None;
        self.schedule_resend(now);
        self.coordination.to_all_at = now.plus(renew_every(timing));
        out.push(Output::Event(Event::RoundStarted {
            ballot,
            epoch,
            is_takeover,
        }));
        self.flood(Body::Prepare { ballot, proposal }, out);
    }

    fn schedule_resend(&mut self, now: Instant) {
        self.coordination.again_at = Some(now.plus(resend_every(self.timing())));
    }

    /// Take the round a step further if it can go; else say again what was not answered.
    fn drive_round(&mut self, now: Instant, out: &mut Vec<Output>) {
        self.fix_value_if_prepared(now, out);
        let majority = self.topology().majority();
        let Some(round) = &self.coordination.round else {
            return;
        };
        if let Some(value) = round.value()
            && round.commits_at(majority).is_some_and(|at| at <= now)
        {
            let value = Arc::clone(value);
            self.commit(&value, now, out);
            return;
        }
        if self.coordination.again_at.is_some_and(|at| now >= at) {
            self.resend(now, out);
        }
    }

    fn fix_value_if_prepared(&mut self, now: Instant, out: &mut Vec<Output>) {
        let topology = Arc::clone(self.topology());
        let rules = self.settings.rules;
        let me = self.settings.me;
        let Some(round) = &self.coordination.round else {
            return;
        };
        let directors = || topology.members().filter(|m| m.serves).map(|m| m.id);
        let expected = directors().filter(|id| *id == me || self.may_be_there(*id, now));
        if !round.is_prepared(topology.majority(), expected, now) {
            return;
        }
        let outcome = self.committed.with(round.proposal(), rules);
        let Some(round) = &mut self.coordination.round else {
            return;
        };
        let ballot = round.ballot();
        let Some(value) = round.fix_value(&outcome.topology, &outcome.moves, directors(), PINS_MAX) else {
            return;
        };
        if value.id != ValueId(ballot) {
            out.push(Output::Event(Event::RoundAdopted { ballot }));
        }
        self.schedule_resend(now);
        self.flood(Body::Propose { ballot, value }, out);
    }

    /// Members that have not answered hear it again; now and then all do, so that nobody takes the round for left.
    fn resend(&mut self, now: Instant, out: &mut Vec<Output>) {
        let Some(round) = &self.coordination.round else {
            return;
        };
        if !self.settings.rules.keep(Rule::UnansweredIsSentAgain) {
            self.coordination.again_at = None;
            return;
        }
        let ballot = round.ballot();
        let is_large = round
            .value()
            .is_some_and(|value| value.pins.len() > PINS_SAID_TO_ONE_MAX);
        let body = match round.value() {
            None => Body::Prepare {
                ballot,
                proposal: Arc::clone(round.proposal()),
            },
            Some(value) => Body::Propose {
                ballot,
                value: Arc::clone(value),
            },
        };
        let boot_of = |id: MemberId| {
            if id == self.settings.me {
                Some(self.boot)
            } else {
                self.heard.get(&id).map(|h| h.boot)
            }
        };
        let silent: Vec<MemberId> = self
            .topology()
            .members()
            .filter(|m| {
                (m.votes && !round.has_answer_of_voter(m.id))
                    || (m.serves && !round.has_answer_of_director(m.id, boot_of(m.id)))
            })
            .map(|m| m.id)
            .collect();
        self.schedule_resend(now);
        if now >= self.coordination.to_all_at {
            self.coordination.to_all_at = now.plus(renew_every(self.timing()));
            self.flood(body, out);
            return;
        }
        for id in silent.into_iter().filter(|_| !is_large) {
            self.send(id, body.clone(), out);
        }
    }

    fn commit(&mut self, value: &Arc<Value>, now: Instant, out: &mut Vec<Output>) {
        let epoch = self.epoch().next();
        out.push(Output::Event(Event::Committed {
            epoch,
            pins: value.pins.len(),
        }));
        // Sent as of this epoch: whoever is at it installs the value, whoever is behind fetches.
        let envelope = self.envelope(Body::Commit(Arc::clone(value)));
        out.push(Output::Flood(envelope));
        self.commit_received(value, now, out);
    }

    pub(super) fn leave_round(&mut self, why: RoundLeft, out: &mut Vec<Output>) {
        if let Some(round) = self.coordination.round.take() {
            out.push(Output::Event(Event::RoundLeft {
                ballot: round.ballot(),
                why,
            }));
        }
    }

    /// `before` is what was answered to each member when the requests at hand were taken in.
    pub(super) fn coordination_after_install(
        &mut self,
        before: &BTreeMap<MemberId, Answered>,
        now: Instant,
        out: &mut Vec<Output>,
    ) {
        if self
            .coordination
            .round
            .as_ref()
            .is_some_and(|r| r.epoch() != self.epoch())
        {
            let is_own = self.coordination.round.as_ref().and_then(Round::value).is_some();
            self.leave_round_silently_or(is_own, out);
        }
        self.coordination.survey = None;
        if self.settings.rules.keep(Rule::CommandsApplyOnce) {
            // A request is of the epoch before, so it was not decided then. Nor has it been since, if nothing of its sender
            // was. Who does not coordinate now may do so much later, when nobody wants that any more.
            let coordinates = self.coordinator(now) == Some(self.settings.me);
            let after = Arc::clone(&self.committed.answered);
            let is_open = |from: &MemberId| coordinates && before.get(from) == after.get(from);
            self.coordination.requests.retain(|from, _| is_open(from));
        }
        let is_asked = !self.coordination.requests.is_empty();
        self.coordination.again_at = is_asked.then_some(now);
        self.heard.values_mut().for_each(|h| h.is_stuck = false);
        let topology = Arc::clone(self.topology());
        self.coordination.unseated.retain(|id, (incarnation, _)| {
            topology
                .member(*id)
                .is_some_and(|m| !m.votes || m.incarnation != *incarnation)
        });
        self.coordination.not_before = now;
    }

    fn leave_round_silently_or(&mut self, is_own: bool, out: &mut Vec<Output>) {
        if is_own {
            self.coordination.round = None;
        } else {
            self.leave_round(RoundLeft::Overtaken, out);
        }
    }

    pub(super) fn surveyed(
        &mut self,
        (from, boot): (MemberId, Boot),
        number: u64,
        statement: Option<Statement>,
        pins_held: Option<Vec<UserId>>,
        now: Instant,
        out: &mut Vec<Output>,
    ) {
        let drift_ppm = self.timing().drift_ppm;
        let Some(survey) = &mut self.coordination.survey else {
            return;
        };
        if survey.number != number {
            return;
        }
        survey.answered.insert((from, boot));
        if let Some(statement) = statement {
            survey
                .noted
                .insert(from, Noted::received(&statement, drift_ppm, now));
        }
        if let Some(pins_held) = pins_held {
            survey.pins_held.insert(from, pins_held);
        }
        self.coordinate(now, out);
    }

    pub(super) fn promised(
        &mut self,
        from: MemberId,
        ballot: Ballot,
        accepted: Option<(Ballot, Arc<Value>)>,
        now: Instant,
        out: &mut Vec<Output>,
    ) {
        if let Some(round) = self.coordination.round.as_mut().filter(|r| r.ballot() == ballot) {
            round.promised(from, accepted);
            self.coordinate(now, out);
        }
    }

    pub(super) fn held_received(
        &mut self,
        from: MemberId,
        ballot: Ballot,
        holds: Vec<(UserId, BackendId)>,
        now: Instant,
        out: &mut Vec<Output>,
    ) {
        if let Some(round) = self.coordination.round.as_mut().filter(|r| r.ballot() == ballot) {
            round.held(from, holds);
            self.coordinate(now, out);
        }
    }

    pub(super) fn refused(&mut self, ballot: Ballot, promised: Ballot, now: Instant, out: &mut Vec<Output>) {
        self.coordination.note_counter(promised.counter);
        if self
            .coordination
            .round
            .as_ref()
            .is_some_and(|r| r.ballot() == ballot)
        {
            self.leave_round(RoundLeft::Outbid, out);
            let backoff = match self.settings.rules.keep(Rule::OutbidTriesAgain) {
                true => self.jitter.up_to(renew_every(self.timing()) / 2),
                false => self.timing().lease * 1_000,
            };
            self.coordination.not_before = now.plus(backoff);
            self.coordination.again_at = Some(self.coordination.not_before);
        }
    }

    pub(super) fn accepted(
        &mut self,
        from: MemberId,
        boot: Boot,
        ballot: Ballot,
        statement: &Statement,
        now: Instant,
        out: &mut Vec<Output>,
    ) {
        let (rules, drift_ppm) = (self.settings.rules, self.timing().drift_ppm);
        if let Some(round) = &mut self.coordination.round
            && (round.ballot() == ballot || !rules.keep(Rule::MajorityOfOneBallot))
        {
            round.accepted(from, boot, Noted::received(statement, drift_ppm, now));
            self.coordinate(now, out);
        }
    }

    pub(super) fn confirmed(
        &mut self,
        from: MemberId,
        boot: Boot,
        id: ValueId,
        now: Instant,
        out: &mut Vec<Output>,
    ) {
        if let Some(round) = &mut self.coordination.round {
            round.confirmed(from, boot, id);
            self.coordinate(now, out);
        }
    }

    /// Commands of a member, kept for the next round of this very epoch. A request is sent again after every epoch that
    /// did not contain it, and never counts for another: so it can't be applied twice.
    pub(super) fn request_received(
        &mut self,
        from: MemberId,
        boot: Boot,
        request: Request,
        now: Instant,
        out: &mut Vec<Output>,
    ) {
        let limits = &self.settings.limits;
        let is_sane = request.from == from
            && request.boot == boot
            && request.commands.len() <= limits.commands
            && request
                .commands
                .iter()
                .all(|c| c.len() <= limits.changes_per_command);
        if !is_sane {
            self.note_nonsense(from, out);
            return;
        }
        self.coordination.requests.insert(from, request);
        self.coordinate(now, out);
    }
}
