//! A running ring, as the process around it holds it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::mpsc;

use super::event::{Counters, LinkStatus, RingEvent};
use super::hub::Hub;
use super::party::Party;
use super::settings::{Circle, RingError, RingSettings};
use super::{accept, keeper};
use crate::agreement::Envelope;
use crate::topology::MemberId;
use crate::world::{Clock, Instant, Network, Task, World};

/// A running ring; it ends, with all its links, when the last clone is dropped.
#[derive(Clone, Debug)]
pub struct Ring {
    hub: Arc<Hub>,
    tasks: Arc<Mutex<Vec<Task>>>,
}

/// Starts a ring on a socket that listens at this member's address. What happens goes to `to_core`; what does not fit
/// in there is dropped and counted.
///
/// # Errors
/// The members can't form a ring, or the certificates do not serve.
pub fn start<W: World>(
    world: W,
    settings: RingSettings,
    listener: <W::Network as Network>::Listener,
    to_core: mpsc::Sender<RingEvent>,
) -> Result<Ring, RingError> {
    settings.check()?;
    let settings = Arc::new(settings);
    let now = world.clock().now();
    let hub = Arc::new(Hub::new(Arc::clone(&settings), to_core, now));
    let party = Party::new(world.clone(), settings, Arc::clone(&hub))?;
    let accepting = world.spawn("ring-listener", accept::run(party.clone(), listener));
    let keeping = world.spawn("ring-keeper", keeper::run(party));
    Ok(Ring {
        hub,
        tasks: Arc::new(Mutex::new(vec![accepting, keeping])),
    })
}

impl Ring {
    /// Ends it, whoever still has a clone: the socket is closed, and so are the links.
    pub fn close(&self) {
        // A value is replaced as a whole, so a panic elsewhere spoils nothing.
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Sends to one member, whichever way round it is reached. It may be lost: the machine repeats what matters.
    pub fn send(&self, to: MemberId, envelope: Envelope) {
        self.hub.send(to, envelope);
    }

    /// Sends to all others.
    pub fn flood(&self, envelope: Envelope) {
        self.hub.flood(&envelope);
    }

    /// From `now` on these are the members. Links with others end.
    ///
    /// # Errors
    /// They can't form a ring with this member; then all stays as it is.
    pub fn set_circle(&self, circle: Circle, now: Instant) -> Result<(), RingError> {
        self.hub.set_circle(circle, now)
    }

    /// The links that stand, the oldest first.
    pub fn links(&self) -> Vec<LinkStatus> {
        self.hub.links()
    }

    /// When each other member was last heard, over whatever links; at first, when the ring started.
    pub fn heard(&self) -> BTreeMap<MemberId, Instant> {
        self.hub.heard()
    }

    /// Totals since the start.
    pub fn counters(&self) -> Counters {
        self.hub.counters()
    }
}
