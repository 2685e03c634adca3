//! From the members of the file and the topology in force to whom the ring links with.

use crate::config::{MemberSpec, RingWide, member_setting, roster};
use crate::director::Director;
use crate::ring::{Circle, Peer, Setting};

/// The members of the file, as the ring is started with them.
pub(super) fn of_file(file: &[MemberSpec]) -> Circle {
    Circle {
        peers: file.iter().map(peer).collect(),
        said: Vec::new(),
        is_member: true,
    }
}

/// The members now. What they say of each other is what the file says, and of those who were added at run time the same
/// as if it named them.
pub(super) fn circle(file: &[MemberSpec], director: &Director) -> Circle {
    let members = if director.is_fresh() {
        file.to_vec()
    } else {
        roster(file, director.topology(), director.me())
    };
    let is_added = |member: &&MemberSpec| !file.iter().any(|known| known.id == member.id);
    let said = members
        .iter()
        .filter(is_added)
        .map(|member| said(member_setting(member)));
    Circle {
        said: said.collect(),
        is_member: !director.is_removed(),
        peers: members.iter().map(peer).collect(),
    }
}

/// A member as the ring knows it.
pub(super) fn peer(member: &MemberSpec) -> Peer {
    Peer {
        id: member.id,
        address: member.address,
        name: member.name.to_string(),
    }
}

/// What the ring compares of a setting.
pub(super) fn said(wide: RingWide) -> Setting {
    Setting {
        name: wide.name,
        value: wide.value,
        must_match: wide.must_match,
    }
}
