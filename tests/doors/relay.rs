//! The login and userdb doors.

use std::time::Duration;

use maildirector::dovecot::{
    Completes, Door, LINE_BYTES_MAX, MarksHash, Processes, RelaySettings, Rule, WaitLimits, open_relay,
};
use maildirector::world::{Clock, World, sleep};

use super::support::{Rig, StubDesk, run};

const ADDED: &str = "\tproxy_refresh=450\thost=10.1.0.";
const GREETING: &str = "VERSION\t1\t2\nMECH\tPLAIN\tplaintext\nSPID\t14720\nCUID\t1\n\
    COOKIE\t21b6cdaf1f3340cda186d9c0024d48d9\nDONE\n";

fn settings(rig: &Rig, completes: Completes) -> RelaySettings {
    RelaySettings {
        listen: rig.listen("director"),
        auth: rig.address("auth"),
        rule: Rule {
            completes,
            master_user_separator: None,
            marks_hash: MarksHash::WhenRenamed,
        },
        connections_max: 100,
        limits: WaitLimits::default(),
        processes: None,
    }
}

async fn open(rig: &Rig, desk: &StubDesk) -> Door {
    let opened = open_relay(rig.world.clone(), desk.clone(), settings(rig, Completes::Ok)).await;
    opened.expect("the door opens")
}

#[test]
fn captured_login_dialogue_passes_as_through_dovecots_director() {
    run("login_dialogue", |rig| async move {
        let server = rig.serve("auth").await;
        let door = open(&rig, &rig.desk()).await;
        let mut client = rig.connect("director").await;
        let mut auth = server.accept().await;
        auth.say(GREETING).await;
        client.hears(GREETING).await;
        let said =
            "VERSION\t1\t2\nCPID\t14677\nAUTH\t1\tPLAIN\tservice=imap\tsecured\tresp=AGJvYgBzZWNyZXQ=\n";
        client.say(said).await;
        auth.hears(said).await;
        let ok = "OK\t1\tuser=bob@example.com\tproxy\tlip=127.0.71.1\tlport=143\tpass=secret";
        auth.say(&format!("{ok}\n")).await;
        client.hears(&format!("{ok}{ADDED}3\n")).await;
        auth.say("CONT\t3\t\n").await;
        client.hears("CONT\t3\t\n").await;
        client.say("CONT\t3\tAGJvYjIAc2VjcmV0\n").await;
        auth.hears("CONT\t3\tAGJvYjIAc2VjcmV0\n").await;
        auth.say("OK\t3\tuser=refused\tproxy\nFAIL\t4\tuser=x\n").await;
        client.hears("FAIL\t3\tcode=temp_fail\nFAIL\t4\tuser=x\n").await;
        let counted = door.counters().counted();
        assert_eq!((counted.open, counted.lookups, counted.failed), (1, 2, 1));
    });
}

#[test]
fn captured_userdb_dialogue_passes_as_through_dovecots_director() {
    run("userdb_dialogue", |rig| async move {
        let server = rig.serve("auth").await;
        let opened = open_relay(rig.world.clone(), rig.desk(), settings(&rig, Completes::Pass)).await;
        let _door = opened.expect("the door opens");
        let mut client = rig.connect("director").await;
        let mut auth = server.accept().await;
        auth.say("VERSION\t1\t1\nSPID\t14720\n").await;
        client.hears("VERSION\t1\t1\nSPID\t14720\n").await;
        client
            .say("VERSION\t1\t1\nPASS\t1\tbob@example.com\tservice=lmtp\n")
            .await;
        auth.hears("VERSION\t1\t1\nPASS\t1\tbob@example.com\tservice=lmtp\n")
            .await;
        auth.say(
            "PASS\t1\tuser=bob@example.com\tproxy=y\nUSER\t2\tbob@example.com\tuid=1000\nDONE\t3\tfail\n",
        )
        .await;
        client
            .hears(&format!(
                "PASS\t1\tuser=bob@example.com\tproxy=y{ADDED}3\nUSER\t2\tbob@example.com\tuid=1000\nDONE\t3\tfail\n"
            ))
            .await;
    });
}

#[test]
fn client_of_dovecot_2_4_may_speak_before_the_mechanisms_are_listed() {
    run("handshake_2_4", |rig| async move {
        let server = rig.serve("auth").await;
        let _door = open(&rig, &rig.desk()).await;
        let mut client = rig.connect("director").await;
        client.say("VERSION\t1\t4\nCPID\t14677\n").await;
        let mut auth = server.accept().await;
        auth.say("VERSION\t1\t4\n").await;
        auth.hears("VERSION\t1\t4\nCPID\t14677\n").await;
        auth.say("MECH\tPLAIN\tplaintext\nDONE\n").await;
        client
            .hears("VERSION\t1\t4\nMECH\tPLAIN\tplaintext\nDONE\n")
            .await;
    });
}

