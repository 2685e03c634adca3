//! What the task that owned the machine leaves behind when it hands over.

use tokio::sync::mpsc::UnboundedReceiver;

use crate::daemon::desk::Request;
use crate::daemon::sessions::Sessions;

/// What is left of a run that handed over.
pub(in crate::daemon) struct Left {
    pub sessions: Sessions,
    /// Where the sessions' doors still ask.
    pub requests: UnboundedReceiver<Request>,
}
