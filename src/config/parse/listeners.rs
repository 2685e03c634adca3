//! Reads `[[listener]]`: the doors to Dovecot and to admins.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use toml::de::DeValue;

use super::proxies::tag;
use super::{account, check_path, or};
use crate::config::complaint::{Complaint, Quoted};
use crate::config::host::{parse_ip, parse_port, refuse_short_form};
use crate::config::report::Report;
use crate::config::section::Section;
use crate::config::{
    Listener, ListenerKind, LmtpUser, Place, SOCKET_PATH_BYTES_MAX, TransportSpec, UserDomains,
};

pub(in crate::config) const LISTENER_KEYS: [&str; 11] = [
    "address",
    "backend_port",
    "domains",
    "group",
    "kind",
    "lmtp_user",
    "mode",
    "owner",
    "path",
    "tag",
    "upstream",
];

/// What only a map for Postfix has.
const TRANSPORT_KEYS: [&str; 4] = ["backend_port", "domains", "lmtp_user", "tag"];
/// The backends' port unless the configuration says another: LMTP's usual one.
const LMTP_PORT: u16 = 24;
/// The most domains of one map.
const DOMAINS_MAX: usize = 10_000;

/// The most doors of one process.
const LISTENERS_MAX: usize = 64;

/// Paths may be relative to `base_dir`. Beside proxies of its own nobody expects Dovecot: then only admins have a door, in the
/// state folder.
pub(super) fn read(
    top: &Section<'_>,
    (base_dir, state_folder): (&Path, &Path),
    report: &mut Report,
) -> Vec<Listener> {
    let Some(written) = top.value(report, "listener") else {
        if top.table.contains_key("proxy") {
            return vec![ListenerKind::Admin.usual(state_folder)];
        }
        return ListenerKind::USUAL.map(|kind| kind.usual(base_dir)).into();
    };
    let sections = top.tables(
        report,
        "listener",
        written,
        "listener.",
        &LISTENER_KEYS,
        LISTENERS_MAX,
    );
    let mut listeners = Vec::new();
    let mut lines = BTreeMap::new();
    for section in sections.unwrap_or_default() {
        let line = section.line;
        let Some(listener) = one(&section, base_dir, report) else {
            continue;
        };
        if let Some(earlier) = lines.insert(listener.place.clone(), line) {
            let message = format!(
                "{} is the place of the listener of line {earlier} already",
                listener.place
            );
            section.complain(report, line, "path", Complaint::new(message));
        }
        listeners.push(listener);
    }
    listeners
}

fn one(section: &Section<'_>, base_dir: &Path, report: &mut Report) -> Option<Listener> {
    section.report_unknown(report);
    let kinds = ListenerKind::ALL.map(|kind| (kind.name(), kind));
    section.report_missing(report, "kind", &kinds.map(|(name, _)| name).join(", "));
    let kind = section.choice(report, "kind", &kinds);
    let place = place(section, base_dir, report);
    let mode = mode(section, report);
    let owner = section.parsed(report, "owner", "\"dovecot\"", account);
    let group = section.parsed(report, "group", "\"dovecot\"", account);
    let upstream = section.parsed(report, "upstream", "\"auth-login\"", |text| {
        socket_path(text, base_dir)
    });
    let kind = kind?.value;
    let transport = transport(section, kind, report);
    let place = place?;
    let of_paths = ["mode", "owner", "group"].map(|key| (key, matches!(place, Place::Tcp(_))));
    let of_auth = [("upstream", kind.usual_upstream().is_none())];
    let of_maps = TRANSPORT_KEYS.map(|key| (key, kind != ListenerKind::Socketmap));
    for (key, is_idle) in of_paths.into_iter().chain(of_auth).chain(of_maps) {
        if let Some(written) = section.value(report, key).filter(|_| is_idle) {
            let complaint = match key {
                "mode" | "owner" | "group" => Complaint::new("has no effect for an address"),
                _ => Complaint::new(format!("has no effect for kind \"{}\"", kind.name())),
            };
            section.complain(report, written.line, key, complaint);
        }
    }
    if kind == ListenerKind::Notify && matches!(place, Place::Tcp(_)) {
        let complaint = Complaint::with_hint("is no place for kind \"notify\", a FIFO", "write a path");
        section.complain(report, section.line, "address", complaint);
    }
    let usual = kind.usual(base_dir);
    Some(Listener {
        kind,
        place,
        mode: mode.unwrap_or(usual.mode),
        owner: owner.map(|owner| owner.value),
        group: group.map(|group| group.value),
        upstream: upstream.map(|path| path.value).or(usual.upstream),
        transport,
    })
}

