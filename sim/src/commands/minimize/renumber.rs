//! A plan without one of its members or backends, which are named by their places, so those behind move up; or
//! with one user for another.

use sim::{Errand, FaultKind, Order, Plan, Work};

/// The plan without this member, and without what concerns nobody else.
pub fn without_member(plan: &Plan, gone: usize) -> Plan {
    let mut plan = plan.clone();
    plan.knobs.members.remove(gone);
    plan.faults
        .retain_mut(|fault| keep_fault_without_member(&mut fault.kind, gone));
    plan.work.retain_mut(|work| keep_work_without_member(work, gone));
    plan
}

/// The plan with one member in the place of two: it does what both did, and suffers what both suffered.
pub fn with_members_merged(plan: &Plan, kept: usize, gone: usize) -> Plan {
    let mut plan = plan.clone();
    let other = plan.knobs.members[gone].clone();
    let member = &mut plan.knobs.members[kept];
    (member.serves, member.votes) = (member.serves || other.serves, member.votes || other.votes);
    let rename = |member: &mut usize| {
        if *member == gone {
            *member = kept;
        }
    };
    let rename_all = |members: &mut Vec<usize>| {
        members.iter_mut().for_each(rename);
        members.sort_unstable();
        members.dedup();
    };
    for fault in &mut plan.faults {
        if let Some(links) = fault.kind.links_mut() {
            rename_all(&mut links.from);
            rename_all(&mut links.to);
        } else if let FaultKind::Partition { side } = &mut fault.kind {
            rename_all(side);
        } else if let Some(member) = fault.kind.member_mut() {
            rename(member);
        }
    }
    for work in &mut plan.work {
        rename(&mut work.member);
        if let Errand::Command { orders } | Errand::DryRun { orders } = &mut work.errand {
            for order in orders {
                if let Order::AddMember { member } | Order::RemoveMember { member } = order {
                    rename(member);
                }
            }
        }
    }
    without_member(&plan, gone)
}

/// The plan without this backend, and without what concerns no other.
pub fn without_backend(plan: &Plan, gone: usize) -> Plan {
    let mut plan = plan.clone();
    plan.knobs.backends.remove(gone);
    plan.faults.retain_mut(|fault| match &mut fault.kind {
        FaultKind::BackendDown { backend } | FaultKind::BackendFlap { backend, .. } => {
            moved_up(backend, gone)
        }
        _ => true,
    });
    plan.work.retain_mut(|work| match &mut work.errand {
        Errand::Command { orders } | Errand::DryRun { orders } => {
            orders.retain_mut(|order| keep_order_without_backend(order, gone));
            !orders.is_empty()
        }
        Errand::Kick { .. } | Errand::Login { .. } => true,
    });
    plan
}

/// Whether any work names this user.
pub fn names_user(plan: &Plan, user: u32) -> bool {
    let mut plan = plan.clone();
    users_of(&mut plan).into_iter().any(|named| *named == user)
}

/// The plan with another user in the place of this one.
pub fn with_user_renamed(plan: &Plan, user: u32, other: u32) -> Plan {
    let mut plan = plan.clone();
    for named in users_of(&mut plan) {
        if *named == user {
            *named = other;
        }
    }
    plan
}

/// Every place in the work where a user is named.
fn users_of(plan: &mut Plan) -> Vec<&mut u32> {
    let mut users = Vec::new();
    for work in &mut plan.work {
        match &mut work.errand {
            Errand::Kick { user } | Errand::Login { user, .. } => users.push(user),
            Errand::Command { orders } | Errand::DryRun { orders } => {
                for order in orders {
                    match order {
                        Order::Move { user, .. } | Order::MoveHash { user, .. } | Order::Unpin { user } => {
                            users.push(user)
                        }
                        Order::Release { users: several } => users.extend(several),
                        _ => {}
                    }
                }
            }
        }
    }
    users
}

/// Whether the place is still there; if so, it is the new one.
fn moved_up(place: &mut usize, gone: usize) -> bool {
    if *place > gone {
        *place -= 1;
        return true;
    }
    *place != gone
}

/// Takes the place out of a list. An empty list of links means all of them, so one that becomes empty says `false`.
fn taken_out(places: &mut Vec<usize>, gone: usize) -> bool {
    let was_empty = places.is_empty();
    places.retain_mut(|place| moved_up(place, gone));
    was_empty || !places.is_empty()
}

fn keep_fault_without_member(kind: &mut FaultKind, gone: usize) -> bool {
    if let Some(links) = kind.links_mut() {
        let has_senders = taken_out(&mut links.from, gone);
        let has_receivers = taken_out(&mut links.to, gone);
        return has_senders && has_receivers;
    }
    if let FaultKind::Partition { side } = kind {
        return taken_out(side, gone);
    }
    kind.member_mut().is_none_or(|member| moved_up(member, gone))
}

fn keep_work_without_member(work: &mut Work, gone: usize) -> bool {
    if !moved_up(&mut work.member, gone) {
        return false;
    }
    match &mut work.errand {
        Errand::Command { orders } | Errand::DryRun { orders } => {
            orders.retain_mut(|order| match order {
                Order::AddMember { member } | Order::RemoveMember { member } => moved_up(member, gone),
                _ => true,
            });
            !orders.is_empty()
        }
        Errand::Kick { .. } | Errand::Login { .. } => true,
    }
}

