//! Sockets of the demo: one task takes connections, each is served by a task of its own.

use std::io;
use std::time::Duration;

use crate::world::{Listen, Listener, Network, RealWorld, Socket, Task, World, sleep};

/// After a connection that could not be taken, as when there are no descriptors left.
const PAUSE: Duration = Duration::from_millis(50);

/// Serves everybody who connects, until the task is dropped; connections go on until the runtime ends.
pub(super) async fn serve_all<F, S>(world: &RealWorld, listen: Listen, serve: F) -> io::Result<Task>
where
    F: Fn(Socket) -> S + Send + 'static,
    S: Future<Output = ()> + Send + 'static,
{
    let listener = world.network().bind(&listen).await?;
    let own = world.clone();
    Ok(world.spawn("demo-listener", async move {
        loop {
            match listener.accept().await {
                Ok((client, _)) => own.spawn("demo-connection", serve(client)).detach(),
                Err(_) => sleep(own.clock(), PAUSE).await,
            }
        }
    }))
}
