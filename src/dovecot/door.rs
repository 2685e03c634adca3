//! A socket of a door: accepts connections, within a limit, and ends them all when it is dropped.

use std::io;
use std::sync::Arc;

use tracing::info;

use super::Counters;
use crate::world::{Address, Host, Listen, Listener, Network, Task, World};

/// Connections of one door by default; further ones are closed at once.
pub const CONNECTIONS_MAX: usize = 20_000;

/// An open door. Dropping it closes the socket and all its connections.
#[derive(Debug)]
#[must_use = "the door closes when this is dropped"]
pub struct Door {
    address: Address,
    counters: Arc<Counters>,
    _task: Task,
}

/// A connection of this world.
pub(super) type StreamOf<W> = <<W as World>::Network as Network>::Stream;

impl Door {
    pub(super) fn new(address: Address, counters: Arc<Counters>, task: Task) -> Self {
        Door {
            address,
            counters,
            _task: task,
        }
    }

    /// Where it is.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// What it counts.
    pub fn counters(&self) -> &Arc<Counters> {
        &self.counters
    }
}

/// Opens a socket whose connections are each served by `serve`, up to `connections_max` at a time.
pub(super) async fn open<W, S, F>(
    world: W,
    listen: &Listen,
    connections_max: usize,
    counters: Arc<Counters>,
    serve: S,
) -> io::Result<Door>
where
    W: World,
    S: Fn(StreamOf<W>) -> F + Send + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let listener = world.network().bind(listen).await?;
    let address = listener.address()?;
    info!("listening on {address}");
    let host = Host {
        at: address.clone(),
        connections: Arc::clone(counters.connections()),
        connections_max,
        serve,
    };
    let accepting = host.accept(world.clone(), listener);
    let task = world.spawn("dovecot door", accepting);
    Ok(Door::new(address, counters, task))
}
