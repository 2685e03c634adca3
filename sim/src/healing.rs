//! How one core recovered, beside what it was allowed: the material for its table.

/// Something that was waited for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wait {
    /// How long it took, in nanoseconds of true time.
    pub took_ns: u64,
    /// How long it might have taken.
    pub bound_ns: u64,
}

impl Wait {
    /// How much of the bound was used, of a thousand.
    pub fn used_permille(&self) -> u64 {
        self.took_ns.saturating_mul(1_000) / self.bound_ns.max(1)
    }

    /// Keeps the one that used more of its bound.
    pub(crate) fn keep(&mut self, other: Wait) {
        if other.used_permille() > self.used_permille() {
            *self = other;
        }
    }
}

/// One recovery that came to its end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Healing {
    /// What stayed wrong for good outside the core, or what made it harder inside.
    pub kind: &'static str,
    /// A renew interval, in nanoseconds.
    pub interval_ns: u64,
    /// Until the core had settled.
    pub settling: Wait,
    /// The slowest login.
    pub login: Wait,
    /// The slowest command.
    pub command: Wait,
}
