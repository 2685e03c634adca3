//! Random delays for members that get in each other's way, from a seed that the caller drew.

use std::time::Duration;

/// SplitMix64 (Steele, Lea, Flood 2014): sixteen lines that can be compared and hashed, as the model checker needs,
/// and whose quality is beyond what spreading retries asks for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Jitter(u64);

impl Jitter {
    /// A sequence that depends on the seed alone.
    pub const fn new(seed: u64) -> Self {
        Jitter(seed)
    }

    /// Between nothing and `span`, evenly.
    pub fn up_to(&mut self, span: Duration) -> Duration {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^= z >> 31;
        let span = u64::try_from(span.as_nanos()).unwrap_or(u64::MAX);
        let scaled = (u128::from(z) * u128::from(span)) >> 64;
        Duration::from_nanos(u64::try_from(scaled).unwrap_or(span))
    }
}
