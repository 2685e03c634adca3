//! What `sim explore` prints: a line for each world, and a counterexample event by event.

use std::fmt::Write;

use maildirector::agreement::{Body, Envelope};

use super::action::Action;
use super::search::{Counterexample, Found};
use super::state::State;
use super::world::{Stage, place_of};

/// The heading of the table.
pub const HEADING: &str = "\
| world | states | depth | | seconds | MiB |
|---|---|---|---|---|---|";

/// One line of the table.
pub fn line(found: &Found) -> String {
    let extent = match (&found.counterexample, found.is_whole) {
        (Some(counterexample), _) => format!("breaks {} in {}", counterexample.rule, counterexample.depth()),
        (None, true) => "whole".to_owned(),
        (None, false) => "cut off".to_owned(),
    };
    let mut line = format!(
        "| {} | {} | {} | {extent} | {:.1} | {} |",
        found.world.name,
        with_commas(found.states),
        found.depth,
        found.time.as_secs_f64(),
        found.memory_mib
    );
    if !found.missed.is_empty() && found.counterexample.is_none() {
        let _ = write!(line, " never seen: {}", found.missed.join(", "));
    }
    line
}

/// The events of a counterexample, one a line, and where everybody stands at the end.
pub fn events(stage: &Stage, counterexample: &Counterexample) -> String {
    let mut text = String::new();
    for (number, (state, action)) in (1..).zip(&counterexample.events) {
        match action {
            Some(action) => {
                let event = event(stage, state, action);
                let _ = writeln!(text, "{number:>3}  {}  {event}", state.now);
            }
            None => text.push_str(&standing(state)),
        }
    }
    text
}

fn event(stage: &Stage, state: &State, action: &Action) -> String {
    let world = &stage.world;
    let packet = |index: usize| {
        let packet = &state.wire[index];
        format!(
            "{} to {}: {}",
            place_of(packet.envelope.from) + 1,
            packet.to + 1,
            message(&packet.envelope)
        )
    };
    match action {
        Action::Deliver(index) => packet(*index),
        Action::Duplicate(index) => format!("{} (and again later)", packet(*index)),
        Action::Tick(place) => format!("timers of {}", place + 1),
        Action::Save(place) => format!("the disk of {} has saved", place + 1),
        Action::Evicted(place, user, _) => {
            format!("the doors of {} have closed {}", place + 1, who(stage, *user))
        }
        Action::AllClosed(place) => format!("the doors of {} have closed everything", place + 1),
        Action::Login(index) => {
            let (place, who) = world.logins[*index];
            format!("login of {who:?} at {}", place + 1)
        }
        Action::Order(index) => {
            let (place, order) = world.orders[*index];
            format!("order at {}: {order:?}", place + 1)
        }
        Action::Restart(index) => format!("{} crashes and comes back", world.restarts[*index] + 1),
        Action::Wait => match world.waits.get(state.used.waits) {
            Some(wait) => format!("time passes: {wait:?}"),
            None => "time passes".to_owned(),
        },
    }
}

fn message(envelope: &Envelope) -> String {
    let what = match &envelope.body {
        Body::Hello(_) => "Hello".to_owned(),
        Body::Renew(renew) => format!("Renew {} confirming {}", renew.nonce.0, renew.confirmed.len()),
        Body::Grant { nonce, .. } => format!("Grant {}", nonce.0),
        Body::Lacks(value) => format!("Lacks {}", value.id),
        Body::Fetch => "Fetch".to_owned(),
        Body::Topology(committed) => format!("Topology {}", committed.epoch()),
        Body::Survey(number) => format!("Survey {number}"),
        Body::Surveyed { number, .. } => format!("Surveyed {number}"),
        Body::Prepare { ballot, .. } => format!("Prepare {ballot}"),
        Body::Promise { ballot, accepted } => match accepted {
            Some((at, value)) => format!("Promise {ballot}, accepted {} at {at}", value.id),
            None => format!("Promise {ballot}"),
        },
        Body::Refused { ballot, promised } => format!("Refused {ballot} for {promised}"),
        Body::Held { ballot, holds } => format!("Held {ballot}, {} holds", holds.len()),
        Body::Propose { ballot, value } => format!("Propose {ballot}, {}", value.id),
        Body::Accepted { ballot, statement } => {
            format!("Accepted {ballot}, {} leases", statement.leases.len())
        }
        Body::Confirmed(id) => format!("Confirmed {id}"),
        Body::Commit(value) => format!("Commit {}", value.id),
        Body::Request(request) => format!("Request {}", request.first),
        Body::Count { number, .. } => format!("Count {number}"),
        Body::Counted { number, .. } => format!("Counted {number}"),
        Body::Kick(whose) => format!("Kick {whose:?}"),
        Body::ListHeld { number, .. } => format!("ListHeld {number}"),
        Body::HeldListed { number, .. } => format!("HeldListed {number}"),
    };
    format!("{what}  (epoch {}, boot {})", envelope.epoch, envelope.boot)
}

fn standing(state: &State) -> String {
    let mut text = String::new();
    for (place, member) in state.members.iter().enumerate() {
        let sessions: Vec<String> = member
            .sessions
            .iter()
            .map(|s| format!("{:08x} on {}", s.user.key.hash(), s.backend.index()))
            .collect();
        let _ = writeln!(
            text,
            "     {}: epoch {}, {}, sessions: [{}]",
            place + 1,
            member.epoch(),
            if member.may_forward(state.now) {
                "forwards"
            } else {
                "stands still"
            },
            sessions.join(", ")
        );
    }
    text
}

fn who(stage: &Stage, user: maildirector::topology::UserId) -> &'static str {
    if user == stage.users.ann { "Ann" } else { "Bob" }
}

fn with_commas(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
