//! From a configuration and its resolved names to the first topology, and from later answers to later changes.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::complaint::Complaint;
use super::host::Host;
use super::members::no_address;
use super::{
    BackendPlace, Config, DRIFT_PPM, Fault, MemberList, MemberSpec, Resolved, ServerSpec, VHOSTS_DEFAULT,
};
use crate::topology::{
    BACKENDS_MAX, ChangeError, Counted, Incarnation, Member, NewBackend, Timing, Topology, TopologySeed,
};

const MAIL_SERVERS: &str = "director_mail_servers";

/// What a later answer of the resolver says of the backends.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NamesCompared {
    /// Addresses that appeared: to be added, one change each, since another director may have been faster.
    pub appeared: Vec<NewBackend>,
    /// Addresses that went, with their names: to be reported. They stay in the topology until an admin removes them,
    /// for a resolver that fails must not move users.
    pub vanished: Vec<(Box<str>, IpAddr)>,
}

impl Config {
    /// Every name that has to be resolved before [`members`](Self::members) and [`seed`](Self::seed).
    pub fn names(&self) -> BTreeSet<&str> {
        let mut names = self.backend_names();
        names.extend(self.server_names());
        names
    }

    /// The names of members.
    pub(super) fn server_names(&self) -> BTreeSet<&str> {
        let servers: Vec<&ServerSpec> = match &self.members.value {
            MemberList::Alone => Vec::new(),
            MemberList::Listed { directors, witnesses } => directors.iter().chain(&witnesses.value).collect(),
            MemberList::Numbered(tables) => tables.iter().map(|table| &table.value.server).collect(),
        };
        let hosts = servers.into_iter().map(|server| &server.host);
        hosts
            .filter_map(|host| match host {
                Host::Ip(_) => None,
                Host::Name(name) => Some(&**name),
            })
            .collect()
    }

    /// The names of backends: those that are resolved again while the daemon runs.
    pub fn backend_names(&self) -> BTreeSet<&str> {
        let places = self.mail_servers.value.iter().map(|spec| &spec.place);
        places
            .filter_map(|place| match place {
                BackendPlace::Name(name) => Some(&**name),
                BackendPlace::Ip(_) | BackendPlace::Range { .. } => None,
            })
            .collect()
    }

    /// The topology of a first start, which [`Topology::new`] takes.
    ///
    /// # Errors
    /// Those of [`members`](Self::members); a backend is named twice; a name of a backend has no address; a limit of
    /// the topology is passed.
    pub fn seed(&self, resolved: &Resolved) -> Result<TopologySeed, Vec<Fault>> {
        let members = self.members(resolved);
        let backends = self.backends(resolved);
        let (members, backends) = match (members, backends) {
            (Ok(members), Ok(backends)) => (members, backends),
            (members, backends) => {
                let of_members = members.err().unwrap_or_default();
                return Err([of_members, backends.err().unwrap_or_default()].concat());
            }
        };
        let seed = TopologySeed {
            members: members.iter().map(topology_member).collect(),
            backends,
            timing: Timing {
                lease: self.lease,
                drift_ppm: DRIFT_PPM,
                user_expire: self.user_expire,
            },
            health: self.health.policy,
            hash_format: self.username_hash.as_str().to_owned(),
        };
        match Topology::new(seed.clone()) {
            Ok(_) => Ok(seed),
            Err(refused) => Err(vec![self.refused(&refused)]),
        }
    }

    /// What became of the backends' names between two answers of the resolver. A name without an answer now is as
    /// if nobody had asked; addresses in both answers are passed over, also when an admin has removed the backend
    /// meanwhile.
    pub fn compared(&self, before: &Resolved, now: &Resolved) -> NamesCompared {
        let mut compared = NamesCompared::default();
        for spec in &self.mail_servers.value {
            let BackendPlace::Name(name) = &spec.place else {
                continue;
            };
            let (before, now) = (before.addresses(name), now.addresses(name));
            if now.is_empty() {
                continue;
            }
            let new = now.iter().filter(|ip| !before.contains(ip));
            compared
                .appeared
                .extend(new.map(|&ip| new_backend(ip, Some(name.clone()), &spec.tag)));
            let gone = before.iter().filter(|ip| !now.contains(ip));
            compared.vanished.extend(gone.map(|&ip| (name.clone(), ip)));
        }
        compared
    }

    pub(super) fn backends(&self, resolved: &Resolved) -> Result<Vec<NewBackend>, Vec<Fault>> {
        let mut faults = Vec::new();
        let mut by_address = BTreeMap::new();
        let line = self.mail_servers.line;
        for spec in &self.mail_servers.value {
            let named = match &spec.place {
                BackendPlace::Name(name) => Some(name),
                BackendPlace::Ip(_) | BackendPlace::Range { .. } => None,
            };
            let of_name = named.map_or(&[][..], |name| resolved.addresses(name));
            if let Some(name) = named.filter(|_| of_name.is_empty()) {
                faults.push(self.fault(line, MAIL_SERVERS, no_address(&Host::Name(name.clone()))));
            }
            let mut twice = None;
            for ip in spec.addresses().chain(of_name.iter().copied()) {
                if by_address.len() > BACKENDS_MAX {
                    break;
                }
                let earlier = by_address.insert(ip, (spec, new_backend(ip, named.cloned(), &spec.tag)));
                twice = twice.or(earlier.map(|(earlier, _)| (ip, earlier)));
            }
            if let Some((ip, earlier)) = twice {
                let message = format!("{spec} names {ip}, as {earlier} does");
                faults.push(self.fault(line, MAIL_SERVERS, Complaint::new(message)));
            }
        }
        if by_address.len() > BACKENDS_MAX {
            let refused = ChangeError::TooMany {
                what: Counted::Backends,
                limit: BACKENDS_MAX,
            };
            faults.push(self.fault(line, MAIL_SERVERS, Complaint::new(refused.to_string())));
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        Ok(by_address.into_values().map(|(_, backend)| backend).collect())
    }

    /// A refusal by the topology itself, laid at the setting that it comes from.
    fn refused(&self, refused: &ChangeError) -> Fault {
        let (line, key) = match refused {
            ChangeError::MemberExists { .. }
            | ChangeError::NoVoter
            | ChangeError::NoDirector
            | ChangeError::TooMany {
                what: Counted::Members,
                ..
            } => (self.members.line, self.members_key()),
            _ => (self.mail_servers.line, MAIL_SERVERS),
        };
        self.fault(line, key, Complaint::new(refused.to_string()))
    }
}

fn topology_member(member: &MemberSpec) -> Member {
    Member {
        id: member.id,
        serves: member.role.serves(),
        votes: member.role.votes(),
        incarnation: Incarnation::from_bits(0),
    }
}

fn new_backend(ip: IpAddr, hostname: Option<Box<str>>, tag: &str) -> NewBackend {
    NewBackend {
        ip,
        hostname,
        vhosts: VHOSTS_DEFAULT,
        tag: tag.into(),
    }
}
