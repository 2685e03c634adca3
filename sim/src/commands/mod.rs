//! The simulator's commands: sweeps, replay, minimising, mutants, and how they tell what they found.
//!
//! | module | holds |
//! |---|---|
//! | `run`, `replay`, `explain`, `minimize`, `determinism`, `mutants`, `plans`, `waits`, `nightly`, `cross_check`, `compare`, `scale` | one command each |
//! | `recovery`, `healing` | `sim recovery`: outages of users, and how cores recover |
//! | `sweep` | the loops of `run`, their books, their files |
//! | `execute`, `caught` | one run, with panics caught |
//! | `diff`, `bisect` | two runs compared; the commit that broke a plan |
//! | `dump` | a member at one moment, for `replay` |
//! | `layer`, `run_on_hosts` | the whole daemon on simulated hosts, in a process beside this one |
//! | `host` | the host's clock, threads and processes: nowhere else |
//! | `failure`, `totals`, `table`, `progress`, `say` | what is printed |
//! | `seeds`, `subject`, `usage`, `ending` | arguments, errors and exit codes |

mod bisect;
mod caught;
mod compare;
mod cross_check;
mod determinism;
mod diff;
mod dump;
mod ending;
mod execute;
mod explain;
mod failure;
mod healing;
mod host;
mod layer;
mod minimize;
mod mutants;
mod nightly;
mod plans;
mod progress;
mod recovery;
mod replay;
mod run;
mod run_on_hosts;
mod say;
mod scale;
mod seeds;
mod subject;
mod sweep;
mod table;
mod totals;
mod usage;
mod waits;

pub use bisect::{BisectArguments, bisect};
pub use compare::{CompareArguments, compare};
pub use cross_check::{CrossCheckArguments, cross_check};
pub use determinism::{DeterminismArguments, check_determinism};
pub use diff::{DiffArguments, diff};
pub use ending::{EXIT_CODES, Ending};
pub use explain::{ExplainArguments, explain};
pub use host::Stopwatch;
pub use minimize::{MinimizeArguments, minimize};
pub use mutants::{MutantsArguments, mutants};
pub use nightly::{NightlyArguments, nightly};
pub use plans::{PlansArguments, plans};
pub use recovery::{RecoveryArguments, recovery};
pub use replay::{ReplayArguments, replay};
pub use run::{RunArguments, run};
pub use scale::{ScaleArguments, scale};
pub use usage::UsageError;
pub use waits::{WaitsArguments, waits};
