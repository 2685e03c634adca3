//! The value that all members share: who is in the ring, where users belong, and the exceptions.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{Hash, Hasher};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize, Serializer};

use super::backends::Backends;
use super::digest;
use super::parts::{Parts, PartsView, TopologyError};
use super::pins::{PINS_MAX, Pins, overlaid};
use super::rings::Rings;
use super::table::Table;
use super::tags::Tags;
use super::{
    Backend, BackendId, ChangeError, Counted, Epoch, HashFormat, HealthPolicy, Incarnation, MEMBERS_MAX,
    Member, MemberId, NewBackend, Span, TagId, Timing, UserId, VhostRing,
};

/// What a configuration says of the first topology.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopologySeed {
    /// The members, in any order.
    pub members: Vec<Member>,
    /// The backends, in any order: the same configuration gives the same topology however it is written
    /// down.
    pub backends: Vec<NewBackend>,
    /// How long leases and users last.
    pub timing: Timing,
    /// What is done about backends that fail.
    pub health: HealthPolicy,
    /// Dovecot's `director_username_hash`.
    pub hash_format: String,
}

/// One epoch's members, backends, tags and pins, with the vhost rings computed from them.
///
/// A value: it never changes, and a copy shares what is large. A [`Draft`](super::Draft) makes the next
/// one. Equality and hash are those of everything but the rings, which follow from the rest. Always has
/// a voter, a director and a backend.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "Parts")]
pub struct Topology {
    pub(super) table: Table,
    pub(super) rings: Rings,
}

impl Topology {
    /// The topology of a first start, epoch 0. Every backend is up.
    ///
    /// # Errors
    /// The seed lacks a voter, a director or a backend, names something twice, or is beyond a limit.
    pub fn new(seed: TopologySeed) -> Result<Self, ChangeError> {
        seed.timing.check()?;
        seed.health.check()?;
        HashFormat::parse(&seed.hash_format)?;
        let mut table = Table {
            epoch: Epoch::ZERO,
            timing: seed.timing,
            health: seed.health,
            lease_begun: seed.timing.lease,
            lease_before: seed.timing.lease,
            members: Arc::new(members(seed.members)?),
            addresses: Arc::default(),
            tags: Arc::new(Tags::new()),
            backends: Arc::new(Backends::default()),
            next_backend: 0,
            pins: Arc::new(Pins::new()),
            hash_format: seed.hash_format.into(),
        };
        // Ids and tags are numbered in the order of addresses, not in that of the configuration file.
        let mut backends = seed.backends;
        backends.sort_by_key(|backend| backend.ip);
        for backend in &backends {
            table.add_backend(backend)?;
        }
        table.check_duties()?;
        Ok(Self::from_table(table))
    }

    /// `table` is valid.
    pub(super) fn from_table(table: Table) -> Self {
        let rings = Rings::of(table.tags.names().len(), &table.backends);
        Topology { table, rings }
    }

    /// The next epoch's topology: this one with `pins` laid over its own.
    ///
    /// A pin to an unknown backend, or to one of another tag than the user's, is passed over; of two for
    /// one user the later counts. Pins that say what the ring says anyway are dropped, also old ones, unless
    /// they are an exception from the pin of everybody of their hash.
    /// What would be beyond [`PINS_MAX`] is left out, highest keys first: these users lose their
    /// sessions, nobody is split.
    #[must_use]
    pub fn advanced(&self, pins: &[(UserId, BackendId)]) -> Topology {
        let mut table = self.table.clone();
        table.epoch = table.epoch.next();
        table.lease_before = table.lease_begun;
        table.lease_begun = table.timing.lease;
        let belongs =
            |&&(user, to): &&(UserId, BackendId)| self.backend(to).is_some_and(|b| b.tag == user.tag);
        let added: BTreeMap<_, _> = pins
            .iter()
            .filter(belongs)
            .map(|&(user, to)| (user, Some(to)))
            .collect();
        let mut sorted = overlaid(self.pins(), added.into_iter());
        let everybodys: BTreeSet<UserId> = sorted
            .iter()
            .filter(|&&(user, to)| user.key.is_everybody() && self.hashed(user) != Some(to))
            .map(|&(user, _)| user)
            .collect();
        sorted.retain(|&(user, to)| self.hashed(user) != Some(to) || everybodys.contains(&user.everybody()));
        sorted.truncate(PINS_MAX);
        if sorted != table.pins.sorted() {
            table.pins = Arc::new(Pins::from_sorted(sorted));
        }
        Topology {
            table,
            rings: self.rings.clone(),
        }
    }

