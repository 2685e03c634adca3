//! Reads `[[proxy]]`: where clients log in.

use std::net::{AddrParseError, IpAddr};
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use toml::de::DeValue;

use super::health::span_within;
use super::listeners::tcp_address;
use super::{absolute_path, or};
use crate::config::backend_spec::check_tag;
use crate::config::complaint::{Complaint, Quoted};
use crate::config::report::Report;
use crate::config::section::Section;
use crate::config::{
    IDLE_DEFAULT, IDLE_RANGE, LMTP_IDLE_DEFAULT, LOGIN_WITHIN_DEFAULT, LOGIN_WITHIN_RANGE, LmtpUser,
    OF_ADDRESS_DEFAULT, PROXIES_MAX, PROXY_CONNECTIONS_DEFAULT, PROXY_CONNECTIONS_MAX, ProxyProtocol,
    ProxySpec, TlsUse, VerifierSpec,
};

pub(in crate::config) const PROXY_KEYS: [&str; 26] = [
    "address",
    "auth_socket",
    "backend_ca",
    "backend_origin",
    "backend_port",
    "backend_proxy_header",
    "backend_tls",
    "backend_tls_name",
    "capabilities",
    "certificate",
    "cleartext",
    "connections_max",
    "connections_of_address_max",
    "greeting",
    "host",
    "idle",
    "key",
    "lmtp_user",
    "login_within",
    "oauth",
    "passwd_file",
    "protocol",
    "proxy_header",
    "tag",
    "tls",
    "trusted",
];

/// The longest words of a greeting, and the longest line of capabilities, in bytes.
const LINE_BYTES_MAX: usize = 500;
/// The most lines of capabilities.
const CAPABILITIES_MAX: usize = 64;

pub(super) fn read(top: &Section<'_>, report: &mut Report) -> Vec<ProxySpec> {
    let Some(written) = top.value(report, "proxy") else {
        return Vec::new();
    };
    let sections = top.tables(report, "proxy", written, "proxy.", &PROXY_KEYS, PROXIES_MAX);
    let mut proxies: Vec<ProxySpec> = Vec::new();
    for section in sections.unwrap_or_default() {
        let Some(proxy) = one(&section, report) else {
            continue;
        };
        if proxies.iter().any(|other| other.address == proxy.address) {
            let message = format!("{} is the address of another proxy already", proxy.address);
            section.complain(report, section.line, "address", Complaint::new(message));
        }
        proxies.push(proxy);
    }
    proxies
}

