//! Between the probes and the machine: which backends to probe, and what was found.

use std::net::IpAddr;
use std::sync::Arc;

use super::desk::CoreDesk;
use crate::dovecot::Desk;
use crate::health::Watched;

impl Watched for CoreDesk {
    async fn backends(&self) -> Option<Vec<IpAddr>> {
        let topology = self.read(|director, _| Arc::clone(director.topology())).await?;
        Some(topology.backends().map(|backend| backend.ip).collect())
    }

    fn found(&self, failing: Vec<IpAddr>) {
        self.probed(failing);
    }
}
