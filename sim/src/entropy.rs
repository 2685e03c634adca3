//! Randomness without a state: every draw is a hash of the seed, a purpose and what it is drawn for. Taking one
//! fault out of a plan then leaves all other draws as they were.

/// What a draw is for. Draws of different purposes have nothing to do with each other.
#[derive(Clone, Copy, Debug)]
#[repr(u64)]
pub(crate) enum Purpose {
    Latency = 1,
    Loss,
    Duplicate,
    Delay,
    CutOnArrival,
    Release,
    Disk,
    DiskAtCrash,
    Timer,
    Boot,
    Storage,
    Login,
    LoginGap,
    Retry,
    Session,
    Byte,
    Closing,
    Refresh,
    Health,
    PauseEnd,
    TwoProcesses,
    Core,
    Quiet,
    Knobs,
    Faults,
    Work,
    Flush,
    FlushKnobs,
    HealthKnobs,
    Probe,
    Drain,
    Calendar,
    Scale,
    Search,
    Upgrade,
}

/// The source of all randomness of one run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entropy {
    seed: u64,
}

impl Entropy {
    pub(crate) fn new(seed: u64) -> Self {
        Entropy {
            seed: mix(seed ^ 0x6d61_696c_6469_7265),
        }
    }

    /// 64 bits for the n-th draw of this purpose for `who`.
    #[inline]
    pub(crate) fn draw(&self, purpose: Purpose, who: u64, n: u64) -> u64 {
        let keyed = mix(self.seed ^ (purpose as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        mix(mix(keyed ^ who) ^ n.rotate_left(32))
    }

    /// A running generator for what is drawn in one go, such as a plan.
    pub(crate) fn stream(&self, purpose: Purpose) -> Stream {
        Stream {
            entropy: *self,
            purpose,
            n: 0,
        }
    }
}

/// Draws in a row.
pub(crate) struct Stream {
    entropy: Entropy,
    purpose: Purpose,
    n: u64,
}

impl Stream {
    pub(crate) fn bits(&mut self) -> u64 {
        self.n += 1;
        self.entropy.draw(self.purpose, 0, self.n)
    }

    /// Evenly from `low` to `high`, both included.
    pub(crate) fn range(&mut self, low: u64, high: u64) -> u64 {
        low + below(self.bits(), high - low + 1)
    }

    /// True in so many of a hundred draws.
    pub(crate) fn percent(&mut self, percent: u64) -> bool {
        below(self.bits(), 100) < percent
    }

    pub(crate) fn index(&mut self, len: usize) -> usize {
        below(self.bits(), len as u64) as usize
    }

    pub(crate) fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.index(from.len())]
    }
}

/// A number below `bound` from 64 random bits; 0 when the bound is 0.
#[inline]
pub(crate) fn below(bits: u64, bound: u64) -> u64 {
    ((u128::from(bits) * u128::from(bound)) >> 64) as u64
}

/// The finaliser of SplitMix64 (Steele, Lea, Flood 2014).
#[inline]
fn mix(mut z: u64) -> u64 {
    z = z.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_depend_on_nothing_but_their_names() {
        let entropy = Entropy::new(7);
        let one = entropy.draw(Purpose::Latency, 3, 4);
        entropy.draw(Purpose::Loss, 3, 4);
        assert_eq!(entropy.draw(Purpose::Latency, 3, 4), one);
        assert_ne!(entropy.draw(Purpose::Latency, 4, 3), one);
        assert_ne!(Entropy::new(8).draw(Purpose::Latency, 3, 4), one);
    }

    #[test]
    fn a_range_reaches_both_ends_and_no_further() {
        let mut stream = Entropy::new(1).stream(Purpose::Knobs);
        let drawn: Vec<u64> = (0..200).map(|_| stream.range(5, 8)).collect();
        assert!(drawn.iter().all(|n| (5..=8).contains(n)));
        assert!((5..=8).all(|n| drawn.contains(&n)));
    }
}
