//! Queues and tables keep to their limits, and members do not storm each other with messages.

use maildirector::director::{Limits, LimitsUsed};

use super::Broken;
use crate::outcome::Invariant;

/// Ticks in a row that may leave a timer due: one handler may wait for another's.
const IDLE_TICKS_MAX: u32 = 50;

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
}
