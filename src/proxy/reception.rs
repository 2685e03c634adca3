//! What all clients of a listener share, whatever they speak.

use std::net::IpAddr;
use std::sync::Arc;

use super::entry::Way;
use super::forward::Leave;
use super::verifier::Verifier;
use super::{Admitted, Counters, Desk, ProxySettings};
use crate::world::World;

/// One listener's, with what it is to do for clients.
#[derive(Debug)]
pub(super) struct Reception<W, D> {
    pub world: W,
    pub desk: D,
    pub settings: ProxySettings,
    pub counters: Arc<Counters>,
    pub verifier: Verifier,
}

impl<W: World, D: Desk> Reception<W, D> {
    /// Whether who is there may say for whom he speaks.
    pub fn trusts(&self, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        self.settings.trusted.iter().any(|network| network.contains(&ip))
    }

    /// To the backends.
    pub fn way(&self) -> Way<'_, W> {
        Way {
            world: &self.world,
            protocol: self.settings.protocol,
            settings: &self.settings.backend,
            limits: &self.settings.limits,
        }
    }

    /// What lets this user's bytes go there.
    pub fn leave<'a>(&'a self, admitted: &'a Admitted) -> Leave<'a, W::Clock> {
        Leave {
            permit: &admitted.permit,
            gate: self.desk.gate(),
            clock: self.world.clock(),
        }
    }
}
