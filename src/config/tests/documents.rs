//! The documents of operators: what they call a default is that of the code, and no setting is missing.

use std::collections::BTreeSet;

use super::{LEAST, config};
use crate::config::parse::{
    CHECK_KEYS, HEALTH_KEYS, LISTENER_KEYS, MEMBER_KEYS, PROXY_KEYS, RING_KEYS, TOP_KEYS,
};
use crate::config::{Config, KickBy, ListenerKind, MemberRole, Resolved};

const DOCUMENT: &str = include_str!("../../../docs/CONFIG.md");
const EXAMPLE: &str = include_str!("../../../examples/maildirector.toml");
const PROXIES: &str = include_str!("../../../examples/proxies.toml");
const LOOKUPS: &str = include_str!("../../../examples/lookups.toml");

/// The settings of the tables in docs/CONFIG.md, each with its default as written there.
fn documented() -> Vec<(String, String)> {
    let rows = DOCUMENT
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once("` |"));
    rows.map(|(name, rest)| {
        let default = rest.split('|').next().expect("a row has a second cell").trim();
        (name.to_owned(), default.to_owned())
    })
    .collect()
}

fn same_but_for_the_file(mut one: Config, other: &Config) -> bool {
    one.file = other.file.clone();
    one == *other
}

#[test]
fn every_setting_is_documented_and_nothing_else() {
    let tables = [
        ("ring.", &RING_KEYS[..]),
        ("member.", &MEMBER_KEYS),
        ("listener.", &LISTENER_KEYS),
        ("proxy.", &PROXY_KEYS),
        ("health.", &HEALTH_KEYS),
        ("health.check.", &CHECK_KEYS),
    ];
    let inner = tables
        .iter()
        .flat_map(|(table, keys)| keys.iter().map(move |key| format!("{table}{key}")))
        .filter(|key| key != "health.check");
    let are_tables = ["ring", "member", "listener", "health", "proxy"];
    let top = TOP_KEYS
        .iter()
        .filter(|key| !are_tables.contains(key))
        .map(|key| (*key).to_owned());
    let known: BTreeSet<String> = top.chain(inner).collect();
    let documented: BTreeSet<String> = documented().into_iter().map(|(name, _)| name).collect();
    assert_eq!(documented, known);
}

#[test]
fn every_documented_default_is_that_of_the_code() {
    let mut written = 0;
    for (name, default) in documented() {
        let Some(value) = default.strip_prefix('`').and_then(|rest| rest.strip_suffix('`')) else {
            let words = ["none", "required", "by kind", ""];
            assert!(
                words.contains(&default.as_str()),
                "{name} has the default {default}"
            );
            continue;
        };
        let line = match name.split_once('.') {
            None => format!("{name} = {value}\n"),
            Some(("health", key)) => match key.strip_prefix("check.") {
                None => format!("[health]\n{key} = {value}\n"),
                Some(key) => {
                    let check = |more: &str| format!("{LEAST}[[health.check]]\nprotocol = \"imap\"\n{more}");
                    let with = config(&check(&format!("{key} = {value}\n")));
                    assert!(same_but_for_the_file(with, &config(&check(""))), "{name}");
                    continue;
                }
            },
            Some(("proxy", key)) => {
                let protocol = if key.starts_with("lmtp") { "lmtp" } else { "imap" };
                let proxy = |more: &str| {
                    format!("{LEAST}[[proxy]]\nprotocol = \"{protocol}\"\naddress = \"10.0.0.1:143\"\n{more}")
                };
                let with = config(&proxy(&format!("{key} = {value}\n")));
                assert!(same_but_for_the_file(with, &config(&proxy(""))), "{name}");
                continue;
            }
            Some(("ring", key)) => format!("[ring]\n{key} = {value}\n"),
            Some(("listener", key)) => {
                let map = |more: &str| {
                    format!(
                        "{LEAST}[[listener]]\nkind = \"socketmap\"\naddress = \"[::1]:9181\"\ndomains = \"*\"\n{more}"
                    )
                };
                let with = config(&map(&format!("{key} = {value}\n")));
                assert!(same_but_for_the_file(with, &config(&map(""))), "{name}");
                continue;
            }
            Some((_, key)) => {
                let member =
                    |more: &str| format!("{LEAST}[[member]]\nid = 1\naddress = \"10.0.0.1\"\n{more}");
                let with = config(&member(&format!("{key} = {value}\n")));
                assert!(same_but_for_the_file(with, &config(&member(""))), "{name}");
                continue;
            }
        };
        written += 1;
        assert!(config(&format!("{LEAST}{line}")) == config(LEAST), "{line}");
    }
    assert!(
        written > 10,
        "only {written} defaults were found: the tables look different"
    );
}

