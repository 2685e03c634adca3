//! Laws of frames: what is sent arrives, and bytes that nobody sent are an error or harmless.

use std::collections::BTreeSet;

use maildirector::ring::{self, CodecError};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use crate::envelopes::{KINDS, any_envelope, number_of};

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn an_envelope_survives_its_frame(envelope in any_envelope()) {
        let bytes = ring::encode(&envelope).expect("far below the limit");
        prop_assert_eq!(ring::decode(&bytes), Ok(envelope));
    }

    #[test]
    fn a_frame_cut_short_is_an_error(envelope in any_envelope(), place in any::<Index>()) {
        let bytes = ring::encode(&envelope).expect("far below the limit");
        let cut = &bytes[..place.index(bytes.len())];
        let is_malformed = matches!(ring::decode(cut), Err(CodecError::Malformed { .. }));
        prop_assert!(is_malformed);
    }

    #[test]
    fn a_frame_with_more_behind_it_is_an_error(envelope in any_envelope(), more in vec(any::<u8>(), 1..20)) {
        let mut bytes = ring::encode(&envelope).expect("far below the limit");
        let extra = more.len();
        bytes.extend(more);
        prop_assert_eq!(ring::decode(&bytes), Err(CodecError::Trailing { bytes: extra }));
    }

    #[test]
    fn any_bytes_are_an_error_or_an_envelope_that_survives_its_frame(bytes in vec(any::<u8>(), 0..300)) {
        expect_error_or_stable(&bytes)?;
    }

    /// Nearer to real frames than bytes out of nowhere: some bytes of a good one are others.
    #[test]
    fn a_damaged_frame_is_an_error_or_an_envelope_that_survives_its_frame(
        envelope in any_envelope(),
        damages in vec((any::<Index>(), any::<u8>()), 1..6),
    ) {
        let mut bytes = ring::encode(&envelope).expect("far below the limit");
        for (place, byte) in damages {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        expect_error_or_stable(&bytes)?;
    }
}

fn expect_error_or_stable(bytes: &[u8]) -> Result<(), TestCaseError> {
    if let Ok(envelope) = ring::decode(bytes) {
        let again = ring::encode(&envelope).expect("no larger than what was decoded");
        prop_assert_eq!(ring::decode(&again), Ok(envelope));
    }
    Ok(())
}

#[test]
fn every_kind_of_message_is_tried() {
    let mut runner = TestRunner::deterministic();
    let kinds: BTreeSet<usize> = (0..1_000)
        .map(|_| {
            let envelope = any_envelope()
                .new_tree(&mut runner)
                .expect("no filters")
                .current();
            number_of(&envelope.body)
        })
        .collect();
    assert_eq!(kinds.len(), KINDS);
}

#[test]
fn a_frame_beyond_the_limit_is_refused_before_it_is_read() {
    let bytes = vec![0; ring::FRAME_BYTES_MAX + 1];
    assert_eq!(
        ring::decode(&bytes),
        Err(CodecError::TooLong { bytes: bytes.len() })
    );
}
