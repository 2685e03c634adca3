//! What `maildirector status` shows: a snapshot of one member, as data, and the socket that gives it to whoever asks.

use std::io;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::AsyncWriteExt;
use tracing::warn;

use super::desk::CoreDesk;
use crate::director::{Director, Standing};
use crate::dovecot::Desk;
use crate::lookups::Health;
use crate::topology::{Difference, Drain};
use crate::world::{Address, Clock, Instant, Listen, Listener, Network, Task, World, deadline, sleep};

/// The socket's name in the state folder.
pub const STATUS_SOCKET: &str = "status.sock";

/// How long whoever asks may take to read the answer.
const WRITE_MAX: Duration = Duration::from_secs(5);

/// One member, seen by itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberReport {
    /// Its number.
    pub me: u16,
    /// The epoch in force here.
    pub epoch: u64,
    /// `serving`, `isolated` or `alone`.
    pub standing: String,
    /// What is left of its lease.
    pub lease_ms: Option<u64>,
    /// Whether its vote counts.
    pub is_seated: bool,
    /// Whether a change is under way.
    pub is_changing: bool,
    /// Users held here.
    pub users: usize,
    /// Logins that wait here.
    pub waiting_logins: usize,
    /// All members.
    pub members: Vec<OtherReport>,
    /// All backends.
    pub backends: Vec<BackendReport>,
    /// The links that stand.
    pub links: Vec<LinkReport>,
    /// Where what is in force is another than what the configuration says.
    pub differences: Vec<DifferenceReport>,
}

/// Another member, seen from here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OtherReport {
    /// Its number.
    pub id: u16,
    /// Whether it is a director.
    pub serves: bool,
    /// Whether it votes.
    pub votes: bool,
    /// How long ago it was heard; nothing for this member itself.
    pub heard_ms_ago: Option<u64>,
    /// Whether it is known to hold a lease.
    pub is_leased: bool,
    /// Whether it coordinates changes.
    pub is_coordinator: bool,
}

/// A backend.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackendReport {
    /// Its address.
    pub ip: String,
    /// Its name.
    pub hostname: Option<String>,
    /// Its tag; empty by default.
    pub tag: String,
    /// Its weight.
    pub vhosts: u32,
    /// Whether an admin has it up.
    pub is_up: bool,
    /// Whether the directors' probes have taken it out of service.
    pub is_failed: bool,
    /// Whether this director's own probes find it failing.
    pub fails_here: bool,
    /// Whether it is being emptied.
    pub drain: Option<Drain>,
    /// Users held there by this director.
    pub users: u32,
    /// Users pinned there.
    pub pinned: usize,
}

/// A link.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkReport {
    /// With whom.
    pub peer: u16,
    /// Where.
    pub address: String,
    /// Who made it, and since when.
    pub state: String,
}

/// A difference between what is in force and the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DifferenceReport {
    /// Of what: a backend's address, a member, or `ring`.
    pub subject: String,
    /// In what: `presence`, `vhosts`, `tag`, `state`, `lease`, `director_user_expire`.
    pub setting: String,
    /// What is in force.
    pub running: String,
    /// What the configuration says.
    pub configured: String,
}

fn report(director: &Director, now: Instant) -> MemberReport {
    let ring = director.ring_status(now);
    let topology = director.topology();
    let millis = |span: Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
    let members = ring.members.iter().map(|member| OtherReport {
        id: member.id.index(),
        serves: member.serves,
        votes: member.votes,
        heard_ms_ago: member.heard.map(|(_, at)| millis(now.since(at))),
        is_leased: member.is_leased,
        is_coordinator: member.is_coordinator,
    });
    let backends = director.backend_status();
    let backends = backends.iter().map(|status| BackendReport {
        ip: status.backend.ip.to_string(),
        hostname: status.backend.hostname.as_deref().map(str::to_owned),
        tag: topology.tag_name(status.backend.tag).unwrap_or("").to_owned(),
        vhosts: status.backend.vhosts,
        is_up: status.backend.is_up,
        is_failed: status.backend.is_failed,
        fails_here: director.finds_failing(status.backend.ip),
        drain: status.backend.drain,
        users: status.held,
        pinned: status.pinned,
    });
    let differences = topology.differences(director.configured()).into_iter();
    MemberReport {
        me: director.me().index(),
        epoch: ring.epoch.number(),
        standing: standing(ring.standing).to_owned(),
        lease_ms: ring.lease_until.map(|until| millis(until.since(now))),
        is_seated: ring.is_seated,
        is_changing: ring.is_changing,
        users: director.holds().len(),
        waiting_logins: director.limits_used().waiting_logins,
        members: members.collect(),
        backends: backends.collect(),
        links: Vec::new(),
        differences: differences.map(DifferenceReport::from).collect(),
    }
}

fn standing(standing: Standing) -> &'static str {
    match standing {
        Standing::Leased => "serving",
        Standing::Isolated { .. } => "isolated",
        Standing::Alone { .. } => "alone",
    }
}

/// Whether the member does what it is for, for who sends it clients.
pub(super) fn health(director: &Director, now: Instant) -> Health {
    let ring = director.ring_status(now);
    let own = ring.members.iter().find(|member| member.id == director.me());
    let epoch = ring.epoch.number();
    if own.is_some_and(|own| !own.serves) {
        return Health {
            is_ready: ring.is_seated,
            standing: "witness",
            epoch,
        };
    }
    Health {
        is_ready: own.is_some() && !matches!(ring.standing, Standing::Isolated { .. }),
        standing: standing(ring.standing),
        epoch,
    }
}

impl From<Difference> for DifferenceReport {
    fn from(found: Difference) -> Self {
        DifferenceReport {
            subject: found.subject,
            setting: found.setting.to_owned(),
            running: found.running,
            configured: found.configured,
        }
    }
}

/// The member now; `None` when its run is over.
pub async fn look(desk: &CoreDesk) -> Option<MemberReport> {
    let mut found = desk.read(report).await?;
    let links = desk.links().into_iter().map(|link| LinkReport {
        peer: link.peer.index(),
        address: link.address.to_string(),
        state: link.state.into(),
    });
    found.links = links.collect();
    Some(found)
}

/// Answers everybody who connects with one report as JSON, and closes.
///
/// # Errors
/// The socket can't be opened.
pub async fn open_status<W: World>(world: W, desk: CoreDesk, at: Address) -> io::Result<Task> {
    let listen = Listen {
        address: at,
        mode: 0o600,
        owner: None,
        group: None,
    };
    let listener = world.network().bind(&listen).await?;
    let clock = world.clock().clone();
    Ok(world.spawn("status", async move {
        loop {
            let mut stream = match listener.accept().await {
                Ok((stream, _)) => stream,
                Err(error) => {
                    warn!(
                        "{}: cannot accept: {error}; tried again in a second",
                        listen.address
                    );
                    sleep(&clock, Duration::from_secs(1)).await;
                    continue;
                }
            };
            let Some(found) = look(&desk).await else {
                return;
            };
            let bytes = serde_json::to_vec(&found).unwrap_or_default();
            let until = clock.now().plus(WRITE_MAX);
            // Whoever asked may have gone.
            let _ = deadline(&clock, until, async {
                stream.write_all(&bytes).await?;
                stream.shutdown().await
            })
            .await;
        }
    }))
}
