//! `status`: what a running member of this machine says of itself.

use std::io::Write;

use super::arguments::Status;
use super::ask;
use super::failure::Failure;
use super::read_config::state_folder;
use crate::daemon::MemberReport;

pub(super) fn run(status: &Status, output: &mut impl Write) -> Result<(), Failure> {
    let folder = state_folder(&status.here)?;
    if status.json {
        let bytes = ask::status_json(&folder)?;
        return writeln!(output, "{}", String::from_utf8_lossy(&bytes)).map_err(Failure::Output);
    }
    write(&ask::status(&folder)?, output).map_err(Failure::Output)
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
            backend if backend.drain.is_some() => "draining",
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
