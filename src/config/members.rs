//! Who is in the ring, with numbers and addresses, and which of them this process is.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::complaint::Complaint;
use super::host::{Host, ServerSpec};
use super::{Config, Fault, MemberList, Resolved};
use crate::topology::{ChangeError, Counted, MEMBERS_MAX, MemberId};

/// One member, ready to be dialled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberSpec {
    /// Its number.
    pub id: MemberId,
    /// Where its neighbours reach it. Port 0 when it is alone.
    pub address: SocketAddr,
    /// What it does.
    pub role: MemberRole,
    /// The host as the configuration writes it, for logs.
    pub name: Box<str>,
}

/// What a member does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemberRole {
    /// It serves logins and votes.
    Director,
    /// It only votes.
    Witness,
    /// It serves logins and does not vote.
    Nonvoting,
}

impl MemberRole {
    /// Every role.
    pub const ALL: [MemberRole; 3] = [MemberRole::Director, MemberRole::Witness, MemberRole::Nonvoting];

    /// As the configuration writes it.
    pub const fn name(self) -> &'static str {
        match self {
            MemberRole::Director => "director",
            MemberRole::Witness => "witness",
            MemberRole::Nonvoting => "nonvoting",
        }
    }

    /// Whether it takes logins.
    pub const fn serves(self) -> bool {
        matches!(self, MemberRole::Director | MemberRole::Nonvoting)
    }

    /// Whether it takes part in decisions.
    pub const fn votes(self) -> bool {
        matches!(self, MemberRole::Director | MemberRole::Witness)
    }
}

/// An entry that became members: the addresses it stands for, in order.
struct Placed<'a> {
    line: usize,
    key: &'static str,
    server: &'a ServerSpec,
    role: MemberRole,
    addresses: Vec<SocketAddr>,
}

impl Config {
    /// The members, by number. Those of `director_servers` are numbered from 1 in the order of their addresses,
    /// then those of `witnesses`; `[[member]]` tables have their own numbers. A process that is alone is number 1.
    ///
    /// # Errors
    /// A name has no address, or more than one where only one is possible; an address is that of two members; there
    /// are too many; links between several are not secured.
    pub fn members(&self, resolved: &Resolved) -> Result<Vec<MemberSpec>, Vec<Fault>> {
        let mut faults = Vec::new();
        let members = match &self.members.value {
            MemberList::Alone => return Ok(vec![alone()]),
            MemberList::Listed { directors, witnesses } => {
                let line = self.members.line;
                let lists = [
                    (directors, (line, "director_servers", MemberRole::Director)),
                    (
                        &witnesses.value,
                        (witnesses.line, "witnesses", MemberRole::Witness),
                    ),
                ];
                let mut members = Vec::new();
                for (servers, place) in lists {
                    let placed = self.placed_list(servers, place, resolved, &mut faults);
                    members.extend(numbered_from(members.len() + 1, place.0, &placed));
                }
                members
            }
            MemberList::Numbered(tables) => {
                let mut members = Vec::new();
                for table in tables {
                    let (line, numbered) = (table.line, &table.value);
                    let place = (line, "member.address", numbered.role);
                    let placed = self.placed(&numbered.server, place, resolved, &mut faults);
                    match *placed.addresses {
                        [] => {}
                        [address] => members.push((line, member(numbered.id, address, &placed))),
                        [..] => faults.push(self.several_addresses(&placed)),
                    }
                }
                members
            }
        };
        self.report_duplicates(&members, &mut faults);
        let mut members: Vec<_> = members.into_iter().map(|(_, member)| member).collect();
        members.sort_by_key(|member| member.id);
        self.check_size(&members, &mut faults);
        if faults.is_empty() {
            Ok(members)
        } else {
            Err(faults)
        }
    }

