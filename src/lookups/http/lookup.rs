//! `/v1/lookup`: where a user is, for programs.

use std::net::IpAddr;
use std::time::Duration;

use hyper::StatusCode;
use serde::Serialize;

use super::parameters::Parameters;
use super::reply::{Reply, json, refusal, try_again};
use crate::director::RefuseReason;
use crate::lookups::reception::Reception;
use crate::lookups::{Desk, Query, Refused};
use crate::world::World;

/// After so long a director that serves nobody may serve again.
const SOON: Duration = Duration::from_secs(2);

#[derive(Serialize)]
struct Place<'a> {
    user: &'a str,
    tag: &'a str,
    backend: IpAddr,
    hostname: Option<&'a str>,
    /// Who asks again within this keeps the user there.
    refresh_within_s: u64,
}

pub(super) async fn lookup<W: World, D: Desk>(
    reception: &Reception<W, D>,
    parameters: Parameters<'_>,
) -> Reply {
    let (user, tag) = match (parameters.find("user"), parameters.find("tag")) {
        (Ok(user), Ok(tag)) => (user.unwrap_or_default(), tag.unwrap_or_default()),
        (Err(why), _) | (_, Err(why)) => return refusal(StatusCode::BAD_REQUEST, why),
    };
    let Some(query) = Query::new(&user, &tag) else {
        let why = "user=NAME is needed: at most 255 bytes, no control characters";
        return refusal(StatusCode::BAD_REQUEST, why);
    };
    match reception.look_up(query).await {
        Ok(found) => json(
            StatusCode::OK,
            &Place {
                user: query.user,
                tag: query.tag,
                backend: found.ip,
                hostname: found.hostname.as_deref(),
                refresh_within_s: found.expire.as_secs() / 2,
            },
        ),
        Err(Refused::Reason(reason @ RefuseReason::UnknownTag)) => {
            refusal(StatusCode::NOT_FOUND, &reason.to_string())
        }
        Err(why) => try_again(&why.to_string(), SOON),
    }
}
