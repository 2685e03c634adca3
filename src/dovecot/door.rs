//! A socket of a door: accepts connections, within a limit, and ends them all when it is dropped.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tracing::{info, warn};

use super::Counters;
use crate::world::{Address, Clock, Host, Listen, Listener, Network, Task, World, accept};

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
    let porter = Porter {
        clock: world.clock().clone(),
        counters: counters.clone(),
        door: address.clone(),
        serve,
    };
    let accepting = accept(world.clone(), listener, connections_max, porter);
    let task = world.spawn("dovecot door", accepting);
    Ok(Door::new(address, counters, task))
}

struct Porter<C, S> {
    clock: C,
    counters: Arc<Counters>,
    door: Address,
    serve: S,
}

impl<C, S, F, T> Host<T> for Porter<C, S>
where
    C: Clock,
    S: Fn(T) -> F + Send + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    fn serve(&self, stream: T, _: Option<SocketAddr>) -> impl Future<Output = ()> + Send + 'static {
        let open = self.counters.open();
        let served = (self.serve)(stream);
        async move {
            served.await;
            drop(open);
        }
    }

    fn turned_away(&self, limit: usize) {
        self.counters.turned_away();
        self.warn(&format!(
            "a connection was closed: {limit} are open, which is the limit"
        ));
    }

    fn accept_failed(&self, error: &io::Error) {
        self.warn(&format!("can't accept a connection: {error}"));
    }
}

impl<C: Clock, S> Porter<C, S> {
    fn warn(&self, what: &str) {
        if let Some(left_out) = self.counters.may_log(self.clock.now()) {
            warn!(left_out, "{}: {what}", self.door);
        }
    }
}
