//! The protocol line by line, compared with what was captured from a running Dovecot 2.3.19 director.

use std::net::SocketAddr;

use maildirector::agreement::PassdbField;
use maildirector::config::{Resolved, parse};
use maildirector::director::HELD_PER_PAGE;
use maildirector::dovecot::LinkRow;
use maildirector::topology::{HashFormat, MemberId, TagId, Topology, UserId};

use super::lone::{Lone, run, run_ring};

/// The backends of the captured session.
const CAPTURED: &str = "director_mail_servers = \"10.1.0.1-10.1.0.3 10.1.0.10@tagx\"";

const RING: &str = "director_mail_servers = \"10.1.0.1\"\ndirector_servers = \"127.0.0.3 127.0.0.1 127.0.0.2\"\n\
    [ring]\ninsecure = true\n";

/// Bob's hash, from the captured session.
const BOB: u32 = 2_677_887_420;

/// Seconds that pass between two looks at a clock.
fn nearly(expires: u64, lone: &Lone) -> bool {
    let expected = lone.unix_seconds() + 900;
    (expected - 5..=expected + 1).contains(&expires)
}

#[test]
fn captured_session_is_answered_as_by_dovecots_director() {
    run("captured", CAPTURED, |lone| async move {
        lone.serves().await;
        let mut admin = lone.connect().await;
        admin
            .asks(
                "HOST-LIST",
                "10.1.0.1\t100\t0\t\tU\t0\n10.1.0.2\t100\t0\t\tU\t0\n10.1.0.3\t100\t0\t\tU\t0\n\
                 10.1.0.10\t100\t0\ttagx\tU\t0\n\n",
            )
            .await;
        admin
            .asks("DIRECTOR-LIST", "127.0.0.1\t0\tself\t0\tring synced\t0\n\n")
            .await;
        for (line, answer) in [
            ("HOST-SET\t10.1.0.6@tagy\t5000", "vhost count too large\n"),
            ("HOST-SET\t10.1.0.6@tagy\t1000", "OK\n"),
            ("HOST-SET\t10.1.0.6@tagz\t10", "host tag can't be changed\n"),
            ("HOST-UPDATE\t10.9.9.9\t10", "NOTFOUND\n"),
            ("USER-LOOKUP\tbob", "\t0\t10.1.0.3\t10.1.0.3\n"),
            ("USER-LOOKUP\tbob\tnosuch", "\t0\t\t\n"),
            ("USER-LOOKUP\tbob\ttagx", "\t0\t10.1.0.10\t10.1.0.10\n"),
            ("USER-MOVE\tbob\t10.1.0.2", "OK\n"),
            ("HOST-RESET-USERS\t\t10", "OK\n"),
        ] {
            admin.asks(line, answer).await;
        }
    });
}

#[test]
fn every_host_command_changes_the_topology_once() {
    run(
        "hosts",
        "director_mail_servers = \"10.1.0.1 10.1.0.2\"",
        |lone| async move {
            lone.serves().await;
            let mut admin = lone.connect().await;
            let epoch = lone.desk.epoch();
            for line in [
                "HOST-SET\t10.1.0.9@gold\t30",
                "HOST-SET\t10.1.0.9",
                "HOST-SET\t10.1.0.9@gold",
                "HOST-SET\t10.1.0.9\t30",
                "HOST-UPDATE\t10.1.0.9@gold\t40",
                "HOST-DOWN\t10.1.0.2",
                "HOST-DOWN\t10.1.0.2",
                "HOST-UP\t10.1.0.9",
            ] {
                admin.asks(line, "OK\n").await;
            }
            assert_eq!(lone.desk.epoch() - epoch, 3, "what is so already needs no round");
            admin.say("HOST-LIST\n").await;
            let hosts = admin.table().await;
            assert!(hosts.contains("\n10.1.0.9\t40\t0\tgold\tU\t0\n"), "{hosts}");
            let down: Vec<_> = hosts.lines().nth(1).unwrap_or("").split('\t').collect();
            assert_eq!(down[..5], ["10.1.0.2", "100", "0", "", "D"]);
            let changed: u64 = down[5].parse().unwrap();
            assert!((lone.unix_seconds() - 5..=lone.unix_seconds()).contains(&changed));
            admin.asks("HOST-UP\t10.1.0.2", "OK\n").await;
            admin.asks("HOST-LIST-REMOVED", "\n").await;
            admin.asks("HOST-REMOVE\t10.1.0.1", "OK\n").await;
            admin.asks("HOST-LIST-REMOVED", "10.1.0.1\n\n").await;
            for unknown in [
                "HOST-UP\t10.9.9.9",
                "HOST-DOWN\t10.9.9.9",
                "HOST-REMOVE\t10.9.9.9",
                "HOST-FLUSH\t10.9.9.9",
                "HOST-RESET-USERS\t10.9.9.9",
                "USER-MOVE\tbob\t10.9.9.9",
            ] {
                admin.asks(unknown, "NOTFOUND\n").await;
            }
        },
    );
}

