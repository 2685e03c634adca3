//! The authreply door.

use maildirector::dovecot::{AuthreplySettings, Door, MarksHash, WaitLimits, open_authreply};

use super::support::{Rig, StubDesk, run};

const SERVER: &str = "VERSION\tdirector-authreply-server\t1\t0\n";
const CLIENT: &str = "VERSION\tdirector-authreply-client\t1\t0\n";

async fn open(rig: &Rig, desk: StubDesk) -> Door {
    let settings = AuthreplySettings {
        listen: rig.listen("authreply"),
        master_user_separator: None,
        marks_hash: MarksHash::Never,
        connections_max: 10,
        limits: WaitLimits::default(),
    };
    open_authreply(rig.world.clone(), desk, settings)
        .await
        .expect("the door opens")
}

#[test]
fn captured_dialogue_is_answered_as_by_dovecots_director() {
    run("authreply_dialogue", |rig| async move {
        let _door = open(&rig, rig.desk()).await;
        let mut client = rig.connect("authreply").await;
        client.hears(SERVER).await;
        client.say(CLIENT).await;
        for (line, added) in [
            (
                "OK\t1\tuser=bob@example.com\tproxy",
                "\tproxy_refresh=450\thost=10.1.0.3",
            ),
            ("PASS\t1\tuser=bob@example.com\tproxy", ""),
            ("OK\t5\tuser=bob@example.com\tproxy\thost=1.2.3.4", ""),
            (
                "OK\t7\tuser=z\tproxy\tdirector_tag=tagx",
                "\tproxy_refresh=450\thost=10.1.0.10",
            ),
            ("OK\t8\tuser=z\tnologin\tproxy_maybe", ""),
            ("OK\t10\tuser=z\tdirector_proxy_maybe\tlip=10.1.0.1", ""),
            (
                "OK\t11\tuser=z\tdirector_proxy_maybe\tlip=10.1.0.3",
                "\tproxy_refresh=450\thost=10.1.0.1",
            ),
            (
                "OK\t12\tuser=z\tproxy\tdestuser=y\tport=24",
                "\tproxy_refresh=450\thost=10.1.0.3",
            ),
            ("garbage", ""),
        ] {
            client.say(&format!("{line}\n")).await;
            client.hears(&format!("{line}{added}\n")).await;
        }
    });
}

#[test]
fn lines_sent_with_the_greeting_are_answered_and_a_late_one_holds_nobody_up() {
    run("authreply_at_once", |rig| async move {
        let desk = rig.desk();
        let _door = open(&rig, desk.clone()).await;
        let mut client = rig.connect("authreply").await;
        client
            .say(&format!(
                "{CLIENT}OK\t1\tuser=late\tproxy\nOK\t2\tuser=z\tproxy\ngarb"
            ))
            .await;
        client.hears(SERVER).await;
        client
            .hears("OK\t2\tuser=z\tproxy\tproxy_refresh=450\thost=10.1.0.1\n")
            .await;
        client.say("age\n").await;
        client.hears("garbage\n").await;
        desk.answer_late("late", "10.1.0.4");
        client
            .hears("OK\t1\tuser=late\tproxy\tproxy_refresh=450\thost=10.1.0.4\n")
            .await;
    });
}

#[test]
fn strangers_are_closed() {
    run("authreply_strangers", |rig| async move {
        let door = open(&rig, rig.desk()).await;
        for stranger in [
            "VERSION\tdirector-authreply-client\t2\t0\n",
            "VERSION\tauth\t1\t0\n",
            "OK\t1\tuser=z\tproxy\n",
            &"x".repeat(20_000),
        ] {
            let mut client = rig.connect("authreply").await;
            client.hears(SERVER).await;
            client.say(stranger).await;
            client.is_closed().await;
        }
        assert_eq!(door.counters().counted().broken, 4);
    });
}
