//! From the knobs of a plan to the settings of a member, by way of the configuration file that an operator would write.

use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use maildirector::config::{LmtpUser, Resolved, parse};
use maildirector::daemon::{DoorSettings, NodeSettings, configured};
use maildirector::director::{Limits, Policy};
use maildirector::proxy::{
    BackendSettings, FrontSettings, Protocol, ProxyLimits, ProxySettings, VerifierSettings,
};
use maildirector::ring::{RingLimits, Security};
use maildirector::topology::{
    HealthPolicy, Incarnation, Member, MemberId, NewBackend, Timing, Topology, TopologySeed,
};
use maildirector::world::Listen;
use sim::Knobs;
use sim::knobs::{Doors, PolicyKnob};

use crate::stubs::{BACKEND_PORT, MAIL_PORT, MAILBOX_PORT, PROXY_PORTS};

/// Where a member is.
pub fn host(member: usize) -> IpAddr {
    Ipv4Addr::new(192, 168, 0, member as u8 + 1).into()
}

/// Where the mail server is.
pub fn mail_server() -> IpAddr {
    Ipv4Addr::new(192, 168, 1, 1).into()
}

/// The address of a backend, as in the discrete-event world.
pub fn backend(number: u32) -> IpAddr {
    Ipv4Addr::from(u32::from(Ipv4Addr::new(10, 0, 0, 0)) + number).into()
}

/// How long an answer may be on its way to a login process.
pub fn kick_delay(knobs: &Knobs) -> Duration {
    Duration::from_millis(knobs.lease_ms / 10)
}

/// The longest that closing all sessions takes: two rounds of kicks, the delay between them, and a late guard.
fn close_bound(knobs: &Knobs) -> Duration {
    Duration::from_millis(knobs.lease_ms * 2 / 5)
}

/// How long one command to `ipc` takes at most.
pub fn kick_ms_max(knobs: &Knobs) -> u64 {
    knobs.lease_ms / 75
}

/// The settings of a member.
pub fn settings(knobs: &Knobs, member: usize) -> NodeSettings {
    let id = MemberId::from_index(member as u16 + 1);
    let file = file(knobs);
    let config = parse(&file, "turmoil.toml").unwrap_or_else(|faults| panic!("{faults:?}\n{file}"));
    let resolved = Resolved::default();
    let settings = configured(&config, &resolved, id, Security::Insecure, |_| true);
    let mut settings = settings.unwrap_or_else(|faults| panic!("{faults:?}\n{file}"));
    settings.machine.configured = Arc::new(topology(knobs));
    settings.machine.policy = match knobs.policy {
        PolicyKnob::Consistent => Policy::Consistent,
        PolicyKnob::Available => Policy::Available,
    };
    if knobs.members[member].serves {
        settings.machine.close_bound = close_bound(knobs);
    }
    settings.machine.limits = Limits {
        waiting_logins: knobs.waiting_logins_max,
        login_wait: Duration::from_millis(knobs.login_wait_ms),
        holds: knobs.holds_max,
        commands: knobs.commands_max,
        command_wait: Duration::from_millis(knobs.command_wait_ms),
        ..Limits::default()
    };
    if knobs.members[member].serves && has_own_proxies(knobs, member) {
        // Nothing but its own proxies has sessions, and those it closes itself.
        settings.machine.close_bound = Duration::ZERO;
        settings.kick = None;
        settings
            .doors
            .retain(|door| matches!(door, DoorSettings::Admin { .. }));
        settings.proxies = PROXY_PORTS
            .into_iter()
            .zip(["", "b"])
            .map(|(port, tag)| proxy(member, port, tag))
            .chain([mail_proxy(member)])
            .collect();
    }
    if let Some(ring) = &mut settings.ring {
        ring.settings.limits = links(knobs);
    }
    settings
}

/// Whether users come to it through its own proxies.
pub fn has_own_proxies(knobs: &Knobs, member: usize) -> bool {
    knobs.members[member].doors == Doors::Exact
}

