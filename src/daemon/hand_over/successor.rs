//! The new process's side: a permit for each session that the old one keeps, which is dropped when the session has ended
//! there.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;
use tracing::{info, warn};

use super::frames::{Link, Talk};
use super::words::{ToPredecessor, ToSuccessor};
use crate::daemon::desk::CoreDesk;
use crate::proxy::{Desk as _, Login, Permit, Protocol};
use crate::world::{Clock, Instant, Task, World, select};

/// How often it is looked until when the old process may forward. It is told later than it is so here, never earlier.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// How often the old process hears that this one lives.
const TELL_EVERY: Duration = Duration::from_secs(1);
/// After so long without a word the old process counts as silent.
const SILENCE_MAX: Duration = Duration::from_secs(5);

/// Sessions of the old process.
pub(in crate::daemon) struct Adopted {
    /// The number of the old process.
    pub pid: i32,
    /// Until when it forwards if it hears nothing.
    pub until: Instant,
    /// By their numbers there.
    pub permits: Vec<(u64, Permit)>,
    /// Whether there is a process with this number.
    pub is_running: fn(i32) -> bool,
    /// Resolves when this process serves.
    pub serving: oneshot::Receiver<()>,
}

/// A permit, and the task that says when it was taken back.
type Held = (Arc<Permit>, Task);

struct StandIn<W> {
    world: W,
    desk: CoreDesk,
    talk: Talk<ToSuccessor, ToPredecessor>,
    held: BTreeMap<u64, Held>,
    admissions: BTreeMap<u64, Task>,
    told: Instant,
    serving: Option<oneshot::Receiver<()>>,
}

/// Stands in for the old process until it has ended.
pub(in crate::daemon) async fn stand_in<W: World>(world: W, desk: CoreDesk, adopted: Adopted, link: Link) {
    let mut stand_in = StandIn {
        talk: link.open(&world),
        world,
        desk,
        held: BTreeMap::new(),
        admissions: BTreeMap::new(),
        told: adopted.until,
        serving: Some(adopted.serving),
    };
    for (id, permit) in adopted.permits {
        stand_in.hold(id, permit);
    }
    stand_in.listen().await;
    let clock = stand_in.world.clock().clone();
    if !stand_in.held.is_empty() {
        let count = stand_in.held.len();
        warn!(
            "the process before this one is gone or silent; its {count} sessions have ended when its lease has at the latest"
        );
    }
    // It closes its sessions when it loses this connection. Should it not notice, it forwards nothing beyond what it was told.
    while (adopted.is_running)(adopted.pid) && clock.now() < stand_in.told {
        clock.sleep_until(clock.now().plus(LOOK_EVERY)).await;
    }
    info!("the process before this one has ended; no session is left there");
}

/// Waits until a permit is taken back, and says so.
async fn watch(id: u64, permit: Arc<Permit>, says: UnboundedSender<ToPredecessor>) {
    permit.revoked().await;
    // When the other process is gone, so is the session.
    let _ = says.send(ToPredecessor::Close(id));
}

impl<W: World> StandIn<W> {
    fn hold(&mut self, id: u64, permit: Permit) {
        let permit = Arc::new(permit);
        let watching = watch(id, Arc::clone(&permit), self.talk.says.clone());
        let task = self.world.spawn("kept session", watching);
        self.held.insert(id, (permit, task));
    }

    /// Until the other process is gone, or says nothing any more.
    async fn listen(&mut self) {
        let clock = self.world.clock().clone();
        let mut heard_at = clock.now();
        let mut tell_at = clock.now();
        let (admitted, mut admits) = unbounded_channel();
        while clock.now().since(heard_at) <= SILENCE_MAX {
            let now = clock.now();
            self.tell_until(now >= tell_at);
            if now >= tell_at {
                tell_at = now.plus(TELL_EVERY);
            }
            select! {
                word = self.talk.hears.recv() => {
                    let Some(word) = word else {
                        return;
                    };
                    heard_at = clock.now();
                    match word {
                        ToSuccessor::Ended(id) => {
                            self.held.remove(&id);
                        }
                        ToSuccessor::Forwarded(counts) => {
                            for (id, to_backend, to_client) in counts {
                                if let Some((permit, _)) = self.held.get(&id) {
                                    permit.forwarded(to_backend, to_client);
                                }
                            }
                        }
                        ToSuccessor::Wants { id, user, tag, protocol, client } => {
                            let (desk, admitted) = (self.desk.clone(), admitted.clone());
                            let task = self.world.spawn("kept login", async move {
                                let spoken = |known: &Protocol| known.name() == protocol;
                                let protocol = Protocol::ALL.into_iter().find(spoken).map_or("", Protocol::name);
                                let login = Login { user: &user, tag: &tag, protocol, client };
                                // This process may be about to end.
                                let _ = admitted.send((id, desk.admit(login).await));
                            });
                            self.admissions.insert(id, task);
                        }
                    }
                }
                done = admits.recv() => if let Some((id, done)) = done {
                    self.admissions.remove(&id);
                    match done {
                        Ok(done) => {
                            self.hold(id, done.permit);
                            // It may have been let in by a lease that the other process does not know yet.
                            self.tell_until(true);
                            self.talk.say(ToPredecessor::Admitted {
                                id,
                                ip: done.ip,
                                hostname: done.hostname.map(String::from),
                                port: done.port,
                            });
                        }
                        Err(_) => self.talk.say(ToPredecessor::Refused(id)),
                    }
                },
                () = clock.sleep_until(now.plus(LOOK_EVERY)) => {}
            }
            if self
                .serving
                .as_mut()
                .is_some_and(|serving| serving.try_recv().is_ok())
            {
                self.serving = None;
                self.talk.say(ToPredecessor::Serving);
            }
        }
    }

    /// Without a lease of its own, this process says nothing: the old one goes on under its last.
    fn tell_until(&mut self, is_due: bool) {
        let until = self.desk.gate().until();
        if until > self.told {
            self.told = until;
        } else if !is_due {
            return;
        }
        self.talk.say(ToPredecessor::Until(self.told.as_nanos()));
    }
}
