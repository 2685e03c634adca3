//! A folder with sockets, a director that answers by the name asked for, and conversations with deadlines.

use std::collections::BTreeMap;
use std::future::{Future, ready};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use maildirector::agreement::{HeldUsers, Whose};
use maildirector::director::{CommandError, Director, RefuseReason};
use maildirector::dovecot::{Answer, Batch, Desk, LinkRow, Place, Replies};
use maildirector::topology::{Change, Epoch, MemberId, UserKey};
use maildirector::world::{
    Address, Clock, Instant, Listen, Listener, Network, RealWorld, Socket, World, deadline, sleep,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// What any single wait in these tests may take.
const WAIT_MAX: Duration = Duration::from_secs(20);

/// A folder of one test, and the world to open sockets in it.
pub struct Rig {
    pub world: RealWorld,
    folder: PathBuf,
}

/// Runs a test in a folder of its own.
pub fn run<F: Future<Output = ()>>(name: &str, test: impl FnOnce(Rig) -> F) {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("doors").join(name);
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).expect("the target folder can be written");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime can be made").block_on(async {
        let world = RealWorld::open(&folder.join("state")).expect("the folder is ours");
        test(Rig { world, folder }).await;
    });
}

impl Rig {
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    pub fn listen(&self, name: &str) -> Listen {
        Listen::unix(self.path(name), 0o600)
    }

    pub fn address(&self, name: &str) -> Address {
        Address::Unix(self.path(name))
    }

    pub fn desk(&self) -> StubDesk {
        StubDesk {
            world: self.world.clone(),
            state: Arc::default(),
        }
    }

    pub async fn connect(&self, name: &str) -> Peer {
        let socket = self.world.network().connect(&self.address(name), None).await;
        Peer::new(&self.world, socket.expect("somebody listens"))
    }

    /// A stub server's socket.
    pub async fn serve(&self, name: &str) -> Server {
        let listener = self.world.network().bind(&self.listen(name)).await;
        Server {
            world: self.world.clone(),
            listener: listener.expect("nobody else listens"),
        }
    }

    /// Waits until something has become true.
    pub async fn until(&self, what: &str, is_true: impl Fn() -> bool) {
        let clock = self.world.clock();
        let end = clock.now().plus(WAIT_MAX);
        while !is_true() {
            assert!(clock.now() < end, "never: {what}");
            sleep(clock, Duration::from_millis(2)).await;
        }
    }
}

/// A stub server.
pub struct Server {
    world: RealWorld,
    listener: <<RealWorld as World>::Network as Network>::Listener,
}

impl Server {
    pub async fn accept(&self) -> Peer {
        let until = self.world.clock().now().plus(WAIT_MAX);
        let accepted = deadline(self.world.clock(), until, self.listener.accept()).await;
        let (socket, _) = accepted
            .expect("a connection comes in time")
            .expect("it is accepted");
        Peer::new(&self.world, socket)
    }
}

/// One end of a conversation.
pub struct Peer {
    world: RealWorld,
    socket: Socket,
    bytes: Vec<u8>,
}

impl Peer {
    fn new(world: &RealWorld, socket: Socket) -> Self {
        Peer {
            world: world.clone(),
            socket,
            bytes: Vec::new(),
        }
    }

    pub async fn say(&mut self, text: &str) {
        self.send(text.as_bytes()).await;
    }

    pub async fn send(&mut self, bytes: &[u8]) {
        let until = self.world.clock().now().plus(WAIT_MAX);
        let written = deadline(self.world.clock(), until, self.socket.write_all(bytes)).await;
        written
            .expect("the other side reads")
            .expect("the other side is there");
    }

    /// Reads exactly this.
    pub async fn hears(&mut self, text: &str) {
        let heard = self.read(text.len()).await;
        assert_eq!(String::from_utf8_lossy(&heard), text);
    }

    /// Reads so many bytes, or all that come before the end.
    pub async fn read(&mut self, count: usize) -> Vec<u8> {
        while self.bytes.len() < count {
            if self.more().await == 0 {
                break;
            }
        }
        let rest = self.bytes.split_off(count.min(self.bytes.len()));
        std::mem::replace(&mut self.bytes, rest)
    }

    /// Reads whatever comes next; nothing at the end.
    pub async fn read_some(&mut self) -> Vec<u8> {
        if self.bytes.is_empty() {
            self.more().await;
        }
        std::mem::take(&mut self.bytes)
    }

