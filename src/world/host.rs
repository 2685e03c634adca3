//! The connections of one socket, within a limit, each served by a task of its own. Who may come in besides, and what is
//! counted and logged, is the host's.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use super::{Listener, Task, World, select, sleep};

/// A pause after a failed accept: out of file descriptors, the next one fails at once.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Whoever serves the connections of a socket.
pub trait Host<S>: Send + 'static {
    /// Serves one, which came from there if it came by TCP.
    fn serve(&self, stream: S, from: Option<SocketAddr>) -> impl Future<Output = ()> + Send + 'static;

    /// One was closed at once, since `limit` are open.
    fn turned_away(&self, limit: usize);

    /// The system gave none; it is asked again soon.
    fn accept_failed(&self, error: &io::Error);
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

/// Accepts connections, at most so many at a time, until it is dropped; they end with it.
pub async fn accept<W, L, H>(world: W, listener: L, connections_max: usize, host: H)
where
    W: World,
    L: Listener,
    H: Host<L::Stream>,
{
    let (told, mut ended) = unbounded_channel();
    let mut connections: BTreeMap<u64, Task> = BTreeMap::new();
    let mut number = 0;
    loop {
        select! {
            number = ended.recv() => {
                let number = number.expect("this holds a sender itself");
                connections.remove(&number);
            }
            accepted = listener.accept() => match accepted {
                Ok(_) if connections.len() >= connections_max => host.turned_away(connections_max),
                Ok((stream, from)) => {
                    number += 1;
                    let ended = Ended { number, told: told.clone() };
                    let served = host.serve(stream, from);
                    let task = world.spawn("connection", async move {
                        served.await;
                        drop(ended);
                    });
                    connections.insert(number, task);
                }
                Err(error) => {
                    host.accept_failed(&error);
                    sleep(world.clock(), ACCEPT_PAUSE).await;
                }
            },
        }
    }
}
