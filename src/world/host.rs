//! A socket whose connections are each served by a task of its own, within a limit. What is served is the caller's.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tracing::warn;

use super::{Address, Clock, Connections, Listener, Task, World, select, sleep};

/// A pause after a failed accept: out of file descriptors, the next one fails at once.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Who serves the connections of a socket, and what they are counted by.
#[derive(Debug)]
pub struct Host<S> {
    /// Where the socket is, for the log.
    pub at: Address,
    /// The counts, and what keeps the log from flooding.
    pub connections: Arc<Connections>,
    /// So many at a time; further ones are closed at once.
    pub connections_max: usize,
    /// Serves one connection to its end.
    pub serve: S,
}

/// Says that a connection's task is over, however it ended.
struct Ended {
    number: u64,
    told: UnboundedSender<u64>,
}

impl Drop for Ended {
    fn drop(&mut self) {
        // A socket that is closed counts no more.
        let _ = self.told.send(self.number);
    }
}

impl<S> Host<S> {
    /// Accepts connections until it is dropped; they end with it.
    pub async fn accept<W, L, F>(self, world: W, listener: L)
    where
        W: World,
        L: Listener,
        S: Fn(L::Stream) -> F,
        F: Future<Output = ()> + Send + 'static,
    {
        let clock = world.clock();
        let (told, mut ended) = unbounded_channel();
        let mut tasks: BTreeMap<u64, Task> = BTreeMap::new();
        let mut number = 0;
        loop {
            select! {
                number = ended.recv() => {
                    let number = number.expect("this holds a sender itself");
                    tasks.remove(&number);
                }
                accepted = listener.accept() => match accepted {
                    Ok(_) if tasks.len() >= self.connections_max => {
                        self.connections.turn_away();
                        let limit = self.connections_max;
                        self.warn(clock, &format!("a connection was closed: {limit} are open, which is the limit"));
                    }
                    Ok((stream, _)) => {
                        number += 1;
                        let ended = Ended { number, told: told.clone() };
                        let connected = self.connections.enter();
                        let served = (self.serve)(stream);
                        let task = world.spawn("connection", async move {
                            served.await;
                            drop((connected, ended));
                        });
                        tasks.insert(number, task);
                    }
                    Err(error) => {
                        self.warn(clock, &format!("can't accept a connection: {error}"));
                        sleep(clock, ACCEPT_PAUSE).await;
                    }
                },
            }
        }
    }

    fn warn<C: Clock>(&self, clock: &C, what: &str) {
        if let Some(left_out) = self.connections.may_log(clock.now()) {
            warn!(left_out, "{}: {what}", self.at);
        }
    }
}
