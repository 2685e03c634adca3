//! Building the next topology from a batch of changes.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use super::pins::{PINS_MAX, PinEdits, Pins};
use super::table::Table;
use super::timing::{check_lease, check_user_expire};
use super::{
    Backend, BackendId, Change, ChangeError, Counted, Incarnation, MEMBERS_MAX, Member, MemberId, Moves,
    Topology, UserId,
};

/// A topology in the making: a base, and the changes laid on it so far.
#[derive(Clone, Debug)]
pub struct Draft {
    base: Topology,
    table: Table,
    pin_edits: PinEdits,
    /// Backends that were added, removed or changed.
    changed: BTreeSet<BackendId>,
    moves: Moves,
    allows_many_voters: bool,
    ignores_brake: bool,
    recovers_downs: bool,
}

impl Draft {
    /// A draft without changes.
    pub fn of(base: &Topology) -> Self {
        Draft {
            base: base.clone(),
            table: base.table.clone(),
            pin_edits: PinEdits::default(),
            changed: BTreeSet::new(),
            moves: Moves::default(),
            allows_many_voters: false,
            ignores_brake: false,
            recovers_downs: false,
        }
    }

    /// The same draft without the limit of one voter per round, for the simulator to show why there is
    /// one.
    #[cfg(feature = "planted-bugs")]
    #[must_use]
    pub fn allowing_many_voters(self) -> Self {
        Draft {
            allows_many_voters: true,
            ..self
        }
    }

    /// The same draft without the brake, for the simulator to show why there is one.
    #[cfg(feature = "planted-bugs")]
    #[must_use]
    pub fn without_brake(self) -> Self {
        Draft {
            ignores_brake: true,
            ..self
        }
    }

    /// The same draft, in which probes undo an operator's `down`, for the simulator to notice.
    #[cfg(feature = "planted-bugs")]
    #[must_use]
    pub fn recovering_downs(self) -> Self {
        Draft {
            recovers_downs: true,
            ..self
        }
    }

    /// Lays the changes on the draft, in order; each sees those before it.
    ///
    /// # Errors
    /// The first change that can't be made, or [`ChangeError::NothingNamed`] for an empty batch. The
    /// draft is then as it was: none of the batch was made.
    pub fn apply(&mut self, changes: &[Change]) -> Result<(), ChangeError> {
        match changes {
            [] => Err(ChangeError::NothingNamed),
            [change] => self.apply_one(change),
            _ => {
                let mut next = self.clone();
                changes.iter().try_for_each(|change| next.apply_one(change))?;
                *self = next;
                Ok(())
            }
        }
    }

    /// The changed topology, of the same epoch as its base, and what the changes themselves must move.
    ///
    /// Rings of tags whose backends are the same are shared with the base.
    pub fn finish(self) -> (Topology, Moves) {
        let base = &self.base.table;
        let mut table = self.table;
        if !self.pin_edits.is_empty() {
            table.pins = Arc::new(Pins::from_sorted(self.pin_edits.applied(&base.pins)));
        }
        let tags = table.tags.names().len();
        let rings = self
            .base
            .rings
            .updated(tags, &base.backends, &table.backends, &self.changed);
        (Topology { table, rings }, self.moves)
    }

