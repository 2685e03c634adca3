//! What a request means here and now: an answer, or changes that the ring must agree on first.

use std::net::IpAddr;
use std::sync::Arc;

use super::{Request, Who, members, rows};
use crate::agreement::{HeldUser, Whose};
use crate::config::{MemberSpec, VHOSTS_DEFAULT};
use crate::director::{Director, Standing};
use crate::dovecot::LinkRow;
use crate::topology::{Backend, BackendId, Change, NewBackend, TagId, Topology, UserId, UserKey, VHOSTS_MAX};
use crate::world::Instant;

/// What is known besides the director.
#[derive(Clone, Debug)]
pub struct Site {
    /// The members, with their addresses.
    pub members: Arc<[MemberSpec]>,
    /// The links to the neighbours, now.
    pub links: Vec<LinkRow>,
    /// Seconds since 1970, now.
    pub unix_now_s: u64,
    /// Whom the other directors hold, as far as the request names them; `None` as long as they were not asked.
    pub elsewhere: Option<Vec<HeldUser>>,
}

/// A user as the director knows him.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whom {
    /// By key.
    Key(UserKey),
    /// By the half of the key that `doveadm` computes.
    Hash(u32),
    /// By a number: the user of that name if he is held or pinned anywhere, else whoever has that hash and is, else
    /// again the user of that name.
    Either(UserKey, u32),
}

impl Whom {
    /// `key` is how the director's names become keys.
    pub fn of(who: &Who, key: impl FnOnce(&str) -> UserKey) -> Self {
        match who {
            Who::Name(name) => Whom::Key(key(name)),
            Who::Hash(hash) => Whom::Hash(*hash),
            Who::Number { name, hash } => Whom::Either(key(name), *hash),
        }
    }

    fn hash(self) -> u32 {
        match self {
            Whom::Key(key) | Whom::Either(key, _) => key.hash(),
            Whom::Hash(hash) => hash,
        }
    }
}

/// What to do for a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Plan {
    /// Say this.
    Say(Vec<u8>),
    /// Have these changes carried out, then say what became of them.
    Change(Vec<Change>),
    /// Have these sessions closed everywhere, and say that it has begun.
    Kick(Whose),
    /// Say which backends there are, with the users that all directors hold there.
    ListHosts,
    /// Say who the users are whom all directors hold, page by page.
    ListUsers(Option<IpAddr>),
    /// Ask the other directors whom they hold of these hashes, and plan again.
    AskOthers(Vec<u32>),
    /// Have these pins end, so many at a time, and then carry out the change.
    FlushSlowly {
        /// Whose.
        users: Vec<UserId>,
        /// At least 1.
        at_a_time: usize,
        /// What is left to do then.
        then: Change,
    },
}

pub(super) const OK: &[u8] = b"OK\n";
pub(super) const NOT_FOUND: &[u8] = b"NOTFOUND\n";

/// What a request means. `user` is whom it names, if it names anybody.
///
/// What is so already needs no round, as long as this director surely knows: under a lease, and while no change is under
/// way.
pub fn plan(request: &Request, user: Option<Whom>, director: &Director, now: Instant, site: &Site) -> Plan {
    let at_unix_s = site.unix_now_s;
    let view = View { director, site, now };
    match request {
        Request::HostList => Plan::ListHosts,
        Request::HostListRemoved => Plan::Say(rows::hosts_removed(director)),
        Request::DirectorList => Plan::Say(rows::directors(director, site, now)),
        Request::DirectorAdd { ip, port } => members::add(*ip, *port, director, &site.members, now),
        Request::DirectorRemove { ip, port } => members::remove(*ip, *port, director, &site.members, now),
        Request::UserList { ip } => Plan::ListUsers(*ip),
        Request::HostSet { ip, tag, vhosts } => view.host_set(*ip, tag, *vhosts),
        Request::HostUpdate { ip, tag, vhosts } => view.host_update(*ip, tag, *vhosts),
        Request::HostUp { ip } => {
            let ip = *ip;
            view.unless(ip, Backend::is_working, Change::Up { ip, at_unix_s })
        }
        Request::HostDown { ip } => {
            let ip = *ip;
            view.unless(ip, |backend| !backend.is_up, Change::Down { ip, at_unix_s })
        }
        Request::HostRemove { ip } => Plan::Change(vec![Change::RemoveBackend { ip: *ip }]),
        Request::HostFlush { ip, at_a_time } => view.host_flush(*ip, *at_a_time),
        Request::UserLookup { tag, .. } => view.user_lookup(user, tag),
        Request::UserMove { ip, .. } => view.user_move(user, *ip),
        Request::UserKick { .. } => user_kick(user),
        Request::UserKickAlt { field } => Plan::Kick(Whose::With(field.clone())),
    }
}

