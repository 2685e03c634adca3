//! What all conversations of an admin door share: the desk behind it, how long that may take, and the members.

use std::sync::Arc;
use std::time::Duration;

use super::counts::LastCount;
use super::reply::reply;
use super::{Plan, Request, Site, Whom, plan};
use crate::config::MemberSpec;
use crate::director::Director;
use crate::dovecot::Desk;
use crate::dovecot::answers::Shared;
use crate::dovecot::broken::Broken;
use crate::topology::Change;
use crate::world::{Clock, Instant, World, deadline};

/// The director looks things up at once; after so long its process is in a bad way.
const DESK_SILENCE_MAX: Duration = Duration::from_secs(10);

/// The director answers commands within its own limit of 30 s; this is for one that does not answer at all.
const COMMAND_MAX: Duration = Duration::from_secs(35);

/// What all conversations of a door share.
pub(super) struct Admin<W, D> {
    pub shared: Shared<W, D>,
    pub members: Arc<[MemberSpec]>,
    pub last_count: LastCount,
}

impl<W: World, D: Desk> Admin<W, D> {
    /// The line that tells what became of these changes.
    pub async fn command(&self, changes: Vec<Change>) -> String {
        let clock = self.shared.world.clock();
        let until = clock.now().plus(COMMAND_MAX);
        let commanded = self.shared.desk.command(changes);
        match deadline(clock, until, commanded).await {
            Ok(result) => reply(&result),
            Err(_) => {
                let waited = COMMAND_MAX.as_secs();
                format!("the director did not answer within {waited} s; it may still be carried out\n")
            }
        }
    }

    /// What is found in the director; `None` when it has stopped.
    pub async fn read<A: Send + 'static>(
        &self,
        look: impl FnOnce(&Director, Instant) -> A + Send + 'static,
    ) -> Result<Option<A>, Broken> {
        let clock = self.shared.world.clock();
        let until = clock.now().plus(DESK_SILENCE_MAX);
        let looked = deadline(clock, until, self.shared.desk.read(look)).await;
        looked.map_err(|_| Broken::DeskSilent {
            waited: DESK_SILENCE_MAX,
        })
    }

    /// What to do for a request; `None` when the director has stopped.
    pub async fn plan(
        &self,
        request: &Request,
        user: Option<Whom>,
        site: &Site,
    ) -> Result<Option<Plan>, Broken> {
        let (request, site) = (request.clone(), site.clone());
        self.read(move |director, now| plan(&request, user, director, now, &site))
            .await
    }

    pub fn now(&self) -> Instant {
        self.shared.world.clock().now()
    }

    /// What is known besides the director, now.
    pub fn site(&self) -> Site {
        Site {
            members: self.members.clone(),
            links: self.shared.desk.links(),
            unix_now_s: self.shared.world.clock().unix_seconds(),
            elsewhere: None,
        }
    }
}