#[test]
fn the_example_names_every_setting_and_its_comments_are_the_defaults() {
    let as_it_is = config(EXAMPLE);
    let is_setting =
        |line: &&str| line.starts_with('#') && line[1..].starts_with(|c: char| c.is_ascii_lowercase());
    let of_listener = ["#owner", "#group"];
    let mut uncommented = String::new();
    for line in EXAMPLE.lines() {
        let is_default = is_setting(&line) && !of_listener.iter().any(|key| line.starts_with(key));
        uncommented.push_str(if is_default { &line[1..] } else { line });
        uncommented.push('\n');
    }
    assert!(
        config(&uncommented) == as_it_is,
        "a commented line is not the default"
    );
    let inner = RING_KEYS
        .iter()
        .chain(&LISTENER_KEYS)
        .chain(&HEALTH_KEYS)
        .chain(&CHECK_KEYS);
    for key in TOP_KEYS.iter().chain(inner) {
        let is_there = *key == "member"
            || *key == "proxy" && PROXIES.contains("[[proxy]]")
            || *key == "check" && EXAMPLE.contains("[[health.check]]")
            || LISTENER_KEYS.contains(key) && LOOKUPS.contains(&format!("{key} = "))
            || EXAMPLE.contains(&format!("{key} = "))
            || EXAMPLE.contains(&format!("[{key}]"));
        assert!(is_there, "the example does not name {key}");
    }
}

#[test]
fn the_example_of_proxies_names_every_setting_of_them() {
    let example = config(PROXIES);
    assert_eq!(example.proxies.len(), 9);
    for key in PROXY_KEYS {
        assert!(
            PROXIES.contains(&format!("{key} = ")),
            "the example does not name {key}"
        );
    }
    assert_eq!(
        example.kick,
        KickBy::None,
        "nothing but its own proxies has sessions"
    );
}

#[test]
fn the_example_of_lookups_has_every_kind_of_them() {
    let kinds = config(LOOKUPS)
        .listeners
        .into_iter()
        .map(|listener| listener.kind);
    let kinds: BTreeSet<ListenerKind> = kinds.collect();
    assert!(kinds.is_superset(&[ListenerKind::Http, ListenerKind::Socketmap].into()));
}

#[test]
fn the_examples_of_whole_sites_are_sound() {
    const TWO: &str = include_str!("../../../examples/two-directors/maildirector.toml");
    const WITH_2_4: &str = include_str!("../../../examples/dovecot-2.4/maildirector.toml");
    const PODS: &str = include_str!("../../../examples/kubernetes/maildirector.yaml");
    let members = |text: &str| {
        let config = config(text);
        let mut resolved = Resolved::default();
        for (number, name) in (1..).zip(config.names()) {
            resolved.insert(name, vec![[10, 96, 0, number].into()]);
        }
        config.members(&resolved).expect("they make a ring")
    };
    let votes = |text| {
        members(text)
            .iter()
            .filter(|member| member.role == MemberRole::Witness)
            .count()
    };
    assert_eq!((members(TWO).len(), votes(TWO)), (3, 1));
    assert_eq!(
        (members(WITH_2_4).len(), config(WITH_2_4).kick),
        (3, KickBy::Anvil)
    );
    let from = PODS.find("maildirector.toml: |\n").expect("the map has the file");
    let lines = PODS[from..].lines().skip(1);
    let lines = lines.take_while(|line| line.is_empty() || line.starts_with("    "));
    let file: String = lines.map(|line| format!("{}\n", line.trim_start())).collect();
    let file = file
        .replace("POD", "maildirector-1")
        .replace("ADDRESS", "10.96.0.2");
    let pods = config(&file);
    assert_eq!(members(&file).len(), 3);
    assert_eq!(pods.proxies.len(), 3);
}

#[test]
fn the_doors_of_the_example_are_those_of_an_empty_file() {
    let example = config(EXAMPLE);
    assert_eq!(example.listeners, config(LEAST).listeners);
    assert!(config(&format!("listener = []\n{LEAST}")).listeners.is_empty());
}
