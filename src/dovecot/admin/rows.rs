//! The tables of the answers, column by column as `doveadm director` reads them.

use std::io::Write;
use std::net::IpAddr;

use super::Site;
use super::counts::Counts;
use super::everywhere::Page;
use crate::config::{MemberSpec, roster};
use crate::director::{Director, RingStatus, Standing};
use crate::dovecot::LinkRow;
use crate::topology::{MemberId, Topology};
use crate::world::Instant;
use crate::world::escape;

/// `ip vhosts users tag U|D changed`, and an empty line.
pub(super) fn hosts(topology: &Topology, counts: &Counts) -> Vec<u8> {
    let mut out = Vec::new();
    for backend in topology.backends() {
        let held = counts.get(&backend.id).copied().unwrap_or(0);
        put(
            &mut out,
            format_args!("{}\t{}\t{held}\t", backend.ip, backend.shown_vhosts()),
        );
        escape(topology.tag_name(backend.tag).unwrap_or("").as_bytes(), &mut out);
        let state = if backend.is_working() { 'U' } else { 'D' };
        put(
            &mut out,
            format_args!("\t{state}\t{}\n", backend.changed_at_unix_s),
        );
    }
    out.push(b'\n');
    out
}

/// The addresses of configured backends that are not there now, and an empty line.
pub(super) fn hosts_removed(director: &Director) -> Vec<u8> {
    let topology = director.topology();
    let mut out = Vec::new();
    let configured = director.configured().backends();
    for backend in configured.filter(|backend| topology.backend_at(backend.ip).is_none()) {
        put(&mut out, format_args!("{}\n", backend.ip));
    }
    out.push(b'\n');
    out
}

/// `ip port type last-failed state`, a row for each link and for each member without one, and an empty line.
pub(super) fn directors(director: &Director, site: &Site, now: Instant) -> Vec<u8> {
    let status = director.ring_status(now);
    let known = roster(&site.members, director.topology(), director.me());
    let mut members: Vec<&MemberSpec> = known.iter().collect();
    members.sort_by_key(|member| member.address);
    let (right, left) = neighbours(&members, &site.links, director.me());
    let mut out = Vec::new();
    for member in members {
        let (ip, port) = (member.address.ip(), member.address.port());
        let mut links = site.links.iter().filter(|link| link.peer == member.id).peekable();
        if member.id == director.me() {
            put(
                &mut out,
                format_args!("{ip}\t{port}\tself\t0\t{}\t0\n", own_state(director, &status)),
            );
        } else if links.peek().is_none() {
            let state = remote_state(&status, member.id);
            put(&mut out, format_args!("{ip}\t{port}\t\t0\t{state}\n"));
        }
        // Where there are only two, one link leads to the right and the other to the left.
        let is = |neighbour: Option<MemberId>| neighbour == Some(member.id);
        let types = [(is(right), "right"), (is(left), "left")];
        let mut types = types
            .into_iter()
            .filter_map(|(is_such, name)| is_such.then_some(name));
        for link in links {
            let kind = types.next().unwrap_or("out");
            put(&mut out, format_args!("{ip}\t{port}\t{kind}\t0\t"));
            escape(link.state.as_bytes(), &mut out);
            out.push(b'\n');
        }
    }
    out.push(b'\n');
    out
}

/// The nearest members by address that there is a link to, on both sides of this one.
fn neighbours(
    members: &[&MemberSpec],
    links: &[LinkRow],
    me: MemberId,
) -> (Option<MemberId>, Option<MemberId>) {
    let at = members.iter().position(|member| member.id == me).unwrap_or(0);
    let (before, behind) = members.split_at(at);
    let others = || behind.iter().skip(1).chain(before);
    let is_linked = |member: &&&MemberSpec| links.iter().any(|link| link.peer == member.id);
    let right = others().find(is_linked).map(|member| member.id);
    let left = others().rfind(is_linked).map(|member| member.id);
    (right, left)
}

fn own_state(director: &Director, status: &RingStatus) -> &'static str {
    if director.is_removed() {
        return "removed from the ring";
    }
    match status.standing {
        Standing::Leased if status.is_changing => "ring syncing",
        Standing::Leased => "ring synced",
        Standing::Isolated { .. } => "ring handshaking - no majority answers, nobody is served",
        Standing::Alone { .. } => "ring handshaking - no majority answers, serving alone",
    }
}

fn remote_state(status: &RingStatus, id: MemberId) -> &'static str {
    let member = status.members.iter().find(|member| member.id == id);
    match member {
        None => "not in the ring",
        Some(member) if member.is_leased => "no link, heard through others",
        Some(member) if !member.serves => "no link, witness",
        Some(_) => "no link, not heard",
    }
}

/// `hash expires ip` of users on one backend or on all; without a line at the end.
pub(super) fn users(page: &Page, unix_now_s: u64, backend: Option<IpAddr>) -> Vec<u8> {
    let mut out = Vec::new();
    for held in &page.users {
        let Some(at) = page.topology.backend(held.backend).map(|backend| backend.ip) else {
            continue;
        };
        if backend.is_none_or(|wanted| wanted == at) {
            let hash = held.user.key.hash();
            let ends = unix_now_s.saturating_add(held.ends_in_s.into());
            put(&mut out, format_args!("{hash}\t{ends}\t{at}\n"));
        }
    }
    out
}

fn put(out: &mut Vec<u8>, what: std::fmt::Arguments<'_>) {
    out.write_fmt(what).expect("a Vec takes all bytes");
}
