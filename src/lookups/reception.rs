//! What the connections of a door share, whatever is spoken there.

use std::sync::Arc;

use tracing::warn;

use super::settings::LookupSettings;
use super::{Counters, Desk, Found, Query, Refused};
use crate::director::RefuseReason;
use crate::world::{Clock, LOG_EVERY, Network, World};

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

impl<W: World, D: Desk> Reception<W, D> {
    /// Where a user is. What is found may leave until it is as old as the door allows.
    pub async fn look_up(&self, query: Query<'_>) -> Result<Found, Refused> {
        let now = || self.world.clock().now();
        let found = self.desk.look_up(query).await.and_then(|found| {
            let waited = now().since(found.decided);
            if waited > self.settings.answer_age {
                return Err(Refused::Reason(RefuseReason::Stale { waited }));
            }
            Ok(found)
        });
        self.counters.answered(found.is_ok());
        if let Err(why) = found
            && self.counters.connections.may_log(now()).is_some()
        {
            let at = &self.settings.listen.address;
            warn!(
                "{at}: {:?} is not found: {why}; others in the next {LOG_EVERY:?} are only counted",
                query.user
            );
        }
        found
    }
}
