//! What a running Dovecot director tells of its ring at its `director-admin` socket.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;

use super::super::host::parse_ip;
use crate::topology::{
    Incarnation, Member, MemberId, NewBackend, TagId, Timing, Topology, TopologySeed, VHOSTS_MAX,
};
use std::time::Duration;

/// One backend of the running ring.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunningHost {
    /// Where it is.
    pub ip: IpAddr,
    /// Its weight.
    pub vhosts: u32,
    /// Its tag; empty for the default one.
    pub tag: String,
    /// Whether it takes new users.
    pub is_up: bool,
}

/// The backends of a running ring, and where its users are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunningRing {
    /// As listed.
    pub hosts: Vec<RunningHost>,
    /// Users who are known now: their hashes, and where they are.
    pub users: Vec<(u32, IpAddr)>,
}

/// A row that makes no sense. Nothing was imported; the two programs may be of different kinds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunningError {
    /// The command that it answers.
    pub command: &'static str,
    /// The row.
    pub row: String,
}

impl fmt::Display for RunningError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let row: String = self.row.chars().take(80).collect();
        write!(
            f,
            "the director answered {} by a row that makes no sense: {row:?}; nothing was imported",
            self.command
        )
    }
}

impl std::error::Error for RunningError {}

impl RunningRing {
    /// Reads the rows of `HOST-LIST` and `USER-LIST`, each without the empty line at the end.
    ///
    /// # Errors
    /// The first row that makes no sense.
    pub fn parse(host_list: &str, user_list: &str) -> Result<Self, RunningError> {
        let bad = |command, row: &str| RunningError {
            command,
            row: row.to_owned(),
        };
        let hosts = host_list
            .lines()
            .map(|row| host(row).ok_or_else(|| bad("HOST-LIST", row)));
        let users = user_list
            .lines()
            .map(|row| user(row).ok_or_else(|| bad("USER-LIST", row)));
        Ok(RunningRing {
            hosts: hosts.collect::<Result<_, _>>()?,
            users: users.collect::<Result<_, _>>()?,
        })
    }

    /// The commands of the admin protocol that make a ring of ours with these backends the same: weights, down, and users
    /// who are elsewhere than their hash says. Without ends of lines.
    pub fn changes(&self) -> Vec<String> {
        let weights = self
            .hosts
            .iter()
            .filter(|host| host.vhosts != super::super::VHOSTS_DEFAULT);
        let mut lines: Vec<String> = weights
            .map(|host| format!("HOST-UPDATE\t{}\t{}", host.ip, host.vhosts))
            .collect();
        let down = self.hosts.iter().filter(|host| !host.is_up);
        lines.extend(down.map(|host| format!("HOST-DOWN\t{}", host.ip)));
        let moved = self.moved().into_iter();
        lines.extend(moved.map(|(hash, ip)| format!("USER-MOVE\t{hash}\t{ip}")));
        lines
    }

    /// Users who are elsewhere than their hash says, by hash.
    fn moved(&self) -> BTreeSet<(u32, IpAddr)> {
        let Some(topology) = self.topology() else {
            return BTreeSet::new();
        };
        let tags: BTreeMap<IpAddr, TagId> = topology
            .backends()
            .map(|backend| (backend.ip, backend.tag))
            .collect();
        let is_moved = |(hash, ip): &(u32, IpAddr)| {
            let hashed = tags.get(ip).and_then(|tag| topology.ring(*tag)?.pick(*hash));
            tags.contains_key(ip)
                && hashed
                    .and_then(|id| topology.backend(id))
                    .map(|backend| backend.ip)
                    != Some(*ip)
        };
        self.users.iter().copied().filter(is_moved).collect()
    }

    /// The topology of the running ring, by which its director hashes.
    fn topology(&self) -> Option<Topology> {
        let seed = TopologySeed {
            members: vec![Member {
                id: MemberId::from_index(1),
                serves: true,
                votes: true,
                incarnation: Incarnation::from_bits(0),
            }],
            backends: self
                .hosts
                .iter()
                .map(|host| NewBackend {
                    ip: host.ip,
                    hostname: None,
                    // One that is down has no points.
                    vhosts: if host.is_up { host.vhosts } else { 0 },
                    tag: host.tag.as_str().into(),
                })
                .collect(),
            timing: Timing {
                lease: super::super::LEASE_DEFAULT,
                drift_ppm: super::super::DRIFT_PPM,
                user_expire: Duration::from_secs(900),
            },
            health: crate::topology::HealthPolicy::default(),
            hash_format: super::super::HASH_FORMAT_DEFAULT.to_owned(),
        };
        Topology::new(seed).ok()
    }
}

/// `ip vhosts users tag U|D changed`.
fn host(row: &str) -> Option<RunningHost> {
    let fields: Vec<&str> = row.split('\t').collect();
    let [ip, vhosts, _, tag, state, ..] = fields[..] else {
        return None;
    };
    let is_plain = !tag
        .chars()
        .any(|c| c.is_control() || c.is_whitespace() || c == '@');
    let vhosts: u32 = vhosts.parse().ok().filter(|vhosts| *vhosts <= VHOSTS_MAX)?;
    is_plain.then_some(())?;
    Some(RunningHost {
        ip: parse_ip(ip)?,
        vhosts,
        tag: tag.to_owned(),
        is_up: match state {
            "U" => true,
            "D" => false,
            _ => return None,
        },
    })
}

/// `hash expires ip`.
fn user(row: &str) -> Option<(u32, IpAddr)> {
    let fields: Vec<&str> = row.split('\t').collect();
    let [hash, _, ip] = fields[..] else { return None };
    Some((hash.parse().ok()?, parse_ip(ip)?))
}