#[test]
fn users_are_looked_up_moved_listed_and_kicked() {
    run("users", CAPTURED, |lone| async move {
        lone.serves().await;
        lone.desk.login("bob", "");
        lone.desk.login("bob", "tagx");
        let mut admin = lone.connect().await;
        admin.say("USER-LIST\n").await;
        let users = admin.table().await;
        let rows: Vec<Vec<_>> = users.lines().map(|row| row.split('\t').collect()).collect();
        assert_eq!((rows[0][0], rows[0][2]), ("2677887420", "10.1.0.3"));
        assert_eq!((rows[1][0], rows[1][2]), ("2677887420", "10.1.0.10"));
        assert!(nearly(rows[0][1].parse().unwrap(), &lone));
        admin.asks("USER-LIST\t10.1.0.1", "\n").await;
        admin.asks(&format!("USER-MOVE\t{BOB}\t10.1.0.2"), "OK\n").await;
        assert_eq!(lone.desk.kicked().len(), 1, "only that of the backend's tag");
        lone.desk.login("bob", "");
        admin.say("USER-LOOKUP\tbob\n").await;
        admin.say("USER-LIST\t10.1.0.2\n").await;
        let said = admin.table().await;
        let lookup: Vec<_> = said.lines().next().unwrap_or("").split('\t').collect();
        assert_eq!(
            (lookup[0], lookup[2], lookup[3]),
            ("10.1.0.2", "10.1.0.3", "10.1.0.3")
        );
        assert!(nearly(lookup[1].parse().unwrap(), &lone));
        assert!(said.contains("\n2677887420\t"), "{said}");
        let epoch = lone.desk.epoch();
        admin.asks("USER-MOVE\tbob\t10.1.0.2", "OK\n").await;
        assert_eq!(lone.desk.epoch(), epoch, "he is there already");
        admin.asks("USER-KICK\tbob", "OK\n").await;
        admin.asks("USER-KICK\tnobody\tnowait", "OK\n").await;
        let bob = HashFormat::default().key("bob");
        let of_tag = |tag| UserId {
            key: bob,
            tag: TagId::from_index(tag),
        };
        assert_eq!(lone.desk.kicked()[1..], [of_tag(0), of_tag(1)]);
        // The pin stays until nobody seems to need it.
        admin.say("USER-LOOKUP\tbob\nUSER-LIST\t10.1.0.1\n").await;
        let pinned = admin.table().await;
        assert!(pinned.starts_with("10.1.0.2\t"), "{pinned}");
    });
}

#[test]
fn a_hash_alone_moves_everybody_of_it() {
    run("hash", CAPTURED, |lone| async move {
        lone.serves().await;
        let mut admin = lone.connect().await;
        admin.asks("USER-LOOKUP\tbob", "\t0\t10.1.0.3\t10.1.0.3\n").await;
        let epoch = lone.desk.epoch();
        for _ in 0..2 {
            admin.asks(&format!("USER-MOVE\t{BOB}\t10.1.0.2"), "OK\n").await;
        }
        assert_eq!(lone.desk.epoch(), epoch + 1, "they are there already");
        for user in ["bob", "2677887420"] {
            admin
                .say(&format!("USER-LOOKUP\t{user}\nUSER-LIST\t10.1.0.1\n"))
                .await;
            let said = admin.table().await;
            assert!(said.starts_with("10.1.0.2\t"), "{said}");
            assert!(said.ends_with("\t10.1.0.3\t10.1.0.3\n\n"), "{said}");
        }
        lone.desk.login("bob", "");
        assert_eq!(lone.desk.held_at("bob"), Some([10, 1, 0, 2].into()));
        // One of them is moved by his name, then everybody again.
        admin.asks("USER-MOVE\tbob\t10.1.0.1", "OK\n").await;
        assert_eq!(lone.desk.kicked().len(), 1);
        lone.desk.login("bob", "");
        assert_eq!(lone.desk.held_at("bob"), Some([10, 1, 0, 1].into()));
        admin.asks(&format!("USER-MOVE\t{BOB}\t10.1.0.2"), "OK\n").await;
        assert_eq!(lone.desk.kicked().len(), 2);
        // Under another tag he is another user.
        admin.asks(&format!("USER-MOVE\t{BOB}\t10.1.0.10"), "OK\n").await;
        admin.asks("USER-MOVE\t12345\t10.9.9.9", "NOTFOUND\n").await;
        lone.desk.login("bob", "");
        assert_eq!(lone.desk.held_at("bob"), Some([10, 1, 0, 2].into()));
    });
}