fn one(section: &Section<'_>, report: &mut Report) -> Option<ProxySpec> {
    section.report_unknown(report);
    let protocols = ProxyProtocol::ALL.map(|protocol| (protocol.name(), protocol));
    section.report_missing(report, "protocol", &protocols.map(|(name, _)| name).join(", "));
    section.report_missing(report, "address", "as in \"0.0.0.0:143\" or \"[::]:143\"");
    let protocol = section.choice(report, "protocol", &protocols);
    let address = section.parsed(report, "address", "\"0.0.0.0:143\"", tcp_address);
    let ways = TlsUse::ALL.map(|tls| (tls.name(), tls));
    let tls = section.choice(report, "tls", &ways);
    let backend_tls = section.choice(report, "backend_tls", &ways);
    let certificates = certificates(section, report);
    let verifier = verifier(section, report);
    let (protocol, address) = (protocol?.value, address?.value);
    let has = |key| section.table.contains_key(key);
    let usual = if has("certificate") {
        TlsUse::StartTls
    } else {
        TlsUse::No
    };
    let tls = tls.map_or(usual, |tls| tls.value);
    let backend_tls = or(backend_tls, TlsUse::No);
    check_tls(section, (tls, backend_tls), report);
    check_login(section, protocol, report);
    let parts = LmtpUser::ALL.map(|part| (part.name(), part));
    let is_lmtp = protocol == ProxyProtocol::Lmtp;
    let usual_idle = if is_lmtp { LMTP_IDLE_DEFAULT } else { IDLE_DEFAULT };
    let backend_port = section
        .number(report, "backend_port", 1, u32::from(u16::MAX))
        .map(|port| port.value as u16)
        .or(protocol.usual_port(backend_tls));
    if backend_port.is_none() && !has("backend_port") {
        let hint = format!("{} has no usual one with TLS from the start", protocol.name());
        section.report_missing(report, "backend_port", &hint);
    }
    let connections = |report: &mut Report, key, usual| {
        let written = section.number(report, key, 1, PROXY_CONNECTIONS_MAX);
        or(written, usual)
    };
    let span = |report: &mut Report, key, example, (min, max), usual: Duration| {
        let written = section.parsed(report, key, example, |text| span_within(text, min, max));
        or(written, usual)
    };
    let flag = |report: &mut Report, key, usual| or(section.flag(report, key), usual);
    Some(ProxySpec {
        protocol,
        address,
        tls,
        certificates,
        verifier,
        cleartext: flag(report, "cleartext", false),
        oauth: flag(report, "oauth", false),
        host: section
            .parsed(report, "host", "\"mail.example.org\"", host)
            .map(|host| host.value),
        greeting: or(
            section.parsed(report, "greeting", "\"Ready.\"", line),
            "maildirector ready.".into(),
        ),
        capabilities: capabilities(section, protocol, report),
        tag: or(section.parsed(report, "tag", "\"gold\"", tag), "".into()),
        lmtp_user: or(section.choice(report, "lmtp_user", &parts), LmtpUser::Address),
        trusted: section
            .list(report, "trusted", "\"10.0.0.0/8 192.0.2.1\"", network)
            .map_or_else(Vec::new, |networks| networks.value),
        proxy_header: flag(report, "proxy_header", false),
        connections_max: connections(report, "connections_max", PROXY_CONNECTIONS_DEFAULT),
        connections_of_address_max: connections(report, "connections_of_address_max", OF_ADDRESS_DEFAULT),
        login_within: span(
            report,
            "login_within",
            "\"60s\"",
            LOGIN_WITHIN_RANGE,
            LOGIN_WITHIN_DEFAULT,
        ),
        idle: span(report, "idle", "\"35 min\"", IDLE_RANGE, usual_idle),
        backend_port: backend_port?,
        backend_tls,
        backend_ca: section
            .parsed(
                report,
                "backend_ca",
                "\"/etc/maildirector/backends.pem\"",
                absolute_path,
            )
            .map(|path| path.value),
        backend_tls_name: section
            .parsed(report, "backend_tls_name", "\"imap.example.org\"", host)
            .map(|name| name.value),
        backend_origin: flag(report, "backend_origin", true),
        backend_proxy_header: flag(report, "backend_proxy_header", false),
    })
}

/// Who verifies passwords; the backends when nothing is said.
fn verifier(section: &Section<'_>, report: &mut Report) -> VerifierSpec {
    let file = section.parsed(
        report,
        "passwd_file",
        "\"/etc/maildirector/users\"",
        absolute_path,
    );
    let socket = section.parsed(
        report,
        "auth_socket",
        "\"/run/dovecot/auth-client\"",
        absolute_path,
    );
    match (file, socket) {
        (Some(_), Some(socket)) => {
            let complaint = Complaint::with_hint("stands beside a passwd_file", "one of them verifies");
            section.complain(report, socket.line, "auth_socket", complaint);
            VerifierSpec::default()
        }
        (Some(file), None) => VerifierSpec::PasswdFile(file.value),
        (None, Some(socket)) => VerifierSpec::AuthSocket(socket.value),
        (None, None) => VerifierSpec::Backend,
    }
}

/// As many keys as certificates, in the same order.
fn certificates(section: &Section<'_>, report: &mut Report) -> Vec<(PathBuf, PathBuf)> {
    let example = "\"/etc/ssl/mail.pem\"";
    let certificates = section.list(report, "certificate", example, absolute_path);
    let keys = section.list(report, "key", "\"/etc/ssl/mail.key\"", absolute_path);
    let (Some(certificates), Some(keys)) = (certificates, keys) else {
        let has = |key| section.table.contains_key(key);
        if has("certificate") != has("key") {
            let missing = if has("key") { "certificate" } else { "key" };
            section.report_missing(report, missing, "a certificate has a key");
        }
        return Vec::new();
    };
    if certificates.value.len() != keys.value.len() {
        let (one, other) = (certificates.value.len(), keys.value.len());
        let message = format!("names {other} files for {one} certificates");
        let complaint = Complaint::with_hint(message, "one for each, in the same order");
        section.complain(report, keys.line, "key", complaint);
    }
    certificates.value.into_iter().zip(keys.value).collect()
}

