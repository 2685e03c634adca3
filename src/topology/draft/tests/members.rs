//! Who joins and leaves, and how many voters a round may change.

use super::*;

#[test]
fn a_round_changes_one_voter() {
    let base = three_backends();
    let (four, five) = (Change::AddMember(director(4)), Change::AddMember(director(5)));
    let leave = |id| Change::RemoveMember {
        id: MemberId::from_index(id),
    };
    assert_eq!(
        refused(&base, &[four.clone(), five.clone()]),
        ChangeError::OneVoterPerRound
    );
    assert_eq!(
        refused(&base, &[leave(1), four.clone()]),
        ChangeError::OneVoterPerRound
    );
    assert_eq!(
        changed(&base, &[four.clone(), leave(4), five.clone()]).0.voters(),
        4
    );
    // Also when the second comes in another batch of the same draft, and not in the draft after.
    let mut draft = Draft::of(&base);
    draft.apply(std::slice::from_ref(&four)).expect("the first voter");
    assert_eq!(
        draft.apply(std::slice::from_ref(&five)),
        Err(ChangeError::OneVoterPerRound)
    );
    assert_eq!(changed(&draft.finish().0, &[five]).0.voters(), 5);
}

#[test]
fn a_voter_with_other_storage_is_another_voter() {
    let base = three_backends();
    let leave = Change::RemoveMember {
        id: MemberId::from_index(1),
    };
    let wiped = Member {
        incarnation: Incarnation::from_bits(99),
        ..director(1)
    };
    assert_eq!(
        refused(&base, &[leave.clone(), Change::AddMember(wiped)]),
        ChangeError::OneVoterPerRound
    );
    assert_eq!(changed(&base, &[leave, Change::AddMember(director(1))]).0, base);
}

#[test]
fn a_voter_whose_storage_is_gone_is_unseated_and_seated_in_two_rounds() {
    let base = three_backends();
    let (id, incarnation) = (MemberId::from_index(1), Incarnation::from_bits(99));
    let (unseat, seat) = (Change::Unseat { id }, Change::Seat { id, incarnation });
    assert_eq!(
        refused(&base, &[unseat.clone(), seat.clone()]),
        ChangeError::OneVoterPerRound
    );
    assert_eq!(
        refused(&base, std::slice::from_ref(&seat)),
        ChangeError::OneVoterPerRound
    );
    let (without, _) = changed(&base, &[unseat]);
    assert_eq!(
        (without.voters(), without.member(id).map(|member| member.serves)),
        (2, Some(true))
    );
    let (with, _) = changed(&without, &[seat]);
    assert_eq!(
        with.member(id),
        Some(&Member {
            incarnation,
            ..director(1)
        })
    );
}

#[test]
fn a_witness_without_its_storage_is_unseated_and_seated_like_any_voter() {
    let base = changed(&three_backends(), &[Change::AddMember(witness(4))]).0;
    let (id, incarnation) = (MemberId::from_index(4), Incarnation::from_bits(99));
    let (without, _) = changed(&base, &[Change::Unseat { id }]);
    assert_eq!(
        without.member(id).map(|m| (m.serves, m.votes)),
        Some((false, false))
    );
    let (with, _) = changed(&without, &[Change::Seat { id, incarnation }]);
    assert_eq!(
        with.member(id).map(|m| (m.votes, m.incarnation)),
        Some((true, incarnation))
    );
}

#[test]
fn the_last_voter_is_not_unseated() {
    let unseat = |id| Change::Unseat {
        id: MemberId::from_index(id),
    };
    let mut topology = changed(&three_backends(), &[unseat(1)]).0;
    topology = changed(&topology, &[unseat(2)]).0;
    assert_eq!(refused(&topology, &[unseat(3)]), ChangeError::LastVoter);
    let unknown = MemberId::from_index(9);
    assert_eq!(
        refused(&topology, &[unseat(9)]),
        ChangeError::UnknownMember { id: unknown }
    );
}

#[test]
fn members_that_do_not_vote_come_and_go_freely() {
    let base = three_backends();
    let joining = (10..20).map(|id| {
        Change::AddMember(Member {
            votes: false,
            ..director(id)
        })
    });
    let (next, _) = changed(&base, &joining.collect::<Vec<_>>());
    assert_eq!((next.members().len(), next.voters(), next.majority()), (13, 3, 2));
}

