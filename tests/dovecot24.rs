//! A director beside a stand-in for Dovecot 2.4, byte for byte as its sources speak: login processes that talk before
//! the auth server lists its mechanisms, `protocol=` instead of `service=`, kicks by anvil. No 2.4 binary is at hand.

#![expect(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "drives a real process, in real time"
)]

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// What any single wait in these tests may take.
const WAIT_MAX: Duration = Duration::from_secs(20);
/// Half of it is what an answer may take from when it was true until it is written, or the login is refused: more than
/// a busy machine makes a process wait.
const KICK_DELAY_S: u32 = 5;
/// Of "bob", by `%Lu`: as Dovecot's own director computed it.
const HASH: u32 = 2_677_887_420;
const BACKENDS: [&str; 2] = ["10.1.0.1", "10.1.0.2"];
/// What 2.4's auth server says at once; 2.3's listed its mechanisms here, too.
const AUTH_FIRST: &str = "VERSION\t1\t4\n";
/// What it says after the client's version.
const AUTH_THEN: &str = "MECH\tPLAIN\tplaintext\nMECH\tSCRAM-SHA-256-PLUS\tmutual-auth\tchannel-binding\nSPID\t4711\n\
    CUID\t1\nCOOKIE\t21b6cdaf1f3340cda186d9c0024d48d9\nDONE\n";

/// A director alone, with Dovecot's sockets around it. All is gone afterwards.
struct Site {
    base: PathBuf,
    auth: UnixListener,
    userdb: UnixListener,
    anvil: UnixListener,
    director: Child,
}

impl Site {
    fn start(name: &str) -> Self {
        // A socket's path has at most 107 bytes, so not the target folder.
        let folder = std::env::temp_dir().join(format!("dovecot24-{name}-{}", std::process::id()));
        let base = folder.join("run");
        fs::create_dir_all(base.join("login")).expect("the temporary folder can be written");
        let listen = |name: &str| UnixListener::bind(base.join(name)).expect("nobody else listens");
        let config = folder.join("maildirector.toml");
        let text = format!(
            "director_mail_servers = \"{}\"\ndirector_user_kick_delay = \"{KICK_DELAY_S}s\"\nlease = \"30s\"\nkick = \"anvil\"\n\
             state_folder = \"{}\"\ndovecot_base_dir = \"{}\"\n",
            BACKENDS.join(" "),
            folder.join("state").display(),
            base.display()
        );
        fs::write(&config, text).expect("the temporary folder can be written");
        let (auth, userdb, anvil) = (listen("auth-login"), listen("auth-userdb"), listen("anvil"));
        let director = Command::new(env!("CARGO_BIN_EXE_maildirector"))
            .args(["run", "-c"])
            .arg(&config)
            .env_remove("NOTIFY_SOCKET")
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the binary starts");
        let site = Site {
            base,
            auth,
            userdb,
            anvil,
            director,
        };
        // Its doors are open before it has a lease; who asks then is told to come back.
        let until = Instant::now() + WAIT_MAX;
        while !site.admin("DIRECTOR-LIST\n").contains("ring synced") {
            assert!(Instant::now() < until, "it never serves");
            std::thread::sleep(Duration::from_millis(10));
        }
        site
    }

