//! What a changed configuration asks of a member that runs with an earlier one.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

use super::{Config, Fault, MemberSpec, Resolved};
use crate::topology::NewBackend;

const MEMBERS: &str = "director_servers, witnesses or member";

/// What is to be done so that a running ring is what the changed configuration says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reload {
    /// Backends that are named now and were not before: to be added, one change each, since another director may have
    /// been faster.
    pub added: Vec<NewBackend>,
    /// Backends that were named before and are not now. They get no new users; to remove them is left to an admin, for
    /// that closes sessions.
    pub dropped: Vec<IpAddr>,
}

/// Why a changed configuration is not taken over by a running member. Nothing of it is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReloadError {
    /// It has faults.
    Faults(Vec<Fault>),
    /// Settings have other values that a running member can't take over.
    NeedsRestart {
        /// The file.
        file: Box<str>,
        /// Their names.
        settings: Vec<&'static str>,
    },
    /// A backend is named with another tag, which would close its sessions.
    TagChanged {
        /// The file.
        file: Box<str>,
        /// Which.
        ip: IpAddr,
        /// The tag that it has; empty for the default one.
        from: Box<str>,
        /// The tag that it would get.
        to: Box<str>,
    },
}

impl fmt::Display for ReloadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ReloadError::Faults(faults) => {
                for (number, fault) in faults.iter().enumerate() {
                    let end = if number + 1 < faults.len() { "\n" } else { "" };
                    write!(f, "{fault}{end}")?;
                }
                Ok(())
            }
            ReloadError::NeedsRestart { file, settings } => write!(
                f,
                "{file}: a running member can't change {}; nothing was taken over: restart this member within the lease, \
                 its users keep their sessions",
                settings.join(", ")
            ),
            ReloadError::TagChanged { file, ip, from, to } => write!(
                f,
                "{file}: director_mail_servers: {ip} would change its tag from \"{from}\" to \"{to}\", which closes its \
                 sessions; nothing was taken over: remove it by `doveadm director remove` and name it again"
            ),
        }
    }
}

impl std::error::Error for ReloadError {}

impl Config {
    /// What the changed configuration `new` asks of a member that runs with this one. `known` are the addresses that
    /// this one's names had, `resolved` those that the names of `new` have; `running` is the [`roster`](super::roster) of
    /// the ring, which is the one list of members besides the old one that `new` may have.
    ///
    /// # Errors
    /// It can't be taken over; then nothing of it is to be.
    pub fn reloaded(
        &self,
        new: &Config,
        known: &Resolved,
        resolved: &Resolved,
        running: &[MemberSpec],
    ) -> Result<Reload, ReloadError> {
        let mut settings = self.fixed_settings_that_differ(new);
        if settings.contains(&MEMBERS) {
            let members = new.members(resolved).map_err(ReloadError::Faults)?;
            let places = |members: &[MemberSpec]| -> Vec<_> {
                let place = |member: &MemberSpec| (member.id, member.address, member.role);
                members.iter().map(place).collect()
            };
            if places(&members) == places(running) {
                settings.retain(|setting| *setting != MEMBERS);
            }
        }
        if !settings.is_empty() {
            let file = new.file.clone();
            return Err(ReloadError::NeedsRestart { file, settings });
        }
        // The whole of it must make a topology, not only what changed.
        new.seed(resolved).map_err(ReloadError::Faults)?;
        let by_address = |backends: Vec<NewBackend>| -> BTreeMap<IpAddr, NewBackend> {
            backends
                .into_iter()
                .map(|backend| (backend.ip, backend))
                .collect()
        };
        let before = by_address(self.backends(known).map_err(ReloadError::Faults)?);
        let now = by_address(new.backends(resolved).map_err(ReloadError::Faults)?);
        let mut reload = Reload::default();
        for (ip, backend) in &now {
            match before.get(ip) {
                None => reload.added.push(backend.clone()),
                Some(earlier) if earlier.tag != backend.tag => {
                    return Err(ReloadError::TagChanged {
                        file: new.file.clone(),
                        ip: *ip,
                        from: earlier.tag.clone(),
                        to: backend.tag.clone(),
                    });
                }
                Some(_) => {}
            }
        }
        reload.dropped = before.into_keys().filter(|ip| !now.contains_key(ip)).collect();
        Ok(reload)
    }

    /// The settings that are what they were at the start, as long as the process lives. All but
    /// `director_mail_servers`, so that a setting added later counts as fixed unless it is named here.
    fn fixed_settings_that_differ(&self, new: &Config) -> Vec<&'static str> {
        let Config {
            file: _,
            mail_servers: _,
            cluster,
            members,
            username_hash,
            user_expire,
            user_kick_delay,
            flush_hook,
            flush_wait,
            master_user_separator,
            partition,
            lease,
            state_folder,
            dovecot_base_dir,
            kick,
            stop_wait,
            upgrade_wait,
            user,
            group,
            ring,
            health,
            listeners,
            proxies,
        } = self;
        let differs = [
            ("cluster", *cluster != new.cluster),
            (MEMBERS, *members != new.members),
            ("director_username_hash", *username_hash != new.username_hash),
            ("director_user_expire", *user_expire != new.user_expire),
            (
                "director_user_kick_delay",
                *user_kick_delay != new.user_kick_delay,
            ),
            ("director_flush_socket", *flush_hook != new.flush_hook),
            ("flush_wait", *flush_wait != new.flush_wait),
            (
                "master_user_separator",
                *master_user_separator != new.master_user_separator,
            ),
            ("partition", *partition != new.partition),
            ("lease", *lease != new.lease),
            ("state_folder", *state_folder != new.state_folder),
            ("dovecot_base_dir", *dovecot_base_dir != new.dovecot_base_dir),
            ("kick", *kick != new.kick),
            ("stop_wait", *stop_wait != new.stop_wait),
            ("upgrade_wait", *upgrade_wait != new.upgrade_wait),
            ("user", *user != new.user),
            ("group", *group != new.group),
            ("ring", *ring != new.ring),
            ("health", *health != new.health),
            ("listener", *listeners != new.listeners),
            ("proxy", *proxies != new.proxies),
        ];
        let differs = differs.into_iter();
        differs.filter_map(|(name, is)| is.then_some(name)).collect()
    }
}
