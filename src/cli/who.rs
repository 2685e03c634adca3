//! `who` and `kick`: the sessions at this machine's own proxies.

use std::io::Write;

use super::arguments::{Kick, Who};
use super::ask;
use super::failure::Failure;
use super::read_config::state_folder;
use crate::config::format_interval;
use crate::daemon::{ControlRequest, SessionReport};

pub(super) fn run(who: &Who, output: &mut impl Write) -> Result<(), Failure> {
    let folder = state_folder(&who.here)?;
    let lines = ask::done(&folder, &ControlRequest::Who)?;
    let mut sessions = Vec::new();
    for line in &lines {
        let session: SessionReport = serde_json::from_str(line)
            .map_err(|error| Failure::Start(format!("the member's answer makes no sense: {error}")))?;
        if who
            .user
            .as_ref()
            .is_none_or(|user| session.user.eq_ignore_ascii_case(user))
        {
            sessions.push((session, line));
        }
    }
    if who.json {
        let mut lines = sessions.iter().map(|(_, line)| line);
        return lines
            .try_for_each(|line| writeln!(output, "{line}"))
            .map_err(Failure::Output);
    }
    write(sessions.iter().map(|(session, _)| session), output).map_err(Failure::Output)
}

fn write<'a>(
    sessions: impl Iterator<Item = &'a SessionReport>,
    output: &mut impl Write,
) -> std::io::Result<()> {
    writeln!(
        output,
        "{:<24} {:<10} {:<22} {:<15} {:<9} {:>10} {:>10}  age",
        "user", "protocol", "client", "backend", "director", "bytes in", "bytes out"
    )?;
    for session in sessions {
        let age = format_interval(std::time::Duration::from_secs(session.age_s));
        writeln!(
            output,
            "{:<24} {:<10} {:<22} {:<15} {:<9} {:>10} {:>10}  {age}",
            session.user,
            session.protocol,
            session.client,
            session.backend,
            session.director,
            session.bytes_in,
            session.bytes_out
        )?;
    }
    Ok(())
}

pub(super) fn kick(kick: &Kick, output: &mut impl Write) -> Result<(), Failure> {
    let folder = state_folder(&kick.here)?;
    let request = ControlRequest::Kick {
        user: kick.user.clone(),
    };
    let lines = ask::done(&folder, &request)?;
    let mut lines = lines.iter();
    lines
        .try_for_each(|line| writeln!(output, "{line}"))
        .map_err(Failure::Output)
}