    /// Makes one change; on an error nothing is changed, so that a batch of one needs no copy of the
    /// draft.
    fn apply_one(&mut self, change: &Change) -> Result<(), ChangeError> {
        match change {
            Change::AddBackend(new) => {
                self.changed.insert(self.table.add_backend(new)?);
                Ok(())
            }
            Change::RemoveBackend { ip } => self.remove_backend(*ip),
            Change::SetVhosts { ip, vhosts } => self.edit_backend(*ip, |backend| backend.vhosts = *vhosts),
            Change::SetTag { ip, tag } => self.set_tag(*ip, tag),
            Change::Up { ip, at_unix_s } => self.set_up(*ip, true, *at_unix_s),
            Change::Down { ip, at_unix_s } => self.set_up(*ip, false, *at_unix_s),
            Change::Fail {
                ip,
                at_unix_s,
                evicts,
            } => self.fail(*ip, *at_unix_s, *evicts),
            Change::Recover { ip, at_unix_s } => self.recover(*ip, *at_unix_s),
            Change::Drain { ip, drain } => {
                drain.check()?;
                self.edit_backend(*ip, |backend| backend.drain = Some(*drain))
            }
            Change::CancelDrain { ip } => self.edit_backend(*ip, |backend| backend.drain = None),
            Change::Flush { ip } => self.flush(*ip),
            Change::Move { key, ip } => {
                let backend = self.table.backends.find(*ip)?;
                let (user, to) = (
                    UserId {
                        key: *key,
                        tag: backend.tag,
                    },
                    backend.id,
                );
                self.move_user(user, to)
            }
            Change::Unpin { user } => self.unpin(*user),
            Change::Release { users } => self.release(users),
            Change::AddMember(member) => self.add_member(*member),
            Change::RemoveMember { id } => self.remove_member(*id),
            Change::Join { id, address } => self.join(*id, *address),
            Change::Leave { id, address } => self.leave(*id, *address),
            Change::Unseat { id } => self.set_vote(*id, None),
            Change::Seat { id, incarnation } => self.set_vote(*id, Some(*incarnation)),
            Change::SetLease { lease } => {
                check_lease(*lease)?;
                self.table.timing.lease = *lease;
                Ok(())
            }
            Change::SetUserExpire { user_expire } => {
                check_user_expire(*user_expire)?;
                self.table.timing.user_expire = *user_expire;
                Ok(())
            }
        }
    }

    fn remove_backend(&mut self, ip: IpAddr) -> Result<(), ChangeError> {
        let id = self.table.backends.find(ip)?.id;
        if self.table.backends.len() == 1 {
            return Err(ChangeError::LastBackend);
        }
        Arc::make_mut(&mut self.table.backends).remove(id);
        self.changed.insert(id);
        self.evict(BTreeSet::from([id]));
        Ok(())
    }

    fn edit_backend(&mut self, ip: IpAddr, edit: impl FnOnce(&mut Backend)) -> Result<(), ChangeError> {
        let mut backend = self.table.backends.find(ip)?.clone();
        let id = backend.id;
        edit(&mut backend);
        Arc::make_mut(&mut self.table.backends).replace(backend)?;
        self.changed.insert(id);
        Ok(())
    }

    fn set_tag(&mut self, ip: IpAddr, tag: &str) -> Result<(), ChangeError> {
        let &Backend { id, tag: before, .. } = self.table.backends.find(ip)?;
        let tag = self.table.tag_named(tag)?;
        if tag == before {
            return Ok(());
        }
        self.edit_backend(ip, |backend| backend.tag = tag)?;
        self.evict(BTreeSet::from([id]));
        Ok(())
    }

    /// A backend that is so already keeps the time of its last change. An operator's word is the last one: it ends what
    /// probes found, which may find it again.
    fn set_up(&mut self, ip: IpAddr, is_up: bool, at_unix_s: u64) -> Result<(), ChangeError> {
        let backend = self.table.backends.find(ip)?;
        if backend.is_up == is_up && !backend.is_failed {
            return Ok(());
        }
        self.edit_backend(ip, |backend| {
            backend.is_up = is_up;
            backend.is_failed = false;
            backend.changed_at_unix_s = at_unix_s;
        })
    }

    fn fail(&mut self, ip: IpAddr, at_unix_s: u64, evicts: bool) -> Result<(), ChangeError> {
        let backend = self.table.backends.find(ip)?;
        let id = backend.id;
        if !backend.is_failed {
            self.check_brake(backend)?;
            self.edit_backend(ip, |backend| {
                backend.is_failed = true;
                backend.changed_at_unix_s = at_unix_s;
            })?;
        }
        if evicts {
            self.evict(BTreeSet::from([id]));
        }
        Ok(())
    }

