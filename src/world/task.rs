//! A running task, which ends with its handle.

use tokio::task::JoinHandle;

/// A running task. It is stopped at its next wait when this is dropped.
#[derive(Debug)]
#[must_use = "the task stops when this is dropped; call `detach` to let it run"]
pub struct Task {
    handle: Option<JoinHandle<()>>,
}

impl Task {
    /// Wraps what a runtime gave for a task; for implementations of `World`.
    pub fn new(handle: JoinHandle<()>) -> Self {
        Task { handle: Some(handle) }
    }

    /// Lets it run until it ends by itself.
    pub fn detach(mut self) {
        self.handle = None;
    }

    /// Whether it has ended.
    pub fn is_finished(&self) -> bool {
        self.handle.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Waits until it has ended; false when it panicked. Dropping the wait stops the task.
    pub async fn finished(mut self) -> bool {
        let Some(handle) = self.handle.as_mut() else {
            return true;
        };
        handle.await.is_ok()
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        if let Some(handle) = &self.handle {
            handle.abort();
        }
    }
}
