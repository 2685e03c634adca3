//! A running ring of Dovecot's own director is imported, and its users are where they were.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::command::must;
use crate::instance::Instance;
use crate::member::PROGRAM;
use crate::site::Site;
use crate::waiting::eventually;

/// Users whose places are compared, for each list of backends.
const USERS: usize = 100_000;
/// Questions that are asked before their answers are read.
const AT_ONCE: usize = 200;
const STARTS_WITHIN: Duration = Duration::from_secs(20);
/// Between closing a user's sessions and the end of a move, and a little more; Dovecot answers before.
const MOVES_WITHIN: Duration = Duration::from_secs(20);

/// A list of backends, and what an admin did since: `doveadm director` words.
struct Case {
    servers: &'static str,
    done: &'static [&'static [&'static str]],
    /// Who, where to, and that backend's tag.
    moved: &'static [(&'static str, &'static str, &'static str)],
}

const CASES: [Case; 3] = [
    Case {
        servers: "10.0.1.1-10.0.1.3",
        done: &[],
        moved: &[],
    },
    Case {
        servers: "10.0.1.1-10.0.1.20 fd00:2::a",
        done: &[
            &["update", "10.0.1.4", "17"],
            &["update", "10.0.1.5", "0"],
            &["update", "fd00:2::a", "1000"],
            &["down", "10.0.1.9"],
            &["add", "10.0.3.1", "250"],
            &["remove", "10.0.1.20"],
        ],
        moved: &[
            ("anna", "10.0.1.9", ""),
            ("bob", "10.0.1.5", ""),
            ("carol", "10.0.3.1", ""),
        ],
    },
    Case {
        servers: "10.0.1.1 10.0.1.2@gold 10.0.1.3@gold 10.0.1.4",
        done: &[
            &["add", "-t", "lead", "10.0.1.7", "30"],
            &["update", "10.0.1.3", "3"],
        ],
        moved: &[("dora", "10.0.1.4", ""), ("emil", "10.0.1.2", "gold")],
    },
];

/// A conversation with a director's admin socket.
struct Admin(BufReader<UnixStream>);

impl Admin {
    fn connect(socket: &Path) -> Self {
        let stream = eventually(&format!("{} answers", socket.display()), STARTS_WITHIN, || {
            UnixStream::connect(socket).ok()
        });
        stream
            .set_read_timeout(Some(STARTS_WITHIN))
            .expect("it is a socket");
        let mut admin = Admin(BufReader::new(stream));
        admin.say("VERSION\tdirector-doveadm\t1\t0\n");
        assert_eq!(admin.line(), "VERSION\tdirector-doveadm\t1\t0");
        admin
    }

    fn say(&mut self, text: &str) {
        self.0
            .get_mut()
            .write_all(text.as_bytes())
            .expect("the director reads");
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).expect("the director answers");
        line.trim_end_matches('\n').to_owned()
    }

    /// Where each is by his hash.
    fn places(&mut self, users: &[String], tag: &str) -> Vec<String> {
        let mut places = Vec::with_capacity(users.len());
        for some in users.chunks(AT_ONCE) {
            let asked: String = some
                .iter()
                .map(|user| format!("USER-LOOKUP\t{user}\t{tag}\n"))
                .collect();
            self.say(&asked);
            places.extend(some.iter().map(|_| field(&self.line(), 2)));
        }
        places
    }

    /// Where he is held, or moved to, else by his hash: whoever was moved to where he belongs is no exception.
    fn place(&mut self, user: &str, tag: &str) -> String {
        self.say(&format!("USER-LOOKUP\t{user}\t{tag}\n"));
        let line = self.line();
        let current = field(&line, 0);
        if current.is_empty() {
            field(&line, 2)
        } else {
            current
        }
    }
}

fn field(line: &str, number: usize) -> String {
    let fields: Vec<&str> = line.split('\t').collect();
    assert_eq!(fields.len(), 4, "{line:?}");
    fields[number].to_owned()
}

/// Names as they come in logins: any case, domains, letters of other scripts.
fn names() -> Vec<String> {
    let name = |number: usize| match number % 4 {
        0 => format!("user{number}"),
        1 => format!("User.{number}@Example.COM"),
        2 => format!("жук{number}@пример.example"),
        _ => format!("u+{number:x}_{}", number * 7_919),
    };
    (0..USERS).map(name).collect()
}

/// `maildirector run` with the imported file, its sockets elsewhere than those of the director that still runs.
struct Ours(Child);

impl Ours {
    fn start(config: &Path) -> Self {
        let log = fs::File::create(config.with_extension("log")).expect("the folder of the test is writable");
        let child = Command::new(PROGRAM)
            .args(["run", "-c"])
            .arg(config)
            .stdin(Stdio::null())
            .stderr(log)
            .spawn();
        Ours(child.expect("it was built"))
    }
}

impl Drop for Ours {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub fn a_ring_of_dovecots_director_is_imported_without_moving_a_user(site: &mut Site) {
    let names = names();
    for (number, case) in CASES.iter().enumerate() {
        let folder = site.folder.join(format!("import{number}"));
        let (theirs, ours) = (folder.join("theirs"), folder.join("ours"));
        let settings = format!(
            "protocols =\ndirector_mail_servers = {}\nservice director {{\n  unix_listener login/director {{\n    mode = 0666\n  }}\n}}\n",
            case.servers
        );
        let dovecot = Instance::start(&theirs, "127.0.0.1", &settings, None);
        for words in case.done {
            dovecot.doveadm(&[&["director"], *words].concat());
        }
        for (user, to, _) in case.moved {
            dovecot.doveadm(&["director", "move", user, to]);
        }
        let socket = theirs.join("run/director-admin");
        let mut asked = Admin::connect(&socket);
        for (user, to, tag) in case.moved {
            eventually(&format!("Dovecot has moved {user}"), MOVES_WITHIN, || {
                (asked.place(user, tag) == *to).then_some(())
            });
        }

        fs::create_dir_all(ours.join("run/login")).expect("the folder of the test is writable");
        let (file, changes) = (ours.join("maildirector.toml"), ours.join("ring.changes"));
        let text = |path: &Path| path.to_str().expect("ASCII").to_owned();
        must(&[
            PROGRAM,
            "import",
            &dovecot.config(),
            "--from-ring",
            "--socket",
            &text(&socket),
            "-o",
            &text(&file),
            "--changes",
            &text(&changes),
        ]);
        let imported = fs::read_to_string(&file).expect("it was written");
        let moved = imported.replace(&text(&theirs), &text(&ours));
        fs::write(
            &file,
            format!("state_folder = \"{}/state\"\n{moved}", ours.display()),
        )
        .expect("the folder of the test is writable");
        must(&[PROGRAM, "check", &text(&file)]);
        let _ours = Ours::start(&file);
        let socket = ours.join("run/director-admin");
        let mut answering = Admin::connect(&socket);
        for _ in 0..2 {
            // Once more does no harm.
            must(&[
                PROGRAM,
                "import",
                "--apply",
                &text(&changes),
                "--socket",
                &text(&socket),
            ]);
        }
        for tag in ["", "gold", "lead"] {
            let (expected, found) = (asked.places(&names, tag), answering.places(&names, tag));
            let differ = names
                .iter()
                .zip(expected.iter().zip(&found))
                .find(|(_, (one, other))| one != other);
            assert_eq!(differ, None, "list {number}, tag {tag:?}");
        }
        for (user, to, tag) in case.moved {
            assert_eq!(answering.place(user, tag), *to, "{user}, who was moved");
        }
    }
}