    /// Which member this process is, by the address that it is known by or what its ring listens on; `local` are the addresses that this machine can
    /// bind, which counts only where no specific address is written.
    ///
    /// # Errors
    /// The address is no member's, or those of several members are this machine's.
    pub fn me(&self, members: &[MemberSpec], local: &[IpAddr]) -> Result<MemberId, Fault> {
        if self.members.value == MemberList::Alone {
            return Ok(alone().id);
        }
        let (listen, key) = match &self.ring.address {
            Some(address) => (Some(address), "ring.address"),
            None => (self.ring.listen.as_ref(), "ring.listen"),
        };
        let line = listen.map_or(self.members.line, |listen| listen.line);
        let wrong =
            |message: String, hint: &str| Err(self.fault(line, key, Complaint::with_hint(message, hint)));
        let specific = listen.filter(|listen| !listen.value.ip().is_unspecified());
        let is_me = |member: &&MemberSpec| match (specific, listen) {
            (Some(specific), _) => member.address == specific.value,
            (None, Some(any)) => {
                local.contains(&member.address.ip()) && member.address.port() == any.value.port()
            }
            (None, None) => local.contains(&member.address.ip()),
        };
        let mut mine = members.iter().filter(is_me);
        match (mine.next(), mine.next()) {
            (Some(me), None) => Ok(me.id),
            (Some(one), Some(other)) => wrong(
                format!(
                    "{} and {} are both addresses of this machine",
                    one.address, other.address
                ),
                "write which of them this process is",
            ),
            (None, _) => match specific {
                Some(specific) => wrong(
                    format!("no member has the address {}", specific.value),
                    "it must be one of the members' addresses, with its port",
                ),
                None => wrong(
                    "no member has an address of this machine".to_owned(),
                    "write the address by which the other members know this one",
                ),
            },
        }
    }

    /// Where neighbours connect to, if there can be any.
    pub fn ring_address(&self, me: &MemberSpec) -> SocketAddr {
        let listen = self.ring.listen.as_ref();
        listen.map_or(me.address, |listen| listen.value)
    }

