//! What a story is about: the users, members, epochs and rounds that a verdict concerns, by name or by consequence.

use std::collections::{BTreeMap, BTreeSet};

use super::recorder::{At, Recorder};
use super::subject::Subject;
use super::testimony::Testimony;
use crate::fault::MessageKind;
use crate::outcome::{Class, Invariant};
use crate::world::{Message, Note};

/// Ends of epochs that a story follows at most: the last ones.
const ENDS_MAX: usize = 3;
/// Rounds for them that it follows at most: the last ones.
const ROUNDS_MAX: usize = 5;

/// What matters.
#[derive(Clone, Debug, Default)]
pub(crate) struct Focus {
    pub(crate) members: BTreeSet<u8>,
    pub(crate) persons: BTreeSet<u32>,
    /// The 32-bit hashes of the users, as machines name them in their logs.
    pub(crate) hashes: BTreeSet<u64>,
    pub(crate) commands: BTreeSet<u64>,
    /// The epochs whose end matters.
    pub(crate) ends: BTreeSet<u64>,
    /// The rounds that ended them, or tried: counter and coordinator.
    pub(crate) rounds: BTreeSet<(u64, u16)>,
    /// Who voted in them.
    pub(crate) voters: BTreeSet<u8>,
    /// It is about what probes found, and so about whatever made them fail.
    pub(crate) is_about_health: bool,
    /// It is about how the ring started.
    pub(crate) is_about_start: bool,
    /// The askings for leases that matter: who asked, and the number.
    pub(crate) askings: BTreeSet<(u8, u64)>,
    /// Everything between members matters that was sent after this.
    pub(crate) talk_from_ns: u64,
    /// Where the story begins.
    pub(crate) from_ns: u64,
    /// The last events of whom it is about.
    pub(crate) last: Vec<At>,
}

impl Focus {
    /// What matters for a broken invariant.
    pub(crate) fn new(
        invariant: Invariant,
        event: u64,
        subject: &Subject,
        testimony: &Testimony,
        recorder: &Recorder,
        lease_ns: u64,
    ) -> Focus {
        let persons: BTreeSet<u32> = testimony.users.iter().map(|user| user.person).collect();
        let hash = |user: &super::beliefs::Concerned| u64::from(user.user.key.hash());
        let mut focus = Focus {
            hashes: testimony.users.iter().map(hash).collect(),
            persons,
            commands: subject.commands.clone(),
            talk_from_ns: u64::MAX,
            ..Focus::default()
        };
        focus.members = members(invariant, event, subject, testimony, recorder, &focus.persons);
        focus.ends = ends(invariant, subject, testimony, recorder, &focus);
        focus.rounds = rounds(recorder, &focus.ends);
        focus.voters = voters(recorder, &focus.rounds);
        focus.is_about_health = matches!(
            invariant,
            Invariant::HealthAgreed
                | Invariant::BrakeHolds
                | Invariant::FailedIsLeft
                | Invariant::DeadBackendOut
                | Invariant::NoFlapping
        );
        focus.is_about_start = invariant == Invariant::Agreement && subject.epochs.contains(&0);
        focus.askings = askings(recorder, &focus.members);
        focus.last = last_events(event, recorder, &focus);
        let now_ns = testimony.now_ns;
        if invariant.class() == Class::Liveness || focus.last.is_empty() {
            focus.talk_from_ns = now_ns.saturating_sub(2 * lease_ns);
        }
        focus.from_ns = begin(recorder, &focus).min(now_ns.saturating_sub(lease_ns));
        focus
    }

