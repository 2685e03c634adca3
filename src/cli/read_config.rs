//! Reading a configuration file for a command that needs it whole; telling faults is left to `run`.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::arguments::Here;
use super::failure::Failure;
use crate::config::{Config, FILE_BYTES_MAX, Fault, parse};

/// The text of the file, at most one byte more than a configuration may have, so that its size is refused by the
/// parser.
pub(super) fn read_text(path: &Path) -> Result<String, Failure> {
    let file = path.display().to_string();
    let mut bytes = Vec::new();
    let limit = FILE_BYTES_MAX as u64 + 1;
    let read = File::open(path).and_then(|opened| opened.take(limit).read_to_end(&mut bytes));
    read.map_err(|error| Failure::Input(format!("{file}: {error}")))?;
    String::from_utf8(bytes).map_err(|error| {
        let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = 1 + good.iter().filter(|byte| **byte == b'\n').count();
        Failure::Faults(vec![Fault {
            file: file.into(),
            line,
            key: "".into(),
            message: "is no UTF-8 text".into(),
            hint: None,
        }])
    })
}

/// The configuration in the file.
pub(super) fn read_config(path: &Path) -> Result<Config, Failure> {
    parse(&read_text(path)?, &path.display().to_string()).map_err(Failure::faults)
}

/// The state folder of the member: the one that is given, else the one that the configuration names.
pub(super) fn state_folder(here: &Here) -> Result<PathBuf, Failure> {
    match &here.state_folder {
        Some(folder) => Ok(folder.clone()),
        None => Ok(read_config(&here.config)?.state_folder),
    }
}
