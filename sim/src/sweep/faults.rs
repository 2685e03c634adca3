//! Drawing what goes wrong.

use super::script::Script;
use crate::entropy::Stream;
use crate::fault::{FaultKind, Links, MessageKind};
use crate::knobs::Knobs;

const MESSAGES: &[MessageKind] = &[
    MessageKind::Renew,
    MessageKind::Grant,
    MessageKind::Lacks,
    MessageKind::Fetch,
    MessageKind::Topology,
    MessageKind::Survey,
    MessageKind::Surveyed,
    MessageKind::Prepare,
    MessageKind::Promise,
    MessageKind::Held,
    MessageKind::Propose,
    MessageKind::Accepted,
    MessageKind::Confirmed,
    MessageKind::Commit,
    MessageKind::Request,
    MessageKind::Hello,
];

/// Single faults of the kinds that this seed may use; few of them beside series.
pub(super) fn draw(script: &mut Script<'_>, series: u64) {
    if script.stream.percent(25) {
        let kind = background(script);
        script.fault(0, script.moments.duration_ms, kind);
    }
    let count = match script.stream.range(0, 9) {
        0 => 0,
        1..=4 => script.stream.range(1, 4),
        _ => script.stream.range(3, 12),
    };
    for _ in 0..count / (series + 1) {
        let name = script.stream.pick(&script.knobs.fault_kinds).clone();
        let from_ms = script.moments.begin_ms(script.stream);
        let length_ms = script.moments.length_ms(script.stream);
        let kind = kind(script.stream, &name, script.knobs);
        script.fault(from_ms, length_ms, kind);
    }
}

/// Something that goes on all the time.
fn background(script: &mut Script<'_>) -> FaultKind {
    let lease_ms = script.knobs.lease_ms;
    let links = if script.stream.percent(70) {
        Links::default()
    } else {
        links(script.stream, script.knobs.members.len())
    };
    match script.stream.range(0, 3) {
        0 => FaultKind::Loss {
            links,
            permille: *script.stream.pick(&[20, 100, 300]),
        },
        1 => FaultKind::Duplicate {
            links,
            permille: *script.stream.pick(&[100, 500]),
        },
        _ => {
            let up_to_ms = *script
                .stream
                .pick(&[lease_ms / 20, lease_ms / 10, lease_ms / 4, lease_ms / 2]);
            FaultKind::Delay { links, up_to_ms }
        }
    }
}

pub(super) fn kind(stream: &mut Stream, name: &str, knobs: &Knobs) -> FaultKind {
    let member = stream.index(knobs.members.len());
    let backend = stream.index(knobs.backends.len());
    let up_to_ms = stream.range(1, knobs.lease_ms);
    match name {
        "partition" => FaultKind::Partition {
            side: side(stream, knobs.members.len()),
        },
        "cut" => FaultKind::Cut {
            links: links(stream, knobs.members.len()),
        },
        "flap" => FaultKind::Flap {
            links: links(stream, knobs.members.len()),
            period_ms: stream.range(20, knobs.lease_ms),
        },
        "loss" => {
            let permille = *stream.pick(&[20, 100, 300, 600, 900]);
            FaultKind::Loss {
                links: links(stream, knobs.members.len()),
                permille,
            }
        }
        "duplicate" => {
            let permille = *stream.pick(&[50, 300, 900]);
            FaultKind::Duplicate {
                links: links(stream, knobs.members.len()),
                permille,
            }
        }
        "delay" => FaultKind::Delay {
            links: links(stream, knobs.members.len()),
            up_to_ms: up_to_ms * 2,
        },
        "hold" => FaultKind::Hold {
            links: links(stream, knobs.members.len()),
        },
        "crash" => FaultKind::Crash { member },
        "power-cut" => FaultKind::PowerCut { member },
        "wipe" => FaultKind::Wipe { member },
        "pause" => FaultKind::Pause { member },
        "drift" => {
            let bound = knobs.drift_ppm as i32;
            FaultKind::Drift {
                member,
                ppm: if stream.percent(50) { bound } else { -bound },
            }
        }
        "wall-jump" => {
            let by_ms = stream.range(1, 100_000) as i64;
            FaultKind::WallJump {
                member,
                by_ms: if stream.percent(50) { by_ms } else { -by_ms },
            }
        }
        "slow-evict" => FaultKind::SlowEvict { member, up_to_ms },
        "slow-disk" => FaultKind::SlowDisk { member, up_to_ms },
        "broken-disk" => FaultKind::BrokenDisk { member },
        "backend-down" => FaultKind::BackendDown { backend },
        "backend-flap" => FaultKind::BackendFlap {
            backend,
            period_ms: stream.range(200, 5_000),
        },
        "upgrade" => FaultKind::Upgrade { member },
        _ => FaultKind::SecondProcess { member },
    }
}

/// Some of the members, at least one and not all where that is possible.
pub(super) fn side(stream: &mut Stream, members: usize) -> Vec<usize> {
    let size = stream.range(1, (members as u64 - 1).max(1)) as usize;
    let mut all: Vec<usize> = (0..members).collect();
    let mut side = Vec::new();
    for _ in 0..size {
        side.push(all.swap_remove(stream.index(all.len())));
    }
    side.sort_unstable();
    side
}

fn links(stream: &mut Stream, members: usize) -> Links {
    let mut links = Links::default();
    match stream.range(0, 4) {
        0 => {}
        1 => links.from = side(stream, members),
        2 => links.to = side(stream, members),
        _ => {
            links.from = side(stream, members);
            links.to = side(stream, members);
        }
    }
    if stream.percent(25) {
        links.only = (0..stream.range(1, 3)).map(|_| *stream.pick(MESSAGES)).collect();
    }
    links
}
