//! What the timeline of a page draws, as JSON: times in microseconds of true time, members and backends by number.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::beliefs::Concerned;
use super::contents::{place_words, value_name};
use super::explained::Explained;
use super::faults::{InForce, struck, words};
use super::focus::is_of_round;
use super::recorder::{Flight, SessionSpan};
use crate::fault::FaultKind;
use crate::outcome::Verdict;
use crate::world::{Fate, Note};

/// Messages that are drawn besides those of the cone: the last ones.
const MESSAGES_MAX: usize = 4_000;
/// Messages of the cone that are drawn: the last ones.
const CONE_MAX: usize = 1_500;
/// Sessions drawn of each user: the last ones.
const SESSIONS_MAX: usize = 200;
/// Users who are shown of a run that breaks nothing.
const USERS_MAX: usize = 4;
/// The first view shows so many of the last lines of the story.
const FIRST_LINES: usize = 16;
/// It shows no more than this, and no less than that.
const FIRST_VIEW_US: (u64, u64) = (6_000_000, 20_000);

/// Everything that the timeline draws.
pub(super) fn scene(explained: &Explained) -> Value {
    let in_force = InForce::new(&explained.plan, &explained.recorder);
    let now_ns = explained.testimony.now_ns;
    let (messages, cut) = messages(explained, &in_force);
    let broken = match &explained.outcome.verdict {
        Verdict::Ok => Value::Null,
        Verdict::Violation { invariant, .. } => json!(invariant.name()),
    };
    json!({
        "end": us(now_ns),
        "broken": broken,
        "first": first_view(explained),
        "members": members(explained, &in_force),
        "faults": faults(explained, &in_force),
        "users": users(explained),
        "messages": messages,
        "events": events(explained),
        "cut": cut,
    })
}

fn us(ns: u64) -> u64 {
    ns / 1_000
}

/// From when to when the timeline is shown at first: the last moments before what broke, or everything.
fn first_view(explained: &Explained) -> Value {
    let end = us(explained.testimony.now_ns);
    let lines = &explained.story.lines;
    let first = lines
        .len()
        .checked_sub(FIRST_LINES)
        .map_or(lines.first(), |at| lines.get(at));
    match first {
        None => json!([0, end + end / 50 + 1]),
        Some(first) => {
            let span = (end - us(first.at_ns)).clamp(FIRST_VIEW_US.1, FIRST_VIEW_US.0);
            json!([end.saturating_sub(span + span / 12), end + span / 6])
        }
    }
}

fn members(explained: &Explained, in_force: &InForce<'_>) -> Vec<Value> {
    let now_ns = explained.testimony.now_ns;
    let mut up: BTreeMap<u8, Vec<(u64, u64, u32)>> = BTreeMap::new();
    for (_, noted) in explained.recorder.all() {
        match noted.note {
            Note::Started { member, run, .. } => {
                up.entry(member)
                    .or_default()
                    .push((us(noted.at_ns), us(now_ns), run));
            }
            Note::Died { member, run, .. } => {
                let spans = up.entry(member).or_default();
                if let Some(span) = spans.iter_mut().find(|(.., of)| *of == run) {
                    span.1 = us(noted.at_ns);
                }
            }
            _ => {}
        }
    }
    let paused = |member: usize| -> Vec<[u64; 2]> {
        let faults = explained.plan.faults.iter().zip(&in_force.spans);
        let pauses = faults.filter(|(fault, _)| fault.kind == FaultKind::Pause { member });
        let spans = pauses.filter_map(|(_, span)| *span);
        spans.map(|(from, to)| [us(from), us(to.min(now_ns))]).collect()
    };
    let knobs = explained.plan.knobs.members.iter().enumerate();
    knobs
        .map(|(index, knobs)| {
            let role = match (knobs.serves, knobs.votes) {
                (true, true) => "director, voter",
                (true, false) => "director",
                (false, _) => "witness",
            };
            let spans = up.remove(&(index as u8)).unwrap_or_default();
            let leases: Vec<Value> = spans
                .iter()
                .flat_map(|(_, to, run)| leases(explained, *run, *to))
                .collect();
            json!({ "role": role, "up": spans, "paused": paused(index), "leases": leases })
        })
        .collect()
}

