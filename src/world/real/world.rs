//! All of a daemon's outside together.

use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::Duration;

use rand::TryRng;

use super::{BootClock, Folder, Sockets};
use crate::world::{Address, StorageError, Task, World};

/// The outside of a running daemon. Its tasks run on the tokio runtime that is current when they are started.
#[derive(Clone, Debug)]
pub struct RealWorld {
    sockets: Sockets,
    clock: BootClock,
    folder: Folder,
}

impl RealWorld {
    /// The real world with a state folder, which is created when it is not there and locked until the last clone is
    /// dropped.
    ///
    /// # Errors
    /// The folder can't be made or written, or another process has locked it.
    pub fn open(folder: &Path) -> Result<Self, StorageError> {
        Ok(RealWorld {
            sockets: Sockets::default(),
            clock: BootClock,
            folder: Folder::open(folder)?,
        })
    }

    /// The same, with sockets that another process has handed over: whoever binds their addresses gets them.
    pub fn inheriting(self, sockets: impl IntoIterator<Item = (Address, OwnedFd)>) -> Self {
        RealWorld {
            sockets: Sockets::with(sockets),
            ..self
        }
    }

    /// The state folder.
    pub fn folder(&self) -> &Folder {
        &self.folder
    }
}

impl World for RealWorld {
    type Network = Sockets;
    type Clock = BootClock;
    type Storage = Folder;

    fn network(&self) -> &Sockets {
        &self.sockets
    }

    fn clock(&self) -> &BootClock {
        &self.clock
    }

    fn storage(&self) -> &Folder {
        &self.folder
    }

    fn entropy(&self) -> u64 {
        loop {
            if let Ok(bits) = rand::rngs::SysRng.try_next_u64() {
                return bits;
            }
            // The kernel's generator fails only while it is not seeded, early in the machine's boot.
            #[expect(
                clippy::disallowed_methods,
                reason = "nothing can go on without a name for this boot"
            )]
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    async fn compute<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
        #[expect(
            clippy::disallowed_methods,
            reason = "this is the seam through which other threads are used"
        )]
        tokio::task::spawn_blocking(work).await.ok()
    }

    fn spawn(&self, _name: &'static str, task: impl Future<Output = ()> + Send + 'static) -> Task {
        #[expect(
            clippy::disallowed_methods,
            reason = "this is the seam through which tasks are started"
        )]
        Task::new(tokio::spawn(task))
    }
}