#[test]
fn a_flush_closes_who_is_there_by_a_pin() {
    run("flush", CAPTURED, |lone| async move {
        lone.serves().await;
        lone.desk.login("bob", "");
        let mut admin = lone.connect().await;
        admin.asks("HOST-SET\t10.1.0.3\t0", "OK\n").await;
        assert!(lone.desk.kicked().is_empty(), "another weight closes nobody");
        admin.asks("HOST-FLUSH\t10.1.0.3", "OK\n").await;
        assert_eq!(lone.desk.kicked().len(), 1);
        assert_eq!(lone.desk.held_at("bob"), None);
        lone.desk.login("bob", "");
        assert_ne!(lone.desk.held_at("bob"), Some([10, 1, 0, 3].into()));
        admin.asks("HOST-FLUSH", "OK\n").await;
        admin.asks("HOST-RESET-USERS\t10.1.0.3", "OK\n").await;
        assert_eq!(lone.desk.kicked().len(), 1, "whoever belongs where he is stays");
    });
}

#[test]
fn a_number_names_the_user_who_is_called_so_before_everybody_of_the_hash() {
    run("numbers", CAPTURED, |lone| async move {
        lone.serves().await;
        // The name of one user is the hash of another.
        lone.desk.login("bob", "");
        let number = BOB.to_string();
        let mut admin = lone.connect().await;
        admin
            .say(&format!("USER-LOOKUP\t{number}\nUSER-LIST\t10.9.9.9\n"))
            .await;
        let bob = admin.table().await;
        assert!(
            bob.starts_with("10.1.0.3\t") && bob.ends_with("\t10.1.0.3\t10.1.0.3\n\n"),
            "{bob}"
        );
        lone.desk.login(&number, "");
        let his = lone.desk.held_at(&number).expect("he is in").to_string();
        assert_ne!(his, "10.1.0.3", "else this shows nothing");
        admin
            .say(&format!("USER-LOOKUP\t{number}\nUSER-LIST\t10.9.9.9\n"))
            .await;
        let own = admin.table().await;
        assert!(
            own.starts_with(&format!("{his}\t")) && own.ends_with(&format!("\t{his}\t{his}\n\n")),
            "{own}"
        );
        // Nobody is called so and nobody has such a hash: it is where he would go.
        let expected = Topology::new(
            parse(CAPTURED, "t.toml")
                .unwrap()
                .seed(&Resolved::default())
                .unwrap(),
        )
        .unwrap();
        let newcomer = UserId {
            key: HashFormat::default().key("4711"),
            tag: TagId::DEFAULT,
        };
        let place = expected.backend(expected.hashed(newcomer).unwrap()).unwrap().ip;
        admin
            .asks("USER-LOOKUP\t4711", &format!("\t0\t{place}\t{place}\n"))
            .await;
    });
}

#[test]
fn a_flush_may_move_few_at_a_time() {
    run("slow_flush", CAPTURED, |lone| async move {
        lone.serves().await;
        for number in 0..60 {
            lone.desk.login(&format!("user{number}"), "");
        }
        let mut admin = lone.connect().await;
        admin.asks("HOST-SET\t10.1.0.3\t0", "OK\n").await;
        let is_there =
            |number: &u32| lone.desk.held_at(&format!("user{number}")) == Some([10, 1, 0, 3].into());
        let there = (0..60).filter(is_there).count();
        assert!(there > 10, "only {there} of 60 users");
        let epoch = lone.desk.epoch();
        admin.asks("HOST-RESET-USERS\t10.1.0.3\t5", "OK\n").await;
        assert_eq!(lone.desk.kicked().len(), there);
        assert_eq!((0..60).filter(is_there).count(), 0);
        let rounds = lone.desk.epoch() - epoch;
        assert_eq!(
            rounds,
            there.div_ceil(5) as u64 + 1,
            "five in each, and a last look"
        );
    });
}

