//! What the orders of a plan are in this world, whose members have storages and addresses.

use std::net::{Ipv4Addr, SocketAddr};

use maildirector::topology::{Change, Incarnation, Member, MemberId};

use super::scene::{MS, World};
use crate::knobs::MemberKnobs;
use crate::work::Order;

impl World<'_> {
    pub(super) fn change(&self, order: &Order) -> Change {
        let id = |member: &usize| MemberId::from_index(*member as u16);
        let at_unix_s = self.now / (1_000 * MS);
        match order {
            Order::AddMember { member } => match self.address_of(*member) {
                Some(address) => Change::Join {
                    id: id(member),
                    address,
                },
                None => Change::AddMember(self.joining(*member)),
            },
            Order::RemoveMember { member } => match self.address_of(*member) {
                Some(address) => Change::Leave {
                    id: id(member),
                    address,
                },
                None => Change::RemoveMember { id: id(member) },
            },
            other => other
                .change(at_unix_s, |person| self.people.person(person).key)
                .expect("it is about no member"),
        }
    }

    /// Where a member comes from that is ordered by its address: one that serves and votes, in a world of such orders.
    fn address_of(&self, member: usize) -> Option<SocketAddr> {
        let knobs = self.knobs();
        let is_director = |member: &MemberKnobs| member.serves && member.votes;
        let is_ordered_so = knobs.joins_by_address && knobs.members.get(member).is_some_and(is_director);
        is_ordered_so.then(|| (Ipv4Addr::new(10, 9, 0, member as u8), 9090).into())
    }

    /// The member as the admin finds it, with the name of its storage if it has one.
    fn joining(&self, member: usize) -> Member {
        let record = self.members.get(member).and_then(|state| state.storage.kept());
        let knobs = self.knobs().members.get(member);
        Member {
            id: MemberId::from_index(member as u16),
            serves: knobs.is_some_and(|knobs| knobs.serves),
            votes: knobs.is_some_and(|knobs| knobs.votes),
            incarnation: record.map_or(Incarnation::from_bits(0), |record| record.incarnation),
        }
    }
}

/// The kind alone, as it stands in a plan.
pub(super) fn name_of(order: &Order) -> &'static str {
    match order {
        Order::AddBackend { .. } => "add-backend",
        Order::RemoveBackend { .. } => "remove-backend",
        Order::SetVhosts { .. } => "set-vhosts",
        Order::SetTag { .. } => "set-tag",
        Order::Up { .. } => "up",
        Order::Down { .. } => "down",
        Order::Drain { .. } => "drain",
        Order::CancelDrain { .. } => "cancel-drain",
        Order::Flush { .. } => "flush",
        Order::Move { .. } => "move",
        Order::MoveHash { .. } => "move-hash",
        Order::Unpin { .. } => "unpin",
        Order::Release { .. } => "release",
        Order::AddMember { .. } => "add-member",
        Order::RemoveMember { .. } => "remove-member",
        Order::SetLease { .. } => "set-lease",
        Order::SetUserExpire { .. } => "set-user-expire",
    }
}
