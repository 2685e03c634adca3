//! Messages as lines: one for all of a kind in a round that one member sent, or that answer one member.

use std::collections::BTreeMap;

use super::cone::Cone;
use super::focus::is_of_round;
use super::recorder::{At, Flight};
use super::source::{Line, REPETITION, Source};
use super::words::clock;
use crate::fault::MessageKind;

/// Messages that one line tells of.
struct Group<'a> {
    at: At,
    first_ns: u64,
    flights: Vec<&'a Flight>,
    is_answer: bool,
    went_wrong: bool,
}

/// A line for all messages of a kind in a round, from one member or to one.
pub(super) fn message_lines(source: Source<'_>, cone: &Cone) -> Vec<Line> {
    let mut groups: BTreeMap<(MessageKind, (u64, u16), u8), Group<'_>> = BTreeMap::new();
    for index in &cone.flights {
        let flight = &source.recorder.flights[*index as usize];
        let message = flight.message;
        let kind = message.kind();
        let is_answer = is_answer(kind);
        let is_named = is_of_round(kind) || source.focus.talk_from_ns > flight.sent_ns;
        let round = if is_named { message.round() } else { (u64::MAX, 0) };
        let pivot = if is_answer { flight.to } else { message.from() };
        let group = groups.entry((kind, round, pivot)).or_insert(Group {
            at: flight.sent,
            first_ns: flight.sent_ns,
            flights: Vec::new(),
            is_answer,
            went_wrong: false,
        });
        group.went_wrong |= flight.arrived_ns.is_empty();
        group.flights.push(flight);
    }
    let line = |((kind, round, pivot), group): (&(MessageKind, (u64, u16), u8), &Group<'_>)| {
        let weight = weight_of(*kind) + if group.went_wrong { 6 } else { 0 };
        Line {
            at_ns: group.first_ns,
            at: group.at,
            text: group_words(source, *kind, *round, *pivot, group),
            member: Some(group.flights[0].message.from()),
            weight,
            kind: format!("{kind:?} {pivot}"),
            repetition: REPETITION,
        }
    };
    groups.iter().map(line).collect()
}

fn is_answer(kind: MessageKind) -> bool {
    matches!(
        kind,
        MessageKind::Grant
            | MessageKind::Lacks
            | MessageKind::Promise
            | MessageKind::Refused
            | MessageKind::Held
            | MessageKind::Accepted
            | MessageKind::Confirmed
            | MessageKind::Surveyed
    )
}

fn weight_of(kind: MessageKind) -> i32 {
    match kind {
        MessageKind::Confirmed => 75,
        MessageKind::Propose | MessageKind::Accepted => 71,
        MessageKind::Commit => 69,
        MessageKind::Grant | MessageKind::Renew => 67,
        MessageKind::Prepare | MessageKind::Promise => 63,
        MessageKind::Topology | MessageKind::Lacks => 59,
        MessageKind::Hello | MessageKind::Fetch | MessageKind::Refused => 54,
        _ => 42,
    }
}

fn group_words(
    source: Source<'_>,
    kind: MessageKind,
    round: (u64, u16),
    pivot: u8,
    group: &Group<'_>,
) -> String {
    let mut peers: BTreeMap<u8, (usize, Option<String>, &Flight)> = BTreeMap::new();
    let mut last_arrival = 0;
    for flight in &group.flights {
        let peer = if group.is_answer {
            flight.message.from()
        } else {
            flight.to
        };
        let words = source.in_force.fate_words(flight, source.testimony.now_ns);
        let entry = peers.entry(peer).or_insert((0, words.clone(), flight));
        entry.0 += 1;
        // Of several sendings the one counts that did best.
        if fortune(flight, words.as_deref()) < fortune(entry.2, entry.1.as_deref()) {
            (entry.1, entry.2) = (words, flight);
        }
        last_arrival = last_arrival.max(flight.arrived_ns.first().copied().unwrap_or(0));
    }
    let names: Vec<String> = peers.keys().map(ToString::to_string).collect();
    let name = match (is_of_round(kind), kind) {
        (true, MessageKind::Confirmed | MessageKind::Commit | MessageKind::Lacks) => format!("{kind:?}"),
        (true, _) => format!("{kind:?} {}.{}", round.0, round.1),
        _ if round.0 == u64::MAX => format!("{kind:?}"),
        (_, MessageKind::Renew | MessageKind::Grant) => format!("{kind:?} {}", round.0),
        _ => format!("{kind:?}"),
    };
    let mut said: Vec<&str> = peers
        .values()
        .map(|(_, _, flight)| flight.contents.as_str())
        .collect();
    said.dedup();
    let contents = match said.as_slice() {
        [""] => String::new(),
        [one] => format!(" ({one})"),
        many => format!(
            " ({})",
            many.iter().take(3).copied().collect::<Vec<_>>().join("; ")
        ),
    };
    let mut text = if group.is_answer {
        format!("{} to {pivot}: {name}{contents}", names.join(", "))
    } else {
        format!("{pivot} to {}: {name}{contents}", names.join(", "))
    };
    if !is_of_round(kind) && round.0 == u64::MAX {
        text.push_str(&format!(", at epoch {}", group.flights[0].message.epoch()));
    }
    let count = peers.values().map(|(count, ..)| *count).max().unwrap_or(1);
    if count > 1 {
        text.push_str(&format!(", {count} times"));
    }
    let mut wrong: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (peer, (_, words, _)) in &peers {
        if let Some(words) = words {
            wrong.entry(words).or_default().push(peer.to_string());
        }
    }
    let preposition = if group.is_answer { "from" } else { "to" };
    for (words, of) in &wrong {
        match peers.len() {
            1 => text.push_str(&format!(" - {words}")),
            _ => text.push_str(&format!(" - {preposition} {} {words}", of.join(", "))),
        }
    }
    if last_arrival > group.first_ns + 1_000_000 && wrong.len() < peers.len() {
        text.push_str(&format!("; there by {}", clock(last_arrival)));
    }
    text
}

/// How badly a message fared: 0 when it simply arrived.
fn fortune(flight: &Flight, words: Option<&str>) -> u8 {
    match (words, flight.arrived_ns.is_empty()) {
        (None, _) => 0,
        (Some(_), false) => 1,
        (Some(_), true) => 2,
    }
}