#[test]
fn moves_that_are_sent_together_are_decided_together() {
    run("many_moves", CAPTURED, |lone| async move {
        lone.serves().await;
        lone.desk.login("bob", "");
        let mut admin = lone.connect().await;
        let epoch = lone.desk.epoch();
        let moves: String = (1..=3_000)
            .map(|hash| format!("USER-MOVE\t{hash}\t10.1.0.2\n"))
            .collect();
        let lines = format!("USER-MOVE\tbob\t10.9.9.9\n{moves}USER-MOVE\tbob\t10.1.0.1\nHOST-LIST-REMOVED\n");
        admin.say(&lines).await;
        admin
            .hears(&format!("NOTFOUND\n{}\n", "OK\n".repeat(3_001)))
            .await;
        assert_eq!(lone.desk.kicked().len(), 1, "bob, who was elsewhere");
        let rounds = lone.desk.epoch() - epoch;
        assert!((1..=3).contains(&rounds), "{rounds} rounds for 3,001 moves");
        admin.asks("USER-LOOKUP\t17", "10.1.0.2\t").await;
    });
}

#[test]
fn a_port_serves_admins_as_the_socket_does() {
    run("tcp", CAPTURED, |lone| async move {
        lone.serves().await;
        let (mut admin, _door) = lone.connect_by_tcp().await;
        admin.asks("HOST-DOWN\t10.1.0.2", "OK\n").await;
        admin.asks("USER-LOOKUP\tbob", "\t0\t10.1.0.3\t10.1.0.3\n").await;
        let mut local = lone.connect().await;
        local.say("HOST-LIST\n").await;
        assert!(local.table().await.contains("10.1.0.2\t100\t0\t\tD\t"));
    });
}

#[test]
fn a_long_list_of_users_comes_whole() {
    run("pages", CAPTURED, |lone| async move {
        lone.serves().await;
        let count = 2 * HELD_PER_PAGE + 10;
        for number in 0..count {
            lone.desk.login(&format!("user{number}"), "");
        }
        let mut admin = lone.connect().await;
        admin.say("USER-LIST\n").await;
        let users = admin.table().await;
        let mut hashes: Vec<u32> = users
            .lines()
            .filter_map(|row| row.split('\t').next()?.parse().ok())
            .collect();
        assert_eq!(hashes.len(), count);
        assert!(hashes.is_sorted());
        hashes.dedup();
        assert_eq!(hashes.len(), count);
    });
}

#[test]
fn bad_lines_are_answered_and_harm_nobody() {
    run("bad_lines", CAPTURED, |lone| async move {
        lone.serves().await;
        let mut admin = lone.connect().await;
        for (line, answer) in [
            ("", "an empty line is no command\n"),
            ("STATUS", "unknown command \"STATUS\"\n"),
            ("host-list", "unknown command \"host-list\"\n"),
            ("HOST-SET", "an IP address is missing\n"),
            ("HOST-SET\tmail1", "\"mail1\" is no IP address\n"),
            ("HOST-SET\t10.1.0.1\t-5", "\"-5\" is no weight\n"),
            ("HOST-UPDATE\t10.1.0.1", "a weight is missing\n"),
            ("HOST-UP\t10.1.0.300", "\"10.1.0.300\" is no IP address\n"),
            ("HOST-RESET-USERS\t\t0", "\"0\" is no number of moves at a time\n"),
            ("USER-MOVE\tbob", "an IP address is missing\n"),
            ("USER-KICK", "a user is missing\n"),
            ("USER-KICK-ALT\tuser_x", "a user is missing\n"),
            (
                "USER-KICK-ALT\tuser_x\ta\u{1}tb",
                "\"user_x a\\tb\" is no field with a value for a kick\n",
            ),
            (
                "DIRECTOR-ADD\t127.0.0.2",
                "a director that is alone has no links: write both into director_servers, with [ring], and restart it\n",
            ),
            ("DIRECTOR-ADD", "an IP address is missing\n"),
            ("DIRECTOR-ADD\t127.0.0.2\t0", "\"0\" is no port\n"),
            ("DIRECTOR-REMOVE\t127.0.0.2\t65536", "\"65536\" is no port\n"),
            ("DIRECTOR-REMOVE\t127.0.0.2", "NOTFOUND\n"),
            ("DIRECTOR-REMOVE\t127.0.0.1", "the only voter can't be removed\n"),
            (
                "HOST-SET\t10.1.0.8@a\u{1}tb",
                "the tag \"a\\tb\" holds a control character or an @\n",
            ),
        ] {
            admin.asks(line, answer).await;
        }
        admin.say(&format!("{}\n", "x".repeat(2_000))).await;
        admin.hears("the line is longer than 1024 bytes\n").await;
        admin.is_closed().await;
    });
}

