//! Series of mishaps that hang together. Each is what one rule of the protocol is for, with everything left to
//! chance that can be: by chance alone they would come once in many thousand seeds.

use super::script::Script;
use crate::fault::{FaultKind, Links, MessageKind};
use crate::work::Order;

/// Draws one series, beginning near `at_ms`.
pub(super) fn draw(script: &mut Script<'_>, at_ms: u64) {
    match script.stream.range(0, 15) {
        0 | 1 => crash_within_a_round(script, at_ms),
        2 | 3 => coordinator_away_within_a_round(script, at_ms),
        4 | 5 => several_coordinators(script, at_ms),
        6 => laggard(script, at_ms),
        7 => away_for_a_lease(script, at_ms),
        8 => voters_change(script, at_ms),
        9 => all_others_restart(script, at_ms),
        10 => grants_of_an_earlier_run(script, at_ms),
        11 => confirmed_and_gone(script, at_ms),
        12 => first_start(script),
        13 => login_processes_outlive(script, at_ms),
        14 => two_processes(script, at_ms),
        _ => replaced_at_once(script, at_ms),
    }
}

/// Voters and coordinators die in the middle of a round and come back with what their disks have.
fn crash_within_a_round(script: &mut Script<'_>, at_ms: u64) {
    for _ in 0..script.stream.range(1, 3) {
        script.moving_command(at_ms);
    }
    let mut crash_ms = at_ms;
    for _ in 0..script.stream.range(1, 4) {
        crash_ms += script.blink_ms();
        let member = if script.stream.percent(30) {
            0
        } else {
            script.member()
        };
        script.restart(crash_ms, member);
        if script.stream.percent(50) {
            let after_ms = script.blink_ms();
            script.moving_command(crash_ms + after_ms);
        }
    }
}

/// A value is accepted, or even chosen, and hardly anybody knows: its coordinator is gone. Others go on.
fn coordinator_away_within_a_round(script: &mut Script<'_>, at_ms: u64) {
    let coordinator = if script.stream.percent(80) {
        0
    } else {
        script.director()
    };
    script.moving_command(at_ms);
    let gone_ms = at_ms + script.blink_ms();
    let tenths = script.stream.range(5, 35);
    let length_ms = script.lease_ms(tenths);
    if script.stream.percent(40) {
        let others = script.some_others(coordinator);
        script.cut(
            gone_ms,
            length_ms,
            &[coordinator],
            &others,
            &[MessageKind::Commit, MessageKind::Topology],
        );
        let later_ms = gone_ms + script.blink_ms();
        script.away(later_ms, length_ms, coordinator);
    } else {
        script.away(gone_ms, length_ms, coordinator);
    }
    for _ in 0..script.stream.range(0, 2) {
        let after_ms = script.blink_ms() * 2;
        let member = script.member();
        script.restart(gone_ms + after_ms, member);
    }
    for _ in 0..script.stream.range(1, 3) {
        let after_ms = script.lease_ms(5);
        script.moving_command(gone_ms + after_ms);
    }
}

