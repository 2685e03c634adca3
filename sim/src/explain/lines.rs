//! The events of a cone as lines for people: one for each thing that happened, one for all messages of a kind in a round.

use std::collections::BTreeMap;

use super::beliefs::Concerned;
use super::cone::Cone;
use super::faults;
use super::recorder::{At, Noted, Recorder, SessionSpan};
use super::source::{Line, REPETITION, Source};
use super::talk::message_lines;
use super::testimony::Testimony;
use super::words::clock;
use crate::world::{HANDS_OVER, Note};

/// Of sessions that come and go the last one is.
const SESSION_REPETITION: i32 = 40;

/// All lines of a cone, in order.
pub(crate) fn lines(source: Source<'_>, cone: &Cone) -> Vec<Line> {
    let mut lines = message_lines(source, cone);
    let mut said: BTreeMap<(&str, u64), Vec<(At, &Noted)>> = BTreeMap::new();
    let mut evicting = None;
    for at in &cone.events {
        let Some(noted) = source.recorder.find(*at) else {
            continue;
        };
        match noted.note {
            Note::Sent { .. } | Note::Arrived { .. } => {}
            // Said a moment before, with the reason.
            Note::EvictWanted { .. } if evicting == Some(noted.event) => {}
            Note::Said { event, number, .. } if event.starts_with("installs") => {
                said.entry((event, number)).or_default().push((*at, noted));
            }
            Note::Said { event, number, .. } => {
                if event.starts_with("evicts") {
                    evicting = Some(noted.event);
                }
                lines.push(said_line(source, event, number, &[(*at, noted)]));
            }
            _ => lines.extend(line(source, *at, noted)),
        }
    }
    // All who install one epoch, in one line.
    lines.extend(
        said.iter()
            .map(|((event, number), all)| said_line(source, event, *number, all)),
    );
    lines.sort_by_key(|line| line.at);
    lines
}

fn line(source: Source<'_>, at: At, noted: &Noted) -> Option<Line> {
    let told = session_line(source, at, noted)
        .or_else(|| member_line(source, at, noted))
        .or_else(|| world_line(source, noted));
    let (weight, kind, text) = told?;
    Some(Line {
        at_ns: noted.at_ns,
        at,
        text,
        member: noted.note.member(),
        weight,
        repetition: match noted.note {
            Note::Routed { .. } | Note::SessionClosed { .. } => SESSION_REPETITION,
            _ => REPETITION,
        },
        kind,
    })
}

/// Weight, kind and text of what concerns a user's sessions.
fn session_line(source: Source<'_>, at: At, noted: &Noted) -> Option<(i32, String, String)> {
    let person = noted.note.person()?;
    let member = noted.note.member()?;
    let (weight, kind, text) = match noted.note {
        Note::Routed { .. } => {
            let session = source
                .recorder
                .sessions
                .iter()
                .find(|session| session.opened == at)?;
            let is_concerned = |user: &Concerned| user.user == session.user;
            return source
                .testimony
                .users
                .iter()
                .any(is_concerned)
                .then(|| routed(source, session));
        }
        Note::Refused { why, .. } => (
            25,
            "refused",
            format!("member {member} refuses user{person}: {why}"),
        ),
        Note::SessionClosed { backend, why, .. } => (
            if why == "the client goes" { 30 } else { 72 },
            "closed",
            format!("user{person}'s session through member {member} on backend {backend} is closed: {why}"),
        ),
        Note::EvictWanted { .. } => (
            70,
            "evict",
            format!("member {member} wants user{person}'s sessions closed"),
        ),
        Note::EvictedSaid { .. } => (
            70,
            "evicted",
            format!("member {member} is told that user{person}'s sessions are closed"),
        ),
        Note::StrayWanted { .. } => (
            60,
            "stray",
            format!("member {member} wants user{person}'s stray sessions closed"),
        ),
        Note::Byte { backend, .. } => (
            90,
            "byte",
            format!("user{person}'s session through member {member} forwards a byte to backend {backend}"),
        ),
        _ => return None,
    };
    Some((weight, format!("{kind} {member} {person}"), text))
}

/// ... of what a process did, or what was done to it.
fn member_line(source: Source<'_>, at: At, noted: &Noted) -> Option<(i32, String, String)> {
    let member = noted.note.member()?;
    let (weight, kind, text) = match noted.note {
        Note::CloseAllWanted { .. } => (
            62,
            "close all",
            format!("member {member} wants all its sessions closed"),
        ),
        Note::AllClosedSaid { .. } => (
            58,
            "all closed",
            format!("member {member} is told that all its sessions are closed"),
        ),
        Note::SaveFailed { .. } => (55, "save failed", format!("member {member} can't save")),
        Note::Commanded { id, what, .. } => {
            let weight = if source.focus.commands.contains(&id) {
                95
            } else {
                45
            };
            let text = format!("an admin asks member {member} for {what} (command {id})");
            return Some((weight, "command".to_owned(), text));
        }
        Note::Replied {
            id, result, epoch, ..
        } => (
            95,
            "reply",
            format!("member {member} answers command {id}: {result}, epoch {epoch}"),
        ),
        Note::Started { run, epoch, .. } => (
            66,
            "starts",
            format!("member {member} starts, run {run}, at epoch {epoch}"),
        ),
        Note::TookOver { run, kept, .. } => (
            66,
            "takes over",
            format!("member {member}'s run {run} answers for {kept} sessions that older processes keep"),
        ),
        Note::Died { run, why, .. } => {
            let lost = if why == HANDS_OVER {
                String::new()
            } else {
                unsaved(source.recorder, at, member)
            };
            (
                78,
                "dies",
                format!("member {member}'s run {run} ends: {why}{lost}"),
            )
        }
        _ => return None,
    };
    Some((weight, format!("{kind} {member}"), text))
}

