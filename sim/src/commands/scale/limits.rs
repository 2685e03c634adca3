//! Where a ring ends: every limit that grows near with users, members or changes, and the size at which it is reached.

use maildirector::director::Limits;
use maildirector::ring::FRAME_BYTES_MAX;
use maildirector::topology::{BACKENDS_MAX, MEMBERS_MAX};
use sim::scale::pin_bytes;

pub use maildirector::topology::PINS_MAX;

use super::plots::speed_name;
use super::site::Site;
use crate::commands::table::{Side, Table, grouped};

/// The limits with the size at which they are reached, nearest first for most sites.
pub fn limits(sites: &[Site]) -> Table {
    let mut table = Table::new(&[
        ("limit", Side::Left),
        ("reached at", Side::Left),
        ("by these rings", Side::Left),
        ("then", Side::Left),
    ]);
    let mut row = |cells: [String; 4]| table.row(cells.to_vec());
    row(held_users(sites));
    row(large_values(sites));
    row(pins(sites));
    row(held_frame(sites));
    row([
        format!("{MEMBERS_MAX} members of a ring"),
        format!("{} members", MEMBERS_MAX + 1),
        if sites
            .iter()
            .any(|site| usize::from(site.setup.directors) == MEMBERS_MAX)
        {
            "at the limit"
        } else {
            "not reached"
        }
        .to_owned(),
        "the configuration is refused".to_owned(),
    ]);
    row(traffic(sites));
    row([
        format!("{} backends", grouped(BACKENDS_MAX as u64)),
        format!("{} backends", grouped(BACKENDS_MAX as u64 + 1)),
        "not reached".to_owned(),
        "the change or configuration is refused".to_owned(),
    ]);
    table
}

fn held_users(sites: &[Site]) -> [String; 4] {
    let limit = Limits::default().holds as u64;
    let is_over = |site: &&Site| {
        let others = u64::from(site.setup.directors) - 1;
        site.setup.users.div_ceil(others) > limit
    };
    let over: Vec<String> = sites
        .iter()
        .filter(is_over)
        .map(|site| site.setup.directors.to_string())
        .collect();
    [
        format!("{} users held by one director", grouped(limit)),
        format!("{} users in a ring of 3 of which one is away", grouped(2 * limit)),
        reached(&over),
        "further users are refused there; a balancer finds no other director that has room".to_owned(),
    ]
}

fn pins(sites: &[Site]) -> [String; 4] {
    let users = sites.iter().map(|site| site.setup.users).max().unwrap_or(0);
    let share = 100.0 * PINS_MAX as f64 / users.max(1) as f64;
    let reached = if share < 100.0 {
        "by a large change"
    } else {
        "not reached"
    };
    [
        format!("{} pins in a topology", grouped(PINS_MAX as u64)),
        format!(
            "a change that displaces {share:.0} % of {} users at once",
            grouped(users)
        ),
        reached.to_owned(),
        "users beyond it are moved, which closes their sessions".to_owned(),
    ]
}

fn held_frame(sites: &[Site]) -> [String; 4] {
    let holds = (FRAME_BYTES_MAX as f64 / pin_bytes()) as u64;
    let is_over = |site: &&Site| site.memory.users > holds;
    let over: Vec<String> = sites
        .iter()
        .filter(is_over)
        .map(|site| site.setup.directors.to_string())
        .collect();
    [
        format!("{} MiB in a frame", FRAME_BYTES_MAX >> 20),
        format!("a change that displaces {} users of one director", grouped(holds)),
        if over.is_empty() {
            "not reached".to_owned()
        } else {
            format!("by a change of everything, with {} directors", over.join(", "))
        },
        "its answer is lost, the round goes on without it, and these users are moved".to_owned(),
    ]
}

/// The size of a value from which leases are lost, of each speed at the largest ring.
fn large_values(sites: &[Site]) -> [String; 4] {
    let largest = sites.iter().max_by_key(|site| site.setup.directors);
    let whole = FRAME_BYTES_MAX as u64;
    let at = largest.map_or(String::new(), |site| {
        let each = site
            .values
            .iter()
            .filter(|(_, bytes)| *bytes < whole)
            .map(|(speed, bytes)| {
                let users = (*bytes as f64 / pin_bytes()) as u64;
                format!("{} users pinned over {}", grouped(users), speed_name(*speed))
            });
        let each: Vec<String> = each.collect();
        format!(
            "{} directors: {}",
            site.setup.directors,
            if each.is_empty() {
                "no size".to_owned()
            } else {
                each.join("; ")
            }
        )
    });
    let slow: Vec<String> = sites
        .iter()
        .filter(|site| {
            site.values
                .iter()
                .any(|(_, bytes)| *bytes as f64 / pin_bytes() < PINS_MAX as f64)
        })
        .map(|site| site.setup.directors.to_string())
        .collect();
    [
        "time of a large value round the ring".to_owned(),
        at,
        reached(&slow),
        "leases run out while the value and its repetitions fill the links".to_owned(),
    ]
}

/// Traffic grows with the square of the members; the size at which a tenth of 1 Gbit/s is used.
fn traffic(sites: &[Site]) -> [String; 4] {
    let largest = sites.iter().max_by_key(|site| site.setup.directors);
    let size = largest.map_or(0.0, |site| {
        let bits = site.steady.link_bytes * 8.0;
        f64::from(site.setup.directors) * (1e8 / bits).sqrt()
    });
    [
        "traffic of renewals".to_owned(),
        format!("{size:.0} directors use a tenth of 1 Gbit/s"),
        "not reached".to_owned(),
        "beyond what a ring may have".to_owned(),
    ]
}

fn reached(directors: &[String]) -> String {
    match directors {
        [] => "not reached".to_owned(),
        some => format!("**reached** with {} directors", some.join(", ")),
    }
}