/// Some directors do not hear of others' leases, and so several think that the lead is theirs.
fn several_coordinators(script: &mut Script<'_>, at_ms: u64) {
    let tenths = script.stream.range(20, 60);
    let length_ms = script.lease_ms(tenths);
    for _ in 0..script.stream.range(1, 3) {
        let silent = if script.stream.percent(60) {
            0
        } else {
            script.director()
        };
        let deaf = script.some_others(silent);
        script.cut(at_ms, length_ms, &[silent], &deaf, &[MessageKind::Renew]);
    }
    let steps = [
        MessageKind::Prepare,
        MessageKind::Promise,
        MessageKind::Propose,
        MessageKind::Accepted,
        MessageKind::Confirmed,
        MessageKind::Commit,
    ];
    for _ in 0..script.stream.range(0, 3) {
        let mut links = Links::default();
        links.only.push(*script.stream.pick(&steps));
        links.only.push(*script.stream.pick(&steps));
        let kind = match script.stream.range(0, 2) {
            0 => FaultKind::Loss {
                links,
                permille: *script.stream.pick(&[200, 500, 800]),
            },
            1 => FaultKind::Delay {
                links,
                up_to_ms: script.knobs.lease_ms / 2,
            },
            _ => FaultKind::Duplicate { links, permille: 500 },
        };
        script.fault(at_ms, length_ms, kind);
    }
    let mut command_ms = at_ms;
    for _ in 0..script.stream.range(3, 10) {
        let gap_ms = script.stream.range(0, length_ms / 5);
        command_ms += gap_ms;
        script.moving_command(command_ms);
        if script.stream.percent(60) {
            let after_ms = script.blink_ms();
            script.moving_command(command_ms + after_ms);
        }
    }
}

/// A director learns late what was decided, or can't ask for leases, while one change follows the other.
fn laggard(script: &mut Script<'_>, at_ms: u64) {
    let member = script.director();
    let tenths = script.stream.range(5, 25);
    let length_ms = script.lease_ms(tenths);
    let only: &[MessageKind] = match script.stream.range(0, 3) {
        0 => &[MessageKind::Commit, MessageKind::Topology],
        1 => &[MessageKind::Grant, MessageKind::Lacks],
        2 => &[MessageKind::Prepare, MessageKind::Propose],
        _ => &[MessageKind::Commit, MessageKind::Topology, MessageKind::Lacks],
    };
    script.cut(at_ms, length_ms, &[], &[member], only);
    if script.stream.percent(30) {
        script.cut(at_ms, length_ms, &[member], &[], &[MessageKind::Renew]);
    }
    if script.stream.percent(50) {
        let after_ms = script.blink_ms() * 3;
        script.away(at_ms + after_ms, length_ms, member);
    }
    if script.stream.percent(30) {
        let asked = script.director();
        script.command(at_ms, asked, vec![Order::RemoveMember { member }]);
    }
    let mut command_ms = at_ms;
    for _ in 0..script.stream.range(2, 5) {
        let gap_ms = script.blink_ms() * 2;
        command_ms += gap_ms;
        script.moving_command(command_ms);
    }
}

/// A director is away for about a lease, and back just when it has run out.
fn away_for_a_lease(script: &mut Script<'_>, at_ms: u64) {
    let member = script.director();
    let mut from_ms = at_ms;
    for _ in 0..script.stream.range(1, 3) {
        let length_ms = script.lease_ms(9);
        script.away(from_ms, length_ms, member);
        let before_ms = script.lease_ms(3);
        script.moving_command((from_ms + length_ms).saturating_sub(before_ms));
        script.moving_command(from_ms);
        from_ms += length_ms + script.lease_ms(4);
    }
}

/// Voters are added and removed in quick succession, while one director hears of it late.
fn voters_change(script: &mut Script<'_>, at_ms: u64) {
    let members = script.knobs.members.len();
    let mut change_ms = at_ms;
    let leaving = script.member();
    let mut orders = vec![
        Order::RemoveMember { member: leaving },
        Order::AddMember { member: leaving },
    ];
    if let Some(joining) = (0..members).find(|index| !script.knobs.members[*index].is_configured) {
        orders.insert(0, Order::AddMember { member: joining });
        if script.stream.percent(50) {
            orders.pop();
        }
    }
    for order in orders {
        let asked = script.director();
        script.command(change_ms, asked, vec![order]);
        change_ms += *script
            .stream
            .pick(&[10, 50, script.knobs.lease_ms / 4, script.knobs.lease_ms]);
        script.moving_command(change_ms);
    }
    let slow = script.director();
    let tenths = script.stream.range(5, 20);
    let length_ms = script.lease_ms(tenths);
    let only: &[MessageKind] = if script.stream.percent(50) {
        &[MessageKind::Renew]
    } else {
        &[MessageKind::Commit, MessageKind::Topology]
    };
    if only[0] == MessageKind::Renew {
        script.cut(at_ms, length_ms, &[slow], &[], only);
    } else {
        script.cut(at_ms, length_ms, &[], &[slow], only);
    }
    let after_ms = script.stream.range(0, (change_ms - at_ms).max(1));
    script.away(at_ms + after_ms, length_ms, slow);
    if script.stream.percent(40) {
        script.restart(at_ms + after_ms, leaving);
    }
}

