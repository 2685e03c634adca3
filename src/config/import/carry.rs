//! What of a Dovecot director's settings becomes what of ours.

use std::collections::BTreeMap;
use std::fmt::{self, Write};
use std::net::IpAddr;
use std::path::Path;

use super::super::flush_hook::FlushHook;
use super::super::{
    DOVECOT_BASE_DIR_DEFAULT, KickBy, LEASE_DEFAULT, ListenerKind, RING_PORT_DEFAULT,
    USER_KICK_DELAY_DEFAULT, format_interval, parse, parse_interval,
};
use super::{DovecotSetting, RunningRing};
use crate::topology::{HashFormat, lease_min};

/// What an operator should know of one setting that could not be carried over as it is, or of what is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// Where: file and line of the setting; nothing when it is about what is not there.
    pub place: Option<(String, usize)>,
    /// About what.
    pub setting: String,
    /// What is to be known, or done.
    pub text: String,
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((file, line)) = &self.place {
            write!(f, "{file}:{line}: ")?;
        }
        write!(f, "{}: {}", self.setting, self.text)
    }
}

/// A configuration of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imported {
    /// The file, with its notes as comments at the top.
    pub toml: String,
    /// What could not be carried over, and what is to be done.
    pub notes: Vec<Note>,
    /// Commands of the admin protocol for the new ring, before users are sent to it: weights, down, moved users.
    pub changes: Vec<String>,
}

/// Settings of the director that have no counterpart, and why each needs none.
const NEEDLESS: [(&str, &str); 8] = [
    (
        "director_max_parallel_moves",
        "all users move in one round; `doveadm director flush --max-parallel` limits one flush",
    ),
    ("director_max_parallel_kicks", "kicks go out in one queue"),
    (
        "director_output_buffer_size",
        "the queues of the ring have fixed limits",
    ),
    ("director_ping_idle_timeout", "the lease notices who is gone"),
    ("director_ping_max_timeout", "the lease notices who is gone"),
    ("director_consistent_hashing", "hashing is always consistent"),
    (
        "director_doveadm_port",
        "write a [[listener]] of kind \"admin\" with an address",
    ),
    ("verbose_proctitle", "`maildirector status` tells it"),
];

/// Makes a configuration of ours from Dovecot's settings. What the running ring says of backends wins over the settings.
pub fn import(settings: &[DovecotSetting], running: Option<&RunningRing>) -> Imported {
    let mut carry = Carry {
        settings,
        lines: Vec::new(),
        notes: Vec::new(),
    };
    carry.members();
    carry.backends(running);
    carry.times();
    carry.names();
    carry.hook();
    carry.needless();
    let ring = carry.listeners();
    carry.ring(ring);
    carry.login_services();
    carry.filters();
    let Carry { lines, mut notes, .. } = carry;
    let body = lines.concat();
    if let Err(faults) = parse(&body, "imported") {
        notes.extend(faults.into_iter().map(|fault| Note {
            place: None,
            setting: fault.key.into(),
            text: format!("`maildirector check` will say: {}", fault.message),
        }));
    }
    let mut toml = "# Imported from a Dovecot director. Notes of the import:\n".to_owned();
    for note in &notes {
        for line in note.to_string().lines() {
            let line: String = line.chars().filter(|c| !c.is_control()).collect();
            writeln!(toml, "# - {line}").expect("text grows without fail");
        }
    }
    toml.push('\n');
    toml.push_str(&body);
    Imported {
        toml,
        notes,
        changes: running.map(RunningRing::changes).unwrap_or_default(),
    }
}

struct Carry<'a> {
    settings: &'a [DovecotSetting],
    lines: Vec<String>,
    notes: Vec<Note>,
}

