//! Where users go: the real director's answers for thousands of names, over host lists with weights, hosts that are
//! down, and tags.

use std::net::IpAddr;

use maildirector::topology::HashFormat;
use sim::classic::{Director, HostLine, Input, Output, Place, Settings};

use crate::real::{Admin, Real};

const SETTINGS: &str = "director_mail_servers = 10.2.0.1-10.2.0.9 10.2.0.20@b 10.2.0.21@b fd00:2::a\n\
    service director {\n  unix_listener director-admin {\n    mode = 0600\n  }\n}\n";
const NAMES: u32 = 1_500;
const NOW_MS: u64 = 1_795_436_984_000;

/// Changes that are made one after the other; all names are looked up after each.
const CHANGES: [&[&str]; 4] = [
    &[],
    &[
        "HOST-SET\t10.2.0.2\t50",
        "HOST-SET\t10.2.0.3\t0",
        "HOST-SET\t10.2.0.4\t1000",
    ],
    &[
        "HOST-DOWN\t10.2.0.1",
        "HOST-DOWN\t10.2.0.20",
        "HOST-SET\t10.2.0.30\t7",
    ],
    &[
        "HOST-REMOVE\t10.2.0.5",
        "HOST-UP\t10.2.0.1",
        "HOST-SET\tfd00:2::a\t300",
    ],
];

/// Asks both for every name and compares.
pub fn must_agree() {
    let real = Real::start("lookups", SETTINGS);
    let mut admin = real.admin();
    let mut compared = 0;
    for changes in CHANGES {
        for change in changes {
            assert_eq!(admin.ask(change), "OK", "{change}");
        }
        let mut machine = machine(&mut admin);
        for number in 0..NAMES {
            let (name, tag) = (
                format!("user{number}@example.com"),
                ["", "b"][(number % 5 / 4) as usize],
            );
            let said = admin.ask(&format!("USER-LOOKUP\t{name}\t{tag}"));
            let by_hash = said.split('\t').nth(2).unwrap_or_default();
            let theirs: Option<IpAddr> = by_hash.parse().ok();
            assert_eq!(
                routed(&mut machine, &name, tag),
                theirs,
                "{name} of tag {tag:?}: {said}"
            );
            compared += 1;
        }
    }
    assert_eq!(compared, NAMES as usize * CHANGES.len());
}

/// A director alone with the real one's host list.
fn machine(admin: &mut Admin) -> Director {
    admin.say("HOST-LIST");
    let mut hosts = Vec::new();
    loop {
        let line = admin.hear();
        if line.is_empty() {
            break;
        }
        let fields: Vec<&str> = line.split('\t').collect();
        hosts.push(HostLine {
            ip: fields[0].parse().expect("an address"),
            vhosts: fields[1].parse().expect("a weight"),
            tag: fields[3].to_owned(),
            is_down: fields[4] == "D",
            updown_changed_s: 0,
            hostname: String::new(),
        });
    }
    let me = Place {
        ip: "127.0.0.1".parse().expect("an address"),
        port: 9090,
    };
    let mut director = Director::new(Settings::new(me, vec![me], hosts), NOW_MS);
    director.handle(NOW_MS, Input::Start, &mut Vec::new());
    director
}

fn routed(director: &mut Director, name: &str, tag: &str) -> Option<IpAddr> {
    let hash = HashFormat::default().key(name).hash();
    let mut out = Vec::new();
    director.handle(NOW_MS, Input::Login { token: 1, tag, hash }, &mut out);
    out.iter().find_map(|output| match output {
        Output::Route { host, .. } => Some(*host),
        _ => None,
    })
}