#[test]
fn a_stranger_is_greeted_and_sent_away() {
    run("stranger", CAPTURED, |lone| async move {
        for greeting in ["VERSION\tdirector-doveadm\t2\t0\n", "HOST-LIST\n", "EHLO x\r\n"] {
            let mut admin = lone.connect_silently().await;
            admin.hears("VERSION\tdirector-doveadm\t1\t0\n").await;
            admin.say(greeting).await;
            admin.is_closed().await;
        }
    });
}

#[test]
fn commands_in_one_write_are_answered_in_order() {
    run("pipelined", CAPTURED, |lone| async move {
        lone.serves().await;
        let mut admin = lone.connect_silently().await;
        admin
            .say("VERSION\tdirector-doveadm\t1\t0\nHOST-DOWN\t10.1.0.1\r\nHOST-DOWN\t10.9.9.9\nHOST-UP\t[10.1.0.1\nHOST-UP")
            .await;
        admin
            .hears("VERSION\tdirector-doveadm\t1\t0\nOK\nNOTFOUND\n\"[10.1.0.1\" is no IP address\n")
            .await;
        admin.asks("\t10.1.0.1", "OK\n").await;
    });
}

#[test]
fn without_a_majority_an_admin_is_told_that_nothing_changed() {
    run("minority", RING, |lone| async move {
        let mut admin = lone.connect().await;
        admin
            .asks(
                "HOST-DOWN\t10.1.0.1",
                "no coordinator within 0 s; nothing was changed\n",
            )
            .await;
        admin.asks("HOST-LIST", "10.1.0.1\t100\t0\t\tU\t0\n\n").await;
        admin
            .asks(
                "DIRECTOR-LIST",
                "127.0.0.1\t9090\tself\t0\tring handshaking - no majority answers, nobody is served\t0\n\
                 127.0.0.2\t9090\t\t0\tno link, not heard\n\
                 127.0.0.3\t9090\t\t0\tno link, not heard\n\n",
            )
            .await;
    });
}

#[test]
fn links_are_shown_beside_the_members_they_lead_to() {
    run("links", RING, |lone| async move {
        let row = |peer: u16, state: &str| LinkRow {
            peer: MemberId::from_index(peer),
            address: SocketAddr::from(([127, 0, 0, peer as u8], 9090)),
            state: state.into(),
        };
        lone.desk.link(row(3, "synced"));
        lone.desk.link(row(2, "handshaking"));
        lone.desk.link(row(2, "synced"));
        let mut admin = lone.connect().await;
        admin.say("DIRECTOR-LIST\n").await;
        let table = admin.table().await;
        let rows: Vec<_> = table.lines().skip(1).collect();
        assert_eq!(
            rows[..3],
            [
                "127.0.0.2\t9090\tright\t0\thandshaking",
                "127.0.0.2\t9090\tout\t0\tsynced",
                "127.0.0.3\t9090\tleft\t0\tsynced",
            ]
        );
    });
}

#[test]
fn what_one_director_is_told_holds_at_the_others() {
    run_ring("three", RING, 3, |ring| async move {
        for lone in &ring {
            lone.serves().await;
        }
        let [first, second, third] = <[_; 3]>::try_from(ring).unwrap_or_else(|_| unreachable!());
        let mut admin = first.connect().await;
        let mut elsewhere = second.connect().await;
        admin.asks("HOST-SET\t10.1.0.2", "OK\n").await;
        for to in ["10.1.0.2", "10.1.0.1"] {
            admin.asks(&format!("USER-MOVE\t{BOB}\t{to}"), "OK\n").await;
            elsewhere.say("USER-LOOKUP\tbob\nUSER-LIST\n").await;
            let said = elsewhere.table().await;
            let current = said.split('\t').next().unwrap_or_default();
            // Nobody keeps in mind that somebody was sent where he belongs.
            assert!(current == to || current.is_empty(), "{said}");
            third.desk.login("bob", "");
            assert_eq!(third.desk.held_at("bob"), Some(to.parse().unwrap()));
        }
        assert_eq!(
            third.desk.kicked().len(),
            1,
            "he was moved once while he was there"
        );
        second.desk.login("bob", "");
        for _ in 0..2 {
            admin.asks("USER-KICK\tbob", "OK\n").await;
            for lone in [&second, &third] {
                assert_eq!(lone.desk.held_at("bob"), None);
            }
        }
        assert_eq!((second.desk.kicked().len(), third.desk.kicked().len()), (1, 2));
        assert!(first.desk.kicked().is_empty());
        admin.asks("USER-KICK-ALT\tuser_x\tbob\tnowait", "OK\n").await;
        let field = PassdbField::new("user_x", "bob").expect("plain");
        for lone in [&first, &second, &third] {
            assert_eq!(lone.desk.kicked_with(), std::slice::from_ref(&field));
        }
    });
}

