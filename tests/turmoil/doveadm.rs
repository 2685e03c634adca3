//! What admins ask for: orders of a plan as lines of `doveadm director`, or, where that has no word for one of them, as the
//! changes that the control socket and a reload hand to a director.

use maildirector::topology::{Change, TagId, UserId, UserKey};
use sim::Order;

use crate::settings::backend;

/// How an admin asks.
#[derive(Clone, Debug)]
pub enum Request {
    /// Lines, one after the other.
    Typed(Vec<String>),
    /// All or none.
    Changes(Vec<Change>),
}

/// Asking for these orders.
pub fn request(orders: &[Order], unix_s: u64) -> Request {
    let typed: Option<Vec<String>> = orders.iter().map(line).collect();
    match typed {
        Some(lines) => Request::Typed(lines),
        None => Request::Changes(
            orders
                .iter()
                .filter_map(|order| order.change(unix_s, key))
                .collect(),
        ),
    }
}

/// Whether somebody can ask for it here. Who joins or leaves is in the file of every member.
pub fn is_possible(order: &Order) -> bool {
    !matches!(order, Order::AddMember { .. } | Order::RemoveMember { .. })
}

/// The line, none for what `doveadm` has no word for.
fn line(order: &Order) -> Option<String> {
    Some(match order {
        Order::AddBackend {
            backend: number,
            vhosts,
            tag,
        } => {
            let at = if tag.is_empty() { "" } else { "@" };
            format!("HOST-SET\t{}{at}{tag}\t{vhosts}", backend(*number))
        }
        Order::RemoveBackend { backend: number } => format!("HOST-REMOVE\t{}", backend(*number)),
        Order::SetVhosts {
            backend: number,
            vhosts,
        } => {
            format!("HOST-UPDATE\t{}\t{vhosts}", backend(*number))
        }
        Order::Up { backend: number } => format!("HOST-UP\t{}", backend(*number)),
        Order::Down { backend: number } => format!("HOST-DOWN\t{}", backend(*number)),
        Order::Flush {
            backend: Some(number),
        } => format!("HOST-FLUSH\t{}", backend(*number)),
        Order::Flush { backend: None } => "HOST-FLUSH".to_owned(),
        Order::Move {
            user,
            backend: number,
        } => format!("USER-MOVE\tuser{user}\t{}", backend(*number)),
        // As the stock doveadm says it.
        Order::MoveHash {
            user,
            backend: number,
        } => format!("USER-MOVE\t{}\t{}", key(*user).hash(), backend(*number)),
        _ => return None,
    })
}

/// The key of a user's name, as the daemon has it.
pub fn key(user: u32) -> UserKey {
    UserKey::of_expanded(format!("user{user}").as_bytes())
}

/// The user without a tag.
pub fn id(user: u32) -> UserId {
    UserId {
        key: key(user),
        tag: TagId::DEFAULT,
    }
}