/// The director and what surrounds it, at one instant.
struct View<'a> {
    director: &'a Director,
    site: &'a Site,
    now: Instant,
}

impl View<'_> {
    fn host_set(&self, ip: IpAddr, tag: &str, vhosts: Option<u32>) -> Plan {
        if vhosts.is_some_and(|vhosts| vhosts > VHOSTS_MAX) {
            return say("vhost count too large");
        }
        if self.topology().backend_at(ip).is_some() {
            return self.set_vhosts(ip, tag, vhosts);
        }
        Plan::Change(vec![Change::AddBackend(NewBackend {
            ip,
            hostname: None,
            vhosts: vhosts.unwrap_or(VHOSTS_DEFAULT),
            tag: tag.into(),
        })])
    }

    fn host_update(&self, ip: IpAddr, tag: &str, vhosts: u32) -> Plan {
        if vhosts > VHOSTS_MAX {
            return say("vhost count too large");
        }
        self.set_vhosts(ip, tag, Some(vhosts))
    }

    fn set_vhosts(&self, ip: IpAddr, tag: &str, vhosts: Option<u32>) -> Plan {
        let backend = self.topology().backend_at(ip);
        let has_tag = |backend: &Backend| self.topology().tag_name(backend.tag) == Some(tag);
        if !tag.is_empty() && backend.is_some_and(|backend| !has_tag(backend)) {
            return say("host tag can't be changed");
        }
        match vhosts {
            Some(vhosts) => {
                let is_so = |backend: &Backend| backend.vhosts == vhosts;
                self.unless(ip, is_so, Change::SetVhosts { ip, vhosts })
            }
            None => Plan::Say(OK.into()),
        }
    }

    /// The change, unless it is surely so already.
    fn unless(&self, ip: IpAddr, is_so: impl Fn(&Backend) -> bool, change: Change) -> Plan {
        if self.knows_surely() && self.topology().backend_at(ip).is_some_and(is_so) {
            return Plan::Say(OK.into());
        }
        Plan::Change(vec![change])
    }

    /// `current expires hashed configured`: three addresses and a time, empty or 0 where there is none.
    fn user_lookup(&self, user: Option<Whom>, tag: &str) -> Plan {
        let Some(user) = user else {
            return Plan::Say(NOT_FOUND.into());
        };
        let topology = self.topology();
        let tag_id = topology.tag(tag);
        let (by_name, by_hash) = match user {
            Whom::Either(key, hash) => (Whom::Key(key), Some(Whom::Hash(hash))),
            user => (user, None),
        };
        let held_here = |user| tag_id.and_then(|tag| self.held_here(user, tag));
        let held = held_here(by_name);
        if held.is_none()
            && self.site.elsewhere.is_none()
            && !self.director.directors_heard(self.now).is_empty()
        {
            let hashes = std::iter::once(by_name).chain(by_hash);
            return Plan::AskOthers(hashes.map(Whom::hash).collect());
        }
        let known_otherwise = |user| tag_id.and_then(|tag| self.known_otherwise(user, tag));
        let mut user = by_name;
        let known = held.or_else(|| known_otherwise(by_name)).or_else(|| {
            let known = held_here(by_hash?).or_else(|| known_otherwise(by_hash?))?;
            user = by_hash?;
            Some(known)
        });
        let (current, expires) = known
            .and_then(|(backend, left_s)| Some((topology.backend(backend)?.ip, left_s)))
            .map(|(ip, left_s)| (ip, self.site.unix_now_s.saturating_add(left_s)))
            .map_or((String::new(), 0), |(ip, expires)| (ip.to_string(), expires));
        let hashed_by =
            |topology| hashed(topology, user.hash(), tag).map_or(String::new(), |ip| ip.to_string());
        let (hashed, configured) = (hashed_by(topology), hashed_by(self.director.configured()));
        Plan::Say(format!("{current}\t{expires}\t{hashed}\t{configured}\n").into_bytes())
    }

    /// Where this director holds a user, and for how many seconds if nothing more is heard of him.
    fn held_here(&self, user: Whom, tag: TagId) -> Option<(BackendId, u64)> {
        let hash = user.hash();
        let held = self.director.held_users(hash, hash, self.now);
        Self::find(&held.users, user, tag)
    }

    /// The same by what others said, else by a pin, as if he had just left.
    fn known_otherwise(&self, user: Whom, tag: TagId) -> Option<(BackendId, u64)> {
        let topology = self.topology();
        let elsewhere = self.site.elsewhere.as_deref().unwrap_or_default();
        Self::find(elsewhere, user, tag).or_else(|| {
            let backend = match user {
                Whom::Key(key) | Whom::Either(key, _) => topology.pin(UserId { key, tag }),
                Whom::Hash(hash) => {
                    let mut pins = topology.pins_of(hash);
                    pins.find(|(user, _)| user.tag == tag).map(|(_, backend)| backend)
                }
            };
            Some((backend?, topology.timing().user_expire.as_secs()))
        })
    }

    fn find(held: &[HeldUser], user: Whom, tag: TagId) -> Option<(BackendId, u64)> {
        let is_him = |found: UserId| match user {
            Whom::Key(key) | Whom::Either(key, _) => found == UserId { key, tag },
            Whom::Hash(hash) => found.key.hash() == hash && found.tag == tag,
        };
        let found = held.iter().find(|held| is_him(held.user))?;
        Some((found.backend, found.ends_in_s.into()))
    }

    /// Who is kept out of place is pinned, so the pins that end are the users who move.
    fn host_flush(&self, ip: Option<IpAddr>, at_a_time: Option<u32>) -> Plan {
        let then = Change::Flush { ip };
        let topology = self.topology();
        let backend = ip.map(|ip| topology.backend_at(ip).map(|backend| backend.id));
        let is_flushed = |at: BackendId| backend.is_none_or(|backend| backend == Some(at));
        let moves = |(user, at): &(UserId, BackendId)| is_flushed(*at) && topology.hashed(*user) != Some(*at);
        let at_a_time = at_a_time.map_or(usize::MAX, |count| count as usize);
        let users: Vec<UserId> = topology.pins().filter(moves).map(|(user, _)| user).collect();
        if users.len() <= at_a_time {
            return Plan::Change(vec![then]);
        }
        Plan::FlushSlowly {
            users,
            at_a_time,
            then,
        }
    }

    /// By name it is one user, by hash everybody of it.
    fn user_move(&self, user: Option<Whom>, ip: IpAddr) -> Plan {
        let Some(user) = user else {
            return Plan::Say(NOT_FOUND.into());
        };
        let key = match user {
            Whom::Key(key) | Whom::Either(key, _) => key,
            Whom::Hash(hash) => UserKey::everybody_of(hash),
        };
        let Some(backend) = self.topology().backend_at(ip) else {
            if self.knows_surely() {
                return Plan::Say(NOT_FOUND.into());
            }
            return Plan::Change(vec![Change::Move { key, ip }]);
        };
        let moved = UserId {
            key,
            tag: backend.tag,
        };
        let mut pins = self.topology().pins_of(key.hash());
        let mut is_elsewhere = |pin: (UserId, BackendId)| pin.0.tag == moved.tag && pin.1 != backend.id;
        let is_there = self.topology().place(moved) == Some(backend.id)
            && (!key.is_everybody() || !pins.any(&mut is_elsewhere));
        if is_there && self.knows_surely() {
            return Plan::Say(OK.into());
        }
        Plan::Change(vec![Change::Move { key, ip }])
    }

    fn topology(&self) -> &Topology {
        self.director.topology()
    }

    fn knows_surely(&self) -> bool {
        knows_surely(self.director, self.now)
    }
}

/// Without a lease a director may not know the latest topology; nor while it is bound to a value, which may have been
/// decided, and its admin answered, before word of that is here.
pub(super) fn knows_surely(director: &Director, now: Instant) -> bool {
    let ring = director.ring_status(now);
    ring.standing == Standing::Leased && !ring.is_changing
}

/// The user's sessions of every tag, wherever they are.
fn user_kick(user: Option<Whom>) -> Plan {
    match user {
        Some(Whom::Key(key)) => Plan::Kick(Whose::User(key)),
        _ => Plan::Say(NOT_FOUND.into()),
    }
}

fn hashed(topology: &Topology, hash: u32, tag: &str) -> Option<IpAddr> {
    let id = topology.ring(topology.tag(tag)?)?.pick(hash)?;
    topology.backend(id).map(|backend| backend.ip)
}

pub(super) fn say(what: &str) -> Plan {
    Plan::Say(format!("{what}\n").into_bytes())
}