    /// This topology with the incarnations that the voters told at first start; members not named keep
    /// theirs.
    ///
    /// # Panics
    /// After epoch 0: from then on incarnations change by rounds only.
    #[must_use]
    pub fn with_incarnations(&self, incarnations: &BTreeMap<MemberId, Incarnation>) -> Topology {
        assert_eq!(
            self.epoch(),
            Epoch::ZERO,
            "incarnations are filled in at first start only"
        );
        let mut filled = self.clone();
        for member in Arc::make_mut(&mut filled.table.members).values_mut() {
            member.incarnation = incarnations
                .get(&member.id)
                .copied()
                .unwrap_or(member.incarnation);
        }
        filled
    }

    /// The number of this topology.
    pub fn epoch(&self) -> Epoch {
        self.table.epoch
    }

    /// How long leases and users last.
    pub fn timing(&self) -> Timing {
        self.table.timing
    }

    /// What is done about backends that fail.
    pub fn health(&self) -> HealthPolicy {
        self.table.health
    }

    /// The longest lease that may still run: the larger of this epoch's and of the one before.
    pub fn lease_wait(&self) -> Duration {
        self.table
            .timing
            .lease
            .max(self.table.lease_begun)
            .max(self.table.lease_before)
    }

    /// Where the user belongs: to where he or his hash is pinned, else where the ring of his tag sends him. None
    /// when the tag is unknown or has no backend with weight that is up.
    pub fn place(&self, user: UserId) -> Option<BackendId> {
        self.pin(user).or_else(|| self.hashed(user))
    }