fn proxy(member: usize, port: u16, tag: &str) -> ProxySettings {
    let front = FrontSettings {
        host: "director".into(),
        greeting: "ready".into(),
        capabilities: vec!["IMAP4rev1".into()],
        offers_starttls: false,
        allows_cleartext: true,
        offers_oauth: false,
    };
    ProxySettings {
        protocol: Protocol::Imap,
        listen: Listen::tcp((host(member), port).into()),
        front: Arc::new(front),
        tls: None,
        is_implicit_tls: false,
        verifier: VerifierSettings::Backend,
        tag: tag.into(),
        lmtp_user: LmtpUser::Address,
        master_user_separator: None,
        backend: BackendSettings {
            port: BACKEND_PORT,
            tls: None,
            tells_origin: true,
            sends_proxy_header: false,
        },
        trusted: Arc::new([]),
        wants_proxy_header: false,
        limits: ProxyLimits::default(),
    }
}

/// Where mail servers deliver, for users of the default tag.
fn mail_proxy(member: usize) -> ProxySettings {
    let imap = proxy(member, MAIL_PORT, "");
    let front = FrontSettings {
        capabilities: vec!["8BITMIME".into(), "CHUNKING".into(), "PIPELINING".into()],
        ..(*imap.front).clone()
    };
    ProxySettings {
        protocol: Protocol::Lmtp,
        front: Arc::new(front),
        lmtp_user: LmtpUser::LocalPart,
        backend: BackendSettings {
            port: MAILBOX_PORT,
            ..imap.backend
        },
        ..imap
    }
}

/// The file of the whole ring. Its lease is one that may stand in a file; [`topology`] has the one that counts.
fn file(knobs: &Knobs) -> String {
    let mut text = format!(
        "lease = \"{}ms\"\ndirector_user_kick_delay = \"{}ms\"\ndirector_mail_servers = \"",
        10 * knobs.lease_ms.max(1_000),
        kick_delay(knobs).as_millis()
    );
    for number in 0..knobs.backends.len() as u32 {
        let space = if number == 0 { "" } else { " " };
        write!(text, "{space}{}", backend(number)).expect("a String takes all text");
    }
    text.push_str("\"\n[ring]\ninsecure = true\n");
    let members = knobs.members.iter().enumerate();
    for (index, member) in members.filter(|(_, member)| member.is_configured) {
        let role = if member.serves { "director" } else { "witness" };
        let (id, address) = (index + 1, host(index));
        write!(
            text,
            "[[member]]\nid = {id}\naddress = \"{address}:9090\"\nrole = \"{role}\"\n"
        )
        .expect("a String takes all text");
    }
    text
}

fn topology(knobs: &Knobs) -> Topology {
    let members = knobs.members.iter().zip(1..);
    let members = members
        .filter(|(member, _)| member.is_configured)
        .map(|(member, id)| Member {
            id: MemberId::from_index(id),
            serves: member.serves,
            votes: member.votes,
            incarnation: Incarnation::from_bits(0),
        });
    let backends = knobs
        .backends
        .iter()
        .zip(0..)
        .filter(|(backend, _)| backend.is_configured);
    let backends = backends.map(|(knob, number)| NewBackend {
        ip: backend(number),
        hostname: None,
        vhosts: knob.vhosts,
        tag: knob.tag.as_str().into(),
    });
    let seed = TopologySeed {
        members: members.collect(),
        backends: backends.collect(),
        timing: Timing {
            lease: Duration::from_millis(knobs.lease_ms),
            drift_ppm: knobs.drift_ppm,
            user_expire: Duration::from_millis(knobs.user_expire_ms),
        },
        health: HealthPolicy::default(),
        hash_format: "%Lu".to_owned(),
    };
    Topology::new(seed).expect("Plan::check made sure of it")
}

/// The times of links are made for a lease of 10 s.
fn links(knobs: &Knobs) -> RingLimits {
    let limits = RingLimits::default();
    let scaled = |span: Duration| (span * knobs.lease_ms as u32 / 10_000).max(Duration::from_millis(30));
    RingLimits {
        connect_within: scaled(limits.connect_within),
        handshake_within: scaled(limits.handshake_within),
        keepalive_every: scaled(limits.keepalive_every),
        dead_after: scaled(limits.dead_after),
        redial_first: scaled(limits.redial_first),
        redial_max: scaled(limits.redial_max),
        stable_after: scaled(limits.stable_after),
        stagger: scaled(limits.stagger),
        beacon_every: scaled(limits.beacon_every),
        unheard_after: scaled(limits.unheard_after),
        ..limits
    }
}