/// One director is out of sight with a running lease, and whoever has noted that lease forgets it.
fn all_others_restart(script: &mut Script<'_>, at_ms: u64) {
    let member = script.director();
    let tenths = script.stream.range(8, 15);
    let length_ms = script.lease_ms(tenths);
    script.away(at_ms, length_ms, member);
    for other in script.others(member) {
        if script.stream.percent(85) {
            let after_ms = script.blink_ms();
            let down_ms = script.stream.range(1, 30);
            script.fault(at_ms + after_ms, down_ms, FaultKind::Crash { member: other });
        }
    }
    for _ in 0..script.stream.range(1, 4) {
        let after_ms = script.lease_ms(3);
        let others = script.others(member);
        let orders = vec![script.moving_order(), Order::Flush { backend: None }];
        if let Some(asked) = others.first() {
            let asked = if script.stream.percent(50) {
                *asked
            } else {
                script.director()
            };
            script.command(at_ms + after_ms, asked, orders);
        }
    }
}

/// Grants for one run reach the next.
fn grants_of_an_earlier_run(script: &mut Script<'_>, at_ms: u64) {
    let member = script.director();
    let first_ms = script.stream.range(1, 30);
    script.fault(at_ms, first_ms, FaultKind::Crash { member });
    let up_ms = at_ms + first_ms;
    let again_ms = script.lease_ms(4);
    script.fault(up_ms + again_ms, 5, FaultKind::Crash { member });
    let links = Links {
        from: Vec::new(),
        to: vec![member],
        only: vec![MessageKind::Grant],
    };
    let held_ms = again_ms + script.blink_ms() + 10;
    let kind = if script.stream.percent(50) {
        FaultKind::Hold { links }
    } else {
        FaultKind::Delay {
            links,
            up_to_ms: script.knobs.lease_ms / 2,
        }
    };
    script.fault(up_ms, held_ms, kind);
    script.moving_command(up_ms);
}

/// A director confirms a value that few voters have seen, loses its lease or its life, and is back before they have.
fn confirmed_and_gone(script: &mut Script<'_>, at_ms: u64) {
    let coordinator = if script.stream.percent(80) {
        0
    } else {
        script.director()
    };
    let member = script.director();
    let others: Vec<usize> = script
        .others(coordinator)
        .into_iter()
        .filter(|other| *other != member)
        .collect();
    let tenths = script.stream.range(8, 30);
    let length_ms = script.lease_ms(tenths);
    let only: &[MessageKind] = if script.stream.percent(60) {
        &[MessageKind::Propose]
    } else {
        &[MessageKind::Propose, MessageKind::Lacks]
    };
    if !others.is_empty() {
        script.cut(at_ms, length_ms, &[coordinator], &others, only);
    }
    script.moving_command(at_ms);
    let after_ms = script.blink_ms() * 2;
    if script.stream.percent(50) {
        script.restart(at_ms + after_ms, member);
    } else {
        let tenths = script.stream.range(9, 13);
        let silent_ms = script.lease_ms(tenths);
        let kinds: &[MessageKind] = if script.stream.percent(50) {
            &[MessageKind::Renew]
        } else {
            &[]
        };
        script.cut(at_ms + after_ms, silent_ms, &[member], &[], kinds);
    }
    let later_ms = script.lease_ms(5);
    script.moving_command(at_ms + later_ms);
}