/// ... of what happened to the world.
fn world_line(source: Source<'_>, noted: &Noted) -> Option<(i32, String, String)> {
    Some(match noted.note {
        Note::FaultBegan { index, .. } => {
            let fault = &source.plan.faults[index as usize];
            let words = faults::words(&fault.kind);
            (
                76,
                format!("fault {index}"),
                format!("fault {index} begins: {words}"),
            )
        }
        Note::FaultEnded { index, kind } => (
            56,
            format!("fault {index} over"),
            format!("fault {index} ends ({kind})"),
        ),
        Note::Recovery { stage } => (80, "recovery".to_owned(), format!("recovery: {stage}")),
        Note::LeftBroken { words } => (80, "ending".to_owned(), format!("faults end, but {words}")),
        _ => return None,
    })
}

fn routed(source: Source<'_>, session: &SessionSpan) -> (i32, String, String) {
    let SessionSpan {
        member,
        person,
        backend,
        epoch,
        ..
    } = session;
    let door = if session.is_exact {
        "own proxy"
    } else {
        "login process"
    };
    let (weight, ending) = match session.closed {
        None => (92, ", open to the end"),
        Some(_) => (40, ""),
    };
    let now = source.testimony.now_ns;
    let weight = if session.opened_ns == now { 100 } else { weight };
    let text =
        format!("member {member} routes user{person} to backend {backend} at epoch {epoch} ({door}){ending}");
    (
        weight,
        format!("routed {member} {person} {}", session.closed.is_none()),
        text,
    )
}

/// What was lost with a run because it was not synced.
fn unsaved(recorder: &Recorder, died: At, member: u8) -> String {
    let before = recorder.all().rev().skip_while(|(at, _)| *at >= died);
    for (_, noted) in before.take(20_000) {
        match noted.note {
            Note::Saved { member: of, .. } if of == member => break,
            Note::SaveWanted { member: of, number } if of == member => {
                return format!("; its save {number} was not synced yet");
            }
            _ => {}
        }
    }
    String::new()
}

fn said_line(source: Source<'_>, event: &str, number: u64, all: &[(At, &Noted)]) -> Line {
    let (at, first) = all[0];
    let members: Vec<u8> = all.iter().filter_map(|(_, noted)| noted.note.member()).collect();
    let mut names: Vec<String> = Vec::new();
    for ((_, noted), member) in all.iter().zip(&members) {
        if noted.at_ns < first.at_ns + 1_000_000 {
            names.push(member.to_string());
        } else {
            names.push(format!("{member} at {}", clock(noted.at_ns)));
        }
    }
    let is_ours = members.iter().any(|member| source.focus.members.contains(member));
    let number_words = if event.ends_with("user") {
        let of_hash = |user: &&Concerned| u64::from(user.user.key.hash()) == number;
        let user = source.testimony.users.iter().find(of_hash);
        user.map_or_else(|| format!("{number:08x}"), |user| user.name.clone())
    } else if event.contains("ballot") {
        format!("{number}.{}", members[0])
    } else if event == "gives up a freeze" || event == "has no seat" || event == "starts the ring" {
        String::new()
    } else {
        number.to_string()
    };
    let weight = match event {
        "commits epoch" | "commits with pins epoch" => 88,
        "installs epoch" | "catches up with epoch" => 64 + 14 * i32::from(is_ours),
        _ if event.starts_with("evicts") || event.starts_with("kicks") => 82,
        _ if event.starts_with("serves") || event.starts_with("is isolated") => 74,
        _ if event.starts_with("starts the round") || event.starts_with("takes a round") => 70,
        _ if event.contains("ballot") => 68,
        _ if event.starts_with("confirms") => 48,
        _ if event.starts_with("is configured") => 20,
        _ => 60,
    };
    let moved = if event.starts_with("commits") || event.starts_with("installs") {
        moves(source.testimony, number)
    } else {
        String::new()
    };
    let who = names.join(", ");
    let text = if let Some((verb, reason)) = event.trim_end_matches(", user").split_once("evicts, ") {
        debug_assert!(verb.is_empty(), "no other word begins like this");
        format!("member {who} starts to close {number_words}'s sessions: {reason}")
    } else if event.starts_with("installs") {
        format!("epoch {number} is in force at {who}{moved}")
    } else if event.starts_with("confirms") {
        match number {
            1 => format!("member {who} confirms"),
            _ => format!("member {who} confirms, which makes {number} values"),
        }
    } else {
        let event = event.trim_end_matches(" user");
        format!("member {who} {event} {number_words}{moved}")
    };
    let kind = if event.starts_with("serves") || event.starts_with("is isolated") {
        format!("lease {}", members[0])
    } else {
        event.to_owned()
    };
    Line {
        at_ns: first.at_ns,
        at,
        text: text.trim_end().to_owned(),
        member: first.note.member(),
        weight,
        kind,
        repetition: REPETITION,
    }
}

/// Whom of the users concerned an epoch has moved.
fn moves(testimony: &Testimony, epoch: u64) -> String {
    let place = |epoch: u64| testimony.places.get(&epoch);
    let (Some(after), Some(before)) = (place(epoch), epoch.checked_sub(1).and_then(place)) else {
        return String::new();
    };
    let name = |backend: Option<u32>| backend.map_or("nowhere".to_owned(), |n| format!("backend {n}"));
    let mut words = String::new();
    for ((user, before), after) in testimony.users.iter().zip(before).zip(after) {
        if before != after {
            let (from, to) = (name(*before), name(*after));
            words.push_str(&format!(", which moves {} from {from} to {to}", user.name));
        }
    }
    words
}
