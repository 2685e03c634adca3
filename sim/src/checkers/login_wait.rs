//! No login waits longer than the limit, as far as its director was awake.

use super::Broken;
use crate::outcome::Invariant;

/// How late an answer may be: the tick that gives it may be, and the director's clock may be slow.
const SLACK_NS: u64 = 500_000_000;

/// A login that has waited so long and is not answered.
pub(crate) fn login_wait(member: u8, person: u32, waited_ns: u64, limit_ns: u64) -> Result<(), Broken> {
    if waited_ns <= limit_ns + limit_ns / 5 + SLACK_NS {
        return Ok(());
    }
    let words = format!(
        "user{person} waits at member {member} for {} ms",
        waited_ns / 1_000_000
    );
    Err(Broken::new(Invariant::LoginWait, words))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_that_waits_for_ever_is_noticed() {
        assert!(login_wait(0, 0, 30_000_000_000, 30_000_000_000).is_ok());
        assert!(login_wait(0, 0, 40_000_000_000, 30_000_000_000).is_err());
    }
}
