//! `status`: what a running member of this machine says of itself.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use super::arguments::Status;
use super::failure::Failure;
use super::read_config::read_config;
use crate::daemon::{MemberReport, STATUS_SOCKET};

/// How long a member may take to answer.
const ANSWER_MAX: Duration = Duration::from_secs(5);
/// The most that an answer may have: a report of 10,000 backends has about a tenth of it.
const ANSWER_BYTES_MAX: u64 = 32 << 20;

pub(super) fn run(status: &Status, output: &mut impl Write) -> Result<(), Failure> {
    let folder = match &status.state_folder {
        Some(folder) => folder.clone(),
        None => read_config(&status.config)?.state_folder,
    };
    let bytes = ask(folder.join(STATUS_SOCKET))?;
    if status.json {
        return writeln!(output, "{}", String::from_utf8_lossy(&bytes)).map_err(Failure::Output);
    }
    let report: MemberReport = serde_json::from_slice(&bytes)
        .map_err(|error| Failure::Start(format!("the member's answer makes no sense: {error}")))?;
    write(&report, output).map_err(Failure::Output)
}

fn ask(socket: PathBuf) -> Result<Vec<u8>, Failure> {
    let failed = |error: std::io::Error| {
        Failure::Start(format!("{}: {error}; is maildirector running?", socket.display()))
    };
    let stream = UnixStream::connect(&socket).map_err(failed)?;
    stream.set_read_timeout(Some(ANSWER_MAX)).map_err(failed)?;
    let mut bytes = Vec::new();
    stream
        .take(ANSWER_BYTES_MAX)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    Ok(bytes)
}

fn write(report: &MemberReport, output: &mut impl Write) -> std::io::Result<()> {
    let lease = match report.lease_ms {
        Some(left) => format!("lease for another {:.1} s", left as f64 / 1000.0),
        None => "no lease".to_owned(),
    };
    let seat = if report.is_seated {
        "votes"
    } else {
        "does not vote"
    };
    let change = if report.is_changing {
        ", a change is under way"
    } else {
        ""
    };
    writeln!(
        output,
        "member {}: {}, epoch {}, {lease}, {seat}{change}; {} users, {} logins waiting",
        report.me, report.standing, report.epoch, report.users, report.waiting_logins
    )?;
    writeln!(output, "\nmember  role      heard      lease  coordinates")?;
    for member in &report.members {
        let role = match (member.serves, member.votes) {
            (true, true) => "director",
            (true, false) => "nonvoting",
            (false, _) => "witness",
        };
        let heard = match member.heard_ms_ago {
            _ if member.id == report.me => "(this)".to_owned(),
            Some(ms) => format!("{:.1} s ago", ms as f64 / 1000.0),
            None => "never".to_owned(),
        };
        let yes = |is: bool| if is { "yes" } else { "-" };
        writeln!(
            output,
            "{:<7} {role:<9} {heard:<10} {:<6} {}",
            member.id,
            yes(member.is_leased),
            yes(member.is_coordinator)
        )?;
    }
    if !report.links.is_empty() {
        writeln!(output, "\nlink with  address               state")?;
    }
    for link in &report.links {
        writeln!(output, "{:<10} {:<21} {}", link.peer, link.address, link.state)?;
    }
    writeln!(
        output,
        "\nbackend          tag       vhosts  state    users here  pinned"
    )?;
    for backend in &report.backends {
        let state = match backend {
            backend if !backend.is_up => "down",
            backend if backend.is_failed => "failed",
            backend if backend.fails_here => "failing",
            _ => "up",
        };
        writeln!(
            output,
            "{:<16} {:<9} {:<7} {state:<8} {:<11} {}",
            backend.ip, backend.tag, backend.vhosts, backend.users, backend.pinned
        )?;
    }
    if !report.differences.is_empty() {
        writeln!(output, "\nin force, but not what the configuration says:")?;
    }
    for found in &report.differences {
        let quoted = |text: &str| {
            if text.is_empty() {
                "none".to_owned()
            } else {
                text.to_owned()
            }
        };
        writeln!(
            output,
            "{:<16} {}: {} (configured: {})",
            found.subject,
            found.setting,
            quoted(&found.running),
            quoted(&found.configured)
        )?;
    }
    Ok(())
}
