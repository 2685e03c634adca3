//! What a ring says while nothing happens, and how long a change takes.

use std::time::Duration;

use maildirector::agreement::timing::TIMING_DEFAULT;
use maildirector::ring::{FRAME_HEAD_BYTES, RingLimits};
use maildirector::topology::Change;

use super::scene::{SECOND, Scene};
use super::setup::{Setup, VHOSTS, backend_ip};

/// So long a quiet ring is watched: ten rounds of renewals.
const WATCHED: Duration = Duration::from_secs(20);
/// Between two changes: everything of the one before is done.
const BETWEEN_NS: u64 = 4 * SECOND;
/// A change that takes longer is given up.
const CHANGE_NS: u64 = 30 * SECOND;

/// A quiet ring, per second of simulated time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Steady {
    /// Messages said by all members together: to all and to one.
    pub said: f64,
    /// Messages that one director takes in: its machine handles them.
    pub handled: f64,
    /// Frames that one director gets over its links: what is for others is passed on.
    pub frames: f64,
    /// Bytes that one director gets over its links, and sends; without TLS and TCP.
    pub link_bytes: f64,
    /// Inputs of one director's machine: messages, timers, logins of sampled users, disk.
    pub inputs: f64,
    /// Links that a message passes on its longest way.
    pub hops: u32,
}

/// Watches a quiet ring without users: logins send nothing.
pub fn steady(setup: &Setup) -> Steady {
    let topology = setup.topology();
    let mut scene = Scene::new(setup, &topology);
    scene.run_for(30 * SECOND);
    let before = scene.counts;
    scene.is_weighed = true;
    scene.run_for(WATCHED.as_secs() * SECOND);
    let (seconds, members) = (WATCHED.as_secs_f64(), f64::from(setup.directors));
    let counts = scene.counts;
    let per_second = |after: u64, before: u64| (after - before) as f64 / seconds;
    let floods = per_second(counts.floods, before.floods);
    let sends = per_second(counts.sends, before.sends);
    // Every member also says that it lives, in a message without a body, and each link twice a second that it stands.
    let beacons = members / RingLimits::default().beacon_every.as_secs_f64();
    // What is for all comes to every member once and meets itself once; what is for one passes the whole circle.
    let circle = members + 1.0;
    let flood_bytes = per_second(counts.flood_bytes, before.flood_bytes) + beacons * FRAME_HEAD_BYTES as f64;
    let send_bytes = per_second(counts.send_bytes, before.send_bytes);
    Steady {
        said: floods + sends,
        handled: per_second(counts.delivered, before.delivered) / members,
        frames: ((floods + beacons) * circle + sends * members) / members,
        link_bytes: (flood_bytes * circle + send_bytes * members) / members,
        inputs: per_second(counts.inputs, before.inputs) / members,
        hops: u32::from(setup.directors) / 2,
    }
}

/// How long changes took, in nanoseconds, in rising order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ChangeTimes {
    /// From the command to the answer.
    pub answered_ns: Vec<u64>,
    /// From the command until every director has installed it.
    pub everywhere_ns: Vec<u64>,
    /// Changes that were not answered in time.
    pub given_up: u64,
    /// Messages that the machines took in for a change, beyond those of a quiet ring.
    pub messages: f64,
}

impl ChangeTimes {
    /// The time within which so many per cent were done; nothing when none was.
    pub fn percentile_ns(times: &[u64], percent: usize) -> u64 {
        let at = (times.len() * percent).div_ceil(100).saturating_sub(1);
        times.get(at).copied().unwrap_or(0)
    }
}

/// Changes the weights of so many backends, one after the other, each asked for at another director at another moment.
pub fn change_times(setup: &Setup, count: u32) -> ChangeTimes {
    let topology = setup.topology();
    let mut scene = Scene::warm(setup, &topology);
    let mut times = ChangeTimes::default();
    let quiet = handled_in(&mut scene, 4 * SECOND) / 4.0;
    let (began_ns, before) = (scene.now, scene.counts.delivered);
    for number in 0..count {
        let pause_ns = BETWEEN_NS + scene.draw() % (2 * TIMING_DEFAULT.lease.as_nanos() as u64 / 5);
        scene.run_for(pause_ns);
        let member = (scene.draw() % u64::from(setup.directors)) as usize;
        let ip = backend_ip(number % setup.backends);
        let vhosts = VHOSTS - 1 - number / setup.backends % 50;
        let asked_ns = scene.now;
        scene.command(member, u64::from(number), vec![Change::SetVhosts { ip, vhosts }]);
        match finish(&mut scene, u64::from(number)) {
            Some((answered_ns, everywhere_ns)) => {
                times.answered_ns.push(answered_ns - asked_ns);
                times.everywhere_ns.push(everywhere_ns - asked_ns);
            }
            None => times.given_up += 1,
        }
    }
    let seconds = (scene.now - began_ns) as f64 / SECOND as f64;
    let all = (scene.counts.delivered - before) as f64;
    times.messages = (all - quiet * seconds) / f64::from(count.max(1));
    times.answered_ns.sort_unstable();
    times.everywhere_ns.sort_unstable();
    times
}

/// Messages taken in meanwhile.
fn handled_in(scene: &mut Scene, span: u64) -> f64 {
    let before = scene.counts.delivered;
    scene.run_for(span);
    (scene.counts.delivered - before) as f64
}

/// When a command was answered, and when all directors had installed what it made.
fn finish(scene: &mut Scene, id: u64) -> Option<(u64, u64)> {
    let end = scene.now + CHANGE_NS;
    loop {
        if let Some((answered_ns, Some(epoch))) = scene.replies.get(&id).copied() {
            let installed = scene.installed.get(&epoch).copied().unwrap_or_default();
            if installed.members >= scene.awake() {
                return Some((answered_ns, installed.last_at.max(answered_ns)));
            }
        }
        if !scene.step(end) {
            return None;
        }
    }
}