/// Recipients elsewhere must not be answered with a backend of ours, so `domains` has no default.
fn transport(section: &Section<'_>, kind: ListenerKind, report: &mut Report) -> Option<TransportSpec> {
    if kind != ListenerKind::Socketmap {
        return None;
    }
    section.report_missing(
        report,
        "domains",
        "as in \"example.org example.net\", or \"*\" when Postfix delivers to nobody else",
    );
    let domains = section.list(report, "domains", "\"example.org\"", domain)?;
    if domains.value.len() > DOMAINS_MAX {
        let message = format!(
            "names {} domains, the limit is {DOMAINS_MAX}",
            domains.value.len()
        );
        section.complain(report, domains.line, "domains", Complaint::new(message));
    }
    let parts = LmtpUser::ALL.map(|part| (part.name(), part));
    let port = section.number(report, "backend_port", 1, u32::from(u16::MAX));
    Some(TransportSpec {
        domains: UserDomains::new(domains.value.iter().map(|domain| &**domain)),
        lmtp_user: or(section.choice(report, "lmtp_user", &parts), LmtpUser::default()),
        tag: section
            .parsed(report, "tag", "\"blue\"", tag)
            .map_or_else(Box::default, |tag| tag.value),
        backend_port: port.map_or(LMTP_PORT, |port| port.value as u16),
    })
}

/// A domain, or the star that stands for all.
fn domain(text: &str) -> Result<Box<str>, Complaint> {
    let is_part = |c: char| !c.is_control() && !c.is_whitespace() && !"@/\"".contains(c);
    if text != UserDomains::ALL
        && (text.is_empty() || text.len() > 253 || !text.chars().all(is_part) || text.contains('*'))
    {
        let hint = "as in \"example.org\"; \"*\" alone stands for all";
        return Err(Complaint::with_hint(
            format!("{} is no domain", Quoted(text)),
            hint,
        ));
    }
    Ok(text.into())
}

fn place(section: &Section<'_>, base_dir: &Path, report: &mut Report) -> Option<Place> {
    let path = section.parsed(report, "path", "\"login/director\"", |text| {
        socket_path(text, base_dir)
    });
    let address = section.parsed(report, "address", "\"127.0.0.1:9091\"", tcp_address);
    let has = |key| section.table.contains_key(key);
    match (has("path"), has("address")) {
        (true, true) => {
            let complaint = Complaint::with_hint("stands beside a path", "write two listeners");
            section.complain(report, section.line, "address", complaint);
            None
        }
        (false, false) => {
            section.report_missing(report, "path", "as in \"login/director\", or an address");
            None
        }
        _ => path
            .map(|path| Place::Path(path.value))
            .or(address.map(|address| Place::Tcp(address.value))),
    }
}

fn socket_path(text: &str, base_dir: &Path) -> Result<PathBuf, Complaint> {
    check_path(text)?;
    let path = base_dir.join(text);
    let bytes = path.as_os_str().len();
    if bytes > SOCKET_PATH_BYTES_MAX {
        let message = format!(
            "{} has {bytes} bytes, the limit of sockets is {SOCKET_PATH_BYTES_MAX}",
            Quoted(&path.to_string_lossy())
        );
        return Err(Complaint::new(message));
    }
    Ok(path)
}

pub(super) fn tcp_address(text: &str) -> Result<SocketAddr, Complaint> {
    let no_address = || {
        let message = format!("{} is no address with a port", Quoted(text));
        Complaint::with_hint(message, "as in \"127.0.0.1:9091\"")
    };
    let (host, port) = text.rsplit_once(':').ok_or_else(no_address)?;
    let ip = parse_ip(host).filter(|ip| ip.is_ipv4() || host.starts_with('['));
    let ip = refuse_short_form(host, ip.ok_or_else(no_address)?)?;
    Ok(SocketAddr::new(ip, parse_port(port, text)?))
}

/// Access bits are octal: `"0660"`, or TOML's own `0o660`.
fn mode(section: &Section<'_>, report: &mut Report) -> Option<u32> {
    let written = section.value(report, "mode")?;
    let bits = match written.value {
        DeValue::String(text) if text.bytes().all(|byte| byte.is_ascii_digit()) => {
            u32::from_str_radix(text, 8).ok()
        }
        DeValue::Integer(number) if number.radix() == 8 => u32::from_str_radix(number.as_str(), 8).ok(),
        _ => None,
    };
    let complaint = match bits {
        Some(0) => Complaint::with_hint("lets nobody in", "leave the listener out"),
        Some(bits) if bits <= 0o777 => return Some(bits),
        _ => Complaint::with_hint(
            "is no access mode",
            "octal digits in quotes up to \"0777\", as in \"0660\"",
        ),
    };
    section.complain(report, written.line, "mode", complaint);
    None
}
