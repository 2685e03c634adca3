//! The proxy-notify door.

use std::fs::OpenOptions;
use std::io::Write;

use maildirector::dovecot::{NotifySettings, open_notify_fifo, open_notify_socket};

use super::support::{Rig, run};

fn settings(rig: &Rig) -> NotifySettings {
    NotifySettings {
        listen: rig.listen("proxy-notify"),
        master_user_separator: Some(b'*'),
        connections_max: 10,
    }
}

#[test]
fn pipe_takes_names_of_many_writers_one_after_the_other() {
    run("notify_fifo", |rig| async move {
        let desk = rig.desk();
        let opened = open_notify_fifo(rig.world.clone(), desk.clone(), settings(&rig)).await;
        let door = opened.expect("the pipe opens");
        for name in ["alice", "bob@example.com", "carl"] {
            let mut writer = OpenOptions::new()
                .write(true)
                .open(rig.path("proxy-notify"))
                .expect("a pipe");
            writer
                .write_all(format!("{name}\n").as_bytes())
                .expect("somebody reads");
            drop(writer);
            rig.until("the user is refreshed", || desk.has_refreshed(name))
                .await;
        }
        let mut writer = OpenOptions::new()
            .write(true)
            .open(rig.path("proxy-notify"))
            .expect("a pipe");
        writer.write_all(&[b'x'; 3_000]).expect("somebody reads");
        writer.write_all(b"\ndora*master\n").expect("somebody reads");
        rig.until("the user is refreshed", || desk.has_refreshed("dora"))
            .await;
        assert_eq!(door.counters().counted().refreshes, 4);
    });
}

#[test]
fn socket_takes_names_too() {
    run("notify_socket", |rig| async move {
        let desk = rig.desk();
        let opened = open_notify_socket(rig.world.clone(), desk.clone(), settings(&rig)).await;
        let door = opened.expect("the socket opens");
        let mut client = rig.connect("proxy-notify").await;
        client.say("alice\nbo").await;
        rig.until("the user is refreshed", || desk.has_refreshed("alice"))
            .await;
        client.say("b\n").await;
        rig.until("the user is refreshed", || desk.has_refreshed("bob"))
            .await;
        drop(client);
        rig.until("the connection is closed", || door.counters().counted().open == 0)
            .await;
        assert_eq!(door.counters().counted().broken, 0);
    });
}
