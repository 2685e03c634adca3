//! The simulator's commands: sweeps, replay, minimising, mutants, and how they tell what they found.
//!
//! | module | holds |
//! |---|---|
//! | `run`, `replay`, `minimize`, `determinism`, `mutants`, `plans`, `scale`, `waits` | one command each |
//! | `execute`, `caught` | one run, with panics caught |
//! | `host` | the host's clock, threads and processes: nowhere else |
//! | `failure`, `totals`, `table`, `progress`, `say` | what is printed |
//! | `seeds`, `subject`, `usage`, `ending` | arguments, errors and exit codes |

mod caught;
mod determinism;
mod ending;
mod execute;
mod failure;
mod host;
mod minimize;
mod mutants;
mod plans;
mod progress;
mod replay;
mod run;
mod say;
mod scale;
mod seeds;
mod subject;
mod table;
mod totals;
mod usage;
mod waits;

pub use determinism::{DeterminismArguments, check_determinism};
pub use ending::{EXIT_CODES, Ending};
pub use host::Stopwatch;
pub use minimize::{MinimizeArguments, minimize};
pub use mutants::{MutantsArguments, mutants};
pub use plans::{PlansArguments, plans};
pub use replay::{ReplayArguments, replay};
pub use run::{RunArguments, run};
pub use scale::{ScaleArguments, scale};
pub use usage::UsageError;
pub use waits::{WaitsArguments, waits};
