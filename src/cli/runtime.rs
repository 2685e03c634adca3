//! The runtimes of commands that wait for something.

use tokio::runtime::{Builder, Runtime};

use super::failure::Failure;

/// One with a thread for each processor, for bytes of many sessions.
pub(super) fn wide_runtime() -> Result<Runtime, Failure> {
    let made = Builder::new_multi_thread().enable_all().build();
    made.map_err(|error| Failure::Start(format!("cannot start a runtime: {error}")))
}

/// One of a single thread.
pub(super) fn runtime() -> Result<Runtime, Failure> {
    let made = Builder::new_current_thread().enable_all().build();
    made.map_err(|error| Failure::Start(format!("cannot start a runtime: {error}")))
}