#[test]
fn each_director_tells_of_the_users_of_all() {
    run_ring("everywhere", RING, 3, |ring| async move {
        for lone in &ring {
            lone.serves().await;
        }
        let [first, second, third] = <[_; 3]>::try_from(ring).unwrap_or_else(|_| unreachable!());
        let mut admin = first.connect().await;
        admin.say("USER-LOOKUP\tbob\nUSER-LIST\nHOST-LIST\n").await;
        admin
            .hears("\t0\t10.1.0.1\t10.1.0.1\n\n10.1.0.1\t100\t0\t\tU\t0\n\n")
            .await;
        // Uneven: one has many pages, one has few users, and some users are at several.
        let many = 2 * HELD_PER_PAGE;
        for number in 0..many {
            second.desk.login(&format!("user{number}"), "");
        }
        for lone in [&first, &third] {
            lone.desk.login("bob", "");
            lone.desk.login("user7", "");
        }
        third.desk.login("carol", "");
        admin.say("USER-LIST\n").await;
        let users = admin.table().await;
        let mut hashes: Vec<u32> = users
            .lines()
            .filter_map(|row| row.split('\t').next()?.parse().ok())
            .collect();
        assert_eq!(hashes.len(), many + 2);
        assert!(hashes.is_sorted());
        hashes.dedup();
        assert_eq!(hashes.len(), many + 2);
        let mut elsewhere = second.connect().await;
        elsewhere.say("HOST-LIST\n").await;
        assert_eq!(
            elsewhere.table().await,
            format!("10.1.0.1\t100\t{}\t\tU\t0\n\n", many + 2)
        );
        for whom in ["carol".to_owned(), BOB.to_string()] {
            elsewhere
                .say(&format!("USER-LOOKUP\t{whom}\nUSER-LIST\t10.9.9.9\n"))
                .await;
            let said = elsewhere.table().await;
            let fields: Vec<&str> = said.trim_end().split('\t').collect();
            assert_eq!(fields[0], "10.1.0.1", "{said}");
            assert!(
                fields[1].parse().is_ok_and(|expires| nearly(expires, &second)),
                "{said}"
            );
        }
    });
}

#[test]
fn a_director_that_does_not_answer_keeps_no_admin_waiting() {
    run_ring("mute", RING, 3, |ring| async move {
        for lone in &ring {
            lone.serves().await;
        }
        let [first, second, third] = <[_; 3]>::try_from(ring).unwrap_or_else(|_| unreachable!());
        second.desk.login("bob", "");
        third.desk.login("carol", "");
        second.desk.is_mute_about_users();
        let mut admin = first.connect().await;
        admin.say("HOST-LIST\n").await;
        assert_eq!(admin.table().await, "10.1.0.1\t100\t1\t\tU\t0\n\n");
        let began = first.unix_seconds();
        admin.asks("USER-LOOKUP\tbob", "\t0\t10.1.0.1\t10.1.0.1\n").await;
        assert!(first.unix_seconds() - began < 10);
    });
}

#[test]
fn orders_of_a_client_that_leaves_at_once_are_carried_out() {
    run("leaves", CAPTURED, |lone| async move {
        lone.serves().await;
        lone.desk.login("bob", "");
        // As poolmon takes a dead backend out.
        let mut poolmon = lone.connect().await;
        poolmon
            .say("HOST-DOWN\t10.1.0.3\nUSER-LIST\nHOST-FLUSH\t10.1.0.3\n")
            .await;
        drop(poolmon);
        let mut admin = lone.connect().await;
        lone.eventually("bob is closed", || lone.desk.kicked().len() == 1)
            .await;
        admin.say("HOST-LIST\n").await;
        let hosts = admin.table().await;
        assert!(hosts.contains("10.1.0.3\t100\t0\t\tD\t"), "{hosts}");
    });
}
