//! The kernel's clocks.

use std::time::Duration;

use nix::time::{ClockId, clock_gettime};

use crate::world::{Clock, Instant};

/// The longest that a sleeper sleeps without looking at the clock: tokio's timers do not count suspended time, so this
/// is how late a sleeper may notice that the machine was suspended.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// The kernel's clock since the machine's boot, which counts suspended time; all processes of a machine share it.
#[derive(Clone, Copy, Debug, Default)]
pub struct BootClock;

impl Clock for BootClock {
    fn now(&self) -> Instant {
        Instant::from_nanos(
            read(ClockId::CLOCK_BOOTTIME)
                .as_nanos()
                .try_into()
                .unwrap_or(u64::MAX),
        )
    }

    fn unix_seconds(&self) -> u64 {
        read(ClockId::CLOCK_REALTIME).as_secs()
    }

    async fn sleep_until(&self, at: Instant) {
        loop {
            let now = self.now();
            if now >= at {
                return;
            }
            #[expect(clippy::disallowed_methods, reason = "this is the clock that others sleep by")]
            tokio::time::sleep(at.since(now).min(LOOK_EVERY)).await;
        }
    }
}

fn read(clock: ClockId) -> Duration {
    let time = clock_gettime(clock).expect("Linux has had both clocks since 2.6.39");
    Duration::from(time)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::{TimedOut, deadline};

    fn run(test: impl Future<Output = ()>) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime can be made").block_on(test);
    }

    #[test]
    fn sleepers_never_wake_early() {
        run(async {
            for millis in [0, 1, 7] {
                let at = BootClock.now().plus(Duration::from_millis(millis));
                BootClock.sleep_until(at).await;
                assert!(BootClock.now() >= at);
            }
        });
    }

    #[test]
    fn what_is_ready_counts_even_after_its_deadline() {
        run(async {
            let past = Instant::ORIGIN;
            assert_eq!(deadline(&BootClock, past, async { 7 }).await, Ok(7));
            let never = std::future::pending::<()>();
            assert_eq!(deadline(&BootClock, past, never).await, Err(TimedOut));
        });
    }
}
