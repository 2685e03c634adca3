//! Waiting for a condition, with a deadline.

use std::thread::sleep;
use std::time::{Duration, Instant};

const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Look until there is something, and give it.
///
/// # Panics
/// There is nothing within `within`; `what` then completes the sentence "still not: ".
pub fn eventually<T>(what: &str, within: Duration, mut look: impl FnMut() -> Option<T>) -> T {
    let until = Instant::now() + within;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < until, "after {within:?} still not: {what}");
        sleep(LOOK_EVERY);
    }
}

/// Hold a condition for a while.
///
/// # Panics
/// It does not hold at some look.
pub fn throughout(what: &str, span: Duration, mut holds: impl FnMut() -> bool) {
    let until = Instant::now() + span;
    while Instant::now() < until {
        assert!(holds(), "did not last: {what}");
        sleep(LOOK_EVERY);
    }
}
