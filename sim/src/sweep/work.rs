//! Drawing what admins do.

use super::moments::Moments;
use crate::entropy::Stream;
use crate::knobs::Knobs;
use crate::work::{Errand, Order, Work};

/// Adds to what is already wanted.
pub(super) fn draw(stream: &mut Stream, knobs: &Knobs, moments: &Moments, work: &mut Vec<Work>) {
    let changes_members = stream.percent(15);
    for _ in 0..*stream.pick(&[0, 1, 2, 3, 4, 6, 8]) {
        let at_ms = moments.begin_ms(stream);
        let member = director(stream, knobs);
        let errand = match stream.range(0, 19) {
            0 => Errand::Kick {
                user: stream.index(knobs.users as usize) as u32,
            },
            1 => Errand::DryRun {
                orders: orders(stream, knobs),
            },
            2 if changes_members => Errand::Command {
                orders: vec![membership(stream, knobs)],
            },
            _ => Errand::Command {
                orders: orders(stream, knobs),
            },
        };
        // Two admins have the same idea, or another one, at the same time elsewhere.
        if stream.percent(40) {
            let orders = orders(stream, knobs);
            let errand = if stream.percent(30) {
                errand.clone()
            } else {
                Errand::Command { orders }
            };
            let member = director(stream, knobs);
            work.push(Work {
                at_ms: at_ms + stream.range(0, 30),
                member,
                errand,
            });
        }
        work.push(Work {
            at_ms,
            member,
            errand,
        });
    }
    if changes_members {
        replace_member(stream, knobs, moments, work);
    }
    work.sort_by_key(|work| work.at_ms);
}

pub(super) fn director(stream: &mut Stream, knobs: &Knobs) -> usize {
    let directors: Vec<usize> = (0..knobs.members.len())
        .filter(|index| knobs.members[*index].serves && knobs.members[*index].is_configured)
        .collect();
    *stream.pick(&directors)
}

/// One member goes and another comes, or the same again, in one order or the other.
fn replace_member(stream: &mut Stream, knobs: &Knobs, moments: &Moments, work: &mut Vec<Work>) {
    let member = stream.index(knobs.members.len());
    let mut orders = vec![Order::RemoveMember { member }, Order::AddMember { member }];
    if let Some(joining) = knobs.members.iter().position(|member| !member.is_configured) {
        let other = Order::AddMember { member: joining };
        orders = match stream.range(0, 3) {
            0 => vec![other],
            1 => vec![other, Order::RemoveMember { member }],
            2 => vec![Order::RemoveMember { member }, other],
            _ => vec![
                other,
                Order::RemoveMember { member: joining },
                Order::AddMember { member: joining },
            ],
        };
    }
    let mut at_ms = moments.begin_ms(stream);
    for order in orders {
        let errand = Errand::Command { orders: vec![order] };
        work.push(Work {
            at_ms: at_ms.min(moments.duration_ms - 1),
            member: director(stream, knobs),
            errand,
        });
        at_ms += stream.range(0, knobs.lease_ms * 2);
    }
}

fn membership(stream: &mut Stream, knobs: &Knobs) -> Order {
    let member = stream.index(knobs.members.len());
    if stream.percent(50) {
        Order::AddMember { member }
    } else {
        Order::RemoveMember { member }
    }
}

pub(super) fn orders(stream: &mut Stream, knobs: &Knobs) -> Vec<Order> {
    let count = *stream.pick(&[1, 1, 1, 2, 3]);
    (0..count).map(|_| order(stream, knobs)).collect()
}

fn order(stream: &mut Stream, knobs: &Knobs) -> Order {
    let backends = knobs.backends.len();
    // Now and then one that does not exist.
    let is_strange = stream.percent(10);
    let backend = stream.index(backends + usize::from(is_strange)) as u32;
    let user = stream.index(knobs.users as usize) as u32;
    let vhosts = *stream.pick(&[0, 1, 2, 5, 10, 20, 20, 5_000]);
    let tag = stream.pick(&["", "", "b", "c", "a@b"]).to_string();
    match stream.range(0, 29) {
        0..=1 => Order::AddBackend { backend, vhosts, tag },
        2..=3 => Order::RemoveBackend { backend },
        4..=8 => Order::SetVhosts { backend, vhosts },
        9 => Order::SetTag { backend, tag },
        10..=13 => Order::Down { backend },
        14..=16 => Order::Up { backend },
        17..=20 => Order::Flush {
            backend: Some(backend),
        },
        21 => Order::Flush { backend: None },
        22..=24 => Order::Move { user, backend },
        25 => Order::MoveHash { user, backend },
        26 => Order::Unpin { user },
        27 => Order::Release { users: vec![user] },
        28 => {
            let lease_ms = *stream.pick(&[1, 1_000, 2_000, 3_000, 5_000]);
            // Doors that close slowly need a lease well above that: the operator's part.
            let close_bound_ms = knobs
                .members
                .iter()
                .map(|member| member.close_bound_ms)
                .max()
                .unwrap_or(0);
            let is_enough = lease_ms == 1 || lease_ms * 2 >= close_bound_ms * 5;
            Order::SetLease {
                lease_ms: if is_enough { lease_ms } else { knobs.lease_ms },
            }
        }
        _ => Order::SetUserExpire {
            user_expire_ms: *stream.pick(&[1, 3_000, 5_000, 8_000]),
        },
    }
}
