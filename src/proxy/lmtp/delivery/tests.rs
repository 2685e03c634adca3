//! Whole visits over the loopback: a desk that knows where everybody is, and backends that say what they are told to.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Mutex;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};

use super::*;
use crate::config::LmtpUser;
use crate::proxy::{
    BackendSettings, Door, FrontSettings, Gate, Permit, Protocol, ProxyLimits, ProxySettings, Revoker,
    VerifierSettings, open_door,
};
use crate::world::scratch::Scratch;
use crate::world::{Address, Clock, Instant, Listen, Listener, Network, RealWorld, deadline};

/// So long a test may take.
const LONG: Duration = Duration::from_secs(20);

/// Users with their backends: the last byte of an address in 127.0.88.0/24. Nobody else is let in.
#[derive(Clone, Debug)]
struct Places {
    gate: Gate,
    users: Vec<(&'static str, u8)>,
    revokers: Arc<Mutex<Vec<Revoker>>>,
    ended: Arc<Mutex<usize>>,
}

impl Desk for Places {
    async fn admit(&self, login: Login<'_>) -> Result<Admitted, Refused> {
        assert_eq!(login.protocol, "lmtp");
        let found = self.users.iter().find(|(user, _)| *user == login.user);
        let (_, backend) = found.ok_or(Refused::Stopping)?;
        let ended = Arc::clone(&self.ended);
        let (permit, revoker) = Permit::new(move || *ended.lock().expect("no test panics there") += 1);
        self.revokers.lock().expect("no test panics there").push(revoker);
        Ok(Admitted {
            port: None,
            ip: [127, 0, 88, *backend].into(),
            hostname: None,
            permit,
        })
    }

