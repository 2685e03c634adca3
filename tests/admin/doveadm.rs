//! Every `doveadm director` command of the real binary, and its exit code. Without a `doveadm` of 2.3 nothing is tried.

use std::path::PathBuf;
use std::process::Command;

use super::lone::{Lone, run, run_ring};

const EXIT_FAILED: i32 = 75;
/// Of `doveadm`, when what it was to change is not there.
pub const EXIT_NOT_FOUND: i32 = 68;

const BACKENDS: &str = "director_mail_servers = \"10.2.0.1@east 10.2.0.10 fd00:2::a 10.2.0.11\"";

/// The binary, when there is one that has `director` commands.
pub fn doveadm() -> Option<PathBuf> {
    let places = ["/usr/bin/doveadm", "/usr/local/bin/doveadm"];
    let found = places.iter().map(PathBuf::from).find(|path| path.exists())?;
    let usage = Command::new(&found).arg("director").output().ok()?;
    let has_directors = String::from_utf8_lossy(&usage.stderr).contains("director socket path");
    has_directors.then_some(found)
}

/// One admin's shell.
struct Shell<'a> {
    lone: &'a Lone,
    binary: PathBuf,
}

impl Shell<'_> {
    /// `doveadm director` with these words: exit code, and what was said on both outputs.
    fn run(&self, command: &str) -> (i32, String) {
        let configuration = self.lone.folder.join("dovecot.conf");
        let text = format!(
            "base_dir = {}\nssl = no\nlog_path = /dev/stderr\n",
            self.lone.folder.display()
        );
        std::fs::write(&configuration, text).expect("the folder is ours");
        let mut words = command.split(' ');
        let mut director = Command::new(&self.binary);
        director.arg("-v").arg("-c").arg(&configuration).arg("director");
        director.args(words.next());
        if command.starts_with("ring") {
            director.args(words.next());
        }
        director.arg("-a").arg(&self.lone.socket).args(words);
        let done = director.output().expect("the binary runs");
        let said = [done.stdout, done.stderr].concat();
        // Tables are padded to the width of the terminal.
        let lines: Vec<_> = String::from_utf8_lossy(&said)
            .lines()
            .map(|line| format!("{}\n", line.trim_end()))
            .collect();
        (done.status.code().unwrap_or(-1), lines.concat())
    }

    fn succeeds(&self, command: &str, said: &str) {
        assert_eq!(
            self.run(command),
            (0, said.to_owned()),
            "doveadm director {command}"
        );
    }

    fn fails(&self, command: &str, code: i32, said: &str) {
        assert_eq!(
            self.run(command),
            (code, said.to_owned()),
            "doveadm director {command}"
        );
    }
}

