//! The socket of a lookup door, and what its connections share.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tracing::{info, warn};

use super::reception::{Reception, StreamOf};
use super::settings::{CONNECTIONS_MAX, LookupSettings, Speaks};
use super::{Counters, Desk, http, socketmap};
use crate::world::{Address, Clock, Host, Listener, Network, Task, World, accept};

/// An open door. Dropping it closes the socket and all its connections.
#[derive(Debug)]
#[must_use = "the door closes when this is dropped"]
pub struct Door {
    address: Address,
    protocol: &'static str,
    counters: Arc<Counters>,
    _task: Task,
}

impl Door {
    /// Where it is.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// What is spoken there.
    pub fn protocol(&self) -> &'static str {
        self.protocol
    }

    /// What it counts.
    pub fn counters(&self) -> &Arc<Counters> {
        &self.counters
    }
}

/// Opens a door.
///
/// # Errors
/// The socket can't be opened.
pub async fn open_door<W: World, D: Desk>(world: W, desk: D, settings: LookupSettings) -> io::Result<Door> {
    let listener = world.network().bind(&settings.listen).await?;
    let address = listener.address()?;
    let protocol = match &settings.speaks {
        Speaks::Http => "http",
        Speaks::Socketmap(_) => "socketmap",
    };
    info!("{protocol}: listening on {address}");
    let counters = Arc::new(Counters::default());
    let reception = Arc::new(Reception {
        world: world.clone(),
        desk,
        settings,
        counters: Arc::clone(&counters),
    });
    let accepting = accept(world.clone(), listener, CONNECTIONS_MAX, Porter(reception));
    let task = world.spawn("lookup door", accepting);
    Ok(Door {
        address,
        protocol,
        counters,
        _task: task,
    })
}

struct Porter<W, D>(Arc<Reception<W, D>>);

impl<W: World, D: Desk> Host<StreamOf<W>> for Porter<W, D> {
    fn serve(&self, stream: StreamOf<W>, _: Option<SocketAddr>) -> impl Future<Output = ()> + Send + 'static {
        let open = Open::new(&self.0.counters);
        let reception = Arc::clone(&self.0);
        async move {
            let _open = open;
            match &reception.settings.speaks {
                Speaks::Http => http::serve(&reception, stream).await,
                Speaks::Socketmap(settings) => socketmap::serve(&reception, settings, stream).await,
            }
        }
    }

    fn turned_away(&self, limit: usize) {
        self.0.counters.turned_away();
        self.warn(&format!(
            "a connection was closed: {limit} are open, which is the limit"
        ));
    }

    fn accept_failed(&self, error: &io::Error) {
        self.warn(&format!("can't accept a connection: {error}"));
    }
}

impl<W: World, D: Desk> Porter<W, D> {
    fn warn(&self, what: &str) {
        if self.0.counters.may_log(self.0.world.clock().now()) {
            warn!("{}: {what}", self.0.settings.listen.address);
        }
    }
}

/// One open connection, counted until it is dropped.
struct Open(Arc<Counters>);

impl Open {
    fn new(counters: &Arc<Counters>) -> Self {
        counters.opened();
        Open(Arc::clone(counters))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.closed();
    }
}
