//! The socket of a lookup door, and what its connections share.

use std::io;
use std::sync::Arc;

use tracing::info;

use super::reception::{Reception, StreamOf};
use super::settings::{CONNECTIONS_MAX, LookupSettings, Speaks};
use super::{Counters, Desk, http, socketmap};
use crate::world::{Address, Host, Listener, Network, Task, World};

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
    let host = Host {
        at: address.clone(),
        connections: Arc::clone(&counters.connections),
        connections_max: CONNECTIONS_MAX,
        serve: move |stream| serve(Arc::clone(&reception), stream),
    };
    let accepting = host.accept(world.clone(), listener);
    let task = world.spawn("lookup door", accepting);
    Ok(Door {
        address,
        protocol,
        counters,
        _task: task,
    })
}

async fn serve<W: World, D: Desk>(reception: Arc<Reception<W, D>>, stream: StreamOf<W>) {
    match &reception.settings.speaks {
        Speaks::Http => http::serve(&reception, stream).await,
        Speaks::Socketmap(settings) => socketmap::serve(&reception, settings, stream).await,
    }
}
