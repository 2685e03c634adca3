//! Reads `[[listener]]`: the doors to Dovecot and to admins.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use toml::de::DeValue;

use super::{account, check_path};
use crate::config::complaint::{Complaint, Quoted};
use crate::config::host::{parse_ip, parse_port, refuse_short_form};
use crate::config::report::Report;
use crate::config::section::Section;
use crate::config::{Listener, ListenerKind, Place, SOCKET_PATH_BYTES_MAX};

pub(in crate::config) const LISTENER_KEYS: [&str; 7] =
    ["address", "group", "kind", "mode", "owner", "path", "upstream"];

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
    let (kind, place) = (kind?.value, place?);
    let of_paths = ["mode", "owner", "group"].map(|key| (key, matches!(place, Place::Tcp(_))));
    let of_auth = [("upstream", kind.usual_upstream().is_none())];
    for (key, is_idle) in of_paths.into_iter().chain(of_auth) {
        if let Some(written) = section.value(report, key).filter(|_| is_idle) {
            let complaint = match key {
                "upstream" => Complaint::new(format!("has no effect for kind \"{}\"", kind.name())),
                _ => Complaint::new("has no effect for an address"),
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
    })
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