    /// Whether probes may fail the backend. It is asked here, where the change is made, so that all members answer alike
    /// and what else a round changes is counted.
    fn check_brake(&self, backend: &Backend) -> Result<(), ChangeError> {
        let ip = backend.ip;
        if !backend.is_up {
            return Err(ChangeError::BackendIsDown { ip });
        }
        if self.ignores_brake {
            return Ok(());
        }
        let alike = || {
            self.table
                .backends
                .iter()
                .filter(|other| other.tag == backend.tag)
        };
        if !alike().any(|other| other.id != backend.id && other.points() > 0) {
            return Err(ChangeError::LastWorkingBackend { ip });
        }
        let (up, failed) = alike()
            .filter(|other| other.is_up)
            .fold((0, 1), |(up, failed), other| {
                (up + 1, failed + usize::from(other.is_failed))
            });
        let policy = self.table.health;
        if policy.allows(failed, up) {
            return Ok(());
        }
        let max_per_mille = policy.failed_max_per_mille;
        Err(ChangeError::Braked {
            ip,
            failed,
            up,
            max_per_mille,
        })
    }

    fn recover(&mut self, ip: IpAddr, at_unix_s: u64) -> Result<(), ChangeError> {
        let backend = self.table.backends.find(ip)?;
        let lifts_down = self.recovers_downs && !backend.is_up;
        if !backend.is_failed && !lifts_down {
            return Ok(());
        }
        self.edit_backend(ip, |backend| {
            backend.is_failed = false;
            backend.is_up |= lifts_down;
            backend.changed_at_unix_s = at_unix_s;
        })
    }

    fn flush(&mut self, ip: Option<IpAddr>) -> Result<(), ChangeError> {
        let flushed = match ip {
            Some(ip) => BTreeSet::from([self.table.backends.find(ip)?.id]),
            None => self.table.backends.iter().map(|backend| backend.id).collect(),
        };
        self.evict(flushed);
        Ok(())
    }

    /// Nobody is kept on these backends who does not belong there by the ring.
    fn evict(&mut self, backends: BTreeSet<BackendId>) {
        self.pin_edits.drop_backends(&backends);
        self.moves.add_backends(backends);
    }

    fn move_user(&mut self, user: UserId, to: BackendId) -> Result<(), ChangeError> {
        let base = &self.base.table.pins;
        let is_pinned = self.pin_edits.own(base, user).is_some();
        if !is_pinned && !self.pin_edits.fewer_than(base, PINS_MAX) {
            return Err(ChangeError::TooMany {
                what: Counted::Pins,
                limit: PINS_MAX,
            });
        }
        if user.key.is_everybody() {
            self.pin_edits.clear_everybody(base, user.key.hash(), user.tag);
        }
        self.pin_edits.set(user, to);
        self.moves.add_user(user);
        Ok(())
    }

    fn unpin(&mut self, user: UserId) -> Result<(), ChangeError> {
        if self.table.tags.name(user.tag).is_none() {
            return Err(ChangeError::UnknownTag { tag: user.tag });
        }
        if self.pin_edits.own(&self.base.table.pins, user).is_none() {
            return Err(ChangeError::NoSuchPin { user });
        }
        self.pin_edits.clear(user);
        self.moves.add_user(user);
        Ok(())
    }

    fn release(&mut self, users: &[UserId]) -> Result<(), ChangeError> {
        if users.is_empty() {
            return Err(ChangeError::NothingNamed);
        }
        for &user in users {
            if self.pin_edits.own(&self.base.table.pins, user).is_some() {
                self.pin_edits.clear(user);
            }
        }
        Ok(())
    }

    fn add_member(&mut self, member: Member) -> Result<(), ChangeError> {
        member.check()?;
        if self.table.members.contains_key(&member.id) {
            return Err(ChangeError::MemberExists { id: member.id });
        }
        if self.table.members.len() >= MEMBERS_MAX {
            return Err(ChangeError::TooMany {
                what: Counted::Members,
                limit: MEMBERS_MAX,
            });
        }
        let mut members = self.table.members.clone();
        Arc::make_mut(&mut members).insert(member.id, member);
        self.set_members(members)
    }

