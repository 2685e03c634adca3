//! Drawing the world of a seed.

use crate::entropy::Stream;
use crate::knobs::{BackendKnobs, Doors, Knobs, MemberKnobs, PolicyKnob};

/// Kinds of faults with how often a seed may use them.
const KINDS: &[(&str, u64)] = &[
    ("partition", 4),
    ("cut", 3),
    ("flap", 1),
    ("loss", 3),
    ("duplicate", 2),
    ("delay", 3),
    ("hold", 3),
    ("crash", 4),
    ("power-cut", 2),
    ("wipe", 2),
    ("pause", 4),
    ("drift", 2),
    ("wall-jump", 1),
    ("slow-evict", 2),
    ("slow-disk", 2),
    ("broken-disk", 1),
    ("backend-down", 3),
    ("backend-flap", 1),
    ("second-process", 1),
];

pub(super) fn draw(stream: &mut Stream, of_flushes: &mut Stream, of_health: &mut Stream) -> Knobs {
    let lease_ms = *stream.pick(&[1_000, 1_000, 1_500, 2_000, 2_000, 3_000, 5_000, 10_000]);
    let drift_ppm = *stream.pick(&[10_000, 10_000, 10_000, 1_000, 50_000]);
    let is_tight = stream.percent(8);
    let mut limit = |low, high, else_| {
        if is_tight {
            stream.range(low, high) as usize
        } else {
            else_
        }
    };
    let (waiting_logins_max, holds_max, commands_max) =
        (limit(1, 5, 200), limit(3, 10, 1_000), limit(1, 3, 50));
    let backends = backends(stream);
    let has_second_tag = backends
        .iter()
        .any(|backend| backend.is_configured && !backend.tag.is_empty());
    Knobs {
        members: members(stream, lease_ms, drift_ppm as i32),
        policy: if stream.percent(88) {
            PolicyKnob::Consistent
        } else {
            PolicyKnob::Available
        },
        lease_ms,
        drift_ppm,
        user_expire_ms: *stream.pick(&[3_000, 3_000, 5_000, 5_000, 8_000, 15_000, 60_000]),
        login_wait_ms: *stream.pick(&[30_000, 30_000, 30_000, 5_000, 1_000]),
        command_wait_ms: *stream.pick(&[30_000, 30_000, 10_000, 3_000]),
        backends,
        users: *stream.pick(&[3, 4, 5, 8, 8, 12, 20, 40]),
        // Now and then users come with a tag that nobody has.
        second_tag_percent: if has_second_tag || stream.percent(5) {
            *stream.pick(&[0, 20, 50])
        } else {
            0
        },
        login_gap_ms: *stream.pick(&[40, 80, 80, 150, 150, 300, 1_000]),
        at_once_percent: *stream.pick(&[0, 10, 30, 60]),
        session_ms: *stream.pick(&[100, 500, 1_000, 2_000, 5_000, 10_000]),
        latency_min_us: *stream.pick(&[50, 200, 500]),
        latency_max_us: *stream.pick(&[500, 1_000, 2_000, 5_000, 20_000, 50_000]),
        is_ordered: stream.percent(40),
        disk_us: *stream.pick(&[100, 1_000, 5_000, 20_000, 50_000]),
        health_ms: *stream.pick(&[100, 500, 1_000, 2_000]),
        waiting_logins_max,
        holds_max,
        commands_max,
        flushes_max: *of_flushes.pick(&[0, 0, 0, 0, 0, 1, 3, 50]),
        flush_ms: *of_flushes.pick(&[1, 20, 300]),
        probe_ms: *of_health.pick(&[0, 0, 0, 0, 0, 0, 100, 200, 500, 1_000]),
        failed_max_permille: *of_health.pick(&[500, 500, 300, 700, 1_000]),
        evict_after_ms: *of_health.pick(&[0, 0, 0, 2_000]),
        // The last draw of its stream, so that no other world changed when this knob came.
        joins_by_address: of_health.percent(40),
        has_markers: stream.percent(50),
        fault_kinds: kinds(stream),
    }
}