/// The leases of a run: from, to, and the epoch of each part; and what was left of the last one at the end of the world.
fn leases(explained: &Explained, run: u32, run_to: u64) -> Vec<Value> {
    let recorder = &explained.recorder;
    let now = us(explained.testimony.now_ns);
    // Lease and epoch move in the same events; where both do, the lease is first in the world, too.
    let leases = recorder.leases.iter().filter(|moved| moved.run == run);
    let epochs = recorder.epochs.iter().filter(|moved| moved.run == run);
    let mut moves: Vec<(u64, Option<Option<u64>>, u64)> = leases
        .map(|moved| (us(moved.at_ns), Some(moved.until_ns.map(us)), moved.epoch))
        .chain(epochs.map(|moved| (us(moved.at_ns), None, moved.epoch)))
        .collect();
    moves.sort_by_key(|(at, ..)| *at);
    let mut parts: Vec<(u64, u64, u64)> = Vec::new();
    let mut current: (u64, Option<u64>, u64) = (0, None, 0);
    let mut close = |(from, until, epoch): (u64, Option<u64>, u64), at: u64| {
        let to = until.unwrap_or(0).min(at);
        if to <= from {
            return;
        }
        match parts.last_mut() {
            Some(last) if last.1 >= from && last.2 == epoch => last.1 = to,
            _ => parts.push((from, to, epoch)),
        }
    };
    for (at, until, epoch) in moves {
        close(current, at);
        current = (at, until.unwrap_or(current.1), epoch);
    }
    close(current, run_to);
    let mut values: Vec<Value> = parts
        .into_iter()
        .map(|(from, to, epoch)| json!([from, to, epoch, 0]))
        .collect();
    if let Some(until) = current.1.filter(|until| run_to >= now && *until > now) {
        values.push(json!([now, until, current.2, 1]));
    }
    values
}

fn faults(explained: &Explained, in_force: &InForce<'_>) -> Vec<Value> {
    let now_ns = explained.testimony.now_ns;
    let members = explained.plan.knobs.members.len();
    let faults = explained.plan.faults.iter().enumerate().zip(&in_force.spans);
    faults
        .filter_map(|((index, fault), span)| {
            let (from, to) = (*span)?;
            Some(json!({
                "number": index,
                "kind": fault.kind.name(),
                "words": words(&fault.kind),
                "from": us(from),
                "to": us(to.min(now_ns)),
                "members": struck(&fault.kind, members),
                "cone": explained.cone.faults.contains(&index),
            }))
        })
        .collect()
}

/// The users concerned; of a run that breaks nothing those with most sessions on most backends.
fn users(explained: &Explained) -> Vec<Value> {
    let mut shown: Vec<(String, Vec<&SessionSpan>)> = Vec::new();
    let sessions = &explained.recorder.sessions;
    for Concerned { user, name, .. } in &explained.testimony.users {
        let of_user = sessions.iter().filter(|session| session.user == *user);
        shown.push((name.clone(), of_user.collect()));
    }
    if shown.is_empty() && explained.outcome.verdict == Verdict::Ok {
        let mut by_person: BTreeMap<u32, Vec<&SessionSpan>> = BTreeMap::new();
        for session in sessions {
            by_person.entry(session.person).or_default().push(session);
        }
        let mut persons: Vec<_> = by_person.into_iter().collect();
        persons.sort_by_key(|(_, sessions)| {
            let backends: BTreeSet<u32> = sessions.iter().map(|session| session.backend).collect();
            std::cmp::Reverse((backends.len(), sessions.len()))
        });
        let first = persons.into_iter().take(USERS_MAX);
        shown.extend(first.map(|(person, sessions)| (format!("user{person}"), sessions)));
    }
    let end = us(explained.testimony.now_ns);
    let of_session = |session: &&SessionSpan| {
        let (to, why) = session
            .closed
            .map_or((end, "still open"), |(ns, why)| (us(ns), why));
        let door = if session.is_exact {
            "own proxy"
        } else {
            "login process"
        };
        json!([
            session.member,
            us(session.opened_ns),
            to,
            session.backend,
            door,
            why,
            session.epoch
        ])
    };
    shown
        .into_iter()
        .map(|(name, sessions)| {
            let skipped = sessions.len().saturating_sub(SESSIONS_MAX);
            let sessions: Vec<Value> = sessions[skipped..].iter().map(of_session).collect();
            json!({ "name": name, "sessions": sessions })
        })
        .collect()
}

