//! The clock of one machine: an offset, a rate near one, and, where a bug wants it, standstills.

const PPM: i64 = 1_000_000;

/// Local time that can be asked for at any true time, in nanoseconds. It goes on during pauses.
#[derive(Clone, Debug)]
pub(crate) struct Clock {
    true_base: u64,
    local_base: u64,
    ppm: i64,
    is_stopped: bool,
}

impl Clock {
    pub(crate) fn new(offset_ns: u64, ppm: i64) -> Self {
        Clock {
            true_base: 0,
            local_base: offset_ns,
            ppm,
            is_stopped: false,
        }
    }

    /// What the clock shows at a true time, not earlier than its last change of rate.
    #[inline]
    pub(crate) fn at(&self, true_ns: u64) -> u64 {
        if self.is_stopped {
            return self.local_base;
        }
        let passed = true_ns.saturating_sub(self.true_base) as i64;
        self.local_base + (passed + passed * self.ppm / PPM) as u64
    }

    /// The first true time at which the clock shows `local_ns` or more; the end of time when it never does.
    pub(crate) fn when(&self, local_ns: u64) -> u64 {
        let Some(ahead) = local_ns.checked_sub(self.local_base) else {
            return self.true_base;
        };
        if self.is_stopped || ahead > 1 << 43 {
            return u64::MAX;
        }
        let rate = (PPM + self.ppm) as u64;
        let mut true_ns = self.true_base + (ahead * PPM as u64).div_ceil(rate);
        // The division may miss by one.
        while self.at(true_ns) < local_ns {
            true_ns += 1;
        }
        while true_ns > self.true_base && self.at(true_ns - 1) >= local_ns {
            true_ns -= 1;
        }
        true_ns
    }

    /// Runs at another rate from `true_ns` on.
    pub(crate) fn set_rate(&mut self, true_ns: u64, ppm: i64) {
        self.local_base = self.at(true_ns);
        self.true_base = true_ns;
        self.ppm = ppm;
    }

    /// Stands still from `true_ns` on, or goes on.
    pub(crate) fn set_stopped(&mut self, true_ns: u64, is_stopped: bool) {
        self.local_base = self.at(true_ns);
        self.true_base = true_ns;
        self.is_stopped = is_stopped;
    }

    /// Shows something else from `true_ns` on: the machine was started anew.
    pub(crate) fn reset(&mut self, true_ns: u64, local_ns: u64) {
        self.local_base = local_ns;
        self.true_base = true_ns;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn when_is_the_first_moment_that_shows_the_time() {
        for ppm in [-200_000, -10_000, -1, 0, 3, 10_000] {
            let mut clock = Clock::new(17, ppm);
            clock.set_rate(1_000_000_007, ppm / 2);
            for local in [2_000_000_000u64, 2_000_000_001, 77_123_456_789] {
                let when = clock.when(local);
                assert!(clock.at(when) >= local);
                assert!(clock.at(when - 1) < local);
            }
        }
    }

    #[test]
    fn a_change_of_rate_does_not_jump() {
        let mut clock = Clock::new(5, 10_000);
        let before = clock.at(1_000_000);
        clock.set_rate(1_000_000, -10_000);
        assert_eq!(clock.at(1_000_000), before);
        clock.set_stopped(2_000_000, true);
        let stopped = clock.at(2_000_000);
        assert_eq!(clock.at(9_000_000), stopped);
        clock.set_stopped(9_000_000, false);
        assert!(clock.at(9_500_000) > stopped);
    }
}
