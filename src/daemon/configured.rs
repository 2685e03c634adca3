//! From a configuration with resolved names to what a member is started with.

use std::sync::Arc;
use std::time::Duration;

use super::circle::{peer, said};
use super::settings::{DoorSettings, NodeSettings, RingPart};
use crate::agreement::{Boot, Rules};
use crate::config::{
    Config, Fault, KickBy, Listener, ListenerKind, MemberRole, MemberSpec, Partition, Place, Resolved,
};
use crate::director::{Limits, Policy, Settings};
use crate::dovecot;
use crate::lookups::{LookupSettings, SocketmapSettings, Speaks};
use crate::ring::{RingLimits, RingSettings, Security};
use crate::topology::{MemberId, Topology};
use crate::world::{Address, Listen};

/// Flush hooks at a time, as many as Dovecot's director moves users at a time.
const FLUSHES: usize = 100;

/// What the member with this number is started with. `security` is unused when it is alone.
///
/// # Errors
/// The resolved names do not make a ring, or no topology.
pub fn configured(
    config: &Config,
    resolved: &Resolved,
    me: MemberId,
    security: Security,
    is_running: fn(i32) -> bool,
) -> Result<NodeSettings, Vec<Fault>> {
    let members = config.members(resolved)?;
    let seed = config.seed(resolved)?;
    let topology = Topology::new(seed).expect("a seed makes a topology");
    let own = members.iter().find(|member| member.id == me);
    let is_director = own.is_some_and(|member| member.role == MemberRole::Director);
    let kick = kick(config).filter(|_| is_director);
    let close_bound = kick.as_ref().map_or(Duration::ZERO, |_| config.close_bound());
    let machine = Settings {
        me,
        configured: Arc::new(topology),
        policy: match config.partition {
            Partition::Consistent => Policy::Consistent,
            Partition::Available => Policy::Available,
        },
        close_bound,
        limits: Limits {
            flushes: if config.flush_hook.is_some() { FLUSHES } else { 0 },
            ..Limits::default()
        },
        rules: Rules::default(),
    };
    let ring = own
        .filter(|_| members.len() > 1)
        .map(|own| ring_part(config, &members, own, security));
    let doors = if is_director {
        config.listeners.iter().filter_map(door).collect()
    } else {
        Vec::new()
    };
    let has_door = |listener: &&Listener| is_director || listener.kind == ListenerKind::Http;
    let answer_age = config.user_kick_delay / 2;
    let lookups = config.listeners.iter().filter(has_door);
    let lookups = lookups
        .filter_map(|listener| lookup(listener, answer_age))
        .collect();
    Ok(NodeSettings {
        machine,
        is_bootstrap: false,
        ring,
        format: config.username_hash.clone(),
        master_user_separator: config.master_user_separator.map(|separator| {
            let mut bytes = [0; 4];
            // Dovecot looks at the first byte only.
            separator.encode_utf8(&mut bytes).as_bytes()[0]
        }),
        kick,
        kick_delay: config.user_kick_delay,
        flush: config.flush_hook.clone().map(|hook| dovecot::FlushSettings {
            hook,
            wait: config.flush_wait,
        }),
        members: members.into(),
        guard: None,
        probes: None,
        doors,
        lookups,
        proxies: Vec::new(),
        is_running,
    })
}

fn kick(config: &Config) -> Option<(dovecot::KickBy, Address)> {
    let (by, socket) = match config.kick {
        KickBy::None => return None,
        KickBy::Ipc => (dovecot::KickBy::Ipc, "ipc"),
        KickBy::Anvil => (dovecot::KickBy::Anvil, "anvil"),
    };
    Some((by, Address::Unix(config.dovecot_base_dir.join(socket))))
}

fn ring_part(config: &Config, members: &[MemberSpec], own: &MemberSpec, security: Security) -> RingPart {
    RingPart {
        listen: Listen::tcp(config.ring_address(own)),
        settings: RingSettings {
            me: own.id,
            cluster: config.cluster.to_string(),
            peers: members.iter().map(peer).collect(),
            boot: Boot::from_bits(0),
            said: config.ring_wide(members).into_iter().map(said).collect(),
            security,
            limits: RingLimits::default(),
        },
    }
}

fn listen(listener: &Listener) -> Listen {
    Listen {
        address: match &listener.place {
            Place::Path(path) => Address::Unix(path.clone()),
            Place::Tcp(address) => Address::Tcp(*address),
        },
        mode: listener.mode,
        owner: listener.owner.as_deref().map(str::to_owned),
        group: listener.group.as_deref().map(str::to_owned),
    }
}

/// A door to those who look users up.
fn lookup(listener: &Listener, answer_age: Duration) -> Option<LookupSettings> {
    let speaks = match (listener.kind, &listener.transport) {
        (ListenerKind::Http, _) => Speaks::Http,
        (ListenerKind::Socketmap, Some(spec)) => Speaks::Socketmap(SocketmapSettings {
            domains: spec.domains.clone(),
            lmtp_user: spec.lmtp_user,
            tag: spec.tag.clone(),
            port: spec.backend_port,
        }),
        _ => return None,
    };
    Some(LookupSettings {
        listen: listen(listener),
        speaks,
        answer_age,
    })
}

/// A door to Dovecot, or to admins.
fn door(listener: &Listener) -> Option<DoorSettings> {
    let listen = listen(listener);
    let auth = listener.upstream.clone().map(Address::Unix);
    match listener.kind {
        ListenerKind::Login => auth.map(|auth| DoorSettings::Login { listen, auth }),
        ListenerKind::Userdb => auth.map(|auth| DoorSettings::Userdb { listen, auth }),
        ListenerKind::Authreply => Some(DoorSettings::Authreply { listen }),
        ListenerKind::Notify => Some(DoorSettings::Notify { listen }),
        ListenerKind::Admin => Some(DoorSettings::Admin { listen }),
        ListenerKind::Http | ListenerKind::Socketmap => None,
    }
}
