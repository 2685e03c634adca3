//! The vhost ring of one tag, and Dovecot's rule for picking a backend from it.

use std::fmt;
use std::iter::Peekable;
use std::net::IpAddr;

use super::hash_index::HashIndex;
use super::points::vhost_hashes;
use super::{Backend, BackendId};

/// One virtual host on the hash circle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Point {
    /// Where it lies; the users from the point before up to here are its own.
    pub hash: u32,
    /// Whose it is.
    pub backend: BackendId,
}

/// The virtual hosts of one tag's backends, sorted by hash and then by the backend's address.
///
/// Points, order and pick are those of `mail-host.c` of Dovecot 2.3.
#[derive(Clone)]
pub struct VhostRing {
    points: Box<[Point]>,
    index: HashIndex,
}

impl VhostRing {
    /// The ring of these backends, whichever tag they have.
    pub(super) fn of<'a>(backends: impl Iterator<Item = &'a Backend>) -> Self {
        Self::from_points(sorted_points(backends).map(point_of).collect())
    }

    /// This ring with all points of the backends for which `leaves` holds taken away, and those of
    /// `joining` put in.
    ///
    /// `ip_of` gives the addresses of the backends that stay; it is asked only where hashes collide.
    pub(super) fn changed<'a>(
        &self,
        leaves: impl Fn(BackendId) -> bool,
        joining: impl Iterator<Item = &'a Backend>,
        ip_of: impl Fn(BackendId) -> IpAddr,
    ) -> Self {
        let mut joining = sorted_points(joining).peekable();
        let mut points = Vec::with_capacity(self.points.len() + joining.len());
        for &point in self.points.iter().filter(|point| !leaves(point.backend)) {
            while let Some(before) = next_before(&mut joining, point, &ip_of) {
                points.push(before);
            }
            points.push(point);
        }
        points.extend(joining.map(point_of));
        Self::from_points(points)
    }

    /// The ring of these points, which are in order.
    pub(super) fn from_points(points: Vec<Point>) -> Self {
        let index = HashIndex::of(points.iter().map(|point| point.hash));
        VhostRing {
            points: points.into_boxed_slice(),
            index,
        }
    }

    /// The backend of a user's hash: that of the first point at or above it, else of the first point of
    /// all. None when the ring is empty.
    ///
    /// Where several points have exactly this hash, Dovecot takes whichever its bisection meets first,
    /// and so does this.
    pub fn pick(&self, hash: u32) -> Option<BackendId> {
        let place = self.first_at_or_above(hash);
        let collides = |place: usize| self.points.get(place).is_some_and(|point| point.hash == hash);
        if collides(place) && collides(place + 1) {
            return self.bisect(hash);
        }
        self.points
            .get(place)
            .or(self.points.first())
            .map(|point| point.backend)
    }

    /// The longest stretch around a hash, first and last, in which [`VhostRing::pick`] says the same by the same point.
    pub(super) fn stretch(&self, hash: u32) -> (u32, u32) {
        let place = self.first_at_or_above(hash);
        let first = place
            .checked_sub(1)
            .map_or(0, |before| self.points[before].hash + 1);
        match self.points.get(place) {
            Some(point) if point.hash == hash => (hash, hash),
            Some(point) => (first, point.hash - 1),
            None => (first, u32::MAX),
        }
    }

    /// The points in order.
    pub fn points(&self) -> &[Point] {
        &self.points
    }

    fn first_at_or_above(&self, hash: u32) -> usize {
        let bucket = self.index.bucket(hash);
        bucket.start + self.points[bucket].partition_point(|point| point.hash < hash)
    }

    /// The first point with exactly this hash that Dovecot's bisection looks at.
    fn bisect(&self, hash: u32) -> Option<BackendId> {
        let (mut low, mut high) = (0, self.points.len());
        while low < high {
            let middle = (low + high) / 2;
            let point = self.points[middle];
            if point.hash == hash {
                return Some(point.backend);
            }
            if point.hash < hash {
                low = middle + 1
            } else {
                high = middle
            }
        }
        None
    }
}

/// Says how many points there are: a hundred thousand of them would drown what a log line is about.
impl fmt::Debug for VhostRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VhostRing({} points)", self.points.len())
    }
}

/// The points of these backends, by hash and address, each with its backend.
fn sorted_points<'a>(
    backends: impl Iterator<Item = &'a Backend>,
) -> impl ExactSizeIterator<Item = (u32, &'a Backend)> {
    let mut backends: Vec<&Backend> = backends.collect();
    backends.sort_unstable_by_key(|backend| backend.ip);
    let mut points: Vec<(u32, u32)> = Vec::with_capacity(backends.iter().map(|b| b.points() as usize).sum());
    for (rank, backend) in (0..).zip(&backends) {
        points.extend(vhost_hashes(backend.ip, backend.points()).map(|hash| (hash, rank)));
    }
    points.sort_unstable();
    points
        .into_iter()
        .map(move |(hash, rank)| (hash, backends[rank as usize]))
}

/// Takes the next joining point if it comes before `point`.
fn next_before<'a>(
    joining: &mut Peekable<impl Iterator<Item = (u32, &'a Backend)>>,
    point: Point,
    ip_of: impl Fn(BackendId) -> IpAddr,
) -> Option<Point> {
    let comes_before = |&(hash, backend): &(u32, &Backend)| {
        hash < point.hash || (hash == point.hash && backend.ip < ip_of(point.backend))
    };
    joining.next_if(comes_before).map(point_of)
}

fn point_of((hash, backend): (u32, &Backend)) -> Point {
    Point {
        hash,
        backend: backend.id,
    }
}

#[cfg(test)]
mod tests;
