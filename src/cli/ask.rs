//! Questions of commands to the member that runs on this machine, by the sockets in its state folder.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use serde::de::DeserializeOwned;

use super::failure::Failure;
use crate::daemon::{CONTROL_SOCKET, ControlAnswer, ControlRequest, MemberReport, STATUS_SOCKET};

/// How long a member may take to do something: it resolves names, and the ring decides within its own limit of 30 s.
const DONE_MAX: Duration = Duration::from_secs(180);
/// How long it may take to tell how it stands.
const TOLD_MAX: Duration = Duration::from_secs(5);
/// The most that an answer may have: a report of 10,000 backends has about a tenth of it.
const ANSWER_BYTES_MAX: u64 = 32 << 20;

/// Has it do something.
pub(super) fn control(state_folder: &Path, request: &ControlRequest) -> Result<ControlAnswer, Failure> {
    let mut question = serde_json::to_vec(request).expect("a request is JSON");
    question.push(b'\n');
    read(&ask(&state_folder.join(CONTROL_SOCKET), &question, DONE_MAX)?)
}

/// The same, and it must be done: what it says of that.
pub(super) fn done(state_folder: &Path, request: &ControlRequest) -> Result<Vec<String>, Failure> {
    let answer = control(state_folder, request)?;
    if answer.is_done {
        Ok(answer.lines)
    } else {
        Err(Failure::Start(answer.lines.join("\n")))
    }
}

/// How it stands, as JSON.
pub(super) fn status_json(state_folder: &Path) -> Result<Vec<u8>, Failure> {
    ask(&state_folder.join(STATUS_SOCKET), b"", TOLD_MAX)
}

/// How it stands.
pub(super) fn status(state_folder: &Path) -> Result<MemberReport, Failure> {
    read(&status_json(state_folder)?)
}

/// What an answer says.
fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Failure> {
    serde_json::from_slice(bytes)
        .map_err(|error| Failure::Start(format!("the member's answer makes no sense: {error}")))
}

fn ask(socket: &Path, question: &[u8], within: Duration) -> Result<Vec<u8>, Failure> {
    let failed = |error: std::io::Error| {
        Failure::Start(format!("{}: {error}; is maildirector running?", socket.display()))
    };
    let mut stream = UnixStream::connect(socket).map_err(failed)?;
    stream.set_read_timeout(Some(within)).map_err(failed)?;
    stream.write_all(question).map_err(failed)?;
    let mut bytes = Vec::new();
    stream
        .take(ANSWER_BYTES_MAX)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    Ok(bytes)
}
