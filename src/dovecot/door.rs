//! A socket of a door: accepts connections, within a limit, and ends them all when it is dropped.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tracing::{info, warn};

use super::Counters;
use crate::world::{Address, Clock, Listen, Listener, Network, Task, World, select, sleep};

/// A pause after a failed accept: out of file descriptors, the next one fails at once.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

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
    let accepting = Accepting {
        world: world.clone(),
        connections_max,
        counters: counters.clone(),
        door: address.clone(),
        serve,
    };
    let task = world.spawn("dovecot door", accepting.run(listener));
    Ok(Door::new(address, counters, task))
}

struct Accepting<W, S> {
    world: W,
    connections_max: usize,
    counters: Arc<Counters>,
    door: Address,
    serve: S,
}

/// Says that a connection's task is over, however it ended.
struct Ended {
    number: u64,
    to_door: UnboundedSender<u64>,
}

impl Drop for Ended {
    fn drop(&mut self) {
        // A door that is closed counts no more.
        let _ = self.to_door.send(self.number);
    }
}

impl<W, S, F> Accepting<W, S>
where
    W: World,
    S: Fn(StreamOf<W>) -> F,
    F: Future<Output = ()> + Send + 'static,
{
    async fn run(self, listener: impl Listener<Stream = StreamOf<W>>) {
        let (to_door, mut ended) = unbounded_channel();
        let mut connections = BTreeMap::new();
        let mut number = 0;
        loop {
            select! {
                number = ended.recv() => {
                    let number = number.expect("the door itself holds a sender");
                    connections.remove(&number);
                }
                accepted = listener.accept() => match accepted {
                    Ok(_) if connections.len() >= self.connections_max => self.turn_away(),
                    Ok((stream, _)) => {
                        number += 1;
                        let ended = Ended { number, to_door: to_door.clone() };
                        connections.insert(number, self.begin(stream, ended));
                    }
                    Err(error) => {
                        self.warn(&format!("can't accept a connection: {error}"));
                        sleep(self.world.clock(), ACCEPT_PAUSE).await;
                    }
                },
            }
        }
    }

    fn begin(&self, stream: StreamOf<W>, ended: Ended) -> Task {
        let open = self.counters.open();
        let served = (self.serve)(stream);
        self.world.spawn("dovecot connection", async move {
            served.await;
            drop((open, ended));
        })
    }

    fn turn_away(&self) {
        self.counters.turned_away();
        let limit = self.connections_max;
        self.warn(&format!(
            "a connection was closed: {limit} are open, which is the limit"
        ));
    }

    fn warn(&self, what: &str) {
        if let Some(left_out) = self.counters.may_log(self.world.clock().now()) {
            warn!(left_out, "{}: {what}", self.door);
        }
    }
}