    /// Whether a message is of a round, an asking or an epoch that matters.
    pub(crate) fn has_message(&self, message: Message, to: u8, sent_ns: u64) -> bool {
        let touches = self.members.contains(&message.from()) || self.members.contains(&to);
        let is_round = self.rounds.contains(&message.round())
            && (self.ends.contains(&message.epoch()) || self.ends.contains(&message.epoch().wrapping_sub(1)));
        if touches && sent_ns >= self.talk_from_ns {
            return true;
        }
        match message.kind() {
            MessageKind::Renew => self.askings.contains(&(message.from(), message.round().0)),
            MessageKind::Grant => self.askings.contains(&(to, message.round().0)),
            MessageKind::Topology => {
                let brings = message.round().0.checked_sub(1);
                self.members.contains(&to) && brings.is_some_and(|end| self.ends.contains(&end))
            }
            MessageKind::Hello => touches && self.is_about_start,
            MessageKind::Request => touches && self.ends.contains(&message.epoch()),
            kind => is_of_round(kind) && is_round,
        }
    }
}

/// Whether messages of this kind name a ballot or a value.
pub(crate) fn is_of_round(kind: MessageKind) -> bool {
    matches!(
        kind,
        MessageKind::Prepare
            | MessageKind::Promise
            | MessageKind::Refused
            | MessageKind::Held
            | MessageKind::Propose
            | MessageKind::Accepted
            | MessageKind::Confirmed
            | MessageKind::Commit
            | MessageKind::Lacks
    )
}

fn members(
    invariant: Invariant,
    event: u64,
    subject: &Subject,
    testimony: &Testimony,
    recorder: &Recorder,
    persons: &BTreeSet<u32>,
) -> BTreeSet<u8> {
    let mut members = subject.members.clone();
    members.extend(&testimony.members_of_runs);
    let open = recorder
        .open()
        .filter(|session| persons.contains(&session.person));
    if members.is_empty() {
        members.extend(open.map(|session| session.member));
    }
    if invariant == Invariant::Agreement {
        for epoch in &subject.epochs {
            let first = recorder.epochs.iter().find(|moved| moved.epoch == *epoch);
            members.extend(first.and_then(|moved| recorder.member_of_run(moved.run)));
        }
    }
    if invariant == Invariant::Overlap
        && let Some(newest) = subject.epochs.last()
    {
        let at_newest = |belief: &&super::beliefs::Belief| {
            belief.epoch.is_some_and(|epoch| epoch >= *newest) && belief.is_leased(testimony.now_ns)
        };
        members.extend(
            testimony
                .beliefs
                .iter()
                .filter(at_newest)
                .map(|belief| belief.member),
        );
    }
    if members.is_empty() {
        let of_event = recorder.all().rev().take_while(|(_, noted)| noted.event >= event);
        members.extend(of_event.filter_map(|(_, noted)| noted.note.member()));
    }
    if members.is_empty() {
        // Nobody is named, and nobody did it: it is about who coordinates, or about all.
        let at_work = testimony
            .beliefs
            .iter()
            .filter(|belief| belief.coordinates.is_some());
        members.extend(at_work.map(|belief| belief.member));
    }
    if members.is_empty() {
        members.extend(testimony.beliefs.iter().map(|belief| belief.member));
    }
    members
}

/// The epochs whose ends matter: between the epochs that the verdict names, or those of the sessions or of the members
/// concerned. Where users are concerned, only the ends that moved them, if any did.
fn ends(
    invariant: Invariant,
    subject: &Subject,
    testimony: &Testimony,
    recorder: &Recorder,
    focus: &Focus,
) -> BTreeSet<u64> {
    if invariant == Invariant::Agreement {
        return subject
            .epochs
            .iter()
            .filter_map(|epoch| epoch.checked_sub(1))
            .collect();
    }
    let of_sessions = recorder
        .open()
        .filter(|session| focus.persons.contains(&session.person))
        .map(|session| session.epoch);
    let of_members = testimony
        .beliefs
        .iter()
        .filter(|belief| focus.members.contains(&belief.member))
        .filter_map(|belief| belief.epoch);
    let mut epochs = subject.epochs.clone();
    if epochs.len() < 2 {
        epochs.extend(of_sessions);
    }
    if epochs.len() < 2 {
        epochs.extend(of_members);
    }
    let (Some(first), Some(last)) = (epochs.first().copied(), epochs.last().copied()) else {
        return BTreeSet::new();
    };
    let all: BTreeSet<u64> = if first == last {
        [first.saturating_sub(1), first].into()
    } else {
        (first..last).collect()
    };
    let place = |epoch: u64| testimony.places.get(&epoch);
    let moves = |end: &u64| place(*end).is_some() && place(*end) != place(*end + 1);
    let mut moving: BTreeSet<u64> = all.iter().copied().filter(moves).collect();
    if focus.persons.is_empty() || moving.is_empty() {
        moving = all;
    }
    while moving.len() > ENDS_MAX {
        moving.pop_first();
    }
    moving
}