#[test]
fn client_is_closed_while_there_is_no_auth_server_and_served_when_it_is_back() {
    run("auth_missing", |rig| async move {
        let door = open(&rig, &rig.desk()).await;
        rig.connect("director").await.is_closed().await;
        let server = rig.serve("auth").await;
        let mut client = rig.connect("director").await;
        let auth = server.accept().await;
        drop((auth, server));
        client.is_closed().await;
        rig.connect("director").await.is_closed().await;
        let server = rig.serve("auth").await;
        let mut client = rig.connect("director").await;
        server.accept().await.say("DONE\n").await;
        client.hears("DONE\n").await;
        client.is_closed().await;
        let counted = door.counters().counted();
        assert_eq!((counted.accepted, counted.unreachable, counted.broken), (4, 2, 0));
        rig.until("all connections are closed", || {
            door.counters().counted().open == 0
        })
        .await;
    });
}

#[test]
fn late_answers_come_in_any_order_and_hold_nobody_up() {
    run("late_answers", |rig| async move {
        let server = rig.serve("auth").await;
        let desk = rig.desk();
        let door = open(&rig, &desk).await;
        let mut client = rig.connect("director").await;
        let mut auth = server.accept().await;
        auth.say("OK\t1\tuser=late1\tproxy\nOK\t2\tuser=late2\tproxy\nOK\t3\tuser=bob2\tproxy\n")
            .await;
        client.hears(&format!("OK\t3\tuser=bob2\tproxy{ADDED}1\n")).await;
        auth.say("CONT\t4\t\n").await;
        client.hears("CONT\t4\t\n").await;
        desk.answer_late("late2", "10.1.0.2");
        client.hears(&format!("OK\t2\tuser=late2\tproxy{ADDED}2\n")).await;
        desk.answer_late("late1", "10.1.0.1");
        client.hears(&format!("OK\t1\tuser=late1\tproxy{ADDED}1\n")).await;
        assert_eq!(door.counters().counted().late, 2);
    });
}

#[test]
fn late_answer_waits_for_no_other_and_one_that_grew_old_names_no_backend() {
    run("old_answer", |rig| async move {
        let server = rig.serve("auth").await;
        let desk = rig.desk();
        let _door = open(&rig, &desk).await;
        let mut client = rig.connect("director").await;
        let mut auth = server.accept().await;
        auth.say("OK\t1\tuser=late1\tproxy\nOK\t2\tuser=late2\tproxy\n")
            .await;
        rig.until("both wait", || desk.waits("late2")).await;
        auth.say("OK\t3\tuser=slow\tproxy\n").await;
        rig.until("the desk is busy", || desk.batches() == 2).await;
        desk.answer_late("late1", "10.1.0.1");
        client.hears(&format!("OK\t1\tuser=late1\tproxy{ADDED}1\n")).await;
        let too_old = WaitLimits::default().answer_age + Duration::from_millis(1);
        desk.give_back_slow(rig.world.clock().now().minus(too_old));
        client.hears("FAIL\t3\tcode=temp_fail\n").await;
        desk.answer_late("late2", "10.1.0.2");
        client.hears(&format!("OK\t2\tuser=late2\tproxy{ADDED}2\n")).await;
    });
}

#[test]
fn client_that_vanishes_while_it_waits_harms_nobody() {
    run("client_vanishes", |rig| async move {
        let server = rig.serve("auth").await;
        let desk = rig.desk();
        let door = open(&rig, &desk).await;
        let client = rig.connect("director").await;
        let mut auth = server.accept().await;
        auth.say("OK\t1\tuser=late1\tproxy\n").await;
        rig.until("the login waits", || desk.waits("late1")).await;
        drop(client);
        auth.is_closed().await;
        rig.until("the connection is closed", || door.counters().counted().open == 0)
            .await;
        desk.answer_late("late1", "10.1.0.1");
        let mut client = rig.connect("director").await;
        let mut auth = server.accept().await;
        auth.say("OK\t1\tuser=bob2\tproxy\n").await;
        client.hears(&format!("OK\t1\tuser=bob2\tproxy{ADDED}1\n")).await;
    });
}

