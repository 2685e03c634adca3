//! What the machine and the ring tell, as log lines for operators: what happened, what was done, what to do.

use tracing::{debug, info, warn};

use crate::director::{Event, EvictReason};
use crate::ring::{Circle, Peer, RingEvent};

/// Logs what the machine tells; `is_removed` says that it is no member of the ring any more.
pub(super) fn log(event: &Event, is_removed: bool) {
    match event {
        Event::Removed { epoch } => warn!(
            "an admin has removed this member from the ring (known at {epoch}): logins are refused; stop it, or take it \
             in again by `doveadm director ring add` at another director"
        ),
        Event::Isolated { holds, .. } if is_removed => {
            warn!("the sessions of {holds} users are closed: others serve them now")
        }
        Event::Serving { epoch } => info!("serving, at {epoch}"),
        Event::Isolated { epoch, holds } => warn!(
            "isolated: no majority of voters answered in time ({epoch}); logins are refused, the sessions of {holds} \
             users are closed; check the links with `maildirector status`"
        ),
        Event::Installed {
            epoch,
            is_caught_up: false,
        } => info!("{epoch} is in force"),
        Event::Installed { epoch, .. } => info!("{epoch} is in force; this member had missed commits"),
        Event::Evicting { user, why } => {
            let why = match why {
                EvictReason::Moved => "moved",
                EvictReason::Unpinned => "unpinned",
                EvictReason::Contradicts => "served against the topology",
                EvictReason::Kicked => "kicked",
            };
            debug!("closing the sessions of user {}: {why}", user.key.hash());
        }
        Event::RoundStarted {
            ballot,
            epoch,
            is_takeover,
        } => {
            let what = if *is_takeover { "finishing" } else { "starting" };
            debug!("{what} a change of {epoch}, ballot {ballot}");
        }
        Event::Committed { epoch, pins } => info!("decided {epoch}, with {pins} users pinned"),
        Event::InGrace { remaining } => {
            info!(
                "may not confirm leases of unknown holders for another {} ms",
                remaining.as_millis()
            );
        }
        Event::FirstStarted => info!("the ring has started for the first time"),
        Event::OtherConfiguration { member } => warn!(
            "{member} was started with another configuration; the ring does not start until all have the same one: \
             compare director_mail_servers"
        ),
        Event::Unseated => warn!(
            "this member's storage is not the one that the ring knows; it does not vote until the ring has replaced it"
        ),
        Event::SplitEnded { user } => info!(
            "closed the sessions of user {}, who had been moved elsewhere while this director was away",
            user.key.hash()
        ),
        Event::Nonsense { from } => warn!("{from} sent a message that makes no sense; dropped"),
        Event::FailingKept { ip, why } => warn!(
            "a majority of the directors finds backend {ip} failing, and it stays in service: {why}; look at the \
             backends, then `doveadm director down {ip}` if it is to go all the same"
        ),
        other => debug!("{other:?}"),
    }
}

/// Logs who came and who went.
pub(super) fn log_circle(before: &Circle, now: &Circle) {
    let has = |circle: &Circle, peer: &Peer| circle.peers.iter().any(|other| other.id == peer.id);
    for peer in now.peers.iter().filter(|peer| !has(before, peer)) {
        let (id, address) = (peer.id, peer.address);
        info!("{address} is {id} of the ring now; its own configuration has to give it this number");
    }
    for peer in before.peers.iter().filter(|peer| !has(now, peer)) {
        info!("{} at {} is not in the ring any more", peer.id, peer.address);
    }
}

/// Logs what the ring tells.
pub(super) fn log_ring(event: &RingEvent) {
    match event {
        RingEvent::LinkUp {
            peer,
            direction,
            version,
            ..
        } => info!("link with {peer} stands ({direction}, protocol {version})"),
        RingEvent::LinkDown { peer, direction, why } => {
            warn!("link with {peer} ({direction}) is gone: {why}")
        }
        RingEvent::Refused { who, why, .. } => warn!("no link with {who}: {why}"),
        RingEvent::Differs { peer, differences } => {
            for difference in differences {
                warn!("{peer} is configured otherwise: {difference}");
            }
        }
        RingEvent::Malformed { origin, why } => warn!("a message of {origin} was dropped: {why}"),
        other => debug!("{other:?}"),
    }
}
