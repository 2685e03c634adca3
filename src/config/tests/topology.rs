//! The first topology, and what later answers of the resolver change.

use super::{config, lines};
use crate::config::{MemberSpec, NamesCompared, Reload, ReloadError, Resolved, number_for, roster};
use crate::topology::{Change, Draft, MemberId, NewBackend, Topology};

fn resolved(name: &str, ips: &[&str]) -> Resolved {
    let mut resolved = Resolved::default();
    resolved.insert(name, ips.iter().map(|ip| ip.parse().unwrap()).collect());
    resolved
}

fn backend(ip: &str, hostname: &str, tag: &str) -> NewBackend {
    NewBackend {
        ip: ip.parse().unwrap(),
        hostname: (!hostname.is_empty()).then(|| hostname.into()),
        vhosts: 100,
        tag: tag.into(),
    }
}

#[test]
fn backends_are_all_addresses_of_ranges_and_names() {
    let config = config("director_mail_servers = '''\n10.0.1.2-10.0.1.3@gold\n mail1  10.0.1.1'''");
    let seed = config.seed(&resolved("mail1", &["fd00::1", "10.0.2.1"])).unwrap();
    assert_eq!(
        seed.backends,
        [
            backend("10.0.1.1", "", ""),
            backend("10.0.1.2", "", "gold"),
            backend("10.0.1.3", "", "gold"),
            backend("10.0.2.1", "mail1", ""),
            backend("fd00::1", "mail1", ""),
        ]
    );
    assert_eq!(Topology::new(seed).unwrap().backends().len(), 5);
}

#[test]
fn an_address_of_two_names_is_a_fault_and_so_is_a_name_of_none() {
    let config = config("lease = \"10s\"\ndirector_mail_servers = \"mail1 10.0.2.1 mail2\"");
    let faults = config.seed(&resolved("mail1", &["10.0.2.1"])).unwrap_err();
    assert_eq!(
        lines(&faults),
        "t.toml:2: director_mail_servers: 10.0.2.1 names 10.0.2.1, as mail1 does\n\
         t.toml:2: director_mail_servers: the name mail2 could not be resolved \
         (check the name and the resolver, or write the address)"
    );
}

#[test]
fn settings_of_time_and_hash_reach_the_topology() {
    let config = config(
        "director_mail_servers = \"10.0.1.1\"\nlease = \"20s\"\ndirector_user_expire = \"1 hour\"\n\
         director_username_hash = \"%Ln\"",
    );
    let topology = Topology::new(config.seed(&Resolved::default()).unwrap()).unwrap();
    assert_eq!(topology.timing().lease.as_secs(), 20);
    assert_eq!(topology.timing().user_expire.as_secs(), 3_600);
    assert_eq!(topology.hash_format(), "%Ln");
}

#[test]
fn an_address_that_appears_is_added_and_one_that_vanishes_is_only_told() {
    let config = config("director_mail_servers = \"mail1@gold 10.0.1.1\"");
    let before = resolved("mail1", &["10.0.2.1", "10.0.2.2"]);
    let now = resolved("mail1", &["10.0.2.2", "10.0.2.3"]);
    assert_eq!(
        config.compared(&before, &now),
        NamesCompared {
            appeared: vec![backend("10.0.2.3", "mail1", "gold")],
            vanished: vec![("mail1".into(), "10.0.2.1".parse().unwrap())],
        }
    );
    assert_eq!(config.compared(&now, &now), NamesCompared::default());
}

#[test]
fn a_resolver_that_fails_changes_nothing() {
    let config = config("director_mail_servers = \"mail1\"");
    let before = resolved("mail1", &["10.0.2.1"]);
    assert_eq!(
        config.compared(&before, &Resolved::default()),
        NamesCompared::default()
    );
    assert_eq!(
        config.compared(&before, &resolved("mail1", &[])),
        NamesCompared::default()
    );
}

const RUNNING: &str = "director_mail_servers = \"mail1 10.0.1.1 10.0.1.2@gold\"\nlease = \"20s\"\n";

fn reloaded(new: &str) -> Result<Reload, ReloadError> {
    let known = resolved("mail1", &["10.0.2.1"]);
    config(RUNNING).reloaded(&config(new), &known, &known, &[])
}

#[test]
fn a_changed_list_of_backends_is_taken_over() {
    assert_eq!(reloaded(RUNNING), Ok(Reload::default()));
    let reload = reloaded("director_mail_servers = \"mail1 10.0.1.2@gold 10.0.1.3@gold\"\nlease = \"20s\"\n");
    let expected = Reload {
        added: vec![backend("10.0.1.3", "", "gold")],
        dropped: vec!["10.0.1.1".parse().unwrap()],
    };
    assert_eq!(reload, Ok(expected));
}

