//! What a ring is told when it starts, and the order of its members.

use std::collections::BTreeSet;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use super::greeting::{PROTOCOL_MAX, PROTOCOL_MIN};
use super::tls::{Tls, TlsError};
use crate::agreement::Boot;
use crate::topology::{MEMBERS_MAX, MemberId};

/// A member and where it listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its number.
    pub id: MemberId,
    /// Where the others dial it; the ring's order follows from it.
    pub address: SocketAddr,
    /// What the operator calls it.
    pub name: String,
}

/// A setting of the whole ring, compared when two members meet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// As the operator knows it.
    pub name: String,
    /// In a form in which equal meanings are equal texts.
    pub value: String,
    /// Whether members that differ must not talk; otherwise they are warned.
    pub must_match: bool,
}

/// How links are protected.
#[derive(Clone, Debug)]
pub enum Security {
    /// TLS 1.3, both sides with certificates of the ring's own CA.
    Tls(Arc<Tls>),
    /// Nothing is: whoever reaches the port can speak as any member. Only when the operator says so in as many words.
    Insecure,
}

/// Times and sizes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RingLimits {
    /// For making a connection; then the next member is tried beside it.
    pub connect_within: Duration,
    /// For TLS and the greetings together.
    pub handshake_within: Duration,
    /// How often a link that has nothing to say says so.
    pub keepalive_every: Duration,
    /// After so long without a byte from it, or without taking one, a link is dead.
    pub dead_after: Duration,
    /// The first wait before a member is dialled again; it doubles.
    pub redial_first: Duration,
    /// The longest such wait.
    pub redial_max: Duration,
    /// A link that lived so long starts with the first wait again.
    pub stable_after: Duration,
    /// An unanswered dialling does not hold up the next nearest for longer.
    pub stagger: Duration,
    /// How often a member makes itself heard all round the ring.
    pub beacon_every: Duration,
    /// A member that was not heard for so long is dialled although it is not the right neighbour.
    pub unheard_after: Duration,
    /// What may wait for one link; beyond it the oldest is dropped.
    pub queue_bytes_max: usize,
    /// Connections that may be in the middle of their greetings.
    pub greeting_connections_max: usize,
    /// The lowest and highest version of the ring's protocol to speak.
    pub versions: (u16, u16),
}

impl Default for RingLimits {
    fn default() -> Self {
        RingLimits {
            connect_within: Duration::from_secs(2),
            handshake_within: Duration::from_secs(5),
            keepalive_every: Duration::from_secs(1),
            dead_after: Duration::from_secs(4),
            redial_first: Duration::from_millis(100),
            redial_max: Duration::from_secs(5),
            stable_after: Duration::from_secs(10),
            stagger: Duration::from_millis(250),
            beacon_every: Duration::from_secs(2),
            unheard_after: Duration::from_secs(7),
            queue_bytes_max: 2 * super::FRAME_BYTES_MAX,
            greeting_connections_max: 128,
            versions: (PROTOCOL_MIN, PROTOCOL_MAX),
        }
    }
}

/// What a ring is told when it starts.
#[derive(Clone, Debug)]
pub struct RingSettings {
    /// Who this is.
    pub me: MemberId,
    /// The name of the ring: members of different clusters never link.
    pub cluster: String,
    /// All members, this one too, in any order.
    pub peers: Vec<Peer>,
    /// Which run of this member this is.
    pub boot: Boot,
    /// The settings that are compared with the neighbours'.
    pub said: Vec<Setting>,
    /// How links are protected.
    pub security: Security,
    /// Times and sizes.
    pub limits: RingLimits,
}

/// Why a ring could not start. The operator's fault.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RingError {
    /// This member is not among the members.
    NotAMember {
        /// Its number.
        me: MemberId,
    },
    /// Two members have one number.
    SameNumber {
        /// The number.
        id: MemberId,
    },
    /// Two members have one address.
    SameAddress {
        /// The address.
        address: SocketAddr,
    },
    /// More members than a ring may have.
    TooMany {
        /// How many.
        members: usize,
    },
    /// The certificates do not serve.
    Tls(TlsError),
}

/// The members of a ring now, and what this one says of those that were added while it ran.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Circle {
    /// All members, this one too, in any order.
    pub peers: Vec<Peer>,
    /// Settings that are said beside those of the start.
    pub said: Vec<Setting>,
    /// Whether this member belongs to them. One that does not dials nobody and waits until it is taken in again.
    pub is_member: bool,
}

impl Circle {
    /// The member of that number.
    pub(super) fn peer(&self, id: MemberId) -> Option<&Peer> {
        self.peers.iter().find(|peer| peer.id == id)
    }