    /// A client of one of the director's sockets, when that is there.
    fn connect(&self, name: &str) -> Peer {
        let (at, until) = (self.base.join(name), Instant::now() + WAIT_MAX);
        loop {
            match UnixStream::connect(&at) {
                Ok(stream) => return Peer::new(stream),
                Err(error) => assert!(Instant::now() < until, "{}: {error}", at.display()),
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// What `director-admin` answers.
    fn admin(&self, line: &str) -> String {
        let mut admin = self.connect("director-admin");
        admin.hears("VERSION\tdirector-doveadm\t1\t0\n");
        admin.says("VERSION\tdirector-doveadm\t1\t0\n");
        admin.says(line);
        admin.line()
    }

    /// A login process of 2.4, and the auth server's end of its connection.
    fn login_process(&self) -> (Peer, Peer) {
        let mut login = self.connect("login/director");
        // It speaks at once, and a server of 2.4 lists nothing before it has.
        let greeting = format!("VERSION\t1\t4\nCPID\t{}\n", std::process::id());
        login.says(&greeting);
        let mut auth = accept(&self.auth);
        auth.says(AUTH_FIRST);
        auth.hears(&greeting);
        auth.says(AUTH_THEN);
        login.hears(&format!("{AUTH_FIRST}{AUTH_THEN}"));
        (login, auth)
    }

    /// A login of bob; the backend that the login process is told.
    fn log_in(&self, login: &mut Peer, auth: &mut Peer, id: u32) -> String {
        let asked = format!(
            "AUTH\t{id}\tPLAIN\tprotocol=imap\tsecured=tls\tsession=u8y9\tssl_ja3_hash=e7d7\tlip=10.0.0.1\trip=10.9.9.9\t\
             local_name=mail.example.com\tssl_client_cert_fp=aa\tssl_client_cert_pubkey_fp=bb\tresp=AGJvYgBz\n"
        );
        login.says(&asked);
        auth.hears(&asked);
        let ok = format!("OK\t{id}\tuser=bob\tproxy\tlip=10.0.0.1\tlport=143\tpass=s\tdirector_tag=");
        auth.says(&format!("{ok}\n"));
        let answer = login.line();
        let added = answer
            .strip_prefix(&ok)
            .unwrap_or_else(|| panic!("what the auth server said stays, but the answer is {answer:?}"));
        // user_expire / 2 as in 2.3; the hash is what anvil kicks by, for 2.4 has no hash of its own.
        let backend = added
            .strip_prefix("\tproxy_refresh=450\thost=")
            .expect("the backend is named");
        let marked = format!("\tuser_director_hash={HASH}\n");
        backend
            .strip_suffix(&marked)
            .expect("the hash is told")
            .to_owned()
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        // It may have ended by itself, which a test has noticed.
        let _ = self.director.kill();
        let _ = self.director.wait();
        let _ = fs::remove_dir_all(self.base.parent().unwrap_or(Path::new("/nonexistent")));
    }
}

fn accept(listener: &UnixListener) -> Peer {
    listener.set_nonblocking(true).expect("it is a socket");
    let until = Instant::now() + WAIT_MAX;
    loop {
        match listener.accept() {
            Ok((stream, _)) => {
                stream.set_nonblocking(false).expect("it is a socket");
                return Peer::new(stream);
            }
            Err(error) => assert!(Instant::now() < until, "nobody connects: {error}"),
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// One end of a conversation.
struct Peer(BufReader<UnixStream>);

impl Peer {
    fn new(stream: UnixStream) -> Self {
        stream.set_read_timeout(Some(WAIT_MAX)).expect("it is a socket");
        Peer(BufReader::new(stream))
    }

    fn says(&mut self, text: &str) {
        let written = self.0.get_mut().write_all(text.as_bytes());
        written.expect("the other side is there");
    }

    /// Reads exactly this.
    fn hears(&mut self, text: &str) {
        let mut heard = vec![0; text.len()];
        self.0.read_exact(&mut heard).expect("so much comes in time");
        assert_eq!(String::from_utf8_lossy(&heard), text);
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).expect("a line comes in time");
        line
    }
}

#[test]
fn a_login_of_2_4_is_told_its_backend_and_what_to_be_kicked_by() {
    let site = Site::start("login");
    let (mut login, mut auth) = site.login_process();
    let first = site.log_in(&mut login, &mut auth, 1);
    let (mut other, mut other_auth) = site.login_process();
    assert_eq!(
        site.log_in(&mut other, &mut other_auth, 1),
        first,
        "of all his sessions"
    );
    // What 2.4 has new passes: a cancelled request is answered there.
    login.says("AUTH\t2\tPLAIN\tprotocol=pop3\nCANCEL\t2\n");
    auth.hears("AUTH\t2\tPLAIN\tprotocol=pop3\nCANCEL\t2\n");
    auth.says("CANCELLED\t2\n");
    login.hears("CANCELLED\t2\n");
}

#[test]
fn lmtp_and_doveadm_of_2_4_are_sent_where_the_sessions_are() {
    let site = Site::start("userdb");
    let (mut login, mut auth) = site.login_process();
    let backend = site.log_in(&mut login, &mut auth, 1);
    let mut lmtp = site.connect("director-userdb");
    let mut userdb = accept(&site.userdb);
    userdb.says("VERSION\t1\t4\nSPID\t4712\n");
    lmtp.hears("VERSION\t1\t4\nSPID\t4712\n");
    let asked = "VERSION\t1\t4\nPASS\t1\tbob\tprotocol=lmtp\tlip=10.0.0.1\tsession=x\n";
    lmtp.says(asked);
    userdb.hears(asked);
    userdb.says("PASS\t1\tuser=bob\tproxy\n");
    let said = lmtp.line();
    assert!(
        said.contains(&format!("\thost={backend}")),
        "{said:?}, the sessions are at {backend}"
    );
}

#[test]
fn a_move_kicks_by_anvil_twice_before_the_user_is_let_in_elsewhere() {
    let site = Site::start("move");
    let (mut login, mut auth) = site.login_process();
    let from = site.log_in(&mut login, &mut auth, 1);
    let to = BACKENDS
        .into_iter()
        .find(|backend| *backend != from)
        .expect("there are two");
    let answer = std::thread::scope(|scope| {
        let moved = scope.spawn(|| site.admin(&format!("USER-MOVE\t{HASH}\t{to}\n")));
        for count in ["1\n", "0\n"] {
            let mut anvil = accept(&site.anvil);
            // No admin channel is asked for.
            anvil.hears("VERSION\tanvil-client\t2\t0\n\n");
            anvil.says("VERSION\tanvil-server\t2\t0\n");
            anvil.hears(&format!("KICK-ALT-USER\tuser_director_hash\t{HASH}\n"));
            assert!(
                !moved.is_finished(),
                "the move is done before the sessions are closed"
            );
            anvil.says(count);
        }
        moved.join().expect("it asks and is answered")
    });
    assert_eq!(answer, "OK\n");
    assert_eq!(site.log_in(&mut login, &mut auth, 2), to);
}
