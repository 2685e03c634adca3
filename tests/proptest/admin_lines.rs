//! Laws of the admin protocol: whatever is said, each line has an answer, and nothing panics.

use std::sync::Arc;

use maildirector::agreement::{Boot, Rules};
use maildirector::config::{Resolved, parse};
use maildirector::director::{Director, Gathered, Limits, Policy, Settings, Start};
use maildirector::dovecot::admin::{Plan, Request, Site, Who, Whom, plan, reply};
use maildirector::topology::{HashFormat, MemberId, Topology};
use maildirector::world::Instant;
use proptest::prelude::*;

const COMMANDS: [&str; 17] = [
    "HOST-LIST",
    "HOST-LIST-REMOVED",
    "DIRECTOR-LIST",
    "DIRECTOR-ADD",
    "DIRECTOR-REMOVE",
    "HOST-SET",
    "HOST-UPDATE",
    "HOST-UP",
    "HOST-DOWN",
    "HOST-REMOVE",
    "HOST-FLUSH",
    "HOST-RESET-USERS",
    "USER-LOOKUP",
    "USER-LIST",
    "USER-MOVE",
    "USER-KICK",
    "USER-KICK-ALT",
];

const FIELDS: [&str; 16] = [
    "",
    "10.0.0.1",
    "10.0.0.9@gold",
    "[fd00::1]",
    "10.1",
    "0",
    "100",
    "1001",
    "4294967296",
    "bob",
    "é",
    "\u{1}t",
    "\u{1}",
    "nowait",
    "gold",
    "a\u{1}0b",
];

fn lines() -> impl Strategy<Value = Vec<u8>> {
    let field = prop::sample::select(&FIELDS[..]);
    let fields = prop::collection::vec(field, 0..4);
    let known = (prop::sample::select(&COMMANDS[..]), fields)
        .prop_map(|(command, fields)| [&[command][..], &fields].concat().join("\t").into_bytes());
    prop_oneof![known, prop::collection::vec(any::<u8>(), 0..200)]
}

fn director_and_site() -> (Director, Site) {
    let file = "director_mail_servers = \"10.0.0.1 10.0.0.2@gold fd00::1\"";
    let config = parse(file, "t.toml").expect("it is sound");
    let seed = config.seed(&Resolved::default()).expect("it has no names");
    let configured = Arc::new(Topology::new(seed).expect("a seed makes a topology"));
    let settings = Settings {
        me: MemberId::from_index(1),
        configured,
        policy: Policy::Consistent,
        close_bound: std::time::Duration::ZERO,
        limits: Limits::default(),
        rules: Rules::default(),
    };
    let start = Start {
        boot: Boot::from_bits(1),
        entropy: 1,
        record: None,
        journal: Gathered::default(),
        sessions: Vec::new(),
        is_bootstrap: false,
    };
    let director = Director::start(settings, start, Instant::ORIGIN, &mut Vec::new());
    let site = Site {
        members: config
            .members(&Resolved::default())
            .expect("it has no names")
            .into(),
        links: Vec::new(),
        unix_now_s: 1_795_437_764,
        elsewhere: None,
    };
    (director, site)
}

proptest! {
    #[test]
    fn every_line_has_one_answer(line in lines()) {
        let (director, site) = director_and_site();
        let request = match Request::parse(&line) {
            Ok(request) => request,
            Err(error) => {
                let text = error.to_string();
                prop_assert!(!text.is_empty() && text.len() < 600 && !text.contains('\n'), "{text}");
                return Ok(());
            }
        };
        let user = match &request {
            Request::UserLookup { who, .. } | Request::UserMove { who, .. } => Some(who.clone()),
            Request::UserKick { name } => Some(Who::Name(name.clone())),
            _ => None,
        };
        let user = user.map(|who| Whom::of(&who, |name| HashFormat::default().key(name)));
        match plan(&request, user, &director, Instant::ORIGIN, &site) {
            Plan::Say(answer) => prop_assert!(answer.ends_with(b"\n")),
            Plan::Change(changes) => prop_assert!(request.is_change() && !changes.is_empty()),
            Plan::Kick(_) => prop_assert!(request.is_change()),
            Plan::FlushSlowly { .. } => prop_assert!(false, "nobody is pinned"),
            Plan::ListHosts | Plan::ListUsers(_) => prop_assert!(!request.is_change()),
            Plan::AskOthers(_) => prop_assert!(false, "there are no others"),
        }
    }
}

#[test]
fn every_answer_to_a_change_is_one_line() {
    use maildirector::director::CommandError;
    use maildirector::topology::{ChangeError, Epoch};
    use std::time::Duration;

    let waited = Duration::from_secs(30);
    let ip = [10, 0, 0, 1].into();
    let bad_tag = ChangeError::BadTag { tag: "a\nb".into() };
    for (result, line) in [
        (Ok(Epoch::ZERO), "OK\n"),
        (
            Err(CommandError::Refused(ChangeError::UnknownBackend { ip })),
            "NOTFOUND\n",
        ),
        (
            Err(CommandError::Refused(ChangeError::BackendExists { ip })),
            "host is already being updated - try again later\n",
        ),
        (
            Err(CommandError::Unknown { waited }),
            "not decided within 30 s; it may still be carried out, status will tell\n",
        ),
        (
            Err(CommandError::NotSent { waited }),
            "no coordinator within 30 s; nothing was changed\n",
        ),
        (
            Err(CommandError::Refused(ChangeError::LastBackend)),
            "the only backend can't be removed\n",
        ),
        (
            Err(CommandError::Refused(bad_tag)),
            "the tag \"a\\nb\" holds a control character or an @\n",
        ),
    ] {
        assert_eq!(reply(&result), line);
    }
}
