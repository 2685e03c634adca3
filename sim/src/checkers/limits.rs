//! Queues and tables keep to their limits, and members do not storm each other with messages.

use std::time::Duration;

use maildirector::director::{Limits, LimitsUsed};

use super::Broken;
use crate::outcome::Invariant;

/// Ticks in a row that may leave a timer due: one handler may wait for another's.
const IDLE_TICKS_MAX: u32 = 50;

/// Epochs that a ring may decide after everybody has left, besides those that end pins.
const QUIET_EPOCHS_MAX: u64 = 30;

/// What one member uses, and did since the last look.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Usage {
    pub(crate) member: u8,
    pub(crate) used: LimitsUsed,
}

/// What a member uses against what it may.
pub(crate) fn within_limits(usage: Usage, limits: &Limits) -> Result<(), Broken> {
    let Usage { member, used } = usage;
    let table = [
        ("logins waiting", used.waiting_logins, limits.waiting_logins),
        ("users held", used.holds, limits.holds),
        ("commands", used.commands, limits.commands),
        ("moves remembered", used.history, limits.history),
    ];
    for (what, used, limit) in table {
        if used > limit {
            let words = format!("member {member} has {used} {what}, the limit is {limit}");
            return Err(Broken::new(Invariant::Limits, words));
        }
    }
    Ok(())
}

/// So many ticks in a row left a timer due.
pub(crate) fn busy_loop(member: u8, ticks: u32) -> Result<(), Broken> {
    if ticks < IDLE_TICKS_MAX {
        return Ok(());
    }
    let words = format!(
        "member {member} wants a tick, does nothing in it and wants the next, {ticks} times in a row"
    );
    Err(Broken::new(Invariant::Limits, words))
}

/// How many epochs the ring has decided since nobody asked it for anything, `passed_ns` ago. What is left to do by itself
/// is little: seats for wiped voters, commands still on their way, and one look at pins in each `user_expire`.
pub(crate) fn quiet_ring(epochs: u64, passed_ns: u64, user_expire: Duration) -> Result<(), Broken> {
    let looks = passed_ns / user_expire.as_nanos().max(1) as u64;
    let limit = QUIET_EPOCHS_MAX + 2 * looks;
    if epochs <= limit {
        return Ok(());
    }
    let words = format!(
        "the ring decided {epochs} epochs in {} ms in which nobody wanted anything, {limit} are enough",
        passed_ns / 1_000_000
    );
    Err(Broken::new(Invariant::Limits, words))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_more_than_the_limit_is_noticed() {
        let limits = Limits {
            waiting_logins: 2,
            ..Limits::default()
        };
        let used = |waiting_logins| LimitsUsed {
            waiting_logins,
            holds: 0,
            commands: 0,
            history: 0,
            nonsense: 0,
        };
        assert!(
            within_limits(
                Usage {
                    member: 0,
                    used: used(2)
                },
                &limits
            )
            .is_ok()
        );
        assert!(
            within_limits(
                Usage {
                    member: 0,
                    used: used(3)
                },
                &limits
            )
            .is_err()
        );
    }

    #[test]
    fn epochs_that_nobody_wanted_are_noticed() {
        let expire = Duration::from_secs(5);
        assert!(quiet_ring(30, 0, expire).is_ok());
        assert!(quiet_ring(32, 5_000_000_000, expire).is_ok());
        assert!(quiet_ring(33, 5_000_000_000, expire).is_err());
    }
}