/// The ring begins while disks are wiped and greetings are late.
fn first_start(script: &mut Script<'_>) {
    let links = |script: &mut Script<'_>| {
        let mut links = Links {
            only: vec![MessageKind::Hello],
            ..Links::default()
        };
        if script.stream.percent(60) {
            links.to.push(script.member());
        }
        if script.stream.percent(30) {
            links.only.push(MessageKind::Topology);
        }
        links
    };
    for _ in 0..script.stream.range(1, 3) {
        let links = links(script);
        let kind = match script.stream.range(0, 3) {
            0 => FaultKind::Hold { links },
            1 => FaultKind::Loss { links, permille: 700 },
            2 => FaultKind::Cut { links },
            _ => FaultKind::Delay {
                links,
                up_to_ms: 2_000,
            },
        };
        let (from_ms, length_ms) = (script.stream.range(0, 50), script.stream.range(20, 3_000));
        script.fault(from_ms, length_ms, kind);
    }
    if !script.faults.iter().any(|fault| fault.kind.is_wipe()) {
        script.wipes_left = script.knobs.wipes_max();
    }
    for _ in 0..script.stream.range(1, 3) {
        let at_ms = script.stream.range(5, 1_500);
        let member = script.member();
        let kind = if script.stream.percent(70) {
            FaultKind::Wipe { member }
        } else {
            FaultKind::Crash { member }
        };
        let length_ms = script.stream.range(1, 200);
        script.fault(at_ms, length_ms, kind);
    }
}

/// A director of login processes dies with sessions open, its users are moved, and it is back.
fn login_processes_outlive(script: &mut Script<'_>, at_ms: u64) {
    let member = script.director();
    let down_ms = *script
        .stream
        .pick(&[5, 50, script.knobs.lease_ms / 4, script.knobs.lease_ms / 2]);
    script.fault(at_ms, down_ms, FaultKind::Crash { member });
    for _ in 0..script.stream.range(1, 3) {
        let after_ms = script.stream.range(0, down_ms + script.knobs.lease_ms / 5);
        script.moving_command(at_ms + after_ms);
    }
}

/// A second process beside the first, while changes are made.
fn two_processes(script: &mut Script<'_>, at_ms: u64) {
    let member = script.member();
    let tenths = script.stream.range(10, 40);
    let length_ms = script.lease_ms(tenths);
    script.fault(at_ms, length_ms, FaultKind::SecondProcess { member });
    if script.stream.percent(30) {
        let after_ms = script.stream.range(0, 300);
        script.fault(at_ms + after_ms, length_ms, FaultKind::Pause { member });
    }
    for _ in 0..script.stream.range(1, 5) {
        let after_ms = script.stream.range(0, length_ms);
        script.moving_command(at_ms + after_ms);
    }
}

/// One command puts another voter in the place of one, and the ring falls apart along the seam.
fn replaced_at_once(script: &mut Script<'_>, at_ms: u64) {
    let members = script.knobs.members.len();
    let joining = (0..members).find(|index| !script.knobs.members[*index].is_configured);
    let Some(joining) = joining else {
        return coordinator_away_within_a_round(script, at_ms);
    };
    let leaving = script.member();
    let orders = vec![
        Order::AddMember { member: joining },
        Order::RemoveMember { member: leaving },
    ];
    let asked = script.director();
    script.command(at_ms, asked, orders);
    let mut side = vec![leaving];
    side.extend(
        script
            .some_others(leaving)
            .into_iter()
            .filter(|member| *member != joining)
            .take(members / 2),
    );
    let after_ms = script.blink_ms();
    let length_ms = script.lease_ms(15);
    script.fault(at_ms + after_ms, length_ms, FaultKind::Partition { side });
    for _ in 0..3 {
        let after_ms = after_ms + script.blink_ms() * 2;
        script.moving_command(at_ms + after_ms);
    }
}
