//! The runtime of commands that wait for something.

use tokio::runtime::{Builder, Runtime};

use super::failure::Failure;

/// One of a single thread.
pub(super) fn runtime() -> Result<Runtime, Failure> {
    let made = Builder::new_current_thread().enable_all().build();
    made.map_err(|error| Failure::Start(format!("cannot start a runtime: {error}")))
}
