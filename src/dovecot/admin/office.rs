//! What all conversations of an admin door share: the desk behind it, how long that may take, and the members.

use std::sync::Arc;
use std::time::Duration;

use super::counts::LastCount;
use super::reply::reply;
use super::{Plan, Request, Site, Whom, plan};
use crate::config::MemberSpec;
use crate::director::{CommandError, Director};
use crate::dovecot::Desk;
use crate::dovecot::answers::Shared;
use crate::dovecot::broken::Broken;
use crate::topology::{Change, ChangeError, Epoch, UserId};
use crate::world::{Clock, Instant, TimedOut, World, deadline};

/// The director looks things up at once; after so long its process is in a bad way.
const DESK_SILENCE_MAX: Duration = Duration::from_secs(10);

/// Changes in one command of a slow flush; a director takes no more.
const CHANGES_MAX: usize = 10_000;

/// How often a part of a slow flush is tried when its users go home meanwhile, and a change that another one of the same
/// round has kept out.
const ATTEMPTS: usize = 3;

/// The director answers commands within its own limit of 30 s; this is for one that does not answer at all.
const COMMAND_MAX: Duration = Duration::from_secs(35);

/// What all conversations of a door share.
pub(super) struct Admin<W, D> {
    pub shared: Shared<W, D>,
    pub members: Arc<[MemberSpec]>,
    pub last_count: LastCount,
}

impl<W: World, D: Desk> Admin<W, D> {
    /// The line that tells what became of these changes. A second voter of one round comes in the round after.
    pub async fn command(&self, changes: Vec<Change>) -> String {
        let is_second = |result: &_| {
            matches!(
                result,
                Ok(Err(CommandError::Refused(ChangeError::OneVoterPerRound)))
            )
        };
        let mut result = self.decided(changes.clone()).await;
        for _ in 1..ATTEMPTS {
            if !is_second(&result) {
                break;
            }
            result = self.decided(changes.clone()).await;
        }
        said(&result)
    }

    /// The lines that tell what became of each of these orders: all are decided together, unless one is refused.
    pub async fn command_all(&self, orders: Vec<Vec<Change>>) -> Vec<Vec<u8>> {
        if orders.is_empty() {
            return Vec::new();
        }
        let result = self.decided(orders.concat()).await;
        if !matches!(result, Ok(Err(CommandError::Refused(_)))) {
            let answer = said(&result).into_bytes();
            return vec![answer; orders.len()];
        }
        let mut answers = Vec::with_capacity(orders.len());
        for order in orders {
            answers.push(self.command(order).await.into_bytes());
        }
        answers
    }

    async fn decided(&self, changes: Vec<Change>) -> Result<Result<Epoch, CommandError>, TimedOut> {
        let clock = self.shared.world.clock();
        let until = clock.now().plus(COMMAND_MAX);
        deadline(clock, until, self.shared.desk.command(changes)).await
    }

    /// Has these users moved home, so many at a time, then everything else flushed; the line that tells what became of it.
    pub async fn flush_slowly(
        &self,
        users: &[UserId],
        at_a_time: usize,
        then: Change,
    ) -> Result<String, Broken> {
        for some in users.chunks(at_a_time.clamp(1, CHANGES_MAX)) {
            for _ in 0..ATTEMPTS {
                let some = some.to_vec();
                // Some may have gone home by themselves meanwhile.
                let looked = self.read(move |director, _| {
                    let topology = director.topology();
                    let mut some = some;
                    some.retain(|user| topology.own_pin(*user).is_some());
                    some
                });
                let pinned = looked.await?.unwrap_or_default();
                if pinned.is_empty() {
                    break;
                }
                let unpins = pinned.into_iter().map(|user| Change::Unpin { user });
                let result = self.decided(unpins.collect()).await;
                match result {
                    Ok(Ok(_)) => break,
                    Ok(Err(CommandError::Refused(ChangeError::NoSuchPin { .. }))) => {}
                    Ok(Err(_)) | Err(_) => return Ok(said(&result)),
                }
            }
        }
        Ok(self.command(vec![then]).await)
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

fn said(result: &Result<Result<Epoch, CommandError>, TimedOut>) -> String {
    match result {
        Ok(result) => reply(result),
        Err(_) => {
            let waited = COMMAND_MAX.as_secs();
            format!("the director did not answer within {waited} s; it may still be carried out\n")
        }
    }
}
