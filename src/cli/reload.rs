//! `reload`: has the member that runs on this machine take over its changed configuration.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use super::arguments::Reload;
use super::failure::Failure;
use super::read_config::read_config;
use crate::daemon::{CONTROL_SOCKET, ControlAnswer, ControlRequest};

/// How long a member may take: it resolves names, and the ring decides within its own limit of 30 s.
const ANSWER_MAX: Duration = Duration::from_secs(180);
/// The most that an answer may have.
const ANSWER_BYTES_MAX: u64 = 4 << 20;

pub(super) fn run(reload: &Reload, output: &mut impl Write) -> Result<(), Failure> {
    // Faults are told here, before the member is asked at all.
    let folder = read_config(&reload.config)?.state_folder;
    let folder = reload.state_folder.clone().unwrap_or(folder);
    let socket = folder.join(CONTROL_SOCKET);
    let failed = |error: std::io::Error| {
        Failure::Start(format!("{}: {error}; is maildirector running?", socket.display()))
    };
    let mut stream = UnixStream::connect(&socket).map_err(failed)?;
    stream.set_read_timeout(Some(ANSWER_MAX)).map_err(failed)?;
    let mut question = serde_json::to_vec(&ControlRequest::Reload).expect("a word is JSON");
    question.push(b'\n');
    stream.write_all(&question).map_err(failed)?;
    let mut bytes = Vec::new();
    stream
        .take(ANSWER_BYTES_MAX)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    let answer: ControlAnswer = serde_json::from_slice(&bytes)
        .map_err(|error| Failure::Start(format!("the member's answer makes no sense: {error}")))?;
    for line in &answer.lines {
        writeln!(output, "{line}").map_err(Failure::Output)?;
    }
    if answer.is_done {
        Ok(())
    } else {
        Err(Failure::Configuration)
    }
}
