//! What messages and values say, in words short enough for a line.

use std::fmt::Write;
use std::net::IpAddr;
use std::time::Duration;

use maildirector::agreement::{Ballot, Body, Hello, Proposal, Renew, Statement, Value, ValueId};
use maildirector::topology::Change;

use super::beliefs::Concerned;
use super::words::listed;

/// What a message says besides its kind and round. Empty when there is nothing more.
pub(crate) fn words(body: &Body) -> String {
    match body {
        Body::Hello(hello) => hello_words(hello),
        Body::Renew(renew) => renew_words(renew),
        Body::Lacks(value) => format!("must confirm {} first", value_words(value)),
        Body::Topology(committed) => format!("epoch {}", committed.epoch().number()),
        Body::Surveyed {
            statement, pins_held, ..
        } => {
            let states = statement.as_ref().map(statement_words);
            let pins = pins_held
                .as_ref()
                .map(|pins| format!("{} pins in use", pins.len()));
            [states, pins]
                .into_iter()
                .flatten()
                .collect::<Vec<_>>()
                .join(", ")
        }
        Body::Prepare { proposal, .. } => proposal_words(proposal),
        Body::Promise { accepted, .. } => match accepted {
            None => "has accepted nothing".to_owned(),
            Some((ballot, value)) => {
                format!(
                    "has accepted {} in ballot {}",
                    value_words(value),
                    ballot_name(*ballot)
                )
            }
        },
        Body::Refused { promised, .. } => format!("has promised ballot {}", ballot_name(*promised)),
        Body::Held { holds, .. } => format!("{} users are held elsewhere", holds.len()),
        Body::Propose { value, .. } | Body::Commit(value) => value_words(value),
        Body::Accepted { statement, .. } => statement_words(statement),
        Body::Confirmed(id) => value_name(*id),
        Body::Request(request) => {
            let changes: Vec<String> = request.commands.iter().flatten().map(change_words).collect();
            listed(&changes)
        }
        Body::Count { changes, .. } => listed(&changes.iter().map(change_words).collect::<Vec<_>>()),
        Body::Counted { moved, pinned, .. } => format!("{moved} moved, {pinned} pinned"),
        Body::HeldListed { held, .. } => format!("{held:?}").chars().take(80).collect(),
        Body::Grant { .. } | Body::Fetch | Body::Survey(_) | Body::Kick(_) | Body::ListHeld { .. } => {
            String::new()
        }
    }
}

fn hello_words(hello: &Hello) -> String {
    let mut words = if hello.is_fresh {
        "knows no topology"
    } else {
        "knows a topology"
    }
    .to_owned();
    if hello.incarnation.is_some() {
        words.push_str(", wants a vote");
    }
    if let Some(bound) = &hello.bound {
        let _ = write!(words, ", bound to {} voters", bound.len());
    }
    words
}

fn renew_words(renew: &Renew) -> String {
    let mut words = if renew.is_leased {
        "has a lease"
    } else {
        "has no lease"
    }
    .to_owned();
    if !renew.confirmed.is_empty() {
        let names: Vec<String> = renew.confirmed.iter().copied().map(value_name).collect();
        let _ = write!(words, ", has confirmed {}", listed(&names));
    }
    if renew.is_stuck {
        words.push_str(", is stuck in a round");
    }
    let failing = renew.failing.as_deref().unwrap_or_default();
    if !failing.is_empty() {
        let names: Vec<String> = failing.iter().map(ToString::to_string).collect();
        let _ = write!(words, ", finds failing {}", listed(&names));
    }
    words
}

/// A ballot without the run: counter and member.
pub(crate) fn ballot_name(ballot: Ballot) -> String {
    format!("{}.{}", ballot.counter, ballot.member.index())
}

/// A value by the ballot in which it was formed.
pub(crate) fn value_name(id: ValueId) -> String {
    format!("v{}", ballot_name(id.0))
}

/// A value: its name, its changes and how many pins go with it.
pub(crate) fn value_words(value: &Value) -> String {
    let pins = match value.pins.len() {
        0 => String::new(),
        1 => " with 1 pin".to_owned(),
        count => format!(" with {count} pins"),
    };
    format!(
        "{} ({}){pins}",
        value_name(value.id),
        proposal_words(&value.proposal)
    )
}