    fn remove_member(&mut self, id: MemberId) -> Result<(), ChangeError> {
        let mut members = self.table.members.clone();
        if Arc::make_mut(&mut members).remove(&id).is_none() {
            return Err(ChangeError::UnknownMember { id });
        }
        if !members.values().any(|member| member.votes) {
            return Err(ChangeError::LastVoter);
        }
        if !members.values().any(|member| member.serves) {
            return Err(ChangeError::LastDirector);
        }
        self.set_members(members)
    }

    fn join(&mut self, id: MemberId, address: SocketAddr) -> Result<(), ChangeError> {
        let addresses = self.addresses_with(id, address)?;
        if self
            .table
            .addresses
            .get(&id)
            .is_some_and(|known| *known != address)
        {
            return Err(ChangeError::MemberExists { id });
        }
        if self.table.members.contains_key(&id) {
            return Ok(());
        }
        self.add_member(Member {
            id,
            serves: true,
            votes: false,
            incarnation: Incarnation::from_bits(0),
        })?;
        self.table.addresses = addresses;
        Ok(())
    }

    fn leave(&mut self, id: MemberId, address: SocketAddr) -> Result<(), ChangeError> {
        let addresses = self.addresses_with(id, address)?;
        self.remove_member(id)?;
        self.table.addresses = addresses;
        Ok(())
    }

    /// The addresses with this one. The limit is kept by forgetting who left, the lowest number first.
    fn addresses_with(
        &self,
        id: MemberId,
        address: SocketAddr,
    ) -> Result<Arc<BTreeMap<MemberId, SocketAddr>>, ChangeError> {
        let mut addresses = self.table.addresses.clone();
        let mut others = addresses.iter().filter(|(other, _)| **other != id);
        if others.any(|(_, taken)| *taken == address) {
            return Err(ChangeError::AddressTaken { address });
        }
        if addresses.len() >= MEMBERS_MAX && !addresses.contains_key(&id) {
            let has_left = |other: &&MemberId| !self.table.members.contains_key(*other);
            let forgotten = addresses.keys().find(has_left).copied();
            let limit = MEMBERS_MAX;
            let what = Counted::Members;
            let forgotten = forgotten.ok_or(ChangeError::TooMany { what, limit })?;
            Arc::make_mut(&mut addresses).remove(&forgotten);
        }
        Arc::make_mut(&mut addresses).insert(id, address);
        Ok(addresses)
    }

    fn set_vote(&mut self, id: MemberId, seat: Option<Incarnation>) -> Result<(), ChangeError> {
        let mut members = self.table.members.clone();
        let Some(member) = Arc::make_mut(&mut members).get_mut(&id) else {
            return Err(ChangeError::UnknownMember { id });
        };
        member.votes = seat.is_some();
        member.incarnation = seat.unwrap_or(member.incarnation);
        if !members.values().any(|member| member.votes) {
            return Err(ChangeError::LastVoter);
        }
        self.set_members(members)
    }

    /// Takes the new members unless their voters differ from the base's by more than one. A voter whose
    /// storage is another one is another voter.
    fn set_members(&mut self, members: Arc<BTreeMap<MemberId, Member>>) -> Result<(), ChangeError> {
        let voters = |members: &BTreeMap<MemberId, Member>| -> BTreeSet<(MemberId, Incarnation)> {
            members
                .values()
                .filter(|member| member.votes)
                .map(|member| (member.id, member.incarnation))
                .collect()
        };
        let changed = voters(&self.base.table.members)
            .symmetric_difference(&voters(&members))
            .count();
        if changed > 1 && !self.allows_many_voters {
            return Err(ChangeError::OneVoterPerRound);
        }
        self.table.members = members;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