fn with_doveadm(name: &str, test: impl FnOnce(&Shell<'_>)) {
    let Some(binary) = doveadm() else {
        eprintln!("skipped: there is no doveadm of Dovecot 2.3");
        return;
    };
    run(name, BACKENDS, |lone| async move {
        lone.serves().await;
        test(&Shell { lone: &lone, binary });
    });
}

/// Words of a table's rows, without its heading.
fn rows(table: &str) -> Vec<Vec<&str>> {
    table
        .lines()
        .skip(1)
        .map(|row| row.split_whitespace().collect())
        .collect()
}

#[test]
fn hosts_are_shown_and_changed() {
    with_doveadm("doveadm_hosts", |shell| {
        shell.succeeds(
            "status",
            "mail server ip tag  vhosts state state changed users\n\
             10.2.0.1       east 100    up    -             0\n\
             10.2.0.10           100    up    -             0\n\
             10.2.0.11           100    up    -             0\n\
             fd00:2::a           100    up    -             0\n",
        );
        shell.succeeds("add 10.2.0.12@west 50", "Info: 10.2.0.12: OK\n");
        shell.succeeds("add -t east 10.2.0.13", "Info: 10.2.0.13: OK\n");
        shell.succeeds("update 10.2.0.12 60", "Info: 10.2.0.12: OK\n");
        shell.succeeds("down 10.2.0.10", "Info: 10.2.0.10: down\n");
        shell.succeeds("up 10.2.0.11", "Info: 10.2.0.11: up\n");
        shell.succeeds("remove fd00:2::a", "Info: fd00:2::a: removed\n");
        let (_, status) = shell.run("status");
        let state: Vec<_> = rows(&status)
            .into_iter()
            .map(|row| format!("{} {}", row[0], row[row.len() - 1]))
            .collect();
        assert_eq!(
            state,
            [
                "10.2.0.1 0",
                "10.2.0.10 0",
                "10.2.0.11 0",
                "10.2.0.12 0",
                "10.2.0.13 0"
            ]
        );
        assert!(status.contains("10.2.0.10           100    down  20"), "{status}");
        assert!(status.contains("10.2.0.12      west 60     up    -"), "{status}");
        let socket = shell.lone.socket.display();
        shell.succeeds(
            "dump",
            &format!(
                "doveadm director add -a {socket} 10.2.0.1@east 100\n\
                 doveadm director add -a {socket} 10.2.0.10 100\n\
                 doveadm director add -a {socket} 10.2.0.11 100\n\
                 doveadm director add -a {socket} 10.2.0.12@west 60\n\
                 doveadm director add -a {socket} 10.2.0.13@east 100\n\
                 doveadm director remove -a {socket} fd00:2::a\n"
            ),
        );
    });
}

#[test]
fn what_is_refused_has_dovecots_exit_codes() {
    with_doveadm("doveadm_refused", |shell| {
        shell.fails(
            "update 9.9.9.9 10",
            EXIT_FAILED,
            "Error: 9.9.9.9: doesn't exist\n",
        );
        for command in ["up", "down", "remove"] {
            let said = "Error: 9.9.9.9: doesn't exist\n";
            shell.fails(&format!("{command} 9.9.9.9"), EXIT_NOT_FOUND, said);
        }
        shell.fails(
            "flush 9.9.9.9",
            EXIT_NOT_FOUND,
            "Warning: 9.9.9.9: doesn't exist\n",
        );
        shell.fails(
            "move bob 9.9.9.9",
            EXIT_NOT_FOUND,
            "Error: Host '9.9.9.9' doesn't exist\n",
        );
        shell.fails(
            "add 10.2.0.1@west",
            EXIT_FAILED,
            "Error: 10.2.0.1: host tag can't be changed\n",
        );
        shell.fails(
            "add 10.2.0.14 1001",
            EXIT_FAILED,
            "Error: 10.2.0.14: vhost count too large\n",
        );
        shell.fails(
            "ring add 127.0.0.2",
            EXIT_FAILED,
            "Error: Failed: a director that is alone has no links: write both into director_servers, with [ring], and \
             restart it\n",
        );
        shell.fails("ring remove 127.0.0.2", EXIT_NOT_FOUND, "Error: Not found\n");
        shell.fails(
            "ring remove 127.0.0.1",
            EXIT_FAILED,
            "Error: Failed: the only voter can't be removed\n",
        );
    });
}

#[test]
fn users_are_shown_moved_flushed_and_kicked() {
    with_doveadm("doveadm_users", |shell| {
        let desk = &shell.lone.desk;
        shell.succeeds(
            "status bob",
            "Current: n/a (expires -1)\nHashed: 10.2.0.10\nInitial config: 10.2.0.10\n",
        );
        desk.login("bob", "");
        shell.succeeds(
            "move bob 10.2.0.11",
            "Info: User hash 2677887420 moved to 10.2.0.11\n",
        );
        desk.login("bob", "");
        assert_eq!(desk.held_at("bob"), Some([10, 2, 0, 11].into()));
        let (code, status) = shell.run("status bob");
        assert_eq!(code, 0);
        assert!(status.starts_with("Current: 10.2.0.11 (expires 20"), "{status}");
        let users = shell.lone.folder.join("users");
        std::fs::write(&users, "alice\nbob\n").expect("the folder is ours");
        let (code, map) = shell.run(&format!("map -f {}", users.display()));
        assert_eq!(code, 0, "{map}");
        assert_eq!(rows(&map)[0][..3], ["bob", "2677887420", "10.2.0.11"]);
        shell.succeeds("map -u bob", "2677887420\n");
        shell.succeeds(&format!("map -f {} -h 2677887420", users.display()), "bob\n");
        shell.succeeds("flush 10.2.0.11", "Info: 10.2.0.11: flushed\n");
        assert_eq!(desk.held_at("bob"), None);
        desk.login("bob", "");
        shell.succeeds("kick bob", "Info: User bob kicked\n");
        assert_eq!(desk.held_at("bob"), None);
        shell.succeeds("flush -F 10.2.0.11", "Info: 10.2.0.11: flushed\n");
        shell.succeeds("flush --max-parallel 7 all", "Info: flushed\n");
        shell.succeeds("flush all", "Info: flushed\n");
    });
}

#[test]
fn somebody_who_never_logged_in_is_moved_and_found_by_all_and_kicked_at_all() {
    let Some(binary) = doveadm() else {
        eprintln!("skipped: there is no doveadm of Dovecot 2.3");
        return;
    };
    let config = "director_mail_servers = \"10.2.0.10 10.2.0.11\"\n\
        director_servers = \"127.0.0.1 127.0.0.2\"\n[ring]\ninsecure = true\n";
    run_ring("doveadm_ring_of_two", config, 2, |ring| async move {
        for lone in &ring {
            lone.serves().await;
        }
        let [one, other] = [&ring[0], &ring[1]].map(|lone| Shell {
            lone,
            binary: binary.clone(),
        });
        other.succeeds(
            "status bob",
            "Current: n/a (expires -1)\nHashed: 10.2.0.10\nInitial config: 10.2.0.10\n",
        );
        one.succeeds(
            "move bob 10.2.0.11",
            "Info: User hash 2677887420 moved to 10.2.0.11\n",
        );
        let (code, status) = other.run("status bob");
        assert_eq!(code, 0);
        assert!(status.starts_with("Current: 10.2.0.11 (expires 20"), "{status}");
        other.lone.desk.login("bob", "");
        assert_eq!(other.lone.desk.held_at("bob"), Some([10, 2, 0, 11].into()));
        one.succeeds("kick bob", "Info: User bob kicked\n");
        assert_eq!(other.lone.desk.held_at("bob"), None);
        assert_eq!(other.lone.desk.kicked().len(), 1);
    });
}

#[test]
fn directors_leave_and_come_back_while_the_ring_serves() {
    let Some(binary) = doveadm() else {
        eprintln!("skipped: there is no doveadm of Dovecot 2.3");
        return;
    };
    // The change after a removal waits for the lease of whoever left.
    let config = "director_mail_servers = \"10.2.0.10 10.2.0.11\"\nwitnesses = \"127.0.0.9\"\nlease = \"2s\"\n\
        kick = \"none\"\n\
        director_servers = \"127.0.0.1 127.0.0.2 127.0.0.3\"\n[ring]\ninsecure = true\n";
    run_ring("doveadm_members", config, 4, |ring| async move {
        for lone in &ring[..3] {
            lone.serves().await;
        }
        let shells = [0, 1, 2].map(|at| Shell {
            lone: &ring[at],
            binary: binary.clone(),
        });
        let [one, two, _] = &shells;
        one.succeeds("ring add 127.0.0.2", "");
        one.fails("ring remove 127.0.0.2 9091", EXIT_NOT_FOUND, "Error: Not found\n");
        one.fails(
            "ring remove 127.0.0.9",
            EXIT_FAILED,
            "Error: Failed: 127.0.0.9:9090 is a witness: who only votes is named in the configuration of every member\n",
        );
        one.succeeds("ring remove 127.0.0.2", "");
        let (_, status) = one.run("ring status");
        let shown: Vec<_> = rows(&status).iter().map(|row| row[0].to_owned()).collect();
        assert_eq!(shown, ["127.0.0.1", "127.0.0.3", "127.0.0.9"]);
        one.fails("ring remove 127.0.0.2", EXIT_NOT_FOUND, "Error: Not found\n");
        let (_, status) = two.run("ring status");
        assert!(status.contains("removed from the ring"), "{status}");
        one.succeeds("ring add 127.0.0.4", "");
        one.succeeds("ring add 127.0.0.2", "");
        two.lone.serves().await;
        two.succeeds("ring remove 127.0.0.1", "");
        let (_, status) = two.run("ring status");
        let shown: Vec<_> = rows(&status).iter().map(|row| row[0].to_owned()).collect();
        assert_eq!(shown, ["127.0.0.2", "127.0.0.3", "127.0.0.4", "127.0.0.9"]);
    });
}

#[test]
fn the_ring_is_shown() {
    with_doveadm("doveadm_ring", |shell| {
        let (code, status) = shell.run("ring status");
        assert_eq!(code, 0, "{status}");
        let row = rows(&status).remove(0);
        assert_eq!(
            row[..7],
            ["127.0.0.1", "0", "self", "never", "ring", "synced", "0"]
        );
    });
}
