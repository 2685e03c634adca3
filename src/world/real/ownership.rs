//! Whom a path in the file system shall belong to.

use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;

use nix::unistd::{Group, User};

use crate::world::Listen;

/// Gives a path the mode, owner and group that were asked for. The mode comes last: until then only the process's own
/// user can open what was made with an empty mask.
pub(super) fn apply(path: &Path, listen: &Listen) -> io::Result<()> {
    let owner = listen.owner.as_deref().map(user).transpose()?;
    let group = listen.group.as_deref().map(group).transpose()?;
    if owner.is_some() || group.is_some() {
        chown(path, owner, group).map_err(|error| {
            let asked = [listen.owner.as_deref(), listen.group.as_deref()];
            let [owner, group] = asked.map(|name| name.unwrap_or("-"));
            told(
                error,
                &format!("can't give {} to {owner}:{group}", path.display()),
            )
        })?;
    }
    fs::set_permissions(path, fs::Permissions::from_mode(listen.mode))
}

/// An error that also says what was being done.
pub(super) fn told(error: io::Error, doing: &str) -> io::Error {
    io::Error::new(error.kind(), format!("{doing}: {error}"))
}

fn user(name: &str) -> io::Result<u32> {
    if let Ok(number) = name.parse() {
        return Ok(number);
    }
    let found = User::from_name(name)?.ok_or_else(|| missing("user", name))?;
    Ok(found.uid.as_raw())
}

fn group(name: &str) -> io::Result<u32> {
    if let Ok(number) = name.parse() {
        return Ok(number);
    }
    let found = Group::from_name(name)?.ok_or_else(|| missing("group", name))?;
    Ok(found.gid.as_raw())
}

fn missing(kind: &str, name: &str) -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, format!("there is no {kind} {name}"))
}
