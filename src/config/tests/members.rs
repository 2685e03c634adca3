//! Who is in the ring, and which of them this process is.

use super::{LEAST, config, lines};
use crate::config::{Config, MemberRole, MemberSpec, Resolved};
use crate::topology::MemberId;

const INSECURE: &str = "[ring]\ninsecure = true\n";

fn listed(more: &str) -> Config {
    config(&format!("{LEAST}{more}\n{INSECURE}"))
}

fn members(config: &Config) -> Vec<MemberSpec> {
    config
        .members(&Resolved::default())
        .unwrap_or_else(|faults| panic!("{}", lines(&faults)))
}

fn addresses(members: &[MemberSpec]) -> Vec<String> {
    let each = members
        .iter()
        .map(|m| format!("{}={} {}", m.id.index(), m.address, m.role.name()));
    each.collect()
}

#[test]
fn members_are_numbered_by_address_and_witnesses_after_directors() {
    let config = listed(
        "director_servers = \"fd00::1 10.0.0.10 10.0.0.9:9091 10.0.0.10 10.0.0.9:9092\"\nwitnesses = \"10.0.0.1\"",
    );
    assert_eq!(
        addresses(&members(&config)),
        [
            "1=10.0.0.9:9091 director",
            "2=10.0.0.9:9092 director",
            "3=10.0.0.10:9090 director",
            "4=[fd00::1]:9090 director",
            "5=10.0.0.1:9090 witness",
        ]
    );
}

#[test]
fn tables_keep_their_numbers() {
    let text = "\
        [[member]]\nid = 7\naddress = \"10.0.0.1\"\n\
        [[member]]\nid = 2\naddress = \"10.0.0.2\"\nrole = \"witness\"\n\
        [[member]]\nid = 3\naddress = \"10.0.0.3:1\"\nrole = \"nonvoting\"\n\
        [ring]\nlisten = \"10.0.0.1:9999\"\ninsecure = true\n";
    let config = config(&format!("{LEAST}{text}"));
    let members = members(&config);
    assert_eq!(
        addresses(&members),
        [
            "2=10.0.0.2:9999 witness",
            "3=10.0.0.3:1 nonvoting",
            "7=10.0.0.1:9999 director"
        ]
    );
    assert_eq!(config.me(&members, &[]), Ok(MemberId::from_index(7)));
}

#[test]
fn a_process_without_directors_is_alone() {
    let config = config(LEAST);
    let members = members(&config);
    assert_eq!(addresses(&members), ["1=127.0.0.1:0 director"]);
    assert_eq!(config.me(&members, &[]), Ok(MemberId::from_index(1)));
}

#[test]
fn a_name_stands_for_all_its_addresses() {
    let config = listed("director_servers = \"directors.example.com\"");
    assert_eq!(
        config.names().into_iter().collect::<Vec<_>>(),
        ["directors.example.com"]
    );
    let mut resolved = Resolved::default();
    let ips = ["10.0.0.2", "10.0.0.1", "10.0.0.2"];
    resolved.insert("directors.example.com", ips.map(|ip| ip.parse().unwrap()).into());
    let members = config.members(&resolved).unwrap();
    assert_eq!(
        addresses(&members),
        ["1=10.0.0.1:9090 director", "2=10.0.0.2:9090 director"]
    );
    assert_eq!(&*members[0].name, "directors.example.com");
}

#[test]
fn a_name_that_cannot_make_members_is_a_fault() {
    let config = listed("director_servers = \"d1 10.0.0.9\"");
    let faults = config.members(&Resolved::default()).unwrap_err();
    assert_eq!(
        lines(&faults),
        "t.toml:2: director_servers: the name d1 could not be resolved \
         (check the name and the resolver, or write the address)"
    );
    let mut resolved = Resolved::default();
    resolved.insert("d1", ["10.0.0.1", "fd00::1"].map(|ip| ip.parse().unwrap()).into());
    let faults = config.members(&resolved).unwrap_err();
    assert_eq!(
        lines(&faults),
        "t.toml:2: director_servers: d1 has IPv4 and IPv6 addresses, each would be a member (write the addresses)"
    );
}

#[test]
fn a_table_whose_name_has_several_addresses_is_a_fault() {
    let config = listed("[[member]]\nid = 1\naddress = \"d1\"");
    let mut resolved = Resolved::default();
    resolved.insert(
        "d1",
        ["10.0.0.1", "10.0.0.2"].map(|ip| ip.parse().unwrap()).into(),
    );
    let faults = config.members(&resolved).unwrap_err();
    assert_eq!(
        lines(&faults),
        "t.toml:2: member.address: d1 has 2 addresses, a member has one (write the address)"
    );
}

#[test]
fn a_name_with_several_addresses_needs_secured_links() {
    let config = config(&format!("{LEAST}director_servers = \"d\"\n"));
    let mut resolved = Resolved::default();
    resolved.insert("d", vec!["10.0.0.1".parse().unwrap()]);
    assert!(config.members(&resolved).is_ok());
    resolved.insert("d", ["10.0.0.1", "10.0.0.2"].map(|ip| ip.parse().unwrap()).into());
    let faults = config.members(&resolved).unwrap_err();
    assert!(lines(&faults).starts_with("t.toml:2: ring.ca: several members need ca"));
}

