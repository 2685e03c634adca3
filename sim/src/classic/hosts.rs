//! The host list of a director: which mail servers there are, their vhost rings, and how two lists become one. Points
//! and pick are those of `maildirector::topology`, which are Dovecot's.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use maildirector::topology::{
    Change, Draft, HealthPolicy, Incarnation, Member, MemberId, NewBackend, TagId, Timing, Topology,
    TopologySeed, UserId, UserKey,
};

use super::messages::HostLine;

/// A mail server as one director sees it.
#[derive(Clone, Debug)]
pub(super) struct Host {
    pub(super) line: HostLine,
    /// Changed since the ring was last synced.
    pub(super) is_desynced: bool,
}

/// Rings of so many earlier lists are kept: two directors that do not agree go back and forth between few.
const KEPT: usize = 4;

/// The host list.
#[derive(Clone, Debug)]
pub(super) struct Hosts {
    hosts: BTreeMap<IpAddr, Host>,
    /// None when nobody is on the list.
    rings: Option<Arc<Topology>>,
    kept: Vec<(Vec<HostLine>, Arc<Topology>)>,
}

impl Hosts {
    pub(super) fn new(lines: &[HostLine]) -> Self {
        let host = |line: &HostLine| Host {
            line: line.clone(),
            is_desynced: false,
        };
        let mut hosts = Hosts {
            hosts: lines.iter().map(|line| (line.ip, host(line))).collect(),
            rings: None,
            kept: Vec::new(),
        };
        hosts.renew();
        hosts
    }

    pub(super) fn find(&self, ip: IpAddr) -> Option<&Host> {
        self.hosts.get(&ip)
    }

    /// By address.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Host> + '_ {
        self.hosts.values()
    }

    pub(super) fn set(&mut self, line: HostLine, is_desynced: bool) {
        self.hosts.insert(line.ip, Host { line, is_desynced });
        self.renew();
    }

    pub(super) fn remove(&mut self, ip: IpAddr) {
        self.hosts.remove(&ip);
        self.renew();
    }

    pub(super) fn clear(&mut self) {
        self.hosts.clear();
        self.rings = None;
    }

    /// The ring is synced: no change is under way any more.
    pub(super) fn set_synced(&mut self) {
        for host in self.hosts.values_mut() {
            host.is_desynced = false;
        }
    }

    /// The host of a user's hash.
    pub(super) fn pick(&self, tag: &str, hash: u32) -> Option<IpAddr> {
        let rings = self.rings.as_ref()?;
        let tag = if tag.is_empty() {
            TagId::DEFAULT
        } else {
            rings.tag(tag)?
        };
        let user = UserId {
            key: UserKey::everybody_of(hash),
            tag,
        };
        let id = rings.hashed(user)?;
        rings.backend(id).map(|backend| backend.ip)
    }

    /// The list in one number, as a SYNC carries it; never 0.
    pub(super) fn hash(&self) -> u32 {
        self.rings.as_ref().map_or(1, |rings| rings.hosts_hash())
    }

    fn renew(&mut self) {
        let timeless = |host: &Host| HostLine {
            updown_changed_s: 0,
            ..host.line.clone()
        };
        let lines: Vec<HostLine> = self.hosts.values().map(timeless).collect();
        if let Some((_, rings)) = self.kept.iter().find(|(kept, _)| *kept == lines) {
            self.rings = Some(Arc::clone(rings));
            return;
        }
        self.rings = self.computed();
        if let Some(rings) = &self.rings {
            self.kept.truncate(KEPT - 1);
            self.kept.insert(0, (lines, Arc::clone(rings)));
        }
    }

    fn computed(&self) -> Option<Arc<Topology>> {
        if self.hosts.is_empty() {
            return None;
        }
        let backend = |host: &Host| NewBackend {
            ip: host.line.ip,
            hostname: None,
            vhosts: host.line.vhosts,
            tag: host.line.tag.as_str().into(),
        };
        let seed = TopologySeed {
            // Rings need no members, a topology needs one.
            members: vec![Member {
                id: MemberId::from_index(0),
                serves: true,
                votes: true,
                incarnation: Incarnation::from_bits(0),
            }],
            backends: self.hosts.values().map(backend).collect(),
            timing: Timing {
                lease: Duration::from_secs(10),
                drift_ppm: 10_000,
                user_expire: Duration::from_secs(900),
            },
            health: HealthPolicy {
                failed_max_per_mille: 500,
                evict_after: Duration::ZERO,
            },
            hash_format: "%Lu".to_owned(),
        };
        let whole = Topology::new(seed).expect("host lists of simulated directors are within the limits");
        let down: Vec<Change> = self
            .hosts
            .values()
            .filter(|host| host.line.is_down)
            .map(|host| Change::Down {
                ip: host.line.ip,
                at_unix_s: 1,
            })
            .collect();
        if down.is_empty() {
            return Some(Arc::new(whole));
        }
        let mut draft = Draft::of(&whole);
        draft.apply(&down).expect("hosts on the list can be down");
        Some(Arc::new(draft.finish().0))
    }
}

/// A list of untagged hosts that are up, each of weight 100.
#[cfg(test)]
pub(super) fn plain(ips: &[&str]) -> Vec<HostLine> {
    ips.iter()
        .map(|ip| HostLine {
            ip: ip.parse().expect("an address"),
            vhosts: 100,
            tag: String::new(),
            is_down: false,
            updown_changed_s: 0,
            hostname: String::new(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The list of the captured SYNCs.
    fn captured() -> Hosts {
        let mut lines = plain(&["10.2.0.1", "10.2.0.2", "10.2.0.3", "10.2.0.10"]);
        lines[3].tag = "tagx".to_owned();
        Hosts::new(&lines)
    }

    #[test]
    fn host_lists_hash_as_captured() {
        let mut hosts = captured();
        assert_eq!(hosts.hash(), 3_156_148_877);
        let ip = "10.2.0.2".parse().expect("an address");
        let mut line = hosts.find(ip).expect("it is on the list").line.clone();
        line.vhosts = 50;
        hosts.set(line.clone(), true);
        assert_eq!(hosts.hash(), 3_481_508_435);
        line.is_down = true;
        hosts.set(line, true);
        assert_eq!(hosts.hash(), 3_459_671_886);
    }

    #[test]
    fn a_tag_without_hosts_has_no_host_for_anybody() {
        let hosts = captured();
        assert!(hosts.pick("tagx", 1).is_some());
        assert_eq!(hosts.pick("other", 1), None);
        assert_eq!(Hosts::new(&[]).pick("", 1), None);
    }
}
