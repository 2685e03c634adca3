//! A machine's clocks, which differ from true time by an offset and a rate.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use maildirector::world::{Clock, Instant};

/// True seconds since 1970 when a run begins.
const EPOCH_UNIX_S: i64 = 1_700_000_000;

/// A rate that changes while somebody sleeps is noticed after so long at the latest.
const SLEEP_MAX: Duration = Duration::from_secs(1);

/// True time: that of the simulation, which a restart does not set back.
pub fn true_time() -> Duration {
    turmoil::sim_elapsed().expect("only simulated hosts ask for the time")
}

/// One machine's clocks. Clones are the same.
#[derive(Clone, Debug)]
pub struct SkewedClock {
    skew: Arc<Mutex<Skew>>,
}

#[derive(Clone, Copy, Debug)]
struct Skew {
    /// At this true time the clock showed `local`, and has had its rate since.
    since: Duration,
    local: Duration,
    ppm: i64,
    wall_ms: i64,
}

impl SkewedClock {
    /// A clock that shows `offset` at the beginning and runs `ppm` parts per million too fast.
    pub fn new(offset: Duration, ppm: i64) -> Self {
        let skew = Skew {
            since: Duration::ZERO,
            local: offset,
            ppm,
            wall_ms: 0,
        };
        SkewedClock {
            skew: Arc::new(Mutex::new(skew)),
        }
    }

    /// Another rate from `now`, true time, on.
    pub fn set_rate(&self, now: Duration, ppm: i64) {
        let mut skew = self.skew.lock().expect("no panic while it is held");
        skew.local = skew.at(now);
        skew.since = now;
        skew.ppm = ppm;
    }

    /// The machine was off: its monotonic clock starts anew.
    pub fn restart(&self, now: Duration, local: Duration) {
        let mut skew = self.skew.lock().expect("no panic while it is held");
        skew.since = now;
        skew.local = local;
    }

    /// The wall clock is wrong by so much.
    pub fn set_wall(&self, ahead_ms: i64) {
        self.skew.lock().expect("no panic while it is held").wall_ms = ahead_ms;
    }

    fn skew(&self) -> Skew {
        *self.skew.lock().expect("no panic while it is held")
    }
}

impl Skew {
    fn at(self, now: Duration) -> Duration {
        let run = i128::try_from(now.saturating_sub(self.since).as_nanos()).expect("a run lasts for minutes");
        let run = run + run * i128::from(self.ppm) / 1_000_000;
        self.local + Duration::from_nanos(u64::try_from(run).expect("no clock runs backwards"))
    }
}

impl Clock for SkewedClock {
    fn now(&self) -> Instant {
        Instant::ORIGIN.plus(self.skew().at(true_time()))
    }

    fn unix_seconds(&self) -> u64 {
        let skew = self.skew();
        let run_s = true_time().as_secs() as i64;
        (EPOCH_UNIX_S + run_s + skew.wall_ms.div_euclid(1_000)).unsigned_abs()
    }

    async fn sleep_until(&self, at: Instant) {
        loop {
            let ahead = at.since(self.now());
            if ahead.is_zero() {
                return;
            }
            // Timers have a grain of a millisecond; a fast clock is there earlier.
            let rate = 1_000_000 + u128::from(self.skew().ppm.max(0).unsigned_abs());
            let span_ms = ahead.as_nanos().div_ceil(rate).clamp(1, SLEEP_MAX.as_millis());
            #[expect(
                clippy::disallowed_methods,
                reason = "this is the simulation's end of the seam"
            )]
            tokio::time::sleep(Duration::from_millis(span_ms as u64)).await;
        }
    }
}
