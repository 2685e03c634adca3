//! What the directors say of themselves, asked again and again through their status sockets.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::io::AsyncReadExt;

use crate::daemon::{MemberReport, STATUS_SOCKET};
use crate::world::{Address, Clock, Network, RealWorld, World, deadline, sleep};

const ASK_EVERY: Duration = Duration::from_millis(200);
const ANSWER_MAX: Duration = Duration::from_millis(500);
/// What a member says when it has a lease.
const SERVING: &str = "serving";

/// The last report of each director that answers; clones share them.
#[derive(Clone, Debug, Default)]
pub(super) struct Observed {
    seen: Arc<Mutex<Seen>>,
}

#[derive(Debug, Default)]
struct Seen {
    reports: BTreeMap<u16, MemberReport>,
    epochs: Option<(u64, u64)>,
}

impl Observed {
    /// The last report, if it answered the last time.
    pub fn report(&self, director: u16) -> Option<MemberReport> {
        self.lock().reports.get(&director).cloned()
    }

    /// Whether it said the last time that it has a lease.
    pub fn is_serving(&self, director: u16) -> bool {
        self.lock()
            .reports
            .get(&director)
            .is_some_and(|report| report.standing == SERVING)
    }

    /// The lowest and the highest epoch that any director was ever in.
    pub fn epochs(&self) -> Option<(u64, u64)> {
        self.lock().epochs
    }

    /// Asks one director for ever.
    pub async fn watch(self, world: RealWorld, director: u16, state_folder: PathBuf) {
        let socket = Address::Unix(state_folder.join(STATUS_SOCKET));
        loop {
            let report = ask(&world, &socket).await;
            self.note(director, report);
            sleep(world.clock(), ASK_EVERY).await;
        }
    }

    fn note(&self, director: u16, report: Option<MemberReport>) {
        let mut seen = self.lock();
        match report {
            None => drop(seen.reports.remove(&director)),
            Some(report) => {
                let (low, high) = seen.epochs.unwrap_or((report.epoch, report.epoch));
                seen.epochs = Some((low.min(report.epoch), high.max(report.epoch)));
                seen.reports.insert(director, report);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn ask(world: &RealWorld, socket: &Address) -> Option<MemberReport> {
    let until = world.clock().now().plus(ANSWER_MAX);
    let asking = async {
        let mut stream = world.network().connect(socket, None).await.ok()?;
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).await.ok()?;
        serde_json::from_slice(&bytes).ok()
    };
    deadline(world.clock(), until, asking).await.ok()?
}
