//! From an order of the plan, by numbers, to a change of the topology.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use maildirector::topology::{Change, Drain, Incarnation, Member, MemberId, TagId, UserId, UserKey};

use super::configuration::new_backend;
use super::people::backend_ip;
use super::scene::{MS, World};
use crate::knobs::MemberKnobs;
use crate::work::Order;

impl World<'_> {
    pub(super) fn change(&self, order: &Order) -> Change {
        let at_unix_s = self.now / (1_000 * MS);
        let key = |person: u32| self.people.person(person).key;
        let user = |person: u32| UserId {
            key: key(person),
            tag: TagId::DEFAULT,
        };
        match order {
            Order::AddBackend { backend, vhosts, tag } => {
                Change::AddBackend(new_backend(*backend, *vhosts, tag))
            }
            Order::RemoveBackend { backend } => Change::RemoveBackend {
                ip: backend_ip(*backend),
            },
            Order::SetVhosts { backend, vhosts } => Change::SetVhosts {
                ip: backend_ip(*backend),
                vhosts: *vhosts,
            },
            Order::SetTag { backend, tag } => Change::SetTag {
                ip: backend_ip(*backend),
                tag: tag.as_str().into(),
            },
            Order::Up { backend } => Change::Up {
                ip: backend_ip(*backend),
                at_unix_s,
            },
            Order::Down { backend } => Change::Down {
                ip: backend_ip(*backend),
                at_unix_s,
            },
            Order::Drain {
                backend,
                deadline_ms,
                per_second,
            } => Change::Drain {
                ip: backend_ip(*backend),
                drain: Drain {
                    since_unix_s: at_unix_s,
                    until_unix_s: at_unix_s + deadline_ms / 1_000,
                    per_second: *per_second,
                },
            },
            Order::CancelDrain { backend } => Change::CancelDrain {
                ip: backend_ip(*backend),
            },
            Order::Flush { backend } => Change::Flush {
                ip: backend.map(backend_ip),
            },
            Order::Move { user, backend } => Change::Move {
                key: key(*user),
                ip: backend_ip(*backend),
            },
            Order::MoveHash { user, backend } => Change::Move {
                key: UserKey::everybody_of(key(*user).hash()),
                ip: backend_ip(*backend),
            },
            Order::Unpin { user: person } => Change::Unpin { user: user(*person) },
            Order::Release { users } => Change::Release {
                users: users.iter().map(|person| user(*person)).collect(),
            },
            Order::AddMember { member } => match self.address_of(*member) {
                Some(address) => Change::Join {
                    id: MemberId::from_index(*member as u16),
                    address,
                },
                None => Change::AddMember(self.joining(*member)),
            },
            Order::RemoveMember { member } => match self.address_of(*member) {
                Some(address) => Change::Leave {
                    id: MemberId::from_index(*member as u16),
                    address,
                },
                None => Change::RemoveMember {
                    id: MemberId::from_index(*member as u16),
                },
            },
            Order::SetLease { lease_ms } => Change::SetLease {
                lease: Duration::from_millis(*lease_ms),
            },
            Order::SetUserExpire { user_expire_ms } => Change::SetUserExpire {
                user_expire: Duration::from_millis(*user_expire_ms),
            },
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