#[test]
fn the_last_of_each_kind_stays() {
    let mut topology = three_backends();
    for last in [2, 3] {
        topology = changed(&topology, &[Change::RemoveBackend { ip: ip(last) }]).0;
        topology = changed(
            &topology,
            &[Change::RemoveMember {
                id: MemberId::from_index(last.into()),
            }],
        )
        .0;
    }
    let leave = Change::RemoveMember {
        id: MemberId::from_index(1),
    };
    assert_eq!(
        refused(&topology, &[Change::RemoveBackend { ip: ip(1) }]),
        ChangeError::LastBackend
    );
    assert_eq!(
        refused(&topology, std::slice::from_ref(&leave)),
        ChangeError::LastVoter
    );
    let with_witness = changed(&topology, &[Change::AddMember(witness(2))]).0;
    assert_eq!(refused(&with_witness, &[leave]), ChangeError::LastDirector);
}

fn place(last: u8) -> SocketAddr {
    SocketAddr::new(ip(last), 9090)
}

fn join(id: u16, last: u8) -> Change {
    Change::Join {
        id: MemberId::from_index(id),
        address: place(last),
    }
}

fn leave(id: u16, last: u8) -> Change {
    Change::Leave {
        id: MemberId::from_index(id),
        address: place(last),
    }
}

#[test]
fn a_director_joins_without_a_vote_and_its_address_is_remembered() {
    let base = three_backends();
    let joined = changed(&base, &[join(4, 4), join(5, 5)]).0;
    let id = MemberId::from_index(4);
    let member = joined.member(id).expect("it has joined");
    assert!(member.serves && !member.votes);
    assert_eq!((joined.voters(), joined.majority()), (3, 2));
    assert_eq!(joined.addresses().next(), Some((id, place(4))));
    assert_eq!(
        changed(&joined, &[join(4, 4)]).0,
        joined,
        "a second time is nothing"
    );
    let written = serde_json::to_value(&joined).expect("a topology can be written");
    let read: Topology = serde_json::from_value(written).expect("it is read as it was written");
    assert_eq!(read, joined);
}

#[test]
fn who_left_keeps_number_and_address_and_may_come_back() {
    let base = three_backends();
    let left = changed(&base, &[leave(2, 2)]).0;
    let id = MemberId::from_index(2);
    assert!(left.has_left(id) && !base.has_left(id));
    assert_eq!(left.voters(), 2);
    assert_eq!(
        refused(&left, &[join(2, 9)]),
        ChangeError::MemberExists { id },
        "the number is not given to another"
    );
    let address = place(2);
    assert_eq!(
        refused(&left, &[join(9, 2)]),
        ChangeError::AddressTaken { address }
    );
    assert_eq!(refused(&left, &[leave(2, 2)]), ChangeError::UnknownMember { id });
    let back = changed(&left, &[join(2, 2)]).0;
    assert!(!back.has_left(id) && back.member(id).is_some_and(|member| !member.votes));
}

#[test]
fn a_round_lets_one_voter_leave() {
    let base = three_backends();
    assert_eq!(
        refused(&base, &[leave(2, 2), leave(3, 3)]),
        ChangeError::OneVoterPerRound
    );
    let one = changed(&changed(&base, &[leave(2, 2)]).0, &[leave(3, 3)]).0;
    assert_eq!(refused(&one, &[leave(1, 1)]), ChangeError::LastVoter);
}

#[test]
fn of_many_that_left_the_lowest_numbers_are_forgotten() {
    let mut topology = three_backends();
    for last in 4..=120 {
        let id = u16::from(last);
        topology = changed(&topology, &[join(id, last)]).0;
        topology = changed(&topology, &[leave(id, last)]).0;
    }
    assert_eq!(topology.addresses().len(), MEMBERS_MAX);
    let numbers: Vec<u16> = topology.addresses().map(|(id, _)| id.index()).collect();
    assert_eq!((numbers[0], numbers[MEMBERS_MAX - 1]), (21, 120));
}
