//! All of the outside in one type parameter.

use super::{Clock, Network, Storage, Task};

/// The outside of one process.
pub trait World: Clone + Send + Sync + 'static {
    /// Its sockets.
    type Network: Network;
    /// Its clocks.
    type Clock: Clock;
    /// Its state folder.
    type Storage: Storage;

    /// Its sockets.
    fn network(&self) -> &Self::Network;

    /// Its clocks.
    fn clock(&self) -> &Self::Clock;

    /// Its state folder.
    fn storage(&self) -> &Self::Storage;

    /// 64 random bits: for boots, incarnations and the jitter of back-offs.
    fn entropy(&self) -> u64;

    /// Does what takes a processor for long where it holds up no task; nothing when it could not be done.
    fn compute<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> impl Future<Output = Option<T>> + Send;

    /// Starts a task. All tasks start here, so that a simulation can order them; the name is for whoever watches.
    fn spawn(&self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) -> Task;
}