    /// Reads a line.
    pub async fn line(&mut self) -> String {
        loop {
            if let Some(end) = self.bytes.iter().position(|&byte| byte == b'\n') {
                return String::from_utf8(self.read(end + 1).await).expect("text");
            }
            assert_ne!(self.more().await, 0, "the other side has closed");
        }
    }

    /// The other side closes without another word.
    pub async fn is_closed(&mut self) {
        let heard = self.read(1).await;
        assert!(heard.is_empty(), "heard {:?}", String::from_utf8_lossy(&heard));
    }

    async fn more(&mut self) -> usize {
        let until = self.world.clock().now().plus(WAIT_MAX);
        let read = deadline(self.world.clock(), until, self.socket.read_buf(&mut self.bytes)).await;
        match read.expect("the other side speaks in time") {
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => 0,
            read => read.expect("the socket works"),
        }
    }
}

/// A director: users called `late...` are answered when the test says so, with a batch in which somebody is called
/// `slow...` it does nothing until then, `refused...` never get in, all others are at
/// the address that their name has in the table, or at 10.1.0.9.
#[derive(Clone)]
pub struct StubDesk {
    world: RealWorld,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    late: BTreeMap<String, (u64, Replies)>,
    slow: Option<Batch>,
    refreshed: Vec<UserKey>,
    batches: usize,
}

impl StubDesk {
    /// Answers a login that waits.
    pub fn answer_late(&self, name: &str, ip: &str) {
        let (id, replies) = self.state().late.remove(name).expect("asked for");
        replies.late(id, at(ip), self.world.clock().now());
    }

    /// Answers a batch that waits, as somebody who has been asleep since `decided`.
    pub fn give_back_slow(&self, decided: Instant) {
        let batch = self.state().slow.take().expect("asked for");
        batch.give_back(decided);
    }

    pub fn waits(&self, name: &str) -> bool {
        self.state().late.contains_key(name)
    }

    pub fn has_refreshed(&self, name: &str) -> bool {
        let key = self.key(name);
        self.state().refreshed.contains(&key)
    }

    pub fn batches(&self) -> usize {
        self.state().batches
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().expect("no test panics while it looks")
    }

    fn answer(&self, name: &str, tag: &str, id: u64, replies: Replies) -> Option<Answer> {
        if name.starts_with("late") {
            self.state().late.insert(name.to_owned(), (id, replies));
            return None;
        }
        if name.starts_with("refused") {
            return Some(Answer::Refused(RefuseReason::UnknownTag));
        }
        Some(at(match (name, tag) {
            ("bob@example.com" | "y", "") => "10.1.0.3",
            ("bob2" | "z", "") => "10.1.0.1",
            ("z", "tagx") => "10.1.0.10",
            _ => "10.1.0.9",
        }))
    }
}

fn at(ip: &str) -> Answer {
    let ip: IpAddr = ip.parse().expect("an address");
    Answer::Backend(Arc::new(Place::new(ip, None, Duration::from_secs(900))))
}

impl Desk for StubDesk {
    fn ask(&self, mut batch: Batch) {
        self.state().batches += 1;
        for at in 0..batch.asked.len() {
            let asked = &batch.asked[at];
            let answer = self.answer(batch.name(asked), batch.tag(asked), asked.id, batch.replies());
            batch.asked[at].answer = answer;
        }
        if batch
            .asked
            .iter()
            .any(|asked| batch.name(asked).starts_with("slow"))
        {
            self.state().slow = Some(batch);
            return;
        }
        batch.give_back(self.world.clock().now());
    }

    fn refresh(&self, key: UserKey) {
        self.state().refreshed.push(key);
    }

    fn key(&self, name: &str) -> UserKey {
        UserKey::of_expanded(name.to_ascii_lowercase().as_bytes())
    }

    async fn command(&self, _changes: Vec<Change>) -> Result<Epoch, CommandError> {
        Ok(Epoch::ZERO)
    }

    fn kick(&self, _whose: Whose) {}

    fn held_users(
        &self,
        _of: MemberId,
        _first: u32,
        _last: u32,
    ) -> impl Future<Output = Option<HeldUsers>> + Send + use<> {
        ready(None)
    }

    async fn read<R: Send + 'static>(
        &self,
        _look: impl FnOnce(&Director, Instant) -> R + Send + 'static,
    ) -> Option<R> {
        None
    }

    fn links(&self) -> Vec<LinkRow> {
        Vec::new()
    }
}