/// The messages that are drawn, and what is said of those that are not.
fn messages(explained: &Explained, in_force: &InForce<'_>) -> (Vec<Value>, String) {
    let flights = &explained.recorder.flights;
    let is_cone = |index: usize| explained.cone.flights.contains(&(index as u32));
    let mut kept: Vec<usize> = Vec::new();
    let (mut others, mut of_cone) = (0, 0);
    for index in (0..flights.len()).rev() {
        let (count, limit) = if is_cone(index) {
            (&mut of_cone, CONE_MAX)
        } else {
            (&mut others, MESSAGES_MAX)
        };
        *count += 1;
        if *count <= limit {
            kept.push(index);
        }
    }
    kept.reverse();
    let cut = if kept.len() == flights.len() {
        String::new()
    } else {
        let first = kept.iter().find(|index| !is_cone(**index));
        let since = first.map_or(0, |index| flights[*index].sent_ns);
        format!(
            "{} of {} messages are drawn: those of the cone, and all others since {} s",
            kept.len(),
            flights.len(),
            super::words::clock(since)
        )
    };
    let value = |index: usize| message(explained, in_force, &flights[index], is_cone(index));
    (kept.into_iter().map(value).collect(), cut)
}

fn message(explained: &Explained, in_force: &InForce<'_>, flight: &Flight, is_cone: bool) -> Value {
    let message = flight.message;
    let kind = format!("{:?}", message.kind());
    let round = message.round();
    let round = match (is_of_round(message.kind()), round) {
        (_, (0, 0)) => String::new(),
        (true, (counter, member)) => format!("{counter}.{member}"),
        (false, (number, _)) => number.to_string(),
    };
    let fate = in_force.fate_words(flight, explained.testimony.now_ns);
    let state = match (flight.fate, flight.arrived_ns.is_empty()) {
        (Fate::Lost, _) => "lost",
        (Fate::Held, _) => "held",
        (_, true) => "gone",
        _ => "",
    };
    let arrived = flight.arrived_ns.first().map_or(-1, |ns| us(*ns) as i64);
    json!([
        message.from(),
        flight.to,
        kind,
        us(flight.sent_ns),
        arrived,
        state,
        u8::from(is_cone),
        round,
        message.epoch(),
        contents(explained, flight),
        fate.unwrap_or_default(),
    ])
}

/// What it says, and where the value in it would put the users concerned.
fn contents(explained: &Explained, flight: &Flight) -> String {
    let mut text = flight.contents.clone();
    for (id, places) in &explained.testimony.value_places {
        if text.split([' ', ',']).any(|word| word == value_name(*id)) {
            text.push_str(&place_words(&explained.testimony.users, places));
            break;
        }
    }
    text
}

/// The lines of the story on the timeline: when, at whom, and the text.
fn events(explained: &Explained) -> Vec<Value> {
    let lines = explained.story.lines.iter();
    lines
        .map(|line| json!([us(line.at_ns), line.member, line.text]))
        .collect()
}