fn rounds(recorder: &Recorder, ends: &BTreeSet<u64>) -> BTreeSet<(u64, u16)> {
    let mut last_sent: BTreeMap<(u64, u16), (bool, At)> = BTreeMap::new();
    for flight in &recorder.flights {
        let message = flight.message;
        if is_of_round(message.kind()) && ends.contains(&message.epoch()) {
            let entry = last_sent.entry(message.round()).or_default();
            entry.0 |= matches!(message.kind(), MessageKind::Accepted | MessageKind::Commit);
            entry.1 = flight.sent;
        }
    }
    // Rounds in which something was accepted matter before those that only began.
    let mut rounds: Vec<_> = last_sent.into_iter().map(|(round, rank)| (rank, round)).collect();
    rounds.sort_unstable();
    rounds
        .into_iter()
        .rev()
        .take(ROUNDS_MAX)
        .map(|(_, round)| round)
        .collect()
}

fn voters(recorder: &Recorder, rounds: &BTreeSet<(u64, u16)>) -> BTreeSet<u8> {
    let is_vote = |message: Message| {
        matches!(message.kind(), MessageKind::Promise | MessageKind::Accepted)
            && rounds.contains(&message.round())
    };
    let votes = recorder.flights.iter().filter(|flight| is_vote(flight.message));
    votes.map(|flight| flight.message.from()).collect()
}

/// The askings that brought each member its last lease.
fn askings(recorder: &Recorder, members: &BTreeSet<u8>) -> BTreeSet<(u8, u64)> {
    let mut askings = BTreeSet::new();
    for member in members {
        let brought = recorder
            .leases
            .iter()
            .rev()
            .find(|lease| lease.member == *member && lease.until_ns.is_some());
        let by = brought.and_then(|lease| recorder.find(lease.by?));
        if let Some(Note::Arrived { message, .. }) = by.map(|noted| noted.note)
            && message.kind() == MessageKind::Grant
        {
            askings.insert((*member, message.round().0));
        }
    }
    askings
}

fn last_events(event: u64, recorder: &Recorder, focus: &Focus) -> Vec<At> {
    let open = recorder
        .open()
        .filter(|session| focus.persons.contains(&session.person));
    let mut last: Vec<At> = open.map(|session| session.opened).collect();
    last.extend(
        focus
            .members
            .iter()
            .filter_map(|member| recorder.last_of(*member)),
    );
    let of_event = recorder.all().rev().take_while(|(_, noted)| noted.event >= event);
    last.extend(of_event.map(|(at, _)| at));
    last.sort_unstable();
    last.dedup();
    last
}

/// The earliest of what surely belongs to the story.
fn begin(recorder: &Recorder, focus: &Focus) -> u64 {
    let open = recorder
        .open()
        .filter(|session| focus.persons.contains(&session.person));
    let opened = open.map(|session| session.opened_ns);
    let messages = recorder.flights.iter();
    let told = messages.filter(|flight| focus.has_message(flight.message, flight.to, flight.sent_ns));
    opened
        .chain(told.map(|flight| flight.sent_ns))
        .min()
        .unwrap_or(u64::MAX)
}
