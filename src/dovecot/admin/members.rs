//! Directors that join and leave while the ring runs: which change of the topology that is, and what is refused at once.

use std::net::{IpAddr, SocketAddr};

use super::Plan;
use super::plan::{NOT_FOUND, OK, knows_surely, say};
use crate::config::{MemberSpec, number_for, roster};
use crate::director::Director;
use crate::topology::{Change, MemberId};
use crate::world::Instant;

/// A director joins without a vote; it gets one in a round of its own, once it is there.
pub(super) fn add(
    ip: IpAddr,
    port: Option<u16>,
    director: &Director,
    file: &[MemberSpec],
    now: Instant,
) -> Plan {
    if ip.is_unspecified() || ip.is_multicast() {
        return say(&format!("{ip} is not the address of a director"));
    }
    let (topology, me) = (director.topology(), director.me());
    let members = roster(file, topology, me);
    let own_port = members
        .iter()
        .find(|member| member.id == me)
        .map_or(0, |member| member.address.port());
    if file.len() < 2 {
        return say(
            "a director that is alone has no links: write both into director_servers, with [ring], and restart it",
        );
    }
    let address = SocketAddr::new(ip, port.unwrap_or(own_port));
    let known = members.iter().find(|member| member.address == address);
    if let Some(member) = known.filter(|member| !member.role.serves()) {
        return say(&not_a_director(member));
    }
    let is_there = known.is_some_and(|member| topology.member(member.id).is_some());
    if is_there && knows_surely(director, now) {
        return Plan::Say(OK.into());
    }
    let id = number_for(address, file, topology);
    Plan::Change(vec![Change::Join { id, address }])
}

/// A director leaves, unless too few voters would be left that answer.
pub(super) fn remove(
    ip: IpAddr,
    port: Option<u16>,
    director: &Director,
    file: &[MemberSpec],
    now: Instant,
) -> Plan {
    let topology = director.topology();
    let mut members = roster(file, topology, director.me());
    members.sort_by_key(|member| member.address);
    let is_meant = |member: &&MemberSpec| {
        let address = member.address;
        address.ip() == ip
            && port.is_none_or(|port| address.port() == port)
            && topology.member(member.id).is_some()
    };
    let Some(member) = members.iter().find(is_meant) else {
        return Plan::Say(NOT_FOUND.into());
    };
    if !member.role.serves() {
        return say(&not_a_director(member));
    }
    if let Some((answering, needed)) = too_few_without(member.id, director, now) {
        return say(&format!(
            "of the voters that would be left {answering} answer and {needed} are needed: have the others answer, or \
             remove those first that do not"
        ));
    }
    let (id, address) = (member.id, member.address);
    Plan::Change(vec![Change::Leave { id, address }])
}

/// How many voters answer without this member and how many have to, if these are more. Witnesses count as answering: no
/// sign of life of theirs comes here.
fn too_few_without(leaving: MemberId, director: &Director, now: Instant) -> Option<(usize, usize)> {
    let status = director.ring_status(now);
    let left = status
        .members
        .iter()
        .filter(|member| member.votes && member.id != leaving);
    let left: Vec<_> = left.collect();
    let answers = |id: MemberId| id == director.me() || director.directors_heard(now).contains(&id);
    let answering = left
        .iter()
        .filter(|member| !member.serves || answers(member.id))
        .count();
    let needed = left.len() / 2 + 1;
    (!left.is_empty() && answering < needed).then_some((answering, needed))
}

fn not_a_director(member: &MemberSpec) -> String {
    format!(
        "{} is a {}: who only votes is named in the configuration of every member",
        member.address,
        member.role.name()
    )
}
