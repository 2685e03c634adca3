//! Messages that can't do anything any more, taken off the wire: states that differ in them are the same.
//!
//! Each of these is what the machine does with such a message, so a change there must be followed here:
//!
//! | message | what is left of it |
//! |---|---|
//! | of an epoch that its receiver has left | the receiver tells its sender the topology: the same as [`Body::Fetch`] |
//! | [`Body::Fetch`] to a receiver at the last epoch of interest, from a member that is there too | nothing |
//! | a topology no newer than the receiver's | nothing |
//! | a grant to another run, or of an asking that can bring nothing new, at the receiver's epoch | nothing |
//! | a promise, held or accepted for a ballot that is not the receiver's present round, or of a phase that is over | nothing |
//!
//! A broken rule may bring such messages to life again, and so may a disk that forgets an epoch: then all stay.

use std::sync::Arc;

use maildirector::agreement::{Body, Boot, Envelope, Rule};
use maildirector::topology::Epoch;

use super::member::{Member, Phase};
use super::state::{Packet, State};
use super::world::place_of;

/// Whether spent messages stay spent when this rule is broken.
pub fn is_sound_without(rule: Rule) -> bool {
    !matches!(
        rule,
        Rule::GrantAtOwnEpochOnly
            | Rule::CommitAppliesToItsEpoch
            | Rule::CommandsApplyOnce
            | Rule::NewerTopologyOnly
            | Rule::LeaseBelongsToBoot
            | Rule::LeaseStartsAtSending
            | Rule::MajorityGrantsOneNonce
            | Rule::MajorityOfOneBallot
            | Rule::BallotsAreNeverReused
            | Rule::EpochIsDurable
    )
}

/// Take away what is spent, and put the shortest equal in the place of the rest.
pub fn tidy(state: &mut State, last: u64) {
    let wire = std::mem::take(&mut state.wire);
    for packet in wire {
        let receiver = &state.members[packet.to];
        let sender = &state.members[place_of(packet.envelope.from)];
        let is_level = receiver.epoch().number() >= last && sender.epoch() >= receiver.epoch();
        match rest_of(&packet, receiver) {
            Rest::All if is_level && packet.envelope.body == Body::Fetch => {}
            Rest::All => state.post(packet),
            Rest::Fetch if is_level => {}
            Rest::Fetch => {
                let fetch = Envelope {
                    from: packet.envelope.from,
                    boot: Boot::from_bits(0),
                    epoch: Epoch::ZERO,
                    body: Body::Fetch,
                };
                state.post(Packet::new(packet.to, Arc::new(fetch)));
            }
            Rest::Nothing => {}
        }
    }
}

enum Rest {
    All,
    Fetch,
    Nothing,
}

fn rest_of(packet: &Packet, receiver: &Member) -> Rest {
    let envelope = &packet.envelope;
    let is_old = envelope.epoch < receiver.director.epoch();
    let is_of_round = |ballot, phase| receiver.round == Some((ballot, phase));
    match &envelope.body {
        Body::Fetch | Body::Hello(_) => Rest::All,
        Body::Topology(committed) if committed.epoch() <= receiver.director.epoch() => Rest::Nothing,
        Body::Topology(_) => Rest::All,
        Body::Grant { boot, .. } if *boot != receiver.director.boot() && is_old => Rest::Fetch,
        Body::Grant { boot, .. } if *boot != receiver.director.boot() => Rest::Nothing,
        Body::Grant { nonce, .. } if !is_old && !receiver.grants.waits_for(*nonce) => Rest::Nothing,
        Body::Grant { .. } => Rest::All,
        _ if is_old => Rest::Fetch,
        _ if envelope.epoch > receiver.director.epoch() => Rest::All,
        Body::Promise { ballot, .. } | Body::Held { ballot, .. }
            if !is_of_round(*ballot, Phase::Preparing) =>
        {
            Rest::Nothing
        }
        Body::Accepted { ballot, .. } if !is_of_round(*ballot, Phase::Proposing) => Rest::Nothing,
        _ => Rest::All,
    }
}