    /// What to call a member in a message.
    pub(super) fn title(&self, id: MemberId) -> String {
        match self.peer(id) {
            Some(peer) => format!("{id} ({}, {})", peer.name, peer.address),
            None => id.to_string(),
        }
    }

    /// All others, the nearest on the right of `me` first: in the order of address and port, round the circle.
    pub(super) fn to_the_right(&self, me: MemberId) -> Vec<MemberId> {
        if !self.is_member {
            return Vec::new();
        }
        let mut order: Vec<_> = self.peers.iter().collect();
        order.sort_by_key(|peer| place(peer.address));
        let at = order.iter().position(|peer| peer.id == me).unwrap_or(0);
        order.rotate_left(at);
        order.into_iter().skip(1).map(|peer| peer.id).collect()
    }
}

impl RingSettings {
    /// The members as they are at the start.
    pub(super) fn circle(&self) -> Circle {
        Circle {
            peers: self.peers.clone(),
            said: Vec::new(),
            is_member: true,
        }
    }

    /// The same with other members, if these can form a ring.
    pub(super) fn check_circle(&self, circle: &Circle) -> Result<(), RingError> {
        check_peers(&circle.peers, self.me)
    }

    pub(super) fn check(&self) -> Result<(), RingError> {
        check_peers(&self.peers, self.me)
    }
}

fn check_peers(peers: &[Peer], me: MemberId) -> Result<(), RingError> {
    if peers.len() > MEMBERS_MAX {
        let members = peers.len();
        return Err(RingError::TooMany { members });
    }
    let (mut ids, mut places) = (BTreeSet::new(), BTreeSet::new());
    for peer in peers {
        if !ids.insert(peer.id) {
            return Err(RingError::SameNumber { id: peer.id });
        }
        if !places.insert(place(peer.address)) {
            let address = peer.address;
            return Err(RingError::SameAddress { address });
        }
    }
    if !ids.contains(&me) {
        return Err(RingError::NotAMember { me });
    }
    Ok(())
}

/// Dovecot's order of directors: IPv4 first, then the address byte by byte, then the port.
fn place(address: SocketAddr) -> (IpAddr, u16) {
    (address.ip(), address.port())
}

impl fmt::Display for RingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RingError::NotAMember { me } => write!(f, "{me} is this process, but not among the members"),
            RingError::SameNumber { id } => write!(f, "{id} is listed twice"),
            RingError::SameAddress { address } => write!(f, "two members have the address {address}"),
            RingError::TooMany { members } => {
                write!(f, "{members} members, a ring has {MEMBERS_MAX} at most")
            }
            RingError::Tls(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for RingError {}

impl From<TlsError> for RingError {
    fn from(error: TlsError) -> Self {
        RingError::Tls(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(me: u16, addresses: &[&str]) -> RingSettings {
        let peers = addresses.iter().enumerate().map(|(index, address)| Peer {
            id: MemberId::from_index(index as u16),
            address: address.parse().expect("an address"),
            name: String::new(),
        });
        RingSettings {
            me: MemberId::from_index(me),
            cluster: "mail".to_owned(),
            peers: peers.collect(),
            boot: Boot::from_bits(1),
            said: Vec::new(),
            security: Security::Insecure,
            limits: RingLimits::default(),
        }
    }

    #[test]
    fn the_ring_is_ordered_as_dovecot_orders_directors() {
        let addresses = [
            "[::1]:1",
            "10.0.0.10:1",
            "10.0.0.9:2",
            "10.0.0.9:1",
            "9.255.0.0:1",
        ];
        let right: Vec<_> = settings(1, &addresses)
            .circle()
            .to_the_right(MemberId::from_index(1))
            .iter()
            .map(|id| id.index())
            .collect();
        assert_eq!(right, [0, 4, 3, 2]);
        let right: Vec<_> = settings(4, &addresses)
            .circle()
            .to_the_right(MemberId::from_index(4))
            .iter()
            .map(|id| id.index())
            .collect();
        assert_eq!(right, [3, 2, 1, 0]);
    }

    #[test]
    fn members_that_cannot_form_a_ring_are_refused() {
        assert_eq!(settings(0, &["10.0.0.1:1"]).check(), Ok(()));
        let twice = settings(0, &["10.0.0.1:1", "10.0.0.1:1"]).check();
        assert!(matches!(twice, Err(RingError::SameAddress { .. })), "{twice:?}");
        let absent = settings(7, &["10.0.0.1:1"]).check();
        assert!(matches!(absent, Err(RingError::NotAMember { .. })), "{absent:?}");
    }
}