#[test]
fn what_a_running_member_cannot_change_is_refused_and_named() {
    let error =
        reloaded("director_mail_servers = \"10.0.1.1\"\nlease = \"21s\"\npartition = \"available\"\n");
    let said = error.expect_err("it changes the lease").to_string();
    assert!(
        said.contains("can't change partition, lease; nothing was taken over"),
        "{said}"
    );
    let error = reloaded("director_mail_servers = \"10.0.1.1 10.0.1.2@lead\"\nlease = \"20s\"\n");
    let said = error.expect_err("it changes a tag").to_string();
    assert!(
        said.contains("10.0.1.2 would change its tag from \"gold\" to \"lead\""),
        "{said}"
    );
    let error = reloaded("director_mail_servers = \"mail1 mail2\"\nlease = \"20s\"\n");
    let said = error.expect_err("mail2 has no address").to_string();
    assert!(said.contains("mail2"), "{said}");
}

const RING_OF_TWO: &str = "director_mail_servers = \"10.0.1.1\"\ndirector_servers = \"10.0.0.1 10.0.0.2\"\n\
    [ring]\ninsecure = true\n";

/// The ring of two after changes at run time: its topology and who is in it.
fn changed_ring(changes: &[Change]) -> (Topology, Vec<MemberSpec>) {
    let config = config(RING_OF_TWO);
    let resolved = Resolved::default();
    let base = Topology::new(config.seed(&resolved).expect("no names")).expect("a seed makes a topology");
    let mut draft = Draft::of(&base);
    draft.apply(changes).expect("they can be made");
    let topology = draft.finish().0;
    let file = config.members(&resolved).expect("no names");
    let members = roster(&file, &topology, MemberId::from_index(1));
    (topology, members)
}

fn join(id: u16, last: u8) -> Change {
    Change::Join {
        id: MemberId::from_index(id),
        address: ([10, 0, 0, last], 9090).into(),
    }
}

fn leave(id: u16, last: u8) -> Change {
    Change::Leave {
        id: MemberId::from_index(id),
        address: ([10, 0, 0, last], 9090).into(),
    }
}

fn shown(members: &[MemberSpec]) -> Vec<String> {
    let show = |member: &MemberSpec| format!("{} {}", member.id.index(), member.address);
    members.iter().map(show).collect()
}

#[test]
fn who_was_added_is_in_the_ring_and_who_was_removed_is_not() {
    let (_, members) = changed_ring(&[join(3, 9)]);
    assert_eq!(
        shown(&members),
        ["1 10.0.0.1:9090", "2 10.0.0.2:9090", "3 10.0.0.9:9090"]
    );
    let (_, members) = changed_ring(&[join(3, 9), leave(2, 2)]);
    assert_eq!(shown(&members), ["1 10.0.0.1:9090", "3 10.0.0.9:9090"]);
    let (topology, members) = changed_ring(&[leave(1, 1)]);
    assert_eq!(
        shown(&members),
        ["1 10.0.0.1:9090", "2 10.0.0.2:9090"],
        "who has left is still itself"
    );
    assert!(topology.has_left(MemberId::from_index(1)));
}

#[test]
fn a_joining_director_gets_the_number_that_its_address_had_or_a_new_one() {
    let (topology, _) = changed_ring(&[join(7, 9), leave(2, 2)]);
    let file = config(RING_OF_TWO)
        .members(&Resolved::default())
        .expect("no names");
    let number = |last: u8| number_for(([10, 0, 0, last], 9090).into(), &file, &topology).index();
    assert_eq!([number(9), number(2), number(1), number(8)], [7, 2, 1, 8]);
}

#[test]
fn a_changed_list_of_members_is_taken_over_when_it_is_that_of_the_running_ring() {
    let (_, running) = changed_ring(&[join(3, 9), leave(2, 2)]);
    let reload = |members: &str| {
        let text = format!("director_mail_servers = \"10.0.1.1\"\n{members}[ring]\ninsecure = true\n");
        let known = Resolved::default();
        config(RING_OF_TWO).reloaded(&config(&text), &known, &known, &running)
    };
    let tables = "[[member]]\nid = 1\naddress = \"10.0.0.1\"\n[[member]]\nid = 3\naddress = \"10.0.0.9\"\n";
    assert_eq!(reload(tables), Ok(Reload::default()));
    let error = reload("director_servers = \"10.0.0.1 10.0.0.9\"\n").expect_err("10.0.0.9 is not number 2");
    assert!(error.to_string().contains("director_servers"), "{error}");
}
