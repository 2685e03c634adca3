//! What names nothing that exists, or is out of range, gets an error that names it, and nothing else happens.

use std::net::IpAddr;
use std::time::Duration;

use maildirector::agreement::{Body, Whose};
use maildirector::director::{
    CommandError, CommandId, Director, Door, Input, LoginToken, Output, RefuseReason,
};
use maildirector::topology::{
    Change, ChangeError, HashFormat, Incarnation, LEASE_MAX, LEASE_MIN, Member, MemberId, NewBackend, TagId,
    USER_EXPIRE_MAX, USER_EXPIRE_MIN, UserId, UserKey, VHOSTS_MAX,
};
use maildirector::world::Instant;
use proptest::prelude::*;

use crate::lockstep::{backend, id};
use crate::machine::{LIMITS, leased};

const ID: CommandId = CommandId(5);
const TOKEN: LoginToken = LoginToken(6);

/// A director that serves two users, and the time.
fn serving() -> (Director, Instant) {
    let (mut director, now) = leased(1, LIMITS);
    let mut out = Vec::new();
    for name in ["alice", "bob"] {
        let key = HashFormat::default().key(name);
        director.handle(now, login(key, "", name), &mut out);
    }
    assert_eq!(director.holds().len(), 2);
    (director, now)
}

fn login<'a>(key: UserKey, tag: &'a str, name: &'a str) -> Input<'a> {
    Input::Login {
        token: TOKEN,
        key,
        tag,
        name,
        door: Door::Exact,
    }
}

/// The outputs of an input that leaves the whole machine as it was.
fn outputs_of_no_change(director: &Director, now: Instant, input: Input<'_>) -> Vec<Output> {
    let mut after = director.clone();
    let mut out = Vec::new();
    after.handle(now, input, &mut out);
    assert_eq!(&after, director, "something changed");
    out
}

/// The command is refused with this error, which names what was wrong, alone and behind a change that is possible, and as a
/// question too.
fn expect_refused(change: &Change, error: &ChangeError, named: &str) {
    let (director, now) = serving();
    assert!(error.to_string().contains(named), "{error} does not name {named}");
    let possible = Change::SetVhosts {
        ip: backend(1).ip,
        vhosts: 7,
    };
    for changes in [vec![change.clone()], vec![possible, change.clone()]] {
        let result = Err(CommandError::Refused(error.clone()));
        let command = Input::Command {
            id: ID,
            changes: changes.clone(),
        };
        let replied = Output::Reply { id: ID, result };
        assert_eq!(outputs_of_no_change(&director, now, command), [replied]);
        let result = Err(CommandError::Refused(error.clone()));
        let replied = Output::DryRunReply { id: ID, result };
        let question = Input::DryRun { id: ID, changes };
        assert_eq!(outputs_of_no_change(&director, now, question), [replied]);
    }
}