    fn gate(&self) -> &Gate {
        &self.gate
    }
}

/// What a backend does at the end of a message.
#[derive(Clone, Copy, PartialEq, Eq)]
enum AtEnd {
    /// It says these replies, one after the other, and listens on.
    Says(&'static str),
    /// It says them and closes the connection.
    SaysAndGoes(&'static str),
    /// It says them once the test says `(go)`.
    SaysWhenTold(&'static str),
    /// It stays silent.
    IsSilent,
}

/// A backend: refuses recipients that begin with `no`, and writes down all that it hears.
async fn backend(
    world: RealWorld,
    at: SocketAddr,
    offers: &'static str,
    end: AtEnd,
    heard: Arc<Mutex<String>>,
) {
    let listener = world.network().bind(&Listen::tcp(at)).await.expect("a free port");
    loop {
        let (client, _) = listener.accept().await.expect("a client");
        // A connection that breaks is what some tests want.
        let _ = talk(client, offers, end, &heard).await;
        heard.lock().expect("no test panics there").push_str("(closed)");
    }
}

async fn talk(
    client: impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
    offers: &str,
    end: AtEnd,
    heard: &Mutex<String>,
) -> std::io::Result<()> {
    let mut client = BufReader::new(client);
    client.write_all(b"220 backend\r\n").await?;
    let mut is_in_data = false;
    loop {
        let mut line = String::new();
        if client.read_line(&mut line).await? == 0 {
            return Ok(());
        }
        heard.lock().expect("no test panics there").push_str(&line);
        let verb = line.trim_end().split([' ', ':']).next().unwrap_or_default();
        let mut is_end = false;
        let reply = match verb {
            "." if is_in_data => {
                is_in_data = false;
                is_end = true;
                String::new()
            }
            _ if is_in_data => continue,
            "LHLO" => format!("250-backend\r\n{offers}250 8BITMIME\r\n"),
            "RCPT" if line.contains("<no") => "550 5.1.1 not here\r\n".to_owned(),
            "DATA" => {
                is_in_data = true;
                "354 go\r\n".to_owned()
            }
            "BDAT" => {
                let size = line.split_whitespace().nth(1).and_then(|size| size.parse().ok());
                let mut chunk = vec![0; size.expect("a size")];
                client.read_exact(&mut chunk).await?;
                heard
                    .lock()
                    .expect("no test panics there")
                    .push_str(&String::from_utf8_lossy(&chunk));
                is_end = line.contains("LAST");
                if is_end {
                    String::new()
                } else {
                    "250 chunk\r\n".to_owned()
                }
            }
            "QUIT" => return client.write_all(b"221 bye\r\n").await,
            _ => "250 fine\r\n".to_owned(),
        };
        client.write_all(reply.as_bytes()).await?;
        match end {
            AtEnd::Says(replies) if is_end => client.write_all(replies.as_bytes()).await?,
            AtEnd::SaysWhenTold(replies) if is_end => {
                while !heard.lock().expect("no test panics there").ends_with("(go)") {
                    tokio::task::yield_now().await;
                }
                client.write_all(replies.as_bytes()).await?;
            }
            AtEnd::SaysAndGoes(replies) if is_end => return client.write_all(replies.as_bytes()).await,
            _ => {}
        }
    }
}

/// A proxy, its desk and its client.
struct Site {
    world: RealWorld,
    port: u16,
    places: Places,
    door: Door,
    client: <<RealWorld as World>::Network as Network>::Stream,
    heard: Vec<Arc<Mutex<String>>>,
    _backends: Vec<Task>,
    _scratch: Scratch,
}

/// Each test has a port of its own.
async fn site(port: u16, backends: &[(u8, &'static str, AtEnd)], users: &[(&'static str, u8)]) -> Site {
    let scratch = Scratch::new();
    let world = RealWorld::open(&scratch.path().join("state")).expect("the folder is ours");
    let mut heard = Vec::new();
    let mut tasks = Vec::new();
    for (number, offers, end) in backends {
        let written = Arc::new(Mutex::new(String::new()));
        let at = SocketAddr::from(([127, 0, 88, *number], port));
        let serving = backend(world.clone(), at, offers, *end, Arc::clone(&written));
        tasks.push(world.spawn("backend", serving));
        heard.push(written);
    }
    let gate = Gate::default();
    gate.open_until(Instant::from_nanos(u64::MAX));
    let places = Places {
        gate,
        users: users.to_vec(),
        revokers: Arc::default(),
        ended: Arc::default(),
    };
    let listen = Listen::tcp(SocketAddr::from((Ipv4Addr::new(127, 0, 88, 250), port)));
    let door = open_door(world.clone(), places.clone(), settings(listen.clone(), port)).await;
    let client = world.network().connect(&listen.address, None).await;
    tokio::task::yield_now().await;
    Site {
        world,
        port,
        places,
        door: door.expect("a free port"),
        client: client.expect("it listens"),
        heard,
        _backends: tasks,
        _scratch: scratch,
    }
}

fn settings(listen: Listen, port: u16) -> ProxySettings {
    let front = FrontSettings {
        host: "director".into(),
        greeting: "ready".into(),
        capabilities: vec!["8BITMIME".into(), "CHUNKING".into()],
        offers_starttls: false,
        allows_cleartext: false,
        offers_oauth: false,
    };
    ProxySettings {
        protocol: Protocol::Lmtp,
        listen,
        front: Arc::new(front),
        tls: None,
        is_implicit_tls: false,
        verifier: VerifierSettings::Backend,
        tag: "".into(),
        lmtp_user: LmtpUser::LocalPart,
        master_user_separator: None,
        backend: BackendSettings {
            port,
            tls: None,
            tells_origin: true,
            sends_proxy_header: false,
        },
        trusted: Arc::new([]),
        wants_proxy_header: false,
        limits: ProxyLimits::default(),
    }
}

impl Site {
    async fn say(&mut self, text: &str) {
        self.client.write_all(text.as_bytes()).await.expect("it is taken");
    }

    /// Reads on until so much was said; all that was said.
    async fn hear(&mut self, end: &str) -> String {
        let mut all = Vec::new();
        let until = self.world.clock().now().plus(LONG);
        while !all.ends_with(end.as_bytes()) {
            let reading = self.client.read_u8();
            let byte = deadline(self.world.clock(), until, reading).await;
            match byte {
                Ok(Ok(byte)) => all.push(byte),
                _ => panic!("after {:?}", String::from_utf8_lossy(&all)),
            }
        }
        String::from_utf8(all).expect("ASCII")
    }

    fn heard(&self, backend: usize) -> String {
        self.heard[backend].lock().expect("no test panics there").clone()
    }

    async fn until_heard(&self, backend: usize, text: &str) {
        let until = self.world.clock().now().plus(LONG);
        while !self.heard(backend).ends_with(text) {
            assert!(
                self.world.clock().now() < until,
                "it heard {}",
                self.heard(backend)
            );
            tokio::task::yield_now().await;
        }
    }

    async fn until_ended(&self, permits: usize) {
        let until = self.world.clock().now().plus(LONG);
        while *self.places.ended.lock().expect("no test panics there") < permits {
            assert!(self.world.clock().now() < until, "permits are still held");
            tokio::task::yield_now().await;
        }
    }
}

fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime can be made").block_on(test);
}

const START: &str = "220 director ready\r\n250-director\r\n250-8BITMIME\r\n250 CHUNKING\r\n";

#[test]
fn each_recipient_has_the_answer_of_his_own_backend_in_the_order_they_came() {
    run(async {
        let backends = [
            (1, "250-CHUNKING\r\n", AtEnd::Says("250 one\r\n452 two\r\n")),
            (2, "", AtEnd::Says("250 three\r\n")),
        ];
        let users = [("ann", 1), ("bob", 2), ("cyd", 1), ("no", 2)];
        let mut site = site(24_101, &backends, &users).await;
        site.say(
            "LHLO mx\r\nMAIL FROM:<a@b>\r\nRCPT TO:<Ann+x@d>\r\nRCPT TO:<bob@d>\r\nRCPT TO:<cyd@d>\r\nRCPT TO:<no@d>\r\n\
             RCPT TO:<eve@d>\r\nBDAT 7\r\n.\r\nQUITBDAT 0 LAST\r\n",
        )
        .await;
        let said = site.hear("452 two\r\n").await;
        assert_eq!(
            said,
            format!(
                "{START}250 fine\r\n250 fine\r\n250 fine\r\n250 fine\r\n550 5.1.1 not here\r\n\
                 451 4.3.0 <eve@d> The server is being restarted, please try again.\r\n250 2.0.0 OK\r\n\
                 250 one\r\n250 three\r\n452 two\r\n"
            )
            .replacen("250 fine", "250 2.1.0 OK", 1)
        );
        site.until_heard(0, "(closed)").await;
        site.until_heard(1, "(closed)").await;
        assert_eq!(
            site.heard(0),
            "LHLO director\r\nMAIL FROM:<a@b>\r\nRCPT TO:<Ann+x@d>\r\nRCPT TO:<cyd@d>\r\nBDAT 7\r\n.\r\nQUITBDAT 0 LAST\r\n\
             QUIT\r\n(closed)"
        );
        assert_eq!(
            site.heard(1),
            "LHLO director\r\nMAIL FROM:<a@b>\r\nRCPT TO:<bob@d>\r\nRCPT TO:<no@d>\r\nDATA\r\n..\r\nQUIT\r\n.\r\n\
             QUIT\r\n(closed)",
            "chunks became lines"
        );
        site.until_ended(4).await;
        let counted = site.door.counters().counted();
        assert_eq!((counted.logins, counted.rejected, counted.refused), (2, 2, 1));
    });
}

#[test]
fn a_backend_that_is_down_or_goes_costs_only_its_own_recipients_the_mail() {
    run(async {
        let backends = [
            (1, "", AtEnd::SaysAndGoes("250 one\r\n")),
            (2, "", AtEnd::Says("250 two\r\n")),
        ];
        let users = [("ann", 1), ("cyd", 1), ("bob", 2), ("down", 3)];
        let mut site = site(24_102, &backends, &users).await;
        site.say("LHLO mx\r\nMAIL FROM:<>\r\nRCPT TO:<ann>\r\nRCPT TO:<cyd>\r\nRCPT TO:<bob>\r\nRCPT TO:<down>\r\n")
            .await;
        let gone = "The mail server is not available, please try again.\r\n";
        site.hear(&format!("451 4.4.1 <down> {gone}")).await;
        site.say("DATA\r\nx\r\n.\r\n").await;
        assert_eq!(
            site.hear("250 two\r\n").await,
            format!("354 OK\r\n250 one\r\n451 4.4.1 <cyd> {gone}250 two\r\n"),
            "what a backend has confirmed stays so"
        );
        site.until_ended(4).await;
    });
}

#[test]
fn who_is_moved_amid_the_message_gets_a_451_and_his_backend_never_its_end() {
    run(async {
        let backends = [
            (1, "", AtEnd::Says("250 one\r\n")),
            (2, "", AtEnd::Says("250 two\r\n")),
        ];
        let mut site = site(24_103, &backends, &[("ann", 1), ("bob", 2)]).await;
        site.say("LHLO mx\r\nMAIL FROM:<>\r\nRCPT TO:<ann>\r\nRCPT TO:<bob>\r\nDATA\r\nfirst\r\n")
            .await;
        site.until_heard(0, "first\r\n").await;
        site.places.revokers.lock().expect("no test panics there")[0].revoke();
        site.until_ended(1).await;
        site.say("second\r\n.\r\n").await;
        let said = site.hear("250 two\r\n").await;
        let ending = "451 4.3.0 <ann> The account is being moved, please try again.\r\n250 two\r\n";
        assert!(said.ends_with(ending), "{said}");
        site.until_heard(0, "(closed)").await;
        assert!(
            site.heard(0).ends_with("DATA\r\nfirst\r\n(closed)"),
            "{}",
            site.heard(0)
        );
    });
}

#[test]
fn who_is_moved_when_his_backend_has_the_whole_mail_stays_until_it_has_answered() {
    run(async {
        let backends = [(1, "", AtEnd::SaysWhenTold("250 one\r\n"))];
        let mut site = site(24_108, &backends, &[("ann", 1)]).await;
        site.say("LHLO mx\r\nMAIL FROM:<>\r\nRCPT TO:<ann>\r\nDATA\r\nx\r\n.\r\n")
            .await;
        site.until_heard(0, ".\r\n").await;
        site.places.revokers.lock().expect("no test panics there")[0].revoke();
        tokio::task::yield_now().await;
        assert_eq!(
            *site.places.ended.lock().expect("no test panics there"),
            0,
            "it is not over"
        );
        site.heard[0]
            .lock()
            .expect("no test panics there")
            .push_str("(go)");
        site.hear("354 OK\r\n250 one\r\n").await;
        site.until_ended(1).await;
    });
}

#[test]
fn a_backend_that_is_silent_at_the_end_is_not_waited_for_beyond_the_lease() {
    run(async {
        let mut site = site(24_104, &[(1, "", AtEnd::IsSilent)], &[("ann", 1)]).await;
        site.say("LHLO mx\r\nMAIL FROM:<>\r\nRCPT TO:<ann>\r\nDATA\r\nx\r\n.\r\n")
            .await;
        site.until_heard(0, ".\r\n").await;
        site.places.gate.open_until(site.world.clock().now());
        site.places.revokers.lock().expect("no test panics there")[0].revoke();
        site.hear("451 4.3.0 <ann> The account is being moved, please try again.\r\n")
            .await;
        site.until_ended(1).await;
    });
}

#[test]
fn nothing_is_written_once_the_gate_is_shut() {
    run(async {
        let mut site = site(24_105, &[(1, "", AtEnd::Says("250 one\r\n"))], &[("ann", 1)]).await;
        site.say("LHLO mx\r\nMAIL FROM:<>\r\nRCPT TO:<ann>\r\nDATA\r\nfirst\r\n")
            .await;
        site.until_heard(0, "first\r\n").await;
        site.places.gate.open_until(Instant::ORIGIN);
        site.say("second\r\n.\r\n").await;
        site.hear("451 4.3.0 <ann> The account is being moved, please try again.\r\n")
            .await;
        site.until_heard(0, "(closed)").await;
        assert!(
            site.heard(0).ends_with("DATA\r\nfirst\r\n(closed)"),
            "{}",
            site.heard(0)
        );
    });
}

#[test]
fn a_client_who_goes_amid_his_message_or_resets_it_leaves_nothing_behind() {
    run(async {
        let mut site = site(24_106, &[(1, "", AtEnd::Says("250 one\r\n"))], &[("ann", 1)]).await;
        site.say("LHLO mx\r\nMAIL FROM:<>\r\nRCPT TO:<ann>\r\nRSET\r\n")
            .await;
        site.hear("250 2.0.0 OK\r\n").await;
        site.until_ended(1).await;
        site.say("MAIL FROM:<>\r\nRCPT TO:<ann>\r\nDATA\r\nhalf\r\n")
            .await;
        site.until_heard(0, "half\r\n").await;
        let listen = SocketAddr::from((Ipv4Addr::new(127, 0, 88, 250), site.port));
        let other = site.world.network().connect(&Address::Tcp(listen), None).await;
        site.client = other.expect("it listens");
        site.until_ended(2).await;
        site.until_heard(0, "half\r\n(closed)").await;
    });
}

#[test]
fn two_messages_go_over_one_connection_of_the_client() {
    run(async {
        let mut site = site(24_107, &[(1, "", AtEnd::Says("250 one\r\n"))], &[("ann", 1)]).await;
        let message = "MAIL FROM:<>\r\nRCPT TO:<ann>\r\nDATA\r\nx\r\n.\r\n";
        site.say(&format!("LHLO mx\r\n{message}{message}QUIT\r\n")).await;
        let said = site.hear("221 2.0.0 Bye\r\n").await;
        assert_eq!(said.matches("250 one\r\n").count(), 2, "{said}");
        site.until_ended(2).await;
        assert_eq!(
            site.heard(0).matches("x\r\n.\r\n").count(),
            2,
            "{}",
            site.heard(0)
        );
    });
}