    /// Entries of one list, by address; a second entry for an address is passed over, as in Dovecot.
    fn placed_list<'a>(
        &self,
        servers: &'a [ServerSpec],
        (line, key, role): (usize, &'static str, MemberRole),
        resolved: &Resolved,
        faults: &mut Vec<Fault>,
    ) -> BTreeMap<SocketAddr, Placed<'a>> {
        let mut by_address = BTreeMap::new();
        for server in servers {
            let placed = self.placed(server, (line, key, role), resolved, faults);
            self.refuse_both_families(&placed, faults);
            for &address in &placed.addresses {
                let one = Placed {
                    addresses: vec![address],
                    ..placed
                };
                by_address.entry(address).or_insert(one);
            }
        }
        by_address
    }

    fn placed<'a>(
        &self,
        server: &'a ServerSpec,
        (line, key, role): (usize, &'static str, MemberRole),
        resolved: &Resolved,
        faults: &mut Vec<Fault>,
    ) -> Placed<'a> {
        let port = server.port.unwrap_or_else(|| self.ring_port());
        let ips = match &server.host {
            Host::Ip(ip) => std::slice::from_ref(ip),
            Host::Name(name) => resolved.addresses(name),
        };
        if ips.is_empty() {
            faults.push(self.fault(line, key, no_address(&server.host)));
        }
        Placed {
            line,
            key,
            server,
            role,
            addresses: ips.iter().map(|&ip| SocketAddr::new(ip, port)).collect(),
        }
    }

    /// A name with IPv4 and IPv6 addresses is one machine: it would become two members, of which one never answers.
    fn refuse_both_families(&self, placed: &Placed<'_>, faults: &mut Vec<Fault>) {
        let v4 = placed
            .addresses
            .iter()
            .filter(|address| address.is_ipv4())
            .count();
        if v4 > 0 && v4 < placed.addresses.len() {
            let message = format!(
                "{} has IPv4 and IPv6 addresses, each would be a member",
                placed.server.host
            );
            let complaint = Complaint::with_hint(message, "write the addresses");
            faults.push(self.fault(placed.line, placed.key, complaint));
        }
    }

    fn several_addresses(&self, placed: &Placed<'_>) -> Fault {
        let (host, count) = (&placed.server.host, placed.addresses.len());
        let message = format!("{host} has {count} addresses, a member has one");
        let complaint = Complaint::with_hint(message, "write the address");
        self.fault(placed.line, placed.key, complaint)
    }

    /// Two members share neither a number nor an address.
    fn report_duplicates(&self, members: &[(usize, MemberSpec)], faults: &mut Vec<Fault>) {
        let (number_key, address_key) = match self.members.value {
            MemberList::Numbered(_) => ("member.id", "member.address"),
            MemberList::Alone | MemberList::Listed { .. } => ("director_servers", "witnesses"),
        };
        let mut by_id = BTreeMap::new();
        let mut by_address = BTreeMap::new();
        for (line, member) in members {
            if let Some(earlier) = by_id.insert(member.id, *line) {
                let message = format!(
                    "{} is the number of the member of line {earlier} already",
                    member.id.index()
                );
                faults.push(self.fault(*line, number_key, Complaint::new(message)));
            }
            if let Some((role, earlier)) = by_address.insert(member.address, (member.role.name(), *line)) {
                let message = format!(
                    "{} is the address of the {role} of line {earlier} already",
                    member.address
                );
                faults.push(self.fault(*line, address_key, Complaint::new(message)));
            }
        }
    }

    fn check_size(&self, members: &[MemberSpec], faults: &mut Vec<Fault>) {
        let (line, key) = (self.members.line, self.members_key());
        if members.len() > MEMBERS_MAX {
            let refused = ChangeError::TooMany {
                what: Counted::Members,
                limit: MEMBERS_MAX,
            };
            faults.push(self.fault(line, key, Complaint::new(refused.to_string())));
        }
        if members.len() > 1 && self.ring.security.is_none() {
            faults.push(self.unsecured_links());
        }
    }

    /// Whether the list names several members, and nothing secures their links.
    pub(super) fn unsecured(&self) -> Option<Fault> {
        let named = match &self.members.value {
            MemberList::Alone => 1,
            MemberList::Listed { directors, witnesses } => directors.len() + witnesses.value.len(),
            MemberList::Numbered(tables) => tables.len(),
        };
        (named > 1 && self.ring.security.is_none()).then(|| self.unsecured_links())
    }

    fn unsecured_links(&self) -> Fault {
        const HINT: &str = "or insecure = true, if nobody else can reach the network between the members";
        let message = "several members need ca, certificate and key in [ring]";
        self.fault(self.members.line, "ring.ca", Complaint::with_hint(message, HINT))
    }

    pub(super) fn members_key(&self) -> &'static str {
        match self.members.value {
            MemberList::Alone | MemberList::Listed { .. } => "director_servers",
            MemberList::Numbered(_) => "member",
        }
    }
}

/// Dovecot's pseudo director of a process without `director_servers`.
fn alone() -> MemberSpec {
    MemberSpec {
        id: MemberId::from_index(1),
        address: SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 0),
        role: MemberRole::Director,
        name: "localhost".into(),
    }
}

fn numbered_from(
    first: usize,
    line: usize,
    placed: &BTreeMap<SocketAddr, Placed<'_>>,
) -> Vec<(usize, MemberSpec)> {
    // More than fit a number are far beyond the limit, which is reported.
    let numbers = first..=usize::from(u16::MAX);
    let numbered = placed.iter().zip(numbers);
    numbered
        .map(|((&address, placed), number)| {
            let id = MemberId::from_index(number as u16);
            (line, member(id, address, placed))
        })
        .collect()
}

fn member(id: MemberId, address: SocketAddr, placed: &Placed<'_>) -> MemberSpec {
    MemberSpec {
        id,
        address,
        role: placed.role,
        name: placed.server.host.to_string().into(),
    }
}

pub(super) fn no_address(host: &Host) -> Complaint {
    let message = format!("the name {host} could not be resolved");
    Complaint::with_hint(message, "check the name and the resolver, or write the address")
}
