//! While nothing is wrong, no session is closed but those that a change itself moves.

use maildirector::director::EvictReason;

use super::Broken;
use crate::outcome::Invariant;

/// A user's sessions are being closed in a world without faults.
pub(crate) fn needless_closing(member: u8, person: u32, why: EvictReason) -> Result<(), Broken> {
    match why {
        EvictReason::Moved | EvictReason::Kicked => Ok(()),
        _ => {
            let words =
                format!("member {member} closes the sessions of user{person}, nothing is wrong: {why:?}");
            Err(Broken::new(Invariant::NeedlessClosing, words))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_change_moves_may_close() {
        assert!(needless_closing(0, 0, EvictReason::Moved).is_ok());
        assert!(needless_closing(0, 0, EvictReason::Unpinned).is_err());
        assert!(needless_closing(0, 0, EvictReason::Contradicts).is_err());
    }
}