/// What makes no sense together.
fn check_tls(section: &Section<'_>, (tls, backend_tls): (TlsUse, TlsUse), report: &mut Report) {
    let has = |key| section.table.contains_key(key);
    if tls != TlsUse::No && !has("certificate") {
        section.report_missing(report, "certificate", "TLS needs one, with its key");
    }
    let wants_header = section.value(report, "proxy_header");
    let wants_header = wants_header.is_some_and(|is| matches!(is.value, DeValue::Boolean(true)));
    let idle = [
        ("certificate", tls == TlsUse::No, "without tls"),
        ("backend_ca", backend_tls == TlsUse::No, "without backend_tls"),
        (
            "backend_tls_name",
            backend_tls == TlsUse::No || !has("backend_ca"),
            "without a backend_ca",
        ),
        (
            "proxy_header",
            wants_header && !has("trusted"),
            "when nobody is trusted",
        ),
    ];
    for (key, is_idle, why) in idle {
        if let Some(written) = section.value(report, key).filter(|_| is_idle) {
            let complaint = Complaint::new(format!("has no effect {why}"));
            section.complain(report, written.line, key, complaint);
        }
    }
}

/// Nobody logs in by LMTP, and only there mail has recipients.
fn check_login(section: &Section<'_>, protocol: ProxyProtocol, report: &mut Report) {
    let (idle, why): (&[&str], _) = match protocol {
        ProxyProtocol::Lmtp => (
            &["auth_socket", "cleartext", "login_within", "oauth", "passwd_file"],
            "with lmtp: nobody logs in",
        ),
        _ => (&["lmtp_user"], "for another protocol than lmtp"),
    };
    for key in idle {
        if let Some(written) = section.value(report, key) {
            let complaint = Complaint::new(format!("has no effect {why}"));
            section.complain(report, written.line, key, complaint);
        }
    }
}

/// IMAP's are words, the others' are lines.
fn capabilities(section: &Section<'_>, protocol: ProxyProtocol, report: &mut Report) -> Vec<Box<str>> {
    let written = section.parsed(report, "capabilities", "\"8BITMIME\"", |text| {
        let parts: Vec<&str> = match protocol {
            ProxyProtocol::Imap => text.split_ascii_whitespace().collect(),
            _ => text
                .lines()
                .map(str::trim)
                .filter(|line| !line.is_empty())
                .collect(),
        };
        if parts.len() > CAPABILITIES_MAX {
            let message = format!(
                "names {} capabilities, the limit is {CAPABILITIES_MAX}",
                parts.len()
            );
            return Err(Complaint::new(message));
        }
        parts.into_iter().map(line).collect()
    });
    written.map_or_else(|| protocol.usual_capabilities(), |written| written.value)
}

/// Words that go into one line of a protocol.
fn line(text: &str) -> Result<Box<str>, Complaint> {
    if text.is_empty() || text.len() > LINE_BYTES_MAX || text.chars().any(char::is_control) {
        let hint = format!("1 to {LINE_BYTES_MAX} bytes without control characters");
        return Err(Complaint::with_hint(format!("{} is no line", Quoted(text)), hint));
    }
    Ok(text.into())
}

fn host(text: &str) -> Result<Box<str>, Complaint> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || "-._:[]".contains(c);
    if text.is_empty() || text.len() > 253 || !text.chars().all(is_part) {
        return Err(Complaint::new(format!("{} is no name of a host", Quoted(text))));
    }
    Ok(text.into())
}

pub(super) fn tag(text: &str) -> Result<Box<str>, Complaint> {
    check_tag(text)?;
    if text.chars().any(char::is_whitespace) {
        return Err(Complaint::new(format!("{} is no tag", Quoted(text))));
    }
    Ok(text.into())
}

/// A network, or one address.
fn network(text: &str) -> Result<IpNet, Complaint> {
    let parsed = text
        .parse::<IpNet>()
        .or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
    parsed
        .map(|network| network.trunc())
        .map_err(|_: AddrParseError| {
            Complaint::with_hint(format!("{} is no network", Quoted(text)), "as in \"10.0.0.0/8\"")
        })
}
