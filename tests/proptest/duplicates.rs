//! Messages are idempotent: a ring in which each comes one to three times, the copies in any order and some of them late,
//! ends like one in which each comes once.

use std::time::Duration;

use maildirector::topology::{Change, HashFormat, MemberId, TagId, UserId};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use crate::lockstep::{Ending, Ring, backend, id};

const NAMES: [&str; 8] = ["alice", "bob", "carol", "dave", "erin", "frank", "grace", "heidi"];

#[derive(Clone, Debug)]
enum Step {
    Login(MemberId, &'static str),
    End(MemberId, &'static str),
    Command(MemberId, Vec<Change>),
    Run(u64),
}

fn any_step() -> impl Strategy<Value = Step> {
    let member = || (1..4_u16).prop_map(id);
    let name = || select(&NAMES[..]);
    prop_oneof![
        5 => (member(), name()).prop_map(|(at, name)| Step::Login(at, name)),
        2 => (member(), name()).prop_map(|(at, name)| Step::End(at, name)),
        3 => (member(), vec(any_change(), 1..3)).prop_map(|(at, changes)| Step::Command(at, changes)),
        1 => (0..8_000_u64).prop_map(Step::Run),
    ]
}

fn any_change() -> impl Strategy<Value = Change> {
    let ip = || (1..6_u8).prop_map(|last| backend(last).ip);
    let key = select(&NAMES[..]).prop_map(|name| HashFormat::default().key(name));
    prop_oneof![
        (4..6_u8).prop_map(|last| Change::AddBackend(backend(last))),
        ip().prop_map(|ip| Change::RemoveBackend { ip }),
        (ip(), 0..300_u32).prop_map(|(ip, vhosts)| Change::SetVhosts { ip, vhosts }),
        ip().prop_map(|ip| Change::Up { ip, at_unix_s: 1 }),
        ip().prop_map(|ip| Change::Down { ip, at_unix_s: 2 }),
        ip().prop_map(|ip| Change::Flush { ip: Some(ip) }),
        (key, ip()).prop_map(|(key, ip)| Change::Move { key, ip }),
    ]
}

fn run(steps: &[Step], copies: Option<u64>) -> Ending {
    let mut ring = Ring::serving(3, copies);
    for step in steps {
        match step {
            Step::Login(at, name) => ring.login(*at, name),
            Step::End(at, name) => {
                let key = HashFormat::default().key(name);
                let tag = TagId::DEFAULT;
                ring.end(*at, UserId { key, tag });
            }
            Step::Command(at, changes) => {
                ring.command(*at, changes.clone());
                ring.run(Duration::from_secs(2));
            }
            Step::Run(ms) => ring.run(Duration::from_millis(*ms)),
        }
    }
    ring.run(Duration::from_secs(5));
    ring.ending()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn copies_of_messages_change_nothing(steps in vec(any_step(), 1..24), seed in any::<u64>()) {
        let once = run(&steps, None);
        prop_assert_eq!(run(&steps, Some(seed)), once);
    }

    #[test]
    fn the_order_of_the_copies_changes_nothing(
        steps in vec(any_step(), 1..24),
        seed in any::<u64>(),
        other in any::<u64>(),
    ) {
        prop_assert_eq!(run(&steps, Some(seed)), run(&steps, Some(other)));
    }
}

#[test]
fn the_script_of_these_laws_does_move_users() {
    let mut steps: Vec<Step> = NAMES.iter().map(|name| Step::Login(id(1), name)).collect();
    steps.push(Step::Command(id(2), vec![Change::AddBackend(backend(4))]));
    steps.extend(NAMES.iter().map(|name| Step::Login(id(3), name)));
    let ending = run(&steps, Some(1));
    assert_eq!(ending.committed[0].epoch().number(), 1);
    assert_eq!(ending.holds[2].len(), NAMES.len());
    assert_eq!(ending.seen[&id(3)].len(), NAMES.len());
}
