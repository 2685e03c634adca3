//! Frames of the ring: the bytes are one frame that a director gets from another.

use std::collections::BTreeSet;
use std::time::Duration;

use maildirector::director::{Door, Input};
use maildirector::ring::{decode, encode};
use maildirector::topology::{Change, MemberId};

use crate::ring::{Ring, backend};

/// Any bytes are refused or are an envelope that survives its own encoding; and whatever it says, a director in the
/// middle of a round takes it without a panic, a storm, or more memory than its limits.
pub fn run(bytes: &[u8]) {
    let Ok(envelope) = decode(bytes) else { return };
    let again = encode(&envelope).expect("what fitted into a frame fits again");
    assert_eq!(
        decode(&again).as_ref(),
        Ok(&envelope),
        "an envelope survives its encoding"
    );
    let mut ring = in_a_round();
    ring.give(MemberId::from_index(0), Input::Message(envelope.clone()));
    ring.give(MemberId::from_index(1), Input::Message(envelope));
    ring.assert_limits();
    ring.run_calmly(Duration::from_secs(1));
    ring.assert_limits();
}

/// All that a ring says in its first start and in a round, to start a search from.
pub fn frames() -> Vec<Vec<u8>> {
    let mut frames = BTreeSet::new();
    for mut ring in [in_a_round(), Ring::starting()] {
        let end = ring.now.plus(Duration::from_secs(5));
        ring.command(MemberId::from_index(1), vec![Change::Flush { ip: None }], true);
        while ring.calm_event(end) {
            frames.extend(
                ring.wire
                    .iter()
                    .map(|(_, envelope)| encode(envelope).expect("small messages fit")),
            );
        }
    }
    frames.into_iter().collect()
}

/// Directors with users, one of which has been asked for a change.
fn in_a_round() -> Ring {
    let mut ring = Ring::serving();
    for (index, name) in ["anna", "bert", "carl", "dora"].into_iter().enumerate() {
        let at = MemberId::from_index(u16::try_from(index % 2).expect("small"));
        ring.log_in(at, name, Door::Exact);
    }
    ring.command(
        MemberId::from_index(0),
        vec![Change::AddBackend(backend(9))],
        false,
    );
    ring
}
