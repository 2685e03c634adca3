//! What is refused, and by which name.

use super::*;

#[test]
fn what_does_not_exist_is_refused_by_name() {
    let base = three_backends();
    let (nowhere, id) = (ip(99), MemberId::from_index(99));
    let user = user(&base, 7, "");
    let untagged = UserId {
        tag: crate::topology::TagId::from_index(9),
        ..user
    };
    for change in [
        Change::RemoveBackend { ip: nowhere },
        Change::SetVhosts {
            ip: nowhere,
            vhosts: 1,
        },
        Change::SetTag {
            ip: nowhere,
            tag: "x".into(),
        },
        Change::Up {
            ip: nowhere,
            at_unix_s: 1,
        },
        Change::Down {
            ip: nowhere,
            at_unix_s: 1,
        },
        Change::Flush { ip: Some(nowhere) },
        Change::Move {
            key: UserKey::from_bits(7),
            ip: nowhere,
        },
    ] {
        assert_eq!(
            refused(&base, &[change]),
            ChangeError::UnknownBackend { ip: nowhere }
        );
    }
    assert_eq!(
        refused(&base, &[Change::RemoveMember { id }]),
        ChangeError::UnknownMember { id }
    );
    assert_eq!(
        refused(&base, &[Change::Unpin { user }]),
        ChangeError::NoSuchPin { user }
    );
    assert_eq!(
        refused(&base, &[Change::Unpin { user: untagged }]),
        ChangeError::UnknownTag { tag: untagged.tag }
    );
    assert_eq!(
        refused(&base, &[Change::AddBackend(new(1, ""))]),
        ChangeError::BackendExists { ip: ip(1) }
    );
    let one = MemberId::from_index(1);
    assert_eq!(
        refused(&base, &[Change::AddMember(director(1))]),
        ChangeError::MemberExists { id: one }
    );
}

#[test]
fn nothing_named_is_refused() {
    let base = three_backends();
    assert_eq!(refused(&base, &[]), ChangeError::NothingNamed);
    assert_eq!(
        refused(&base, &[Change::Release { users: [].into() }]),
        ChangeError::NothingNamed
    );
}

#[test]
fn what_is_out_of_range_is_refused() {
    let base = three_backends();
    let add = |new: NewBackend| refused(&base, &[Change::AddBackend(new)]);
    let hostname = |name: &str| NewBackend {
        hostname: Some(name.into()),
        ..new(9, "")
    };
    let too_heavy = ChangeError::VhostsOutOfRange {
        vhosts: 1_001,
        max: VHOSTS_MAX,
    };
    assert_eq!(
        refused(
            &base,
            &[Change::SetVhosts {
                ip: ip(1),
                vhosts: 1_001
            }]
        ),
        too_heavy
    );
    assert_eq!(
        add(NewBackend {
            vhosts: 1_001,
            ..new(9, "")
        }),
        too_heavy
    );
    assert_eq!(add(new(9, "a@b")), ChangeError::BadTag { tag: "a@b".into() });
    assert_eq!(
        add(new(9, &"x".repeat(65))),
        ChangeError::TagTooLong { bytes: 65, max: 64 }
    );
    assert_eq!(
        add(hostname("a\tb")),
        ChangeError::BadHostname {
            hostname: "a\tb".into()
        }
    );
    assert_eq!(
        add(hostname("")),
        ChangeError::BadHostname { hostname: "".into() }
    );
    assert_eq!(
        add(hostname(&"x".repeat(256))),
        ChangeError::HostnameTooLong { bytes: 256, max: 255 }
    );
    let idle = Member {
        serves: false,
        ..witness(9)
    };
    let idle = Member { votes: false, ..idle };
    assert_eq!(
        refused(&base, &[Change::AddMember(idle)]),
        ChangeError::MemberWithoutDuty { id: idle.id }
    );
    for lease in [Duration::ZERO, LEASE_MAX + Duration::from_nanos(1)] {
        let expected = ChangeError::LeaseOutOfRange {
            lease,
            min: LEASE_MIN,
            max: LEASE_MAX,
        };
        assert_eq!(refused(&base, &[Change::SetLease { lease }]), expected);
    }
    let user_expire = Duration::from_millis(999);
    let briefly = refused(&base, &[Change::SetUserExpire { user_expire }]);
    assert!(
        matches!(briefly, ChangeError::UserExpireOutOfRange { .. }),
        "{briefly}"
    );
}
