//! A pin ends soon after nobody holds its user any more.

use std::time::Duration;

use super::Broken;
use crate::outcome::Invariant;

/// How long after the last hold has ended a pin may be left. The coordinator looks once a `user_expire` whether a pin
/// was needed, asks all and has a round; a look that came just before the last hold ended costs another one.
pub(crate) fn pins_end_bound_ns(user_expire: Duration, lease: Duration) -> u64 {
    (user_expire * 5 / 2 + lease * 4).as_nanos() as u64 + 1_000_000_000
}

/// So many pins are left after such a time without holds.
pub(crate) fn pins_end(pins: usize, quiet_ns: u64, bound_ns: u64) -> Result<(), Broken> {
    if pins == 0 || quiet_ns <= bound_ns {
        return Ok(());
    }
    let words = format!(
        "{pins} pins are left, {} ms after the last hold",
        quiet_ns / 1_000_000
    );
    Err(Broken::new(Invariant::PinsEnd, words))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pin_that_stays_is_noticed() {
        let bound_ns = pins_end_bound_ns(Duration::from_secs(5), Duration::from_secs(2));
        assert!(pins_end(1, bound_ns, bound_ns).is_ok());
        assert!(pins_end(0, bound_ns + 1, bound_ns).is_ok());
        assert!(pins_end(1, bound_ns + 1, bound_ns).is_err());
    }
}
