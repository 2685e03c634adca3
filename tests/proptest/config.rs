//! Laws of the configuration: no text makes it panic, and what it writes it reads.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use maildirector::agreement::timing::TIMING_DEFAULT;
use maildirector::config::{
    BackendPlace, BackendSpec, Config, FAULTS_MAX, Fault, Resolved, format_interval, parse, parse_interval,
    parse_ip,
};
use proptest::prelude::*;

/// Pieces of files, so that random texts get past the first line.
const PIECES: &[&str] = &[
    "director_mail_servers",
    "director_servers",
    "witnesses",
    "lease",
    "kick",
    "[ring]",
    "[[listener]]",
    "[[member]]",
    "kind",
    "path",
    "mode",
    "listen",
    "id",
    "address",
    "role",
    "insecure",
    "ca",
    " = ",
    "\"",
    "'''",
    "\n",
    "\n",
    "[",
    "]",
    "{",
    "}",
    ",",
    "0o666",
    "10.0.0.1",
    "10.0.0.1-10.0.0.9",
    "fd00::-fd00::ffff",
    "mail1",
    "@gold",
    ":9090",
    "10s",
    "15 min",
    "ipc",
    "login",
    "true",
    "1",
    "65536",
    "é",
    "\0",
    "\\",
    "#",
    " ",
];

fn pieces() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(PIECES), 0..60).prop_map(|pieces| pieces.concat())
}

/// Lines that are TOML, with values that may be wrong.
fn lines() -> impl Strategy<Value = String> {
    let line = (
        prop::sample::select(PIECES),
        prop::collection::vec(prop::sample::select(PIECES), 0..4),
    )
        .prop_map(|(key, value)| match key.starts_with('[') {
            true => format!("{key}\n"),
            false => format!("{key} = \"{}\"\n", value.concat().escape_default()),
        });
    prop::collection::vec(line, 0..20).prop_map(|lines| lines.concat())
}

/// Everything that a file can be asked for.
fn use_whole(text: &str) {
    let check = |faults: Vec<Fault>| {
        assert!(!faults.is_empty() && faults.len() <= FAULTS_MAX + 1);
        for fault in faults {
            let is_within = (1..=text.lines().count().max(1) + 1).contains(&fault.line);
            assert!(is_within && !fault.message.is_empty(), "{fault}");
            assert!(!fault.to_string().contains('\n'), "{fault:?}");
        }
    };
    match parse(text, "t.toml") {
        Err(faults) => check(faults),
        Ok(config) => use_config(&config, check),
    }
}

fn use_config(config: &Config, check: impl Fn(Vec<Fault>)) {
    let mut resolved = Resolved::default();
    for (number, name) in config.names().into_iter().enumerate() {
        resolved.insert(name, vec![Ipv4Addr::new(172, 16, 0, number as u8).into()]);
    }
    match config.members(&resolved) {
        Err(faults) => check(faults),
        Ok(members) => {
            let local: Vec<_> = members.iter().take(1).map(|member| member.address.ip()).collect();
            let _ = config.me(&members, &local);
            assert_eq!(config.ring_wide(&members).len(), 7 + members.len());
        }
    }
    if let Err(faults) = config.seed(&resolved) {
        check(faults);
    }
    config.compared(&Resolved::default(), &resolved);
}

fn spec() -> impl Strategy<Value = BackendSpec> {
    let v4 = any::<u32>().prop_map(|bits| IpAddr::from(Ipv4Addr::from_bits(bits)));
    let v6 = any::<u128>().prop_map(|bits| IpAddr::from(Ipv6Addr::from_bits(bits)));
    let range_v4 = (any::<[u8; 3]>(), any::<u8>(), any::<u8>()).prop_map(|([a, b, c], one, other)| {
        BackendPlace::Range {
            first: Ipv4Addr::new(a, b, c, one.min(other)).into(),
            last: Ipv4Addr::new(a, b, c, one.max(other)).into(),
        }
    });
    let range_v6 = (any::<u128>(), any::<u16>(), any::<u16>()).prop_map(|(bits, one, other)| {
        let end = |last: u16| Ipv6Addr::from_bits(bits >> 16 << 16 | u128::from(last)).into();
        BackendPlace::Range {
            first: end(one.min(other)),
            last: end(one.max(other)),
        }
    });
    let name = "[a-z][a-z0-9-]{0,20}(\\.[a-z]{1,10}){0,2}".prop_map(|name| BackendPlace::Name(name.into()));
    let place = prop_oneof![
        v4.prop_map(BackendPlace::Ip),
        v6.prop_map(BackendPlace::Ip),
        range_v4,
        range_v6,
        name
    ];
    (place, "[a-z]{0,8}").prop_map(|(place, tag)| BackendSpec {
        place,
        tag: tag.into(),
    })
}

#[test]
fn a_file_that_asks_for_nothing_special_gets_the_usual_timing() {
    let config = parse("director_mail_servers = \"10.0.0.1\"", "t.toml").expect("it is enough");
    let seed = config.seed(&Resolved::default()).expect("it has no names");
    assert_eq!(seed.timing, TIMING_DEFAULT);
}

proptest! {
    #[test]
    fn no_text_makes_the_configuration_panic(bytes in prop::collection::vec(any::<u8>(), 0..500)) {
        use_whole(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn no_text_of_known_words_makes_the_configuration_panic(text in prop_oneof![pieces(), lines()]) {
        use_whole(&text);
    }

    #[test]
    fn a_list_of_backends_is_read_as_it_is_written(specs in prop::collection::vec(spec(), 1..8)) {
        let written: Vec<_> = specs.iter().map(ToString::to_string).collect();
        let text = format!("director_mail_servers = \"mail {}\"", written.join("  "));
        let config = parse(&text, "t.toml").expect("every entry is well formed");
        prop_assert_eq!(&config.mail_servers.value[1..], &specs[..]);
    }

    #[test]
    fn a_range_has_every_address_once(spec in spec()) {
        let addresses: Vec<_> = spec.addresses().collect();
        prop_assert!(addresses.is_sorted_by(|one, next| one < next));
        if let BackendPlace::Range { first, last } = spec.place {
            prop_assert_eq!((addresses.first(), addresses.last()), (Some(&first), Some(&last)));
        }
    }

    #[test]
    fn a_time_is_read_as_it_is_written(ms in any::<u64>()) {
        let span = Duration::from_millis(ms);
        prop_assert_eq!(parse_interval(&format_interval(span)), Ok(span));
    }

    #[test]
    fn an_address_is_read_as_it_is_written(ip in any::<IpAddr>()) {
        prop_assert_eq!(parse_ip(&ip.to_string()), Some(ip));
    }
}
