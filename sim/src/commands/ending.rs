//! How a command ends, as a number for scripts.

use std::process::ExitCode;

/// What became of a command. The worst of several outcomes is the smallest failing number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ending {
    /// All is well.
    Clean,
    /// The command line or a file could not be used.
    Usage,
    /// The machine panicked.
    Crash,
    /// A safety rule was broken.
    Safety,
    /// Faults ended and the ring did not come back in time.
    Liveness,
    /// A catalogued mark was never hit, or a planted bug was not noticed.
    Coverage,
    /// One seed gave two different runs.
    Nondeterminism,
    /// Two runs that were compared are not the same.
    Different,
}

/// The exit codes, for `--help`.
pub const EXIT_CODES: &str = "\
Exit codes:
  0  clean
  2  the command line or a file could not be used
  3  crash: the machine panicked
  4  safety: a rule was broken, or a plan ended differently in two worlds
  5  liveness: faults ended and the ring did not come back in time
  6  coverage: a mark was never hit, or a planted bug was not noticed
  7  nondeterminism: one seed gave two different runs
  8  different: the plans or runs that sim diff compared are not the same";

impl Ending {
    /// The number.
    pub fn code(self) -> u8 {
        match self {
            Ending::Clean => 0,
            Ending::Usage => 2,
            Ending::Crash => 3,
            Ending::Safety => 4,
            Ending::Liveness => 5,
            Ending::Coverage => 6,
            Ending::Nondeterminism => 7,
            Ending::Different => 8,
        }
    }

    /// The ending with this number; one that nobody has counts as clean.
    pub fn of_code(code: u8) -> Ending {
        let failing = [
            Ending::Usage,
            Ending::Crash,
            Ending::Safety,
            Ending::Liveness,
            Ending::Coverage,
            Ending::Nondeterminism,
        ];
        let found = failing.into_iter().find(|ending| ending.code() == code);
        found.unwrap_or(Ending::Clean)
    }

    /// The one to report when both happened: what failed earlier in the list above.
    #[must_use]
    pub fn and(self, other: Ending) -> Ending {
        match (self, other) {
            (Ending::Clean, other) => other,
            (this, Ending::Clean) => this,
            (this, other) => this.min(other),
        }
    }
}

impl From<Ending> for ExitCode {
    fn from(ending: Ending) -> ExitCode {
        ExitCode::from(ending.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_not_hidden_by_a_clean_run() {
        assert_eq!(Ending::Clean.and(Ending::Liveness), Ending::Liveness);
        assert_eq!(Ending::Safety.and(Ending::Clean), Ending::Safety);
        assert_eq!(Ending::Liveness.and(Ending::Crash), Ending::Crash);
        assert_eq!(Ending::Clean.and(Ending::Clean), Ending::Clean);
    }
}
