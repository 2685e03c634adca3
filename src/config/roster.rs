//! Who is in a running ring and where: the members of the file, with those that admins have added and removed since.
//!
//! Who votes and serves is the topology's matter; this is whom to link with and what to call them.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use super::{MemberRole, MemberSpec};
use crate::topology::{MemberId, Topology};

/// The members to link with, by number, `me` always among them if the file names it. A member of the file whom the
/// topology does not know yet is there: an admin may be about to add it. One that an admin has removed is not.
pub fn roster(file: &[MemberSpec], topology: &Topology, me: MemberId) -> Vec<MemberSpec> {
    let mut members: BTreeMap<MemberId, MemberSpec> =
        file.iter().map(|member| (member.id, member.clone())).collect();
    for (id, address) in topology.addresses() {
        if topology.has_left(id) {
            if id != me {
                members.remove(&id);
            }
        } else if members.get(&id).is_none_or(|member| member.address != address) {
            members.insert(id, added(id, address));
        }
    }
    members.into_values().collect()
}

/// The number of a director that joins at this address: the one that it had before, that of the file, or else the next
/// after all that were ever given as far as this member knows.
pub fn number_for(address: SocketAddr, file: &[MemberSpec], topology: &Topology) -> MemberId {
    let before = topology.addresses().find(|(_, known)| *known == address);
    let in_file = || file.iter().find(|member| member.address == address);
    let taken = file
        .iter()
        .map(|member| member.id)
        .chain(topology.members().map(|member| member.id))
        .chain(topology.addresses().map(|(id, _)| id));
    let next = || MemberId::from_index(taken.map(MemberId::index).max().unwrap_or(0).saturating_add(1));
    before
        .map(|(id, _)| id)
        .or_else(|| in_file().map(|member| member.id))
        .unwrap_or_else(next)
}

fn added(id: MemberId, address: SocketAddr) -> MemberSpec {
    MemberSpec {
        id,
        address,
        role: MemberRole::Director,
        name: address.ip().to_string().into(),
    }
}
