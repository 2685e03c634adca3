//! `upgrade`: has the member that runs on this machine hand over to the program as it lies on disk now.

use std::io::Write;

use super::arguments::Upgrade;
use super::ask;
use super::failure::Failure;
use super::read_config::read_config;
use crate::daemon::ControlRequest;

pub(super) fn run(upgrade: &Upgrade, output: &mut impl Write) -> Result<(), Failure> {
    // Faults are told here, before the member is asked at all.
    let folder = read_config(&upgrade.config)?.state_folder;
    let folder = upgrade.state_folder.clone().unwrap_or(folder);
    for line in ask::done(&folder, &ControlRequest::Upgrade)? {
        writeln!(output, "{line}").map_err(Failure::Output)?;
    }
    Ok(())
}
