//! Flush hooks under way: each in a task of its own, and its end told to the machine, however it ends.

use std::collections::BTreeMap;

use tokio::sync::mpsc::UnboundedSender;
use tracing::{debug, warn};

use crate::director::Input;
use crate::dovecot::{FlushOrder, FlushSettings, flush};
use crate::topology::{BackendId, UserId};
use crate::world::{Task, World};

/// A hook has ended.
pub(super) struct FlushDone {
    user: UserId,
    to: BackendId,
}

/// Hooks under way; the machine asks for no more than its limit, one for each user.
pub(super) struct Flushes<W> {
    world: W,
    settings: Option<FlushSettings>,
    done: UnboundedSender<FlushDone>,
    tasks: BTreeMap<UserId, Task>,
}

/// Tells of the end of a hook when it is dropped, so that a task that panics keeps nobody waiting.
struct Ending {
    done: UnboundedSender<FlushDone>,
    user: UserId,
    to: BackendId,
}

impl Drop for Ending {
    fn drop(&mut self) {
        let (user, to) = (self.user, self.to);
        // The run may be over.
        let _ = self.done.send(FlushDone { user, to });
    }
}

impl<W: World> Flushes<W> {
    pub fn new(world: W, settings: Option<FlushSettings>, done: UnboundedSender<FlushDone>) -> Self {
        Flushes {
            world,
            settings,
            done,
            tasks: BTreeMap::new(),
        }
    }

    pub fn begin(&mut self, user: UserId, to: BackendId, order: FlushOrder) {
        let ending = Ending {
            done: self.done.clone(),
            user,
            to,
        };
        let Some(settings) = self.settings.clone() else {
            return;
        };
        let world = self.world.clone();
        let task = self.world.spawn("flush hook", async move {
            let _ending = ending;
            let (hash, from, to) = (order.hash, order.from.ip, order.to);
            match flush(&world, &settings, &order).await {
                Ok(()) => debug!("flush hook: user hash {hash}, moved from {from} to {to}, is flushed"),
                Err(error) => warn!(
                    "flush hook: user hash {hash}, moved from {from} to {to}: {error}; the user is let in all the same"
                ),
            }
        });
        self.tasks.insert(user, task);
    }

    /// What to tell the machine.
    pub fn ended(&mut self, done: FlushDone) -> Input<'static> {
        let FlushDone { user, to } = done;
        self.tasks.remove(&user);
        Input::Flushed { user, to }
    }
}
