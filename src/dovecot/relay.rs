//! The login and userdb doors: each connection gets one of its own to the auth server.
//!
//! What the client says passes unread, so that whoever has to speak first does; what the auth server says passes line by
//! line, and those lines are completed that want a backend.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};

use super::answers::{Answers, OnFirstLookup, Shared};
use super::broken::{Broken, write_all};
use super::door::{Door, StreamOf, open};
use super::{Counters, Desk, Processes, Rule, WaitLimits};
use crate::world::{Address, Clock, Listen, Network, Stream, World, deadline, select, sleep};

/// How long the auth server may take to accept.
const CONNECT_MAX: Duration = Duration::from_secs(1);

/// A pause while the auth server's queue of connections is full.
const CONNECT_PAUSE: Duration = Duration::from_millis(20);

/// The first and the largest read from a client, in bytes.
const READ_BYTES: (usize, usize) = (2_048, 32_768);

/// A relay to an auth server.
#[derive(Clone, Debug)]
pub struct RelaySettings {
    /// Where clients connect.
    pub listen: Listen,
    /// The auth server: `auth-login` for login processes, `auth-userdb` for LMTP and doveadm.
    pub auth: Address,
    /// Which lines to complete.
    pub rule: Rule,
    /// Connections at a time.
    pub connections_max: usize,
    /// What each may keep aside.
    pub limits: WaitLimits,
    /// Remembers the processes that are told of a backend; for login doors, whose sessions can be kicked.
    pub processes: Option<Processes>,
}

/// Opens a relay.
///
/// # Errors
/// The socket can't be opened.
pub async fn open_relay<W: World, D: Desk>(world: W, desk: D, settings: RelaySettings) -> io::Result<Door> {
    let counters = Arc::new(Counters::default());
    let listen = settings.listen.clone();
    let relay = Arc::new(Relay {
        shared: Shared {
            world: world.clone(),
            desk,
            counters: counters.clone(),
            door: listen.address.clone(),
        },
        settings,
    });
    let connections_max = relay.settings.connections_max;
    let serve = move |client| relay.clone().serve(client);
    open(world, &listen, connections_max, counters, serve).await
}

#[derive(Debug)]
struct Relay<W, D> {
    shared: Shared<W, D>,
    settings: RelaySettings,
}

impl<W: World, D: Desk> Relay<W, D> {
    async fn serve(self: Arc<Self>, client: StreamOf<W>) {
        let auth = match self.connect().await {
            Ok(auth) => auth,
            Err(error) => {
                self.shared.counters.unreachable();
                let why = format!("auth server {} can't be reached: {error}", self.settings.auth);
                return self.shared.warn(&why);
            }
        };
        let mut answers = Answers::new(
            self.shared.clone(),
            self.settings.rule.clone(),
            self.settings.limits,
        );
        if let Some(processes) = self.settings.processes.clone() {
            let pid = client.peer_pid();
            answers = answers.noting(OnFirstLookup { processes, pid });
        }
        let (from_client, to_client) = client.into_split();
        let (from_auth, to_auth) = auth.into_split();
        let ended = select! {
            ended = answers.run(from_auth, to_client) => ended,
            ended = copy(self.shared.world.clock(), from_client, to_auth) => ended,
        };
        self.shared.ended(ended);
    }

    async fn connect(&self) -> io::Result<StreamOf<W>> {
        let (network, clock) = (self.shared.world.network(), self.shared.world.clock());
        let until = clock.now().plus(CONNECT_MAX);
        let connecting = async {
            loop {
                match network.connect(&self.settings.auth, None).await {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                        sleep(clock, CONNECT_PAUSE).await;
                    }
                    result => return result,
                }
            }
        };
        deadline(clock, until, connecting).await?
    }
}

/// Copies bytes as they come until either side closes.
async fn copy<C: Clock>(
    clock: &C,
    mut reading: impl AsyncRead + Unpin,
    mut writing: impl AsyncWrite + Unpin,
) -> Result<(), Broken> {
    let (first, largest) = READ_BYTES;
    let mut bytes = Vec::with_capacity(first);
    loop {
        match reading.read_buf(&mut bytes).await {
            Ok(0) => return Ok(()),
            Ok(_) => {}
            Err(error) => return Broken::from_socket(error),
        }
        if !write_all(clock, "auth server", &mut writing, &bytes).await? {
            return Ok(());
        }
        let was_filled = bytes.len() == bytes.capacity();
        bytes.clear();
        if was_filled && bytes.capacity() < largest {
            bytes.reserve(2 * bytes.capacity());
        }
    }
}
