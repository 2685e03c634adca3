//! From an order of the plan, by numbers, to a change of the topology. Who joins and who leaves is left to each world,
//! which knows the members' storages.

use std::time::Duration;

use maildirector::topology::{Change, Drain, TagId, UserId, UserKey};

use crate::work::Order;
use crate::world::{backend_ip, new_backend};

impl Order {
    /// The change that is ordered at a time, in Unix seconds, where `key` is the key of a user by number; none of an
    /// order about members.
    pub fn change(&self, at_unix_s: u64, key: impl Fn(u32) -> UserKey) -> Option<Change> {
        let user = |number: u32| UserId {
            key: key(number),
            tag: TagId::DEFAULT,
        };
        Some(match self {
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
            Order::Unpin { user: number } => Change::Unpin { user: user(*number) },
            Order::Release { users } => Change::Release {
                users: users.iter().map(|number| user(*number)).collect(),
            },
            Order::SetLease { lease_ms } => Change::SetLease {
                lease: Duration::from_millis(*lease_ms),
            },
            Order::SetUserExpire { user_expire_ms } => Change::SetUserExpire {
                user_expire: Duration::from_millis(*user_expire_ms),
            },
            Order::AddMember { .. } | Order::RemoveMember { .. } => return None,
        })
    }
}
