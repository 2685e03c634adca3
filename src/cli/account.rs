//! Whom a process becomes that was started as root.

use std::io;
use std::os::unix::fs::{chown, lchown};
use std::path::Path;

use nix::unistd::{Gid, Group, Uid, User, geteuid, setgid, setgroups, setuid};

use super::failure::Failure;
use crate::config::Config;

/// Who this process becomes once everything is open.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Account {
    uid: Option<Uid>,
    gid: Option<Gid>,
}

impl Account {
    pub fn of(config: &Config) -> Result<Self, Failure> {
        let failed = |what: &str, name: &str, why: &dyn std::fmt::Display| {
            Failure::Start(format!("{}: {what} = \"{name}\": {why}", config.file))
        };
        let mut account = Account::default();
        if let Some(name) = config.group.as_deref() {
            let group = Group::from_name(name).map_err(|error| failed("group", name, &error))?;
            let group = group.ok_or_else(|| failed("group", name, &"there is no such group"))?;
            account.gid = Some(group.gid);
        }
        if let Some(name) = config.user.as_deref() {
            let user = User::from_name(name).map_err(|error| failed("user", name, &error))?;
            let user = user.ok_or_else(|| failed("user", name, &"there is no such user"))?;
            account.uid = Some(user.uid);
            account.gid = account.gid.or(Some(user.gid));
        }
        if !geteuid().is_root() && account.uid == Some(geteuid()) {
            // A process that takes over is the user already.
            return Ok(Account::default());
        }
        Ok(account)
    }

    /// The state folder becomes the user's, and what this process makes there from now on.
    pub fn take_folder(self, folder: &Path) -> Result<(), Failure> {
        self.take(folder, |uid, gid| chown(folder, Some(uid), Some(gid)))
    }

    fn take(self, folder: &Path, taking: impl FnOnce(u32, u32) -> io::Result<()>) -> Result<(), Failure> {
        let (Some(uid), Some(gid)) = (self.uid, self.gid) else {
            return Ok(());
        };
        taking(uid.as_raw(), gid.as_raw()).map_err(|error| {
            let folder = folder.display();
            Failure::Start(format!("{folder}: cannot become user {uid}'s: {error}"))
        })
    }

    /// Everything is open: from here on no rights of root are needed.
    pub fn become_it(self, folder: &Path) -> Result<(), Failure> {
        self.take(folder, |uid, gid| hand_over(folder, uid, gid))?;
        if let Some(gid) = self.gid {
            setgroups(&[gid])
                .map_err(|error| Failure::Start(format!("cannot leave root's groups: {error}")))?;
            setgid(gid).map_err(|error| Failure::Start(format!("cannot take group {gid}: {error}")))?;
        }
        if let Some(uid) = self.uid {
            setuid(uid).map_err(|error| Failure::Start(format!("cannot become user {uid}: {error}")))?;
        }
        Ok(())
    }
}

/// The state folder and what is in it become the user's whom this process is about to be.
fn hand_over(folder: &Path, uid: u32, gid: u32) -> io::Result<()> {
    chown(folder, Some(uid), Some(gid))?;
    for entry in std::fs::read_dir(folder)? {
        lchown(entry?.path(), Some(uid), Some(gid))?;
    }
    Ok(())
}
