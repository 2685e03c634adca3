//! What fails at a mail site, how often and for how long, and why these numbers are believed.

use std::fmt;

/// Why users of a site may be without service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cause {
    /// A director's process dies; systemd starts it again.
    ProcessCrash,
    /// A director's host is gone without a word and boots again.
    HostReboot,
    /// A director's host is broken; another takes its place, with an empty disk.
    MachineLoss,
    /// A director's host stands still.
    Pause,
    /// A director reaches no other, but clients reach it.
    RingCut,
    /// A switch fails with a third of the directors behind it.
    SwitchFailure,
    /// A director is replaced by a new release.
    Upgrade,
    /// All directors are restarted at once.
    OperatorError,
    /// A backend dies.
    BackendFailure,
    /// A backend is emptied for work on it, and filled again.
    BackendWork,
}

/// What there is one of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Per {
    /// Each director.
    Director,
    /// Each switch; there are three.
    Switch,
    /// Each backend.
    Backend,
    /// The ring.
    Ring,
}

/// How often something happens, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// What.
    pub cause: Cause,
    /// To what.
    pub per: Per,
    /// Times in a thousand years of one of them.
    pub per_thousand_years: u64,
    /// The shortest and the longest time that it lasts, in milliseconds; short ones are more frequent.
    pub lasts_ms: (u64, u64),
    /// Where the numbers come from.
    pub why: &'static str,
}

const SECOND: u64 = 1_000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;

/// Every rate, in the order of [`Cause`].
pub const RATES: [Rate; 10] = [
    Rate {
        cause: Cause::ProcessCrash,
        per: Per::Director,
        per_thousand_years: 2_000,
        lasts_ms: (SECOND, 5 * SECOND),
        why: "assumed: far more than is known of any director; systemd restarts at once",
    },
    Rate {
        cause: Cause::HostReboot,
        per: Per::Director,
        per_thousand_years: 560,
        lasts_ms: (2 * MINUTE, 15 * MINUTE),
        why: "J. Dean (2008): 1,000 machine failures in the first year of a cluster of 1,800",
    },
    Rate {
        cause: Cause::MachineLoss,
        per: Per::Director,
        per_thousand_years: 80,
        lasts_ms: (4 * HOUR, 72 * HOUR),
        why: "Vishwanath, Nagappan (SoCC 2010): 8 % of servers need a hardware repair each year",
    },
    Rate {
        cause: Cause::Pause,
        per: Per::Director,
        per_thousand_years: 1_000,
        lasts_ms: (SECOND, 40 * SECOND),
        why: "assumed: a snapshot or a live migration that goes wrong once a year",
    },
    Rate {
        cause: Cause::RingCut,
        per: Per::Director,
        per_thousand_years: 200,
        lasts_ms: (2 * SECOND, HOUR),
        why: "assumed: a firewall rule, a VLAN, a cable; no public figure separates these",
    },
    Rate {
        cause: Cause::SwitchFailure,
        per: Per::Switch,
        per_thousand_years: 100,
        lasts_ms: (5 * MINUTE, 6 * HOUR),
        why: "Gill, Jain, Nagappan (SIGCOMM 2011): 5 % of top-of-rack switches and 10 % of aggregation switches fail \
              in a year; the higher",
    },
    Rate {
        cause: Cause::Upgrade,
        per: Per::Director,
        per_thousand_years: 4_000,
        lasts_ms: (5 * SECOND, 40 * SECOND),
        why: "each quarter, one director after the other",
    },
    Rate {
        cause: Cause::OperatorError,
        per: Per::Ring,
        per_thousand_years: 200,
        lasts_ms: (5 * SECOND, 5 * MINUTE),
        why: "assumed: once in five years, a configuration tool restarts them all",
    },
    Rate {
        cause: Cause::BackendFailure,
        per: Per::Backend,
        per_thousand_years: 560,
        lasts_ms: (5 * MINUTE, 72 * HOUR),
        why: "as of directors' hosts",
    },
    Rate {
        cause: Cause::BackendWork,
        per: Per::Backend,
        per_thousand_years: 4_000,
        lasts_ms: (10 * MINUTE, 2 * HOUR),
        why: "each quarter: weight 0, flush, work, weight back",
    },
];

impl Cause {
    /// All of them.
    pub fn all() -> impl Iterator<Item = Cause> {
        RATES.iter().map(|rate| rate.cause)
    }

    /// Its rate.
    pub fn rate(self) -> &'static Rate {
        &RATES[self as usize]
    }

    /// What it is called.
    pub fn name(self) -> &'static str {
        match self {
            Cause::ProcessCrash => "process crash",
            Cause::HostReboot => "host reboot",
            Cause::MachineLoss => "machine loss",
            Cause::Pause => "pause",
            Cause::RingCut => "ring cut",
            Cause::SwitchFailure => "switch failure",
            Cause::Upgrade => "upgrade",
            Cause::OperatorError => "operator error",
            Cause::BackendFailure => "backend failure",
            Cause::BackendWork => "backend work",
        }
    }

    /// Whether it keeps some directors, but not all, from taking part in the ring.
    pub fn is_absence(self) -> bool {
        !matches!(self.rate().per, Per::Backend | Per::Ring)
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for Per {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Per::Director => "director",
            Per::Switch => "switch (3)",
            Per::Backend => "backend",
            Per::Ring => "ring",
        })
    }
}
