//! `reload`: has the member that runs on this machine take over its changed configuration.

use std::io::Write;

use super::arguments::Reload;
use super::ask;
use super::failure::Failure;
use super::read_config::read_config;
use crate::daemon::ControlRequest;

pub(super) fn run(reload: &Reload, output: &mut impl Write) -> Result<(), Failure> {
    // Faults are told here, before the member is asked at all.
    let folder = read_config(&reload.config)?.state_folder;
    let folder = reload.state_folder.clone().unwrap_or(folder);
    let answer = ask::control(&folder, &ControlRequest::Reload)?;
    for line in &answer.lines {
        writeln!(output, "{line}").map_err(Failure::Output)?;
    }
    if answer.is_done {
        Ok(())
    } else {
        Err(Failure::Configuration)
    }
}
