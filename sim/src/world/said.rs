//! The marks and the names of what machines tell their logs.

use maildirector::director::{Event, EvictReason, RoundLeft};

use crate::marks::Mark;

/// Its mark, its name and a number that goes with it; `None` of what cannot happen here, as bytes that make no sense.
pub(super) fn read(event: &Event) -> Option<(Mark, &'static str, u64)> {
    Some(match event {
        Event::Serving { epoch } => (Mark::Serving, "serves at epoch", epoch.number()),
        Event::Isolated { holds: 0, epoch } => (
            Mark::IsolatedIdle,
            "is isolated without users at epoch",
            epoch.number(),
        ),
        Event::Isolated { epoch, .. } => (Mark::Isolated, "is isolated at epoch", epoch.number()),
        Event::Installed {
            epoch,
            is_caught_up: true,
        } => (Mark::CaughtUp, "catches up with epoch", epoch.number()),
        Event::Installed { epoch, .. } => (Mark::Installed, "installs epoch", epoch.number()),
        Event::Evicting { why, user } => {
            let number = u64::from(user.key.hash());
            match why {
                EvictReason::Moved => (Mark::EvictMoved, "evicts, moved by the change, user", number),
                EvictReason::Unpinned => (Mark::EvictUnpinned, "evicts, unpinned, user", number),
                EvictReason::Contradicts => (
                    Mark::EvictContradicts,
                    "evicts, against the topology, user",
                    number,
                ),
                EvictReason::Kicked => (Mark::EvictKicked, "kicks user", number),
            }
        }
        Event::Queued { user } => (Mark::Queued, "lets wait user", u64::from(user.key.hash())),
        Event::RoundStarted {
            is_takeover: true,
            ballot,
            ..
        } => (
            Mark::RoundTakenOver,
            "takes a round over with ballot",
            ballot.counter,
        ),
        Event::RoundStarted { ballot, .. } => {
            (Mark::RoundStarted, "starts the round of ballot", ballot.counter)
        }
        Event::RoundAdopted { ballot } => (Mark::RoundAdopted, "adopts a value in ballot", ballot.counter),
        Event::RoundLeft { why, ballot } => {
            let number = ballot.counter;
            match why {
                RoundLeft::Outbid => (Mark::RoundOutbid, "leaves its round, outbid in ballot", number),
                RoundLeft::Overtaken => (
                    Mark::RoundOvertaken,
                    "leaves its round, overtaken in ballot",
                    number,
                ),
                RoundLeft::NotCoordinator => (
                    Mark::RoundHandedOver,
                    "leaves its round, no coordinator, ballot",
                    number,
                ),
            }
        }
        Event::Committed { pins: 0, epoch } => (Mark::Committed, "commits epoch", epoch.number()),
        Event::Committed { epoch, .. } => {
            (Mark::CommittedWithPins, "commits with pins epoch", epoch.number())
        }
        Event::Confirmed { values: 0 | 1 } => (Mark::Confirmed, "confirms, values", 1),
        Event::Confirmed { values } => (Mark::ConfirmedSeveral, "confirms, values", *values as u64),
        Event::FreezeLapsed => (Mark::FreezeLapsed, "gives up a freeze", 0),
        Event::InGrace { remaining } => (Mark::InGrace, "votes in grace, ms", remaining.as_millis() as u64),
        Event::FirstStarted => (Mark::FirstStarted, "starts the ring", 0),
        Event::OtherConfiguration { member } => (
            Mark::OtherConfiguration,
            "is configured otherwise than",
            u64::from(member.index()),
        ),
        Event::Unseated => (Mark::Unseated, "has no seat", 0),
        Event::SplitEnded { user } => (
            Mark::SplitEnded,
            "ended a split of user",
            u64::from(user.key.hash()),
        ),
        _ => return None,
    })
}