    /// Says like [`Topology::place`] where users belong; fastest when those who follow each other are near each other.
    pub fn placing(&self) -> impl FnMut(UserId) -> Option<BackendId> + '_ {
        let mut near: Option<(Span, Option<BackendId>)> = None;
        move |user| {
            if let Some(pinned) = self.pin(user) {
                return Some(pinned);
            }
            if let Some((span, hashed)) = near
                && span.covers(user)
            {
                return hashed;
            }
            let hashed = self.hashed(user);
            let stretch = self.ring(user.tag).map(|ring| ring.stretch(user.key.hash()));
            near = stretch.map(|(first, last)| {
                let tag = user.tag;
                (Span { tag, first, last }, hashed)
            });
            hashed
        }
    }

    /// Where the ring of his tag sends the user, whatever pins say.
    pub fn hashed(&self, user: UserId) -> Option<BackendId> {
        self.ring(user.tag)?.pick(user.key.hash())
    }

    /// The backend that the user is pinned to, by his own pin or else with everybody of his hash.
    pub fn pin(&self, user: UserId) -> Option<BackendId> {
        self.table.pins.get(user)
    }

    /// The backend of the pin of this very user.
    pub fn own_pin(&self, user: UserId) -> Option<BackendId> {
        self.table.pins.own(user)
    }

    /// The pins of a hash, for all tags: first everybody's, then those of single users.
    pub fn pins_of(&self, hash: u32) -> impl ExactSizeIterator<Item = (UserId, BackendId)> + '_ {
        self.table.pins.of_hash(hash).iter().copied()
    }

    /// All pins, by user.
    pub fn pins(&self) -> impl ExactSizeIterator<Item = (UserId, BackendId)> + '_ {
        self.table.pins.sorted().iter().copied()
    }

    /// The backend with this id.
    pub fn backend(&self, id: BackendId) -> Option<&Backend> {
        self.table.backends.get(id)
    }

    /// The backend at this address.
    pub fn backend_at(&self, ip: IpAddr) -> Option<&Backend> {
        self.table.backends.at(ip)
    }

    /// The backends, ordered by address as in Dovecot: IPv4 before IPv6, then by the bytes.
    pub fn backends(&self) -> impl ExactSizeIterator<Item = &Backend> + '_ {
        self.table.backends.iter()
    }

    /// The members, by number.
    pub fn members(&self) -> impl ExactSizeIterator<Item = &Member> + '_ {
        self.table.members.values()
    }

    /// The member with this number.
    pub fn member(&self, id: MemberId) -> Option<&Member> {
        self.table.members.get(&id)
    }

    /// Members that an admin has added or removed since the first start, by number, with their addresses. Who is not among
    /// [`members`](Topology::members) has left.
    pub fn addresses(&self) -> impl ExactSizeIterator<Item = (MemberId, SocketAddr)> + '_ {
        self.table.addresses.iter().map(|(id, address)| (*id, *address))
    }

    /// Whether this was a member and an admin has removed it.
    pub fn has_left(&self, id: MemberId) -> bool {
        self.table.addresses.contains_key(&id) && self.member(id).is_none()
    }

    /// How many members vote.
    pub fn voters(&self) -> usize {
        self.members().filter(|member| member.votes).count()
    }

    /// How many voters decide.
    pub fn majority(&self) -> usize {
        self.voters() / 2 + 1
    }

    /// The tag with this name.
    pub fn tag(&self, name: &str) -> Option<TagId> {
        self.table.tags.find(name)
    }

    /// The name of a tag; empty for the default one.
    pub fn tag_name(&self, tag: TagId) -> Option<&str> {
        self.table.tags.name(tag)
    }

    /// All tags that were ever named, by number, with their names. The default one is always there.
    pub fn tags(&self) -> impl ExactSizeIterator<Item = (TagId, &str)> + '_ {
        self.table.tags.iter()
    }

    /// The ring of a tag; it is empty when no backend of the tag is up and has weight.
    pub fn ring(&self, tag: TagId) -> Option<&VhostRing> {
        self.rings.get(tag).map(|ring| &**ring)
    }

    /// `director_username_hash`, which [`HashFormat::parse`] takes.
    pub fn hash_format(&self) -> &str {
        &self.table.hash_format
    }

    /// A number that is the same for two members only if they were given the same configuration.
    ///
    /// Covers members without their incarnations, backends, tags, timing, health policy and hash format; not
    /// epoch and pins.
    pub fn fingerprint(&self) -> u64 {
        digest::fingerprint(&self.table)
    }

    /// Dovecot's hash over the host list, as it stands in a SYNC; never 0.
    pub fn hosts_hash(&self) -> u32 {
        digest::hosts_hash(&self.table)
    }
}

fn members(named: Vec<Member>) -> Result<BTreeMap<MemberId, Member>, ChangeError> {
    let mut members = BTreeMap::new();
    for member in named {
        member.check()?;
        if members.insert(member.id, member).is_some() {
            return Err(ChangeError::MemberExists { id: member.id });
        }
    }
    if members.len() > MEMBERS_MAX {
        return Err(ChangeError::TooMany {
            what: Counted::Members,
            limit: MEMBERS_MAX,
        });
    }
    Ok(members)
}

impl PartialEq for Topology {
    fn eq(&self, other: &Self) -> bool {
        self.table == other.table
    }
}

impl Eq for Topology {}

impl Hash for Topology {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.table.hash(state);
    }
}

impl Serialize for Topology {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        PartsView::of(&self.table).serialize(serializer)
    }
}

impl TryFrom<Parts> for Topology {
    type Error = TopologyError;

    fn try_from(parts: Parts) -> Result<Self, TopologyError> {
        parts.into_table().map(Self::from_table)
    }
}

#[cfg(test)]
mod tests;
