//! The tables of the answers, column by column as `doveadm director` reads them.

use std::io::Write;
use std::net::IpAddr;

use super::Site;
use crate::config::MemberSpec;
use crate::director::{Director, Hold, RingStatus, Standing};
use crate::dovecot::{LinkRow, escape};
use crate::topology::MemberId;
use crate::world::Instant;

/// About how many users one look at the director goes through; whoever else asks it meanwhile waits for so many.
pub const USERS_PER_PAGE: usize = 2_000;

/// `ip vhosts users tag U|D changed`, and an empty line. Users are those held by this director.
pub(super) fn hosts(director: &Director) -> Vec<u8> {
    let topology = director.topology();
    let mut out = Vec::new();
    for backend in topology.backends() {
        let held = director.holds().count_on(backend.id);
        put(
            &mut out,
            format_args!("{}\t{}\t{held}\t", backend.ip, backend.vhosts),
        );
        escape(topology.tag_name(backend.tag).unwrap_or("").as_bytes(), &mut out);
        let state = if backend.is_up { 'U' } else { 'D' };
        put(
            &mut out,
            format_args!("\t{state}\t{}\n", backend.changed_at_unix_s),
        );
    }
    out.push(b'\n');
    out
}

/// The addresses of configured backends that are not there now, and an empty line.
pub(super) fn hosts_removed(director: &Director, site: &Site) -> Vec<u8> {
    let topology = director.topology();
    let mut out = Vec::new();
    let configured = site.configured.backends();
    for backend in configured.filter(|backend| topology.backend_at(backend.ip).is_none()) {
        put(&mut out, format_args!("{}\n", backend.ip));
    }
    out.push(b'\n');
    out
}

/// `ip port type last-failed state`, a row for each link and for each member without one, and an empty line.
pub(super) fn directors(director: &Director, site: &Site, now: Instant) -> Vec<u8> {
    let status = director.ring_status(now);
    let mut members: Vec<&MemberSpec> = site.members.iter().collect();
    members.sort_by_key(|member| member.address);
    let (right, left) = neighbours(&members, &site.links, director.me());
    let mut out = Vec::new();
    for member in members {
        let (ip, port) = (member.address.ip(), member.address.port());
        let mut links = site.links.iter().filter(|link| link.peer == member.id).peekable();
        if member.id == director.me() {
            put(
                &mut out,
                format_args!("{ip}\t{port}\tself\t0\t{}\t0\n", own_state(&status)),
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

fn own_state(status: &RingStatus) -> &'static str {
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

/// Users, as `hash expires ip` lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserPage {
    /// The lines.
    pub lines: Vec<u8>,
    /// The hash that the next page begins with; none when this is the last.
    pub next: Option<u32>,
}

/// The users held by this director from a hash on, on one backend or on all; all users of one hash on one page.
pub fn user_page(
    director: &Director,
    now: Instant,
    unix_now_s: u64,
    from: u32,
    backend: Option<IpAddr>,
) -> UserPage {
    let topology = director.topology();
    let expires = Expires {
        now,
        unix_now_s,
        director,
    };
    let mut lines = Vec::new();
    let mut last = None;
    for (seen, hold) in director.holds().scan(from, u32::MAX).enumerate() {
        let hash = hold.user.key.hash();
        if seen >= USERS_PER_PAGE && last != Some(hash) {
            return UserPage {
                lines,
                next: Some(hash),
            };
        }
        last = Some(hash);
        let at = topology.backend(hold.backend).map(|backend| backend.ip);
        let is_wanted = backend.is_none() || backend == at;
        if let (true, Some(ip), Some(expires_s)) = (is_wanted, at, expires.of(&hold)) {
            put(&mut lines, format_args!("{hash}\t{expires_s}\t{ip}\n"));
        }
    }
    UserPage { lines, next: None }
}

/// When holds end, by the wall clock.
pub(super) struct Expires<'a> {
    pub now: Instant,
    pub unix_now_s: u64,
    pub director: &'a Director,
}

impl Expires<'_> {
    /// When this hold ends if nothing more is heard of it, in Unix seconds; none when it has ended.
    pub fn of(&self, hold: &Hold<'_>) -> Option<u64> {
        let expire = self.director.topology().timing().user_expire;
        if !hold.is_live(self.now, expire) {
            return None;
        }
        let ends = if hold.sessions > 0 {
            self.now.plus(expire)
        } else {
            hold.touched.plus(expire)
        };
        Some(self.unix_now_s.saturating_add(ends.since(self.now).as_secs()))
    }

    /// When a user who is held elsewhere will have been forgotten, if he leaves now.
    pub fn elsewhere(&self) -> u64 {
        let expire = self.director.topology().timing().user_expire;
        self.unix_now_s.saturating_add(expire.as_secs())
    }
}

fn put(out: &mut Vec<u8>, what: std::fmt::Arguments<'_>) {
    out.write_fmt(what).expect("a Vec takes all bytes");
}
