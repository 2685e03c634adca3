//! Resolving the backends' names again while the member runs: what appeared is added, what vanished is only told.

use tracing::{info, warn};

use super::desk::CoreDesk;
use crate::config::{Config, RESOLVE_EVERY, Resolved};
use crate::director::CommandError;
use crate::dovecot::Desk;
use crate::topology::{Change, ChangeError};
use crate::world::{Clock, Network, Task, World, deadline, sleep};
use std::time::Duration;

/// How long the resolver may take for one name.
const ANSWER_MAX: Duration = Duration::from_secs(30);

/// Resolves the backends' names every [`RESOLVE_EVERY`]; `known` is what they were at the start.
pub(super) fn watch_names<W: World>(world: W, desk: CoreDesk, config: Config, known: Resolved) -> Task {
    let watching = world.clone();
    world.spawn("names", async move {
        if config.backend_names().is_empty() {
            return;
        }
        let mut known = known;
        loop {
            sleep(watching.clock(), RESOLVE_EVERY).await;
            let now = resolve(&watching, &config, &known).await;
            let compared = config.compared(&known, &now);
            for (name, ip) in compared.vanished {
                warn!("{name} no longer resolves to {ip}; the backend stays until an admin removes it");
            }
            for backend in compared.appeared {
                let ip = backend.ip;
                match desk.command(vec![Change::AddBackend(backend)]).await {
                    Ok(epoch) => info!("a name of director_mail_servers now has {ip}: added, {epoch}"),
                    // Another director was faster.
                    Err(CommandError::Refused(ChangeError::BackendExists { .. })) => {}
                    Err(error) => warn!("a name of director_mail_servers now has {ip}, not added: {error}"),
                }
            }
            known = now;
        }
    })
}

/// The addresses of every name now; a name that has none keeps those that it had.
pub(super) async fn resolve<W: World>(world: &W, config: &Config, known: &Resolved) -> Resolved {
    let mut resolved = known.clone();
    for name in config.backend_names() {
        let until = world.clock().now().plus(ANSWER_MAX);
        let answer = deadline(world.clock(), until, world.network().resolve(name)).await;
        let addresses = match answer {
            Ok(Ok(addresses)) if !addresses.is_empty() => addresses,
            Ok(Err(error)) => {
                warn!("cannot resolve {name}: {error}; its backends stay as they are");
                known.addresses(name).to_vec()
            }
            _ => known.addresses(name).to_vec(),
        };
        resolved.insert(name, addresses);
    }
    resolved
}
