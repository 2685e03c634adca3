//! `run` and `witness`: from a configuration file to the member that it makes of this machine. Serving is left to `serve`.

use std::io;
use std::net::{IpAddr, TcpListener, ToSocketAddrs};
use std::os::fd::AsFd;
use std::sync::Arc;

use tracing::warn;

use super::arguments::Run;
use super::background::{is_running, open_log};
use super::failure::Failure;
use super::handing::{self, Identity, Inherited};
use super::read_config::read_config;
use super::runtime::{runtime, wide_runtime};
use super::serve::{Member, serve};
use crate::config::{Config, MemberRole, MemberSpec, Resolved, RingSecurity};
use crate::daemon::{NodeSettings, configured, proxies};
use crate::health::ProberSettings;
use crate::ring::{Security, Tls, TlsFiles};

/// What kind of member the command asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Whatever the configuration says.
    Any,
    /// One that serves nobody.
    Witness,
}

pub(super) fn run(arguments: &Run, kind: Kind) -> Result<(), Failure> {
    open_log();
    let config = read_config(&arguments.config)?;
    let resolved = resolve(&config);
    let (me, settings) = prepare(&config, &resolved, arguments, kind)?;
    let identity = Identity::of(&config, me.id.index());
    let inherited = match arguments.takes_over {
        false => None,
        true => Some(inherited(&identity)?),
    };
    // A director alone is one task, which only gets slower when threads hand it around.
    let runtime = if settings.proxies.is_empty() {
        runtime()?
    } else {
        wide_runtime()?
    };
    let member = Member {
        config,
        file: arguments.config.clone(),
        resolved,
        me,
        identity,
    };
    runtime.block_on(serve(member, settings, inherited))
}

/// What the process gives that hands over to this one, which has said so far that it is ready.
fn inherited(identity: &Identity) -> Result<Inherited, Failure> {
    let failed = |error: io::Error| Failure::Start(format!("cannot take over: {error}"));
    let stream = io::stdin().as_fd().try_clone_to_owned().map_err(failed)?;
    handing::take(stream.into(), identity).map_err(failed)
}

fn resolve(config: &Config) -> Resolved {
    let mut resolved = Resolved::default();
    for name in config.names() {
        match (name, 0).to_socket_addrs() {
            Ok(addresses) => resolved.insert(name, addresses.map(|address| address.ip()).collect()),
            Err(error) => warn!("cannot resolve {name}: {error}"),
        }
    }
    resolved
}

fn prepare(
    config: &Config,
    resolved: &Resolved,
    arguments: &Run,
    kind: Kind,
) -> Result<(MemberSpec, NodeSettings), Failure> {
    let members = config.members(resolved).map_err(Failure::faults)?;
    let local: Vec<IpAddr> = members
        .iter()
        .map(|member| member.address.ip())
        .filter(is_local)
        .collect();
    let me = config
        .me(&members, &local)
        .map_err(|fault| Failure::faults(vec![fault]))?;
    let me = members
        .iter()
        .find(|member| member.id == me)
        .expect("one of them is me")
        .clone();
    if kind == Kind::Witness && me.role != MemberRole::Witness {
        let why = format!(
            "member {} ({}) is a {} by {}; start it with `maildirector run`",
            me.id.index(),
            me.address,
            me.role.name(),
            config.file
        );
        return Err(Failure::Input(why));
    }
    let security = security(config)?;
    let mut settings = configured(config, resolved, me.id, security, is_running).map_err(Failure::faults)?;
    settings.is_bootstrap = arguments.bootstrap;
    if me.role == MemberRole::Director {
        let probes = ProberSettings::load(&config.health);
        settings.probes = probes.map_err(|error| Failure::Start(format!("{}: {error}", config.file)))?;
        let proxies = proxies(config, &host_name());
        settings.proxies = proxies.map_err(|error| Failure::Start(format!("{}: {error}", config.file)))?;
    }
    Ok((me, settings))
}

/// What this machine calls itself, for greetings.
fn host_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = name.trim();
    if name.is_empty() {
        "localhost".to_owned()
    } else {
        name.to_owned()
    }
}

/// Whether this machine has the address: nothing else can listen at it.
fn is_local(ip: &IpAddr) -> bool {
    TcpListener::bind((*ip, 0)).is_ok()
}

fn security(config: &Config) -> Result<Security, Failure> {
    match &config.ring.security {
        Some(RingSecurity::Tls { ca, certificate, key }) => {
            let files = TlsFiles {
                ca: ca.clone(),
                certificate: certificate.clone(),
                key: key.clone(),
            };
            let tls = Tls::load(files).map_err(|error| Failure::Start(error.to_string()))?;
            Ok(Security::Tls(Arc::new(tls)))
        }
        Some(RingSecurity::Insecure) => {
            warn!("insecure = true: whoever reaches the ring's port can speak as any member");
            Ok(Security::Insecure)
        }
        // A ring of one has no links.
        None => Ok(Security::Insecure),
    }
}
