//! How large a site is, and the topology that its directors are configured with.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use maildirector::agreement::Rules;
use maildirector::agreement::timing::TIMING_DEFAULT;
use maildirector::director::{Limits, Policy, Settings};
use maildirector::topology::{
    HealthPolicy, Incarnation, Member, MemberId, NewBackend, Topology, TopologySeed,
};

/// `director_user_kick_delay` and the second beside it: by so much the daemon ends the usable part of a lease early.
const CLOSE_BOUND: Duration = Duration::from_secs(3);

/// Points of a backend on the ring of vhosts, Dovecot's default.
pub(super) const VHOSTS: u32 = 100;

/// A site.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setup {
    /// Directors, all of them voters; 3 to 100.
    pub directors: u16,
    /// Backends; 1 to 10,000.
    pub backends: u32,
    /// Users of the site, all held at the same time.
    pub users: u64,
    /// Years of operation.
    pub years: u64,
    /// What all chance is drawn from.
    pub seed: u64,
}

impl Setup {
    /// The topology of the configuration.
    ///
    /// # Panics
    /// The numbers are beyond what a ring may have.
    pub fn topology(&self) -> Arc<Topology> {
        let member = |index| Member {
            id: MemberId::from_index(index),
            serves: true,
            votes: true,
            incarnation: Incarnation::from_bits(0),
        };
        let backend = |number| NewBackend {
            ip: backend_ip(number),
            hostname: None,
            vhosts: VHOSTS,
            tag: "".into(),
        };
        let seed = TopologySeed {
            members: (0..self.directors).map(member).collect(),
            backends: (0..self.backends).map(backend).collect(),
            timing: TIMING_DEFAULT,
            health: HealthPolicy::default(),
            hash_format: "%Lu".to_owned(),
        };
        Arc::new(Topology::new(seed).expect("the command line keeps to the limits of a ring"))
    }
}

/// What a member is configured with: the daemon's defaults in front of stock Dovecot.
pub(super) fn settings(member: usize, configured: &Arc<Topology>) -> Settings {
    Settings {
        me: MemberId::from_index(member as u16),
        configured: Arc::clone(configured),
        policy: Policy::Consistent,
        close_bound: CLOSE_BOUND,
        limits: Limits::default(),
        rules: Rules::default(),
    }
}

pub(super) fn backend_ip(number: u32) -> IpAddr {
    let [_, high, middle, low] = number.to_be_bytes();
    Ipv4Addr::new(10, 64 | high, middle, low).into()
}
