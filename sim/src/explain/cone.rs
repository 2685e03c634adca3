//! The causal cone of a verdict: what happened before it in the sense that it could have led to it, as far as it concerns
//! those whom the verdict is about. And what did not happen: messages of the same rounds that were lost, held back or
//! late, with the faults that did it.
//!
//! An event's causes are the event before it at the same member and what it answers: an arrival the sending, a synced
//! record the wish to save it, a session's byte the login. Two processes of one member count as one.

use std::collections::BTreeSet;

use super::faults::{InForce, struck};
use super::focus::Focus;
use super::recorder::{At, Noted, Recorder};
use crate::fault::FaultKind;
use crate::plan::Plan;
use crate::world::Note;

/// The part of a run that a story is made of.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cone {
    /// Events, in order.
    pub(crate) events: BTreeSet<At>,
    /// Messages among them, by their places in [`Recorder::flights`].
    pub(crate) flights: BTreeSet<u32>,
    /// The faults that lost, held back or delayed a message of it, or struck a member of it.
    pub(crate) faults: BTreeSet<usize>,
    /// How many events could have led to the verdict at all.
    pub(crate) past: usize,
}

/// Finds it.
pub(crate) fn cone(plan: &Plan, recorder: &Recorder, focus: &Focus, in_force: &InForce<'_>) -> Cone {
    let past = past(recorder, &focus.last);
    let mut cone = Cone {
        past: past.iter().filter(|is_in| **is_in).count(),
        ..Cone::default()
    };
    let is_past = |at: At| past.get((at - recorder.start()) as usize) == Some(&true);
    for (at, noted) in recorder.all() {
        let is_meant = match noted.note {
            Note::Sent { .. } | Note::Arrived { .. } => {
                let Some(index) = noted.flight else { continue };
                let flight = &recorder.flights[index as usize];
                let behind = in_force.behind(flight);
                let went_wrong = !behind.is_empty() || flight.arrived_ns.is_empty();
                let is_told = focus.has_message(flight.message, flight.to, flight.sent_ns)
                    && (is_past(at) || went_wrong || flight.sent_ns >= focus.talk_from_ns);
                if is_told {
                    cone.flights.insert(index);
                    cone.faults.extend(behind);
                }
                is_told
            }
            _ => is_past(at) && matters(recorder, focus, noted),
        };
        if is_meant {
            cone.events.insert(at);
        }
    }
    add_faults(plan, recorder, focus, in_force, &mut cone);
    cone
}

/// Everything that could have led to these events, themselves included; by place after the first that is kept.
fn past(recorder: &Recorder, last: &[At]) -> Vec<bool> {
    let start = recorder.start();
    let mut is_in = vec![false; (recorder.end() - start) as usize];
    let mut due: Vec<At> = last.to_vec();
    while let Some(at) = due.pop() {
        let Some(noted) = recorder.find(at) else { continue };
        if !std::mem::replace(&mut is_in[(at - start) as usize], true) {
            due.extend(noted.causes.iter().flatten());
        }
    }
    is_in
}

/// Whether an event that is no message concerns those whom the verdict is about.
fn matters(recorder: &Recorder, focus: &Focus, noted: &Noted) -> bool {
    let is_member = noted
        .note
        .member()
        .is_some_and(|member| focus.members.contains(&member));
    let is_person = noted
        .note
        .person()
        .is_some_and(|person| focus.persons.contains(&person));
    let is_late = noted.at_ns >= focus.from_ns;
    match noted.note {
        Note::Routed { .. } | Note::EvictWanted { .. } | Note::EvictedSaid { .. } => is_person && is_late,
        Note::SessionClosed { .. } | Note::Refused { .. } => is_person && is_late,
        Note::Byte { .. } => is_person && focus.last.iter().any(|at| is_same(recorder, *at, noted)),
        Note::CloseAllWanted { .. } | Note::AllClosedSaid { .. } => is_member && is_late,
        Note::StrayWanted { .. } => is_person,
        Note::SaveFailed { .. } => is_member && is_late,
        Note::Commanded { id, .. } => focus.commands.contains(&id) || is_late,
        Note::Replied { id, .. } => focus.commands.contains(&id),
        Note::Said {
            member,
            event,
            number,
        } => said_matters(focus, member, event, number, is_late),
        Note::Started { member, .. } | Note::Died { member, .. } | Note::TookOver { member, .. } => {
            is_member || (is_late && focus.voters.contains(&member))
        }
        Note::Recovery { .. } | Note::LeftBroken { .. } => focus.talk_from_ns != u64::MAX,
        _ => false,
    }
}

fn is_same(recorder: &Recorder, at: At, noted: &Noted) -> bool {
    recorder
        .find(at)
        .is_some_and(|other| other.event == noted.event && other.at_ns == noted.at_ns)
}

/// What a machine said: of rounds those that matter, of epochs those that began, of users those concerned.
fn said_matters(focus: &Focus, member: u8, event: &str, number: u64, is_late: bool) -> bool {
    let is_member = focus.members.contains(&member);
    if event.contains("ballot") {
        return focus.rounds.contains(&(number, u16::from(member)));
    }
    if event.contains("epoch") {
        let is_ours = number.checked_sub(1).is_some_and(|end| focus.ends.contains(&end));
        let is_lease = event.starts_with("serves") || event.starts_with("is isolated");
        return if is_lease {
            is_member && (is_late || is_ours)
        } else {
            is_ours
        };
    }
    if event.contains("user") {
        return focus.hashes.contains(&number);
    }
    is_member && is_late && (focus.talk_from_ns != u64::MAX || !event.starts_with("is configured"))
}

/// Adds the beginning and the end of the faults that did something here: to a message of the cone, or to a member that it
/// is about.
fn add_faults(plan: &Plan, recorder: &Recorder, focus: &Focus, in_force: &InForce<'_>, cone: &mut Cone) {
    let members = plan.knobs.members.len();
    for (index, fault) in plan.faults.iter().enumerate() {
        let Some((_, to)) = in_force.spans[index] else {
            continue;
        };
        let struck = struck(&fault.kind, members);
        let strikes = |whom: &BTreeSet<u8>| struck.iter().any(|member| whom.contains(&(*member as u8)));
        let is_meant = match fault.kind {
            FaultKind::BackendDown { .. } | FaultKind::BackendFlap { .. } | FaultKind::Cable { .. } => {
                focus.is_about_health
            }
            // What these do to a voter is undone by nobody.
            FaultKind::Crash { .. }
            | FaultKind::PowerCut { .. }
            | FaultKind::Wipe { .. }
            | FaultKind::BrokenDisk { .. }
            | FaultKind::SecondProcess { .. }
            | FaultKind::Upgrade { .. } => strikes(&focus.members) || strikes(&focus.voters),
            _ => struck.len() == 1 && strikes(&focus.members),
        };
        if is_meant && to >= focus.from_ns {
            cone.faults.insert(index);
        }
    }
    for (at, noted) in recorder.all() {
        if let Note::FaultBegan { index, .. } | Note::FaultEnded { index, .. } = noted.note
            && cone.faults.contains(&(index as usize))
        {
            cone.events.insert(at);
        }
    }
}
