//! Orders to empty a backend, as the command line gives them to a running member.

use std::net::IpAddr;
use std::time::Duration;

use super::control_talk::ControlAnswer;
use super::desk::CoreDesk;
use crate::director::CommandError;
use crate::dovecot::Desk;
use crate::topology::{Change, Drain};

/// Has the ring empty the backend: nobody new goes there, and who is left after `deadline` is moved, so many a second.
pub(super) async fn drain(
    desk: &CoreDesk,
    ip: IpAddr,
    deadline: Duration,
    per_second: u32,
    unix_s: u64,
) -> ControlAnswer {
    let drain = Drain {
        since_unix_s: unix_s,
        until_unix_s: unix_s.saturating_add(deadline.as_secs()),
        per_second,
    };
    carry_out(
        desk,
        Change::Drain { ip, drain },
        format!("{ip} takes no new users"),
    )
    .await
}

/// Has the ring leave the backend as it was.
pub(super) async fn cancel(desk: &CoreDesk, ip: IpAddr) -> ControlAnswer {
    carry_out(
        desk,
        Change::CancelDrain { ip },
        format!("{ip} is not drained any more"),
    )
    .await
}

async fn carry_out(desk: &CoreDesk, change: Change, done: String) -> ControlAnswer {
    match desk.command(vec![change]).await {
        Ok(_) => ControlAnswer {
            is_done: true,
            lines: vec![done],
        },
        Err(CommandError::Unknown { waited }) => ControlAnswer::refused(format!(
            "the ring has not decided within {} s; look at `maildirector status`, it may yet",
            waited.as_secs()
        )),
        Err(why) => ControlAnswer::refused(why.to_string()),
    }
}