fn proposal_words(proposal: &Proposal) -> String {
    let asked = proposal
        .requests
        .iter()
        .flat_map(|request| request.commands.iter().flatten());
    let changes: Vec<String> = asked.chain(&proposal.upkeep).map(change_words).collect();
    if changes.is_empty() {
        "changes nothing".to_owned()
    } else {
        listed(&changes)
    }
}

fn statement_words(statement: &Statement) -> String {
    let leases: Vec<String> = statement
        .leases
        .iter()
        .map(|stated| format!("{}'s for {}", stated.member.index(), span(stated.remaining)))
        .collect();
    let grace = if statement.grace.is_zero() {
        String::new()
    } else {
        format!(", in grace for {}", span(statement.grace))
    };
    if leases.is_empty() {
        format!("states no lease{grace}")
    } else {
        format!("states the leases {}{grace}", listed(&leases))
    }
}

/// A span of time for people.
pub(crate) fn span(span: Duration) -> String {
    match span.as_millis() {
        0 => format!("{} us", span.as_micros()),
        ms @ 1..10_000 => format!("{ms} ms"),
        ms => format!("{}.{} s", ms / 1_000, ms / 100 % 10),
    }
}

fn change_words(change: &Change) -> String {
    match change {
        Change::AddBackend(new) => format!("add backend {}", backend(new.ip)),
        Change::RemoveBackend { ip } => format!("remove backend {}", backend(*ip)),
        Change::SetVhosts { ip, vhosts } => format!("backend {} gets weight {vhosts}", backend(*ip)),
        Change::SetTag { ip, tag } => format!("backend {} gets tag \"{tag}\"", backend(*ip)),
        Change::Up { ip, .. } => format!("backend {} up", backend(*ip)),
        Change::Down { ip, .. } => format!("backend {} down", backend(*ip)),
        Change::Fail { ip, .. } => format!("backend {} failed", backend(*ip)),
        Change::Recover { ip, .. } => format!("backend {} recovered", backend(*ip)),
        Change::Drain { ip, .. } => format!("drain backend {}", backend(*ip)),
        Change::CancelDrain { ip } => format!("drain backend {} no more", backend(*ip)),
        Change::Flush { ip: Some(ip) } => format!("flush backend {}", backend(*ip)),
        Change::Flush { ip: None } => "flush all backends".to_owned(),
        Change::Move { key, ip } => format!("move user {key} to backend {}", backend(*ip)),
        Change::Unpin { user } => format!("unpin user {user}"),
        Change::Release { users } => format!("release {} pins", users.len()),
        Change::AddMember(member) => format!("add member {}", member.id.index()),
        Change::RemoveMember { id } => format!("remove member {}", id.index()),
        Change::Unseat { id } => format!("unseat member {}", id.index()),
        Change::Seat { id, .. } => format!("seat member {}", id.index()),
        Change::SetLease { lease } => format!("leases of {}", span(*lease)),
        Change::SetUserExpire { user_expire } => format!("user_expire {}", span(*user_expire)),
        other => format!("{other:?}"),
    }
}

/// A backend by its number in the plan, as all of them have addresses of that form.
fn backend(ip: IpAddr) -> String {
    match ip {
        IpAddr::V4(v4) if v4.octets()[0] == 10 => (u32::from(v4) - 0x0a00_0000).to_string(),
        other => other.to_string(),
    }
}

/// Where a value would put the users concerned.
pub(crate) fn place_words(users: &[Concerned], places: &[Option<u32>]) -> String {
    let mut words = String::new();
    for (user, place) in users.iter().zip(places) {
        let _ = match place {
            Some(backend) => write!(words, ", puts {} on backend {backend}", user.name),
            None => write!(words, ", puts {} nowhere", user.name),
        };
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_names_a_backend_by_its_number() {
        let ip = IpAddr::from([10, 0, 0, 3]);
        assert_eq!(change_words(&Change::Flush { ip: Some(ip) }), "flush backend 3");
    }
}
