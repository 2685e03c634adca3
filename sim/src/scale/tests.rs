//! Small sites: what is drawn, that a run is its seed's, and that the accounts are plausible.

use super::calendar::Calendar;
use super::{Cause, RATES, Setup, estimate, steady};

fn small(directors: u16) -> Setup {
    Setup {
        directors,
        backends: 20,
        users: 1_000,
        years: 1,
        seed: 1,
    }
}

#[test]
fn things_happen_about_as_often_as_their_rates_say() {
    let setup = Setup {
        directors: 50,
        backends: 1_000,
        years: 10,
        ..small(50)
    };
    let calendar = Calendar::draw(&setup);
    for rate in &RATES {
        let items = match rate.per {
            super::Per::Director => 50,
            super::Per::Switch => 3,
            super::Per::Backend => 1_000,
            super::Per::Ring => 1,
        };
        let expected = (items * rate.per_thousand_years * 10) as f64 / 1_000.0;
        let drawn = calendar.count(rate.cause) as f64;
        let spread = 5.0 * expected.sqrt() + 2.0;
        assert!(
            (drawn - expected).abs() < spread,
            "{}: {drawn}, expected {expected}",
            rate.cause
        );
        let (low, high) = rate.lasts_ms;
        let mut lasts = calendar
            .entries
            .iter()
            .filter(|entry| entry.cause == rate.cause)
            .map(|e| e.lasts_ms);
        assert!(lasts.all(|ms| (low..=high).contains(&ms)), "{}", rate.cause);
    }
}

#[test]
fn the_rates_stand_in_the_order_of_their_causes() {
    assert!(Cause::all().all(|cause| cause.rate().cause == cause));
}

#[test]
fn directors_that_are_away_together_are_found_in_the_calendar() {
    let calendar = Calendar::draw(&Setup {
        years: 10,
        ..small(3)
    });
    let three = calendar.absences(3);
    assert!(three.no_majority_ms <= three.overlapping_ms);
    assert!(three.longest_no_majority_ms <= three.no_majority_ms);
    let many = Calendar::draw(&Setup {
        years: 10,
        ..small(50)
    })
    .absences(50);
    assert!(
        many.overlapping_ms > three.overlapping_ms,
        "more directors fail more often together"
    );
    assert_eq!(many.no_majority_ms, 0, "but hardly ever half of them");
}

#[test]
fn small_sites_are_the_same_again_and_split_nobody() {
    for directors in [3, 5] {
        let setup = small(directors);
        let one = estimate(&setup, 1, |_| ());
        assert_eq!(one, estimate(&setup, 1, |_| ()));
        assert_eq!(one.splits(), 0);
        let (fixed, retry) = (one.fixed_min().value, one.retry_min().value);
        assert!(retry > 0.0 && retry < fixed, "{retry} {fixed}");
        let year_min = 365.25 * 24.0 * 60.0;
        assert!(fixed < year_min / 100.0, "{fixed}");
        for cause in &one.causes {
            assert_eq!(cause.unfinished, 0, "{}", cause.cause);
            assert!(cause.retry_min.value <= cause.fixed_min.value + 1e-9, "{cause:?}");
            assert!(cause.played <= cause.count.min(1), "{cause:?}");
        }
        let work = &one.causes[Cause::BackendWork as usize];
        assert!(work.epochs >= 2.0, "emptied and filled again: {work:?}");
    }
}

#[test]
fn what_a_quiet_ring_says_grows_with_the_square_of_its_members() {
    let (small, large) = (steady(&small(4)), steady(&small(8)));
    assert!(small.said > 0.0);
    let growth = large.said / small.said;
    assert!((3.0..4.5).contains(&growth), "{growth}");
    assert!(large.link_bytes > 2.0 * small.link_bytes);
}