fn keep_order_without_backend(order: &mut Order, gone: usize) -> bool {
    let number = match order {
        Order::AddBackend { backend, .. }
        | Order::RemoveBackend { backend }
        | Order::SetVhosts { backend, .. }
        | Order::SetTag { backend, .. }
        | Order::Up { backend }
        | Order::Down { backend }
        | Order::Drain { backend, .. }
        | Order::CancelDrain { backend }
        | Order::Flush {
            backend: Some(backend),
        }
        | Order::Move { backend, .. }
        | Order::MoveHash { backend, .. } => backend,
        _ => return true,
    };
    let mut place = *number as usize;
    let is_kept = moved_up(&mut place, gone);
    *number = place as u32;
    is_kept
}

#[cfg(test)]
mod tests {
    use sim::Fault;
    use sim::fault::Links;
    use sim::knobs::{BackendKnobs, Doors, MemberKnobs};

    use super::*;

    fn plan_with(faults: Vec<FaultKind>, work: Vec<Work>) -> Plan {
        let member = MemberKnobs {
            serves: true,
            votes: true,
            is_configured: true,
            doors: Doors::Exact,
            close_bound_ms: 0,
            starts_at_ms: 0,
            wrong_configuration_until_ms: 0,
            is_bootstrap: false,
            clock_ppm: 0,
            clock_offset_ms: 0,
        };
        let backend = BackendKnobs {
            vhosts: 100,
            tag: String::new(),
            is_configured: true,
        };
        let mut plan = Plan::from_seed(1);
        plan.knobs.members = vec![member; 3];
        plan.knobs.backends = vec![backend; 3];
        let faults = faults.into_iter().map(|kind| Fault {
            from_ms: 1,
            to_ms: 2,
            kind,
        });
        (plan.faults, plan.work) = (faults.collect(), work);
        plan
    }

    fn command(member: usize, orders: Vec<Order>) -> Work {
        Work {
            at_ms: 1,
            member,
            errand: Errand::Command { orders },
        }
    }

    #[test]
    fn members_behind_the_one_that_goes_move_up() {
        let cut = |from: Vec<usize>, to: Vec<usize>| FaultKind::Cut {
            links: Links {
                from,
                to,
                only: Vec::new(),
            },
        };
        let plan = plan_with(
            vec![
                FaultKind::Partition { side: vec![0, 2] },
                FaultKind::Partition { side: vec![0] },
                FaultKind::Crash { member: 0 },
                FaultKind::Crash { member: 2 },
                cut(vec![0], vec![]),
                cut(vec![], vec![0, 1]),
            ],
            vec![
                command(0, vec![Order::Unpin { user: 1 }]),
                command(1, vec![Order::RemoveMember { member: 0 }]),
                command(1, vec![Order::RemoveMember { member: 2 }]),
            ],
        );
        let plan = without_member(&plan, 0);
        let kinds: Vec<FaultKind> = plan.faults.into_iter().map(|fault| fault.kind).collect();
        assert_eq!(
            kinds,
            [
                FaultKind::Partition { side: vec![1] },
                FaultKind::Crash { member: 1 },
                cut(vec![], vec![0])
            ]
        );
        assert_eq!(plan.work, [command(0, vec![Order::RemoveMember { member: 1 }])]);
    }

    #[test]
    fn one_member_takes_the_place_of_two() {
        let mut plan = plan_with(
            vec![
                FaultKind::Partition { side: vec![0, 2] },
                FaultKind::Cable { member: 2 },
                FaultKind::Crash { member: 1 },
            ],
            vec![
                command(2, vec![Order::Unpin { user: 1 }]),
                command(1, vec![Order::RemoveMember { member: 2 }]),
            ],
        );
        plan.knobs.members[0].votes = false;
        plan.knobs.members[2].serves = false;
        let plan = with_members_merged(&plan, 0, 2);
        let kinds: Vec<FaultKind> = plan.faults.into_iter().map(|fault| fault.kind).collect();
        assert_eq!(
            kinds,
            [
                FaultKind::Partition { side: vec![0] },
                FaultKind::Cable { member: 0 },
                FaultKind::Crash { member: 1 }
            ]
        );
        assert_eq!(
            plan.work,
            [
                command(0, vec![Order::Unpin { user: 1 }]),
                command(1, vec![Order::RemoveMember { member: 0 }])
            ]
        );
        assert!(plan.knobs.members[0].serves && plan.knobs.members[0].votes);
        assert_eq!(plan.knobs.members.len(), 2);
    }

    #[test]
    fn a_user_is_renamed_wherever_it_is_named() {
        let login = |user| Work {
            at_ms: 1,
            member: 0,
            errand: Errand::Login {
                user,
                is_second_tag: false,
                session_ms: 5,
            },
        };
        let release = |users| command(0, vec![Order::Release { users }]);
        let plan = plan_with(vec![], vec![login(3), login(4), release(vec![3, 5])]);
        let plan = with_user_renamed(&plan, 3, 0);
        assert_eq!(plan.work, [login(0), login(4), release(vec![0, 5])]);
        assert!(names_user(&plan, 5) && !names_user(&plan, 3));
    }

    #[test]
    fn backends_behind_the_one_that_goes_move_up() {
        let plan = plan_with(
            vec![
                FaultKind::BackendDown { backend: 0 },
                FaultKind::BackendDown { backend: 1 },
            ],
            vec![
                command(0, vec![Order::Up { backend: 0 }]),
                command(
                    0,
                    vec![Order::Up { backend: 0 }, Order::Flush { backend: Some(1) }],
                ),
                command(0, vec![Order::Flush { backend: None }]),
            ],
        );
        let plan = without_backend(&plan, 0);
        assert_eq!(plan.faults.len(), 1);
        assert_eq!(plan.faults[0].kind, FaultKind::BackendDown { backend: 0 });
        assert_eq!(
            plan.work,
            [
                command(0, vec![Order::Flush { backend: Some(0) }]),
                command(0, vec![Order::Flush { backend: None }])
            ]
        );
    }
}