fn unknown_ip() -> impl Strategy<Value = IpAddr> {
    any::<IpAddr>().prop_filter("it is configured", |ip| {
        (1..=3).all(|last| *ip != backend(last).ip)
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn an_unknown_backend_is_named(ip in unknown_ip(), bits in any::<u64>(), kind in 0..7) {
        let change = match kind {
            0 => Change::RemoveBackend { ip },
            1 => Change::SetVhosts { ip, vhosts: 1 },
            2 => Change::SetTag { ip, tag: "gold".into() },
            3 => Change::Up { ip, at_unix_s: bits },
            4 => Change::Down { ip, at_unix_s: bits },
            5 => Change::Flush { ip: Some(ip) },
            _ => Change::Move { key: UserKey::from_bits(bits), ip },
        };
        expect_refused(&change, &ChangeError::UnknownBackend { ip }, &ip.to_string());
    }

    #[test]
    fn an_unknown_member_is_named(index in 2..=u16::MAX, bits in any::<u64>(), kind in 0..3) {
        let id = MemberId::from_index(index);
        let change = match kind {
            0 => Change::RemoveMember { id },
            1 => Change::Unseat { id },
            _ => Change::Seat { id, incarnation: Incarnation::from_bits(bits) },
        };
        expect_refused(&change, &ChangeError::UnknownMember { id }, &index.to_string());
    }

    #[test]
    fn an_unknown_tag_is_named(bits in any::<u64>(), index in 1..=u16::MAX) {
        let tag = TagId::from_index(index);
        let user = UserId { key: UserKey::from_bits(bits), tag };
        expect_refused(&Change::Unpin { user }, &ChangeError::UnknownTag { tag }, &index.to_string());
    }

    #[test]
    fn a_user_without_a_pin_is_named(bits in any::<u64>()) {
        let user = UserId { key: UserKey::from_bits(bits), tag: TagId::DEFAULT };
        expect_refused(&Change::Unpin { user }, &ChangeError::NoSuchPin { user }, &user.to_string());
    }

    #[test]
    fn a_weight_out_of_range_is_named(vhosts in VHOSTS_MAX + 1..=u32::MAX, is_new in any::<bool>()) {
        let change = if is_new {
            Change::AddBackend(NewBackend { vhosts, ..backend(9) })
        } else {
            Change::SetVhosts { ip: backend(1).ip, vhosts }
        };
        let error = ChangeError::VhostsOutOfRange { vhosts, max: VHOSTS_MAX };
        expect_refused(&change, &error, &vhosts.to_string());
    }

    #[test]
    fn a_span_out_of_range_is_named(ms in any::<u64>()) {
        let span = Duration::from_millis(ms);
        if !(LEASE_MIN..=LEASE_MAX).contains(&span) {
            let error = ChangeError::LeaseOutOfRange { lease: span, min: LEASE_MIN, max: LEASE_MAX };
            expect_refused(&Change::SetLease { lease: span }, &error, &format!("{span:?}"));
        }
        if !(USER_EXPIRE_MIN..=USER_EXPIRE_MAX).contains(&span) {
            let (min, max) = (USER_EXPIRE_MIN, USER_EXPIRE_MAX);
            let error = ChangeError::UserExpireOutOfRange { user_expire: span, min, max };
            expect_refused(&Change::SetUserExpire { user_expire: span }, &error, &format!("{span:?}"));
        }
    }

    #[test]
    fn a_login_of_an_unknown_tag_is_refused(tag in "[a-z]{1,12}", bits in any::<u64>()) {
        let (director, now) = serving();
        let out = outputs_of_no_change(&director, now, login(UserKey::from_bits(bits), &tag, "alice"));
        let reason = RefuseReason::UnknownTag;
        prop_assert_eq!(out, [Output::Refuse { token: TOKEN, reason }]);
    }

    #[test]
    fn whoever_is_not_held_is_passed_over(bits in any::<u64>(), tag in any::<u16>(), serial in any::<u32>()) {
        let (director, now) = serving();
        let user = UserId { key: UserKey::from_bits(bits), tag: TagId::from_index(tag) };
        prop_assume!(director.holds().find(user).is_none());
        let nothing: [Output; 0] = [];
        let kicked = outputs_of_no_change(&director, now, Input::Kick(Whose::User(user.key)));
        let is_told = matches!(&kicked[..], [Output::Flood(told)] if told.body == Body::Kick(Whose::User(user.key)));
        prop_assert!(is_told, "only the others are told: {:?}", kicked);
        let ended = Input::SessionEnded { user, serial };
        prop_assert_eq!(outputs_of_no_change(&director, now, ended), nothing.clone());
        let evicted = Input::Evicted { user, serial };
        prop_assert_eq!(outputs_of_no_change(&director, now, evicted), nothing);
        // His sessions, if he has any, are closed: nobody knows where they are.
        let refresh = outputs_of_no_change(&director, now, Input::Refresh { user });
        prop_assert_eq!(refresh, [Output::CloseStray { user }]);
    }

    #[test]
    fn a_name_beyond_its_limit_is_refused(extra in 1..100_usize) {
        let (director, now) = serving();
        let name = "x".repeat(LIMITS.name_bytes + extra);
        let out = outputs_of_no_change(&director, now, login(HashFormat::default().key(&name), "", &name));
        let is_named = matches!(
            out[..],
            [Output::Refuse { reason: RefuseReason::TooMany { limit, .. }, .. }] if limit == LIMITS.name_bytes
        );
        prop_assert!(is_named, "{:?}", out);
    }
}

#[test]
fn a_command_that_names_nothing_is_refused() {
    let (director, now) = serving();
    let command = Input::Command {
        id: ID,
        changes: Vec::new(),
    };
    let result = Err(CommandError::Refused(ChangeError::NothingNamed));
    let replied = Output::Reply { id: ID, result };
    assert_eq!(outputs_of_no_change(&director, now, command), [replied]);
    let nobody = Change::Release { users: [].into() };
    expect_refused(&nobody, &ChangeError::NothingNamed, "nothing");
}

#[test]
fn what_exists_already_is_named() {
    let ip = backend(2).ip;
    expect_refused(
        &Change::AddBackend(backend(2)),
        &ChangeError::BackendExists { ip },
        &ip.to_string(),
    );
    let member = Member {
        id: id(1),
        serves: true,
        votes: false,
        incarnation: Incarnation::from_bits(0),
    };
    expect_refused(
        &Change::AddMember(member),
        &ChangeError::MemberExists { id: id(1) },
        "1",
    );
}

#[test]
fn what_the_ring_cannot_do_without_is_kept() {
    expect_refused(
        &Change::RemoveMember { id: id(1) },
        &ChangeError::LastVoter,
        "voter",
    );
    let (director, now) = serving();
    let changes: Vec<Change> = (1..=3)
        .map(|last| Change::RemoveBackend { ip: backend(last).ip })
        .collect();
    let result = Err(CommandError::Refused(ChangeError::LastBackend));
    let replied = Output::Reply { id: ID, result };
    let command = Input::Command { id: ID, changes };
    assert_eq!(outputs_of_no_change(&director, now, command), [replied]);
}

#[test]
fn a_command_of_too_many_changes_is_refused() {
    let (director, now) = serving();
    let limit = LIMITS.changes_per_command;
    let change = Change::Flush { ip: None };
    let changes = vec![change; limit + 1];
    let what = "changes in one command";
    let result = Err(CommandError::TooMany { what, limit });
    let command = Input::Command { id: ID, changes };
    let replied = Output::Reply { id: ID, result };
    assert_eq!(outputs_of_no_change(&director, now, command), [replied]);
}