fn kinds(stream: &mut Stream) -> Vec<String> {
    let total: u64 = KINDS.iter().map(|(_, weight)| weight).sum();
    let mut kinds = Vec::new();
    for _ in 0..stream.range(1, 6) {
        let mut at = stream.range(0, total - 1);
        for (kind, weight) in KINDS {
            if at < *weight {
                if !kinds.iter().any(|known| known == kind) {
                    kinds.push((*kind).to_owned());
                }
                break;
            }
            at -= weight;
        }
    }
    kinds
}

/// Directors, of them voters, and witnesses.
const SHAPES: &[(usize, usize, usize)] = &[
    (1, 1, 0),
    (2, 2, 0),
    (2, 2, 0),
    (2, 2, 1),
    (2, 2, 1),
    (2, 2, 1),
    (3, 3, 0),
    (3, 3, 0),
    (3, 3, 0),
    (3, 3, 0),
    (3, 3, 0),
    (3, 3, 0),
    (4, 3, 0),
    (5, 5, 0),
    (5, 5, 0),
    (5, 3, 0),
    (4, 2, 1),
    (7, 7, 0),
];

fn members(stream: &mut Stream, lease_ms: u64, drift_ppm: i32) -> Vec<MemberKnobs> {
    let (directors, voters, witnesses) = *stream.pick(SHAPES);
    let all_doors = *stream.pick(&[
        Some(Doors::Exact),
        Some(Doors::Exact),
        Some(Doors::Exact),
        Some(Doors::Refreshing),
        Some(Doors::Both),
        None,
    ]);
    let are_late = stream.percent(15);
    let mut member = |serves: bool, votes: bool, is_configured: bool| {
        let doors = all_doors.unwrap_or(*stream.pick(&[Doors::Exact, Doors::Refreshing, Doors::Both]));
        let clock_ppm = match stream.range(0, 3) {
            0 => drift_ppm,
            1 => -drift_ppm,
            _ => stream.range(0, drift_ppm as u64 * 2) as i32 - drift_ppm,
        };
        MemberKnobs {
            serves,
            votes,
            is_configured,
            doors: if serves { doors } else { Doors::Exact },
            close_bound_ms: if serves && doors != Doors::Exact {
                stream.range(10, lease_ms * 2 / 5)
            } else {
                0
            },
            starts_at_ms: if are_late && stream.percent(50) {
                stream.range(0, 6_000)
            } else {
                stream.range(0, 30)
            },
            wrong_configuration_until_ms: 0,
            is_bootstrap: false,
            clock_ppm,
            clock_offset_ms: stream.range(0, 10_000_000),
        }
    };
    let mut members: Vec<MemberKnobs> = (0..directors)
        .map(|index| member(true, index < voters, true))
        .collect();
    members.extend((0..witnesses).map(|_| member(false, true, true)));
    let joining = [(true, true), (true, false), (false, true)];
    let joining = joining.map(|(serves, votes)| member(serves, votes, false));
    if stream.percent(25) {
        members.push(stream.pick(&joining).clone());
    }
    if stream.percent(3) {
        let until_ms = stream.range(2_000, 6_000);
        let index = stream.index(members.len());
        if members[index].is_configured {
            members[index].wrong_configuration_until_ms = until_ms;
        }
    }
    if stream.percent(2)
        && members
            .iter()
            .all(|member| member.wrong_configuration_until_ms == 0)
    {
        members
            .iter_mut()
            .filter(|m| m.votes && m.is_configured)
            .for_each(|m| m.is_bootstrap = true);
    }
    members
}

fn backends(stream: &mut Stream) -> Vec<BackendKnobs> {
    let count = stream.range(2, 8);
    let vhosts_max = *stream.pick(&[1, 5, 10, 20, 20, 20, 20, 100]);
    let has_second_tag = stream.percent(40);
    (0..count)
        .map(|number| BackendKnobs {
            vhosts: if number > 0 && stream.percent(5) {
                0
            } else {
                stream.range(1, vhosts_max) as u32
            },
            tag: if has_second_tag && number > 0 && stream.percent(35) {
                "b"
            } else {
                ""
            }
            .to_owned(),
            is_configured: number == 0 || !stream.percent(15),
        })
        .collect()
}
