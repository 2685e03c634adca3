//! Who has sessions at this member's own proxies, and kicks, as the command line asks for them.

use super::control_talk::{ControlAnswer, SessionReport};
use super::desk::CoreDesk;
use super::sessions::Session;
use crate::agreement::Whose;
use crate::dovecot::Desk;
use crate::topology::MemberId;
use crate::world::Instant;

/// All sessions, by age.
pub(super) async fn who(desk: &CoreDesk) -> ControlAnswer {
    let Some((me, now)) = desk.read(|director, now| (director.me(), now)).await else {
        return ControlAnswer::refused("the member has stopped meanwhile");
    };
    let sessions = desk.sessions().await;
    let told = sessions.iter().map(|session| report(session, me, now));
    ControlAnswer {
        is_done: true,
        lines: told
            .map(|report| serde_json::to_string(&report).unwrap_or_default())
            .collect(),
    }
}

fn report(session: &Session, me: MemberId, now: Instant) -> SessionReport {
    let (bytes_in, bytes_out) = session.revoker.forwarded();
    SessionReport {
        user: session.name.to_string(),
        protocol: session.protocol.to_string(),
        client: session.client.to_string(),
        director: me.index(),
        backend: session.backend.to_string(),
        age_s: now.since(session.since).as_secs(),
        bytes_in,
        bytes_out,
    }
}

/// Has the sessions closed here and elsewhere; that is begun when it returns.
pub(super) fn kick(desk: &CoreDesk, user: &str) -> ControlAnswer {
    desk.kick(Whose::User(desk.key(user)));
    ControlAnswer {
        is_done: true,
        lines: vec![format!(
            "{user} is being kicked, at every director that can be reached"
        )],
    }
}
