//! What a topology is compared with: Dovecot's ring in as few words as possible, and whom to ask about.

use std::net::IpAddr;

use maildirector::topology::{BackendId, Point, TagId, Topology, UserId};
use md5::{Digest, Md5};

use super::worlds::{IPS, address, user};

/// Users with these hashes, those around every point, and those who are pinned, under every tag.
pub(super) fn users_to_ask(topologies: &[&Topology], hashes: &[u32]) -> Vec<UserId> {
    let mut users = Vec::new();
    for topology in topologies {
        for (tag, _) in topology.tags() {
            let points = topology.ring(tag).expect("every tag has a ring").points();
            let around = points.iter().flat_map(|point| {
                [
                    point.hash.saturating_sub(1),
                    point.hash,
                    point.hash.saturating_add(1),
                ]
            });
            let ends = [1, u32::MAX];
            users.extend(
                around
                    .chain(ends)
                    .chain(hashes.iter().copied())
                    .map(|hash| user(hash, tag)),
            );
        }
        // Of those whose hash is pinned another one, who has no pin of his own.
        let pinned = topology.pins().map(|(user, _)| user);
        users.extend(pinned.flat_map(|pinned| [pinned, user(pinned.key.hash(), pinned.tag)]));
    }
    users.sort_unstable();
    users.dedup();
    users
}

/// Whether several points of the user's tag have exactly his hash.
pub(super) fn is_collision(topologies: &[&Topology], user: UserId) -> bool {
    topologies
        .iter()
        .filter_map(|topology| topology.ring(user.tag))
        .any(|ring| {
            ring.points()
                .iter()
                .filter(|point| point.hash == user.key.hash())
                .count()
                > 1
        })
}

pub(super) fn share_of_circle(topology: &Topology, id: BackendId) -> f64 {
    let points = topology.ring(TagId::DEFAULT).expect("the default ring").points();
    let before = points.iter().cycle().skip(points.len() - 1);
    let arcs = points.iter().zip(before).filter(|(point, _)| point.backend == id);
    arcs.map(|(point, before)| f64::from(point.hash.wrapping_sub(before.hash)))
        .sum::<f64>()
        / 2_f64.powi(32)
}

/// The points of a tag as `mail-host.c` of Dovecot makes and sorts them.
pub(super) fn reference_ring(topology: &Topology, tag: TagId) -> Vec<(u32, IpAddr)> {
    let mut points = Vec::new();
    for backend in topology
        .backends()
        .filter(|backend| backend.tag == tag && backend.is_up)
    {
        for i in 0..backend.vhosts {
            let digest = Md5::digest(format!("{}-{i}", text_of(backend.ip)));
            points.push((
                u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]]),
                backend.ip,
            ));
        }
    }
    points.sort();
    points
}

pub(super) fn reference_pick(points: &[(u32, IpAddr)], hash: u32) -> Option<IpAddr> {
    let (mut low, mut high) = (0, points.len());
    while low < high {
        let middle = (low + high) / 2;
        if points[middle].0 == hash {
            return Some(points[middle].1);
        }
        if points[middle].0 < hash {
            low = middle + 1
        } else {
            high = middle
        }
    }
    points.get(low).or(points.first()).map(|&(_, ip)| ip)
}

/// The address as [`IPS`] writes it, which is how glibc writes it.
pub(super) fn text_of(ip: IpAddr) -> &'static str {
    IPS.into_iter()
        .find(|text| address(text) == ip)
        .expect("backends of these tests are in the list")
}

pub(super) fn ip_of(topology: &Topology, id: BackendId) -> IpAddr {
    topology
        .backend(id)
        .expect("a backend on a ring is in the topology")
        .ip
}

pub(super) fn points(topology: &Topology) -> Vec<Vec<Point>> {
    topology
        .tags()
        .map(|(tag, _)| {
            topology
                .ring(tag)
                .expect("every tag has a ring")
                .points()
                .to_vec()
        })
        .collect()
}
