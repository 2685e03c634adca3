//! Lets in who dials this member.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::sync::mpsc;

use super::event::RingEvent;
use super::handshake::Parted;
use super::party::Party;
use super::refusal::Refusal;
use crate::topology::MEMBERS_MAX;
use crate::world::{Listener, Network, Task, World, select, sleep};

/// Out of file descriptors, accepting fails at once again.
const AFTER_ERROR: Duration = Duration::from_millis(100);

/// Lets in who comes, for ever.
pub(super) async fn run<W: World>(party: Party<W>, listener: <W::Network as Network>::Listener) {
    let (done, mut ended) = mpsc::unbounded_channel();
    let mut connections: BTreeMap<u64, Task> = BTreeMap::new();
    let mut number = 0;
    let connections_max = party.settings.limits.greeting_connections_max + MEMBERS_MAX;
    loop {
        select! {
            gone = ended.recv() => {
                if let Some(gone) = gone {
                    connections.remove(&gone);
                }
            }
            accepted = listener.accept() => match accepted {
                Err(_) => sleep(party.world.clock(), AFTER_ERROR).await,
                Ok((stream, from)) if connections.len() < connections_max => {
                    number += 1;
                    let (party, done, this) = (party.clone(), done.clone(), number);
                    let task = party.world.clone().spawn("ring-accept", async move {
                        if let Err(parted) = party.clone().admit(stream).await {
                            tell(&party, from, parted);
                        }
                        let _ = done.send(this);
                    });
                    connections.insert(number, task);
                }
                Ok((stream, from)) => {
                    drop(stream);
                    let limit = connections_max;
                    tell(&party, from, Parted::from(Refusal::Crowded { limit }));
                }
            },
        }
    }
}

fn tell<W: World>(party: &Party<W>, from: Option<SocketAddr>, parted: Parted) {
    let Parted { peer, why } = parted;
    let from = from.map_or_else(
        || "a connection".to_owned(),
        |from| format!("a connection from {from}"),
    );
    let who = match peer {
        Some(id) => format!("{}, {from}", party.hub.circle().title(id)),
        None => from,
    };
    party.hub.tell(RingEvent::Refused { peer, who, why });
}