impl<'a> Carry<'a> {
    /// The setting outside of all sections; the last one counts.
    fn find(&self, key: &str) -> Option<&'a DovecotSetting> {
        let mut of_key = self.settings.iter().rev();
        of_key.find(|setting| setting.sections.is_empty() && setting.key == key && !setting.value.is_empty())
    }

    fn value(&self, key: &str) -> Option<&'a str> {
        self.find(key).map(|setting| setting.value.as_str())
    }

    fn write(&mut self, key: &str, value: &str) {
        self.lines.push(format!("{key} = {}\n", quoted(value)));
    }

    fn note(&mut self, setting: &DovecotSetting, text: impl Into<String>) {
        self.notes.push(Note {
            place: Some((setting.file.clone(), setting.line)),
            setting: setting.key.clone(),
            text: text.into(),
        });
    }

    fn remark(&mut self, what: &str, text: impl Into<String>) {
        self.notes.push(Note {
            place: None,
            setting: what.to_owned(),
            text: text.into(),
        });
    }

    fn members(&mut self) {
        let Some(servers) = self.value("director_servers") else {
            self.remark(
                "director_servers",
                "not set: this director is alone, and so it stays",
            );
            return;
        };
        self.write("director_servers", servers);
        match servers.split_whitespace().count() {
            1 => self.remark("director_servers", "one director is no ring: with it all service is gone"),
            2 => self.remark(
                "director_servers",
                "of two directors neither can go on alone safely: name a third host in `witnesses = \"HOST\"`, which only votes",
            ),
            _ => {}
        }
    }

    fn backends(&mut self, running: Option<&RunningRing>) {
        let written = self.find("director_mail_servers");
        let Some(running) = running.filter(|running| !running.hosts.is_empty()) else {
            match written {
                Some(servers) => self.write("director_mail_servers", &servers.value),
                None => self.remark("director_mail_servers", "not set: name the backends here"),
            }
            return;
        };
        let name = |ip: IpAddr, tag: &str| {
            if tag.is_empty() {
                ip.to_string()
            } else {
                format!("{ip}@{tag}")
            }
        };
        let hosts: Vec<String> = running
            .hosts
            .iter()
            .map(|host| name(host.ip, &host.tag))
            .collect();
        self.write("director_mail_servers", &hosts.join(" "));
        if let Some(servers) = written
            && !is_same(&servers.value, &hosts)
        {
            self.note(
                servers,
                format!(
                    "the running ring has other backends than \"{}\"; what runs was taken",
                    servers.value
                ),
            );
        }
    }

    fn times(&mut self) {
        if let Some(setting) = self.find("director_user_expire") {
            self.time("director_user_expire", setting);
        }
        let Some(setting) = self.find("director_user_kick_delay") else {
            return;
        };
        self.time("director_user_kick_delay", setting);
        let delay = parse_interval(&setting.value).unwrap_or(USER_KICK_DELAY_DEFAULT);
        let min = lease_min(KickBy::default().close_bound(delay));
        if min > LEASE_DEFAULT {
            let lease = format_interval(min);
            self.lines.push(format!("lease = {}\n", quoted(&lease)));
            self.note(
                setting,
                format!("a user is moved within a lease, so that is {lease}: a director that dies holds changes up for as long"),
            );
        }
    }

    fn time(&mut self, key: &str, setting: &DovecotSetting) {
        match parse_interval(&setting.value) {
            Ok(span) => self.write(key, &format_interval(span)),
            Err(why) => self.note(setting, format!("not carried over: {why}; the default counts")),
        }
    }

    fn names(&mut self) {
        if let Some(setting) = self.find("director_username_hash") {
            match HashFormat::parse(&setting.value) {
                Ok(_) => self.write("director_username_hash", &setting.value),
                Err(why) => self.note(
                    setting,
                    format!("not carried over, and without it users are placed elsewhere: {why}"),
                ),
            }
        }
        let separators = ["auth_master_user_separator", "master_user_separator"];
        if let Some(setting) = separators.iter().find_map(|key| self.find(key)) {
            self.write("master_user_separator", &setting.value);
        }
        let base_dir = self.value("base_dir").unwrap_or(DOVECOT_BASE_DIR_DEFAULT);
        if base_dir != DOVECOT_BASE_DIR_DEFAULT {
            self.write("dovecot_base_dir", base_dir);
        }
        // auth-userdb answers in full only whom Dovecot trusts.
        let user = self.value("default_internal_user").unwrap_or("dovecot");
        self.write("user", user);
        let group = self.value("default_internal_group").unwrap_or("dovecot");
        self.write("group", group);
    }

    fn hook(&mut self) {
        let Some(setting) = self.find("director_flush_socket") else {
            return;
        };
        let base_dir = self.value("base_dir").unwrap_or(DOVECOT_BASE_DIR_DEFAULT);
        match FlushHook::parse(&setting.value, Path::new(base_dir)) {
            Ok(_) => {
                self.write("director_flush_socket", &setting.value);
                self.note(
                    setting,
                    "called at a moved user's first login at the new backend, not with the move; see docs/CONFIG.md",
                );
            }
            Err(complaint) => self.note(setting, format!("not carried over: {}", complaint.message)),
        }
    }

    fn needless(&mut self) {
        for (key, why) in NEEDLESS {
            if let Some(setting) = self.find(key) {
                self.note(setting, format!("not carried over: {why}"));
            }
        }
    }

    /// Writes the doors; gives address and port of the ring's own listener.
    fn listeners(&mut self) -> Option<String> {
        let mut found: BTreeMap<(usize, String), Vec<&DovecotSetting>> = BTreeMap::new();
        for (order, setting) in self.settings.iter().enumerate() {
            let [service, listener, ..] = &setting.sections[..] else {
                continue;
            };
            if service == "service director" {
                let same = found.keys().find(|(_, name)| name == listener).cloned();
                found
                    .entry(same.unwrap_or((order, listener.clone())))
                    .or_default()
                    .push(setting);
            }
        }
        let mut ring = None;
        let mut doors = Vec::new();
        for ((_, name), settings) in &found {
            let (kind, place) = name.split_once(' ').unwrap_or((name, ""));
            let value = |key: &str| {
                let mut of_key = settings.iter().rev();
                of_key
                    .find(|setting| setting.key == key)
                    .map(|setting| setting.value.as_str())
            };
            match kind {
                "unix_listener" | "fifo_listener"
                    if value("mode").is_some_and(|mode| mode.trim_matches('0').is_empty()) => {}
                "unix_listener" | "fifo_listener" => match door_kind(place, kind == "fifo_listener") {
                    Some(kind) => {
                        let mut door = format!(
                            "\n[[listener]]\nkind = \"{}\"\npath = {}\n",
                            kind.name(),
                            quoted(place)
                        );
                        for (theirs, ours) in [("mode", "mode"), ("user", "owner"), ("group", "group")] {
                            if let Some(value) = value(theirs).filter(|value| !value.is_empty()) {
                                let value = value.trim_start_matches('$');
                                let value = if ours == "mode" {
                                    padded(value)
                                } else {
                                    value.to_owned()
                                };
                                writeln!(door, "{ours} = {}", quoted(&value))
                                    .expect("text grows without fail");
                            }
                        }
                        doors.push((kind, door));
                    }
                    None => self.note(
                        settings[0],
                        format!("the listener {place} is of the ring; a ring of ours has a TCP port"),
                    ),
                },
                "inet_listener" => {
                    let Some(port) = value("port").filter(|port| *port != "0") else {
                        continue;
                    };
                    let address = match value("address").unwrap_or("*") {
                        "*" | "" => "0.0.0.0".to_owned(),
                        "::" => "[::]".to_owned(),
                        v6 if v6.contains(':') => format!("[{v6}]"),
                        other => other.to_owned(),
                    };
                    match door_kind(place, false)
                        .filter(|kind| *kind == ListenerKind::Admin || place.contains("notify"))
                    {
                        Some(kind) => doors.push((
                            kind,
                            format!(
                                "\n[[listener]]\nkind = \"{}\"\naddress = {}\n",
                                kind.name(),
                                quoted(&format!("{address}:{port}"))
                            ),
                        )),
                        None if ring.is_none() => ring = Some(format!("{address}:{port}")),
                        None => self.note(
                            settings[0],
                            format!("a second port of the ring, {address}:{port}; the first counts"),
                        ),
                    }
                }
                _ => {}
            }
        }
        // Admins and the FIFO have their usual places in Dovecot without being named.
        for kind in ListenerKind::USUAL {
            let at_path = |door: &(ListenerKind, String)| door.0 == kind && door.1.contains("\npath = ");
            if !doors.iter().any(at_path) {
                let path = kind.usual_path();
                doors.push((
                    kind,
                    format!("\n[[listener]]\nkind = \"{}\"\npath = \"{path}\"\n", kind.name()),
                ));
                if kind != ListenerKind::Admin {
                    self.remark(
                        kind.name(),
                        format!("Dovecot's director had no such listener; it is opened at {path}"),
                    );
                }
            }
        }
        self.lines.push("\n".to_owned());
        self.lines.extend(doors.into_iter().map(|(_, door)| door));
        ring
    }

    fn ring(&mut self, listen: Option<String>) {
        if self.value("director_servers").is_none() {
            return;
        }
        let listen = listen.unwrap_or_else(|| format!("0.0.0.0:{RING_PORT_DEFAULT}"));
        self.lines.push(format!(
            "\n[ring]\nlisten = {}\nca = \"/etc/maildirector/ca.pem\"\ncertificate = \"/etc/maildirector/member.pem\"\n\
             key = \"/etc/maildirector/member.key\"\n",
            quoted(&listen)
        ));
        self.remark(
            "ring",
            "links are authenticated: make certificates by `maildirector certs`; Dovecot's ring had none, and this port can't \
             be shared with it",
        );
    }

    fn login_services(&mut self) {
        let executables = self.settings.iter().filter(|setting| {
            setting.key == "executable"
                && setting
                    .sections
                    .first()
                    .is_some_and(|name| name.ends_with("-login"))
        });
        let mut asks = executables.filter(|setting| setting.value.split_whitespace().count() > 1);
        if asks.next().is_none() {
            self.remark(
                "service imap-login",
                "no login service asks a director: write `executable = imap-login director` there, and so for the others",
            );
        }
        let sockets = self
            .settings
            .iter()
            .filter(|setting| setting.key == "auth_socket_path");
        if !sockets
            .into_iter()
            .any(|setting| setting.value.contains("userdb"))
        {
            self.remark(
                "auth_socket_path",
                "LMTP and doveadm ask no director: write `auth_socket_path = director-userdb` into protocol lmtp and protocol doveadm",
            );
        }
        self.remark(
            "service director",
            "must go from Dovecot's configuration, but for unix_listeners of mode 0 that keep it from opening our sockets; see README.md",
        );
    }

    /// Settings of the director inside of filters count for some connections only, which a director can't know.
    fn filters(&mut self) {
        let inside = self.settings.iter().filter(|setting| {
            setting.key.starts_with("director_")
                && !setting.sections.is_empty()
                && setting.sections[0] != "service director"
        });
        for setting in inside.collect::<Vec<_>>() {
            let text = format!(
                "inside of {}: not carried over, a director has one value",
                setting.sections.join(" { ")
            );
            self.note(setting, text);
        }
        let all = self.settings.iter();
        let others = all
            .filter(|setting| !setting.key.is_empty() && !is_ours(setting))
            .count();
        if others > 0 {
            self.remark(
                "others",
                format!("{others} settings are no director's and stay in Dovecot's configuration"),
            );
        }
    }
}