#[test]
fn a_process_finds_itself_by_its_address() {
    let two = "director_servers = \"10.0.0.1 10.0.0.2\"";
    let config = listed(two);
    let members = members(&config);
    let local = |ips: &[&str]| ips.iter().map(|ip| ip.parse().unwrap()).collect::<Vec<_>>();
    assert_eq!(
        config.me(&members, &local(&["127.0.0.1", "10.0.0.2"])),
        Ok(MemberId::from_index(2))
    );
    let nobody = config.me(&members, &local(&["10.0.0.3"])).unwrap_err();
    assert_eq!(
        nobody.to_string(),
        "t.toml:2: ring.listen: no member has an address of this machine \
         (write the address by which the other members know this one)"
    );
    let both = config
        .me(&members, &local(&["10.0.0.1", "10.0.0.2"]))
        .unwrap_err();
    assert_eq!(
        both.to_string(),
        "t.toml:2: ring.listen: 10.0.0.1:9090 and 10.0.0.2:9090 are both addresses of this machine \
         (write which of them this process is)"
    );
}

#[test]
fn what_the_ring_listens_on_names_the_member() {
    let with = |listen: &str| {
        let text = format!(
            "{LEAST}director_servers = \"10.0.0.1 10.0.0.1:9 10.0.0.2\"\n{INSECURE}listen = \"{listen}\"\n"
        );
        let config = config(&text);
        let members = members(&config);
        let me = config.me(&members, &["10.0.0.1".parse().unwrap()]);
        me.map(|id| {
            (
                id.index(),
                config
                    .ring_address(&members[usize::from(id.index()) - 1])
                    .to_string(),
            )
        })
        .map_err(|fault| fault.to_string())
    };
    assert_eq!(with("10.0.0.2:9090"), Ok((3, "10.0.0.2:9090".to_owned())));
    assert_eq!(with("10.0.0.1"), Ok((2, "10.0.0.1:9090".to_owned())));
    assert_eq!(with("*:9"), Ok((1, "[::]:9".to_owned())).map_err(|e: String| e));
    assert_eq!(
        with("10.0.0.9:9090"),
        Err("t.toml:5: ring.listen: no member has the address 10.0.0.9:9090 \
             (it must be one of the members' addresses, with its port)"
            .to_owned())
    );
}

#[test]
fn a_member_behind_another_address_is_told_which_it_is() {
    let with = |address: &str| {
        let ring = format!("{INSECURE}listen = \"192.168.0.7:9\"\naddress = \"{address}\"\n");
        let config = config(&format!(
            "{LEAST}director_servers = \"10.0.0.1 10.0.0.2\"\n{ring}"
        ));
        let members = members(&config);
        let me = config.me(&members, &[]).map_err(|fault| fault.to_string())?;
        let own = &members[usize::from(me.index()) - 1];
        Ok((own.address.to_string(), config.ring_address(own).to_string()))
    };
    assert_eq!(
        with("10.0.0.2:700"),
        Ok(("10.0.0.2:700".to_owned(), "192.168.0.7:9".to_owned()))
    );
    assert_eq!(
        with("10.0.0.3"),
        Err("t.toml:6: ring.address: no member has the address 10.0.0.3:9090 \
             (it must be one of the members' addresses, with its port)"
            .to_owned())
    );
}

#[test]
fn neighbours_compare_what_is_meant_not_how_it_is_written() {
    let one = listed(
        "director_servers = \"10.0.0.1 10.0.0.2\"\nlease = \"10s\"\ndirector_user_expire = \"15 mins\"",
    );
    let other = listed("director_user_expire = \"900 secs\"\ndirector_servers = \"10.0.0.2:9090 10.0.0.1\"");
    assert_eq!(one.ring_wide(&members(&one)), other.ring_wide(&members(&other)));
    let of = |config: &Config, name: &str| {
        let all = config.ring_wide(&members(config));
        let found = all.into_iter().find(|setting| setting.name == name);
        found.map(|setting| (setting.value, setting.must_match)).unwrap()
    };
    assert_eq!(of(&one, "member 2"), ("director 10.0.0.2:9090".to_owned(), true));
    assert_eq!(of(&one, "director_mail_servers"), ("10.0.1.1".to_owned(), false));
    let many: Vec<_> = (0..200).map(|number| format!("10.0.{number}.1")).collect();
    let many = config(&format!("director_mail_servers = \"{}\"", many.join(" ")));
    let (digest, _) = of(&many, "director_mail_servers");
    assert!(
        digest.starts_with("2089 bytes, md5 ") && digest.len() == 48,
        "{digest}"
    );
}

#[test]
fn roles_are_distinct_duties() {
    let duties = MemberRole::ALL.map(|role| (role.serves(), role.votes()));
    assert_eq!(duties, [(true, true), (false, true), (true, false)]);
}
