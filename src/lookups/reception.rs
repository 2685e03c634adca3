//! What the connections of a door share, whatever is spoken there.

use std::sync::Arc;

use tracing::warn;

use super::settings::LookupSettings;
use super::{Counters, Desk, Found, Query};
use crate::director::RefuseReason;
use crate::world::{Clock, Network, World};

/// A connection of this world.
pub(super) type StreamOf<W> = <<W as World>::Network as Network>::Stream;

/// What the connections of a door share.
#[derive(Debug)]
pub(super) struct Reception<W, D> {
    pub world: W,
    pub desk: D,
    pub settings: LookupSettings,
    pub counters: Arc<Counters>,
}

/// Why a user is not found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// The director says so.
    Reason(RefuseReason),
    /// The process is about to end.
    Stopping,
}

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Refused::Reason(reason) => write!(f, "{reason}"),
            Refused::Stopping => f.write_str("this director is stopping"),
        }
    }
}

impl<W: World, D: Desk> Reception<W, D> {
    /// Where a user is. What is found may leave until it is as old as the door allows.
    pub async fn look_up(&self, query: Query<'_>) -> Result<Found, Refused> {
        let found = match self.desk.look_up(query).await {
            Some(Ok(found)) => {
                let waited = self.world.clock().now().since(found.decided);
                if waited <= self.settings.answer_age {
                    Ok(found)
                } else {
                    Err(Refused::Reason(RefuseReason::Stale { waited }))
                }
            }
            Some(Err(reason)) => Err(Refused::Reason(reason)),
            None => Err(Refused::Stopping),
        };
        self.counters.answered(found.is_ok());
        if let Err(why) = found
            && self.counters.may_log(self.world.clock().now())
        {
            let at = &self.settings.listen.address;
            warn!(
                "{at}: {:?} is not found: {why}; others in the next 5 s are only counted",
                query.user
            );
        }
        found
    }
}