#[test]
fn garbage_half_lines_and_longest_lines_pass_byte_for_byte() {
    run("garbage", |rig| async move {
        let server = rig.serve("auth").await;
        let _door = open(&rig, &rig.desk()).await;
        let mut client = rig.connect("director").await;
        let mut auth = server.accept().await;
        let mut bytes: Vec<u8> = (0..=255).collect();
        bytes.extend(b"\n\n\nOK\nOK\t\nOK\t\t\n\tOK\t1\tuser=a\tproxy\n");
        bytes.extend([b'x'; LINE_BYTES_MAX]);
        bytes.push(b'\n');
        auth.send(&bytes).await;
        assert_eq!(client.read(bytes.len()).await, bytes);
        auth.say("OK\t1\tuser=bo").await;
        sleep(rig.world.clock(), Duration::from_millis(20)).await;
        auth.say("b2\tproxy\nDON").await;
        client.hears(&format!("OK\t1\tuser=bob2\tproxy{ADDED}1\n")).await;
        client.send(&bytes).await;
        assert_eq!(auth.read(bytes.len()).await, bytes);
        auth.say("E\n").await;
        client.hears("DONE\n").await;
    });
}

#[test]
fn line_too_long_closes_both_sides() {
    run("line_too_long", |rig| async move {
        let server = rig.serve("auth").await;
        let door = open(&rig, &rig.desk()).await;
        let mut client = rig.connect("director").await;
        let mut auth = server.accept().await;
        auth.send(&[b'x'; LINE_BYTES_MAX + 1]).await;
        client.is_closed().await;
        auth.is_closed().await;
        assert_eq!(door.counters().counted().broken, 1);
    });
}

#[test]
fn many_lookups_in_flight_share_batches_and_stay_in_order() {
    run("many_in_flight", |rig| async move {
        let server = rig.serve("auth").await;
        let desk = rig.desk();
        let _door = open(&rig, &desk).await;
        let mut client = rig.connect("director").await;
        let mut auth = server.accept().await;
        let lookups = 64 * 50;
        let writing = rig.world.spawn("stub auth server", async move {
            for round in 0..50 {
                let lines =
                    (0..64).map(|n| format!("OK\t{}\tuser=u{n}@example.com\tproxy\n", 64 * round + n));
                auth.say(&lines.collect::<String>()).await;
            }
            auth.is_closed().await;
        });
        for id in 0..lookups {
            let user = id % 64;
            let expected = format!("OK\t{id}\tuser=u{user}@example.com\tproxy{ADDED}9\n");
            assert_eq!(client.line().await, expected);
        }
        drop(client);
        assert!(writing.finished().await, "the stub has panicked");
        assert!(desk.batches() < lookups / 2, "{} batches", desk.batches());
    });
}

#[test]
fn door_with_too_many_connections_turns_others_away() {
    run("too_many_connections", |rig| async move {
        let server = rig.serve("auth").await;
        let mut narrow = settings(&rig, Completes::Ok);
        narrow.connections_max = 1;
        let opened = open_relay(rig.world.clone(), rig.desk(), narrow).await;
        let door = opened.expect("the door opens");
        let client = rig.connect("director").await;
        let _auth = server.accept().await;
        rig.connect("director").await.is_closed().await;
        assert_eq!(door.counters().counted().turned_away, 1);
        drop(client);
        rig.until("the place is free", || door.counters().counted().open == 0)
            .await;
        let mut client = rig.connect("director").await;
        server.accept().await.say("DONE\n").await;
        client.hears("DONE\n").await;
    });
}

#[test]
fn dropping_a_door_closes_its_connections() {
    run("door_dropped", |rig| async move {
        let server = rig.serve("auth").await;
        let door = open(&rig, &rig.desk()).await;
        let mut client = rig.connect("director").await;
        let mut auth = server.accept().await;
        drop(door);
        client.is_closed().await;
        auth.is_closed().await;
    });
}

#[test]
fn processes_are_remembered_once_they_were_told_of_a_backend() {
    run("processes", |rig| async move {
        let server = rig.serve("auth").await;
        let processes = Processes::new(|_| true, false);
        let mut settings = settings(&rig, Completes::Ok);
        settings.processes = Some(processes.clone());
        let opened = open_relay(rig.world.clone(), rig.desk(), settings).await;
        let _door = opened.expect("the door opens");
        let mut client = rig.connect("director").await;
        let mut auth = server.accept().await;
        auth.say(GREETING).await;
        client.hears(GREETING).await;
        assert!(processes.have_ended(), "nobody was told yet");
        auth.say("OK\t1\tuser=bob2\tproxy\n").await;
        client.hears(&format!("OK\t1\tuser=bob2\tproxy{ADDED}1\n")).await;
        drop(client);
        auth.is_closed().await;
        assert!(!processes.have_ended(), "the session outlives the connection");
    });
}