fn is_ours(setting: &DovecotSetting) -> bool {
    let of_all = [
        "base_dir",
        "default_internal_user",
        "default_internal_group",
        "verbose_proctitle",
    ];
    setting.key.starts_with("director_")
        || setting.key.ends_with("master_user_separator")
        || of_all.contains(&setting.key.as_str())
        || setting
            .sections
            .first()
            .is_some_and(|name| name == "service director")
}

/// What is expected at a listener of this name: Dovecot looks behind the last slash, and there behind the last hyphen.
fn door_kind(name: &str, is_fifo: bool) -> Option<ListenerKind> {
    if is_fifo {
        return Some(ListenerKind::Notify);
    }
    let last = name.rsplit('/').next().unwrap_or(name);
    match last.rsplit('-').next().unwrap_or(last) {
        "userdb" => Some(ListenerKind::Userdb),
        "authreply" => Some(ListenerKind::Authreply),
        "admin" | "doveadm" => Some(ListenerKind::Admin),
        "notify" => Some(ListenerKind::Notify),
        "ring" => None,
        _ => Some(ListenerKind::Login),
    }
}

/// The same hosts in any order; ranges and names are not looked into.
fn is_same(written: &str, hosts: &[String]) -> bool {
    let mut written: Vec<&str> = written.split_whitespace().collect();
    let mut hosts: Vec<&str> = hosts.iter().map(String::as_str).collect();
    written.sort_unstable();
    hosts.sort_unstable();
    written == hosts
}

/// Access bits as our file writes them, four octal digits.
fn padded(mode: &str) -> String {
    format!("{:0>4}", mode.trim_start_matches("0o"))
}

/// A basic string of TOML.
fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            control if control.is_control() => {
                write!(quoted, "\\u{:04X}", control as u32).expect("text grows without fail");
            }
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}
