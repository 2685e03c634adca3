//! Random envelopes of every kind: few members, runs, epochs and ballots, so that they meet each other and the receiver.

use std::sync::Arc;
use std::time::Duration;

use maildirector::agreement::{
    Answered, Ballot, Body, Boot, Committed, Envelope, HeldUser, HeldUsers, Hello, Nonce, PassdbField,
    Proposal, Renew, Request, Stated, Statement, Value, ValueId, Whose,
};
use maildirector::topology::{
    BackendId, Change, ChangeError, Epoch, Incarnation, MemberId, TagId, UserId, UserKey,
};
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;

use crate::topology::worlds::{any_change, any_topology};

pub(crate) fn any_envelope() -> impl Strategy<Value = Envelope> {
    (any_member(), any_boot(), any_epoch(), any_body()).prop_map(|(from, boot, epoch, body)| Envelope {
        from,
        boot,
        epoch,
        body,
    })
}

pub(crate) fn any_member() -> impl Strategy<Value = MemberId> {
    prop_oneof![9 => 1..5_u16, 1 => any::<u16>()].prop_map(MemberId::from_index)
}

pub(crate) fn any_user() -> impl Strategy<Value = UserId> {
    let bits = prop_oneof![3 => (1..40_u64).prop_map(|bits| bits << 58), 1 => any::<u64>()];
    (bits, 0..3_u16).prop_map(|(bits, tag)| UserId {
        key: UserKey::from_bits(bits),
        tag: TagId::from_index(tag),
    })
}

pub(crate) fn any_nonce() -> impl Strategy<Value = Nonce> {
    prop_oneof![9 => 0..8_u64, 1 => any::<u64>()].prop_map(Nonce)
}

/// Every [`Body`] there is, by number; a new one fails to compile in [`number_of`] until it is added here.
fn any_body() -> impl Strategy<Value = Body> {
    let round = prop_oneof![
        (any_ballot(), any_proposal()).prop_map(|(ballot, proposal)| Body::Prepare { ballot, proposal }),
        (any_ballot(), option::of((any_ballot(), any_value())))
            .prop_map(|(ballot, accepted)| Body::Promise { ballot, accepted }),
        (any_ballot(), any_ballot()).prop_map(|(ballot, promised)| Body::Refused { ballot, promised }),
        (any_ballot(), any_holds()).prop_map(|(ballot, holds)| Body::Held { ballot, holds }),
        (any_ballot(), any_value()).prop_map(|(ballot, value)| Body::Propose { ballot, value }),
        (any_ballot(), any_statement()).prop_map(|(ballot, statement)| Body::Accepted { ballot, statement }),
        any_ballot().prop_map(|ballot| Body::Confirmed(ValueId(ballot))),
        any_value().prop_map(Body::Commit),
    ];
    let others = prop_oneof![
        any_hello().prop_map(Body::Hello),
        any_renew().prop_map(Body::Renew),
        (any_boot(), any_nonce()).prop_map(|(boot, nonce)| Body::Grant { boot, nonce }),
        any_value().prop_map(Body::Lacks),
        Just(Body::Fetch),
        any_committed().prop_map(Body::Topology),
        any_count().prop_map(Body::Survey),
        (
            any_count(),
            option::of(any_statement()),
            option::of(vec(any_user(), 0..3))
        )
            .prop_map(|(number, statement, pins_held)| Body::Surveyed {
                number,
                statement,
                pins_held,
            }),
        any_request().prop_map(Body::Request),
        (any_count(), vec(any_change(), 0..3)).prop_map(|(number, changes)| Body::Count { number, changes }),
        (any_count(), any_count(), any_count()).prop_map(|(number, moved, pinned)| Body::Counted {
            number,
            moved,
            pinned,
        }),
        any_whose().prop_map(Body::Kick),
        (any_count(), any::<u32>(), any::<u32>()).prop_map(|(number, first, last)| Body::ListHeld {
            number,
            first,
            last
        }),
        (any_count(), any_held_users()).prop_map(|(number, held)| Body::HeldListed { number, held }),
    ];
    prop_oneof![8 => round, 14 => others]
}

/// How many kinds of [`Body`] there are.
pub(crate) const KINDS: usize = 22;

/// Which kind a body is.
pub(crate) fn number_of(body: &Body) -> usize {
    match body {
        Body::Hello(_) => 0,
        Body::Renew(_) => 1,
        Body::Grant { .. } => 2,
        Body::Lacks(_) => 3,
        Body::Fetch => 4,
        Body::Topology(_) => 5,
        Body::Survey(_) => 6,
        Body::Surveyed { .. } => 7,
        Body::Prepare { .. } => 8,
        Body::Promise { .. } => 9,
        Body::Refused { .. } => 10,
        Body::Held { .. } => 11,
        Body::Propose { .. } => 12,
        Body::Accepted { .. } => 13,
        Body::Confirmed(_) => 14,
        Body::Commit(_) => 15,
        Body::Request(_) => 16,
        Body::Count { .. } => 17,
        Body::Counted { .. } => 18,
        Body::Kick(_) => 19,
        Body::ListHeld { .. } => 20,
        Body::HeldListed { .. } => 21,
    }
}

fn any_held_users() -> impl Strategy<Value = HeldUsers> {
    let held = (any_user(), 0..9_u32, any::<u32>()).prop_map(|(user, backend, ends_in_s)| HeldUser {
        user,
        backend: BackendId::from_index(backend),
        ends_in_s,
    });
    (vec(held, 0..3), option::of(any::<u32>())).prop_map(|(users, next)| HeldUsers { users, next })
}

fn any_whose() -> impl Strategy<Value = Whose> {
    prop_oneof![
        any_user().prop_map(|user| Whose::User(user.key)),
        ("[a-z_]{1,9}", "[ -~é]{0,40}")
            .prop_map(|(name, value)| Whose::With(PassdbField::new(&name, &value).expect("plain and short"))),
    ]
}

fn any_boot() -> impl Strategy<Value = Boot> {
    prop_oneof![9 => 1..4_u64, 1 => any::<u64>()].prop_map(Boot::from_bits)
}

fn any_epoch() -> impl Strategy<Value = Epoch> {
    prop_oneof![6 => Just(0_u64), 3 => 1..4_u64, 1 => any::<u64>()].prop_map(Epoch::from_number)
}

fn any_count() -> impl Strategy<Value = u64> {
    prop_oneof![9 => 0..4_u64, 1 => any::<u64>()]
}

fn any_ballot() -> impl Strategy<Value = Ballot> {
    (any_count(), any_member(), any_boot()).prop_map(|(counter, member, boot)| Ballot {
        counter,
        member,
        boot,
    })
}

fn any_span() -> impl Strategy<Value = Duration> {
    prop_oneof![
        9 => (0..20_000_u64).prop_map(Duration::from_millis),
        1 => (any::<u64>(), 0..1_000_000_000_u32).prop_map(|(seconds, nanos)| Duration::new(seconds, nanos)),
    ]
}

fn any_holds() -> impl Strategy<Value = Vec<(UserId, BackendId)>> {
    vec((any_user(), (0..9_u32).prop_map(BackendId::from_index)), 0..4)
}

fn any_request() -> impl Strategy<Value = Request> {
    let commands = vec(vec(any_change(), 0..3), 0..3);
    (any_member(), any_boot(), any_count(), commands).prop_map(|(from, boot, first, commands)| Request {
        from,
        boot,
        first,
        commands,
    })
}

fn any_proposal() -> impl Strategy<Value = Arc<Proposal>> {
    (vec(any_request(), 0..3), vec(any_change(), 0..2))
        .prop_map(|(requests, upkeep)| Arc::new(Proposal { requests, upkeep }))
}

fn any_value() -> impl Strategy<Value = Arc<Value>> {
    (any_ballot(), any_proposal(), any_holds()).prop_map(|(ballot, proposal, pins)| {
        Arc::new(Value {
            id: ValueId(ballot),
            proposal,
            pins,
        })
    })
}

fn any_statement() -> impl Strategy<Value = Statement> {
    let stated = (any_member(), any_boot(), any_span()).prop_map(|(member, boot, remaining)| Stated {
        member,
        boot,
        remaining,
    });
    (vec(stated, 0..4), any_span()).prop_map(|(leases, grace)| Statement { leases, grace })
}

fn any_incarnation() -> impl Strategy<Value = Incarnation> {
    prop_oneof![0..9_u64, any::<u64>()].prop_map(Incarnation::from_bits)
}

fn any_hello() -> impl Strategy<Value = Hello> {
    let bound = btree_map(any_member(), any_incarnation(), 0..4);
    (
        any::<u64>(),
        option::of(any_incarnation()),
        any::<bool>(),
        option::of(bound),
    )
        .prop_map(|(fingerprint, incarnation, is_fresh, bound)| Hello {
            fingerprint,
            incarnation,
            is_fresh,
            bound,
        })
}

fn any_renew() -> impl Strategy<Value = Renew> {
    let confirmed = vec(any_ballot().prop_map(ValueId), 0..3);
    let failing = option::of(vec((0..9_u32).prop_map(BackendId::from_index), 0..3));
    (any_nonce(), confirmed, any::<bool>(), any::<bool>(), failing).prop_map(
        |(nonce, confirmed, is_leased, is_stuck, failing)| Renew {
            nonce,
            confirmed,
            is_leased,
            is_stuck,
            failing: failing.map(Vec::into_boxed_slice),
        },
    )
}

fn any_committed() -> impl Strategy<Value = Committed> {
    let error = prop_oneof![
        Just(ChangeError::NothingNamed),
        any_member().prop_map(|id| ChangeError::UnknownMember { id }),
        any_user().prop_map(|user| ChangeError::NoSuchPin { user }),
        "[a-z@\u{e9}]{0,9}".prop_map(|tag| ChangeError::BadTag { tag: tag.into() }),
    ];
    let answered = (any_boot(), any_count(), vec((any_count(), error), 0..3))
        .prop_map(|(boot, next, refused)| Answered { boot, next, refused });
    (any_topology(), btree_map(any_member(), answered, 0..3), 0..3_u32).prop_map(
        |(topology, answered, epochs)| Committed {
            topology: Arc::new((0..epochs).fold(topology, |topology, _| topology.advanced(&[]))),
            answered: Arc::new(answered),
        },
    )
}

/// Changes as admins would ask for them, among others.
pub(crate) fn any_changes() -> impl Strategy<Value = Vec<Change>> {
    vec(any_change(), 1..4)
}
