//! Members on loopback addresses, and relays between them that can be cut.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, mpsc};

use crate::agreement::{Body, Boot, Envelope};
use crate::ring::certs::{self, Validity};
use crate::ring::{Peer, Ring, RingEvent, RingLimits, RingSettings, Security, Setting, Tls, TlsFiles, start};
use crate::topology::{Epoch, MemberId};
use crate::world::scratch::Scratch;
use crate::world::{
    Address, Clock, Listen, Listener, Network, RealWorld, SocketListener, Task, World, deadline, select,
};

/// Nothing in these tests takes so long unless it never happens.
pub const PATIENCE: Duration = Duration::from_secs(30);

pub const CLUSTER: &str = "mail";

/// A world, a CA, and sockets that listen for members 1 to n at 127.0.0.1 to n.
pub struct Yard {
    pub folder: Scratch,
    pub world: RealWorld,
    pub peers: Vec<Peer>,
    listeners: Vec<Option<SocketListener>>,
}

/// A running member.
pub struct Running {
    pub id: MemberId,
    pub ring: Ring,
    pub events: mpsc::Receiver<RingEvent>,
    world: RealWorld,
}

/// Carries connections to a member until it is cut; then they stay open and silent.
pub struct Relay {
    pub address: SocketAddr,
    cut: Arc<Notify>,
    _task: Task,
}

pub fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime can be made").block_on(test);
}

pub fn id(index: u16) -> MemberId {
    MemberId::from_index(index)
}

pub fn boot(member: u16) -> Boot {
    Boot::from_bits(1000 + u64::from(member))
}

/// Something that a member may say, told apart by its number.
pub fn envelope(from: u16, number: u64) -> Envelope {
    Envelope {
        from: id(from),
        boot: boot(from),
        epoch: Epoch::from_number(number),
        body: Body::Fetch,
    }
}

impl Yard {
    pub async fn new(members: u8) -> Self {
        let folder = Scratch::new();
        let world = RealWorld::open(&folder.path().join("state")).expect("the folder is new");
        let yard = Yard {
            folder,
            world,
            peers: Vec::new(),
            listeners: Vec::new(),
        };
        certs::init(&yard.folder.path().join("ca"), CLUSTER, yard.valid()).expect("a CA is made");
        let mut yard = yard;
        for index in 1..=members {
            let (listener, address) = yard.listen(index).await;
            yard.listeners.push(Some(listener));
            yard.peers.push(Peer {
                id: id(u16::from(index)),
                address,
                name: format!("m{index}"),
            });
        }
        yard
    }

    pub fn valid(&self) -> Validity {
        let now = self.world.clock().unix_seconds();
        Validity { now, days: 1 }
    }

    pub async fn listen(&self, host: u8) -> (SocketListener, SocketAddr) {
        let anywhere = SocketAddr::from(([127, 0, 0, host], 0));
        let bound = self.world.network().bind(&Listen::tcp(anywhere)).await;
        let listener = bound.expect("loopback has free ports");
        let Ok(Address::Tcp(address)) = listener.address() else {
            panic!("it listens by TCP");
        };
        (listener, address)
    }

    /// The TLS files of a member, from a CA in a folder of that name.
    pub fn tls(&self, ca: &str, cluster: &str, member: u16) -> Arc<Tls> {
        let ca = self.folder.path().join(ca);
        if !ca.exists() {
            certs::init(&ca, cluster, self.valid()).expect("a CA is made");
        }
        let to = ca.join(format!("{cluster}-{member}"));
        if !to.exists() {
            certs::issue(&ca, cluster, id(member), &to, self.valid()).expect("it is issued");
        }
        let [certificate, key] = ["pem", "key"].map(|end| to.join(format!("member-{member}.{end}")));
        let ca = ca.join(certs::CA_CERTIFICATE);
        Arc::new(Tls::load(TlsFiles { ca, certificate, key }).expect("the files are good"))
    }

    pub fn settings(&self, member: u16) -> RingSettings {
        RingSettings {
            me: id(member),
            cluster: CLUSTER.to_owned(),
            peers: self.peers.clone(),
            boot: boot(member),
            said: vec![
                setting("director_username_hash", "%Lu", true),
                setting("director_mail_servers", "10.0.0.1", false),
            ],
            security: Security::Tls(self.tls("ca", CLUSTER, member)),
            limits: RingLimits {
                redial_first: Duration::from_millis(20),
                redial_max: Duration::from_millis(200),
                stagger: Duration::from_millis(100),
                ..RingLimits::default()
            },
        }
    }

    pub async fn start(&mut self, settings: RingSettings) -> Running {
        let me = settings.me;
        let place = usize::from(me.index() - 1);
        let listener = match self.listeners[place].take() {
            Some(listener) => listener,
            None => {
                let at = Listen::tcp(self.peers[place].address);
                let again = self.world.network().bind(&at).await;
                again.expect("the port is free again")
            }
        };
        let (to_core, events) = mpsc::channel(4096);
        let ring = start(self.world.clone(), settings, listener, to_core).expect("the settings are good");
        Running {
            id: me,
            ring,
            events,
            world: self.world.clone(),
        }
    }

    pub async fn relay(&self, host: u8, to: SocketAddr) -> Relay {
        let (listener, address) = self.listen(host).await;
        let cut = Arc::new(Notify::new());
        let (world, is_cut) = (self.world.clone(), Arc::clone(&cut));
        let task = self.world.spawn("relay", async move {
            let carry = async {
                while let Ok((mut near, _)) = listener.accept().await {
                    let Ok(mut far) = world.network().connect(&Address::Tcp(to), None).await else {
                        continue;
                    };
                    select! {
                        _ = tokio::io::copy_bidirectional(&mut near, &mut far) => {}
                        () = is_cut.notified() => std::future::pending().await,
                    }
                }
            };
            carry.await;
        });
        Relay {
            address,
            cut,
            _task: task,
        }
    }
}

impl Relay {
    pub fn cut(&self) {
        self.cut.notify_one();
    }
}

impl Running {
    /// Waits for an event and gives what was made of it.
    pub async fn until<T>(&mut self, what: &str, mut wanted: impl FnMut(&RingEvent) -> Option<T>) -> T {
        let clock = *self.world.clock();
        let at = clock.now().plus(PATIENCE);
        let mut seen = Vec::new();
        while let Ok(Some(event)) = deadline(&clock, at, self.events.recv()).await {
            if let Some(found) = wanted(&event) {
                return found;
            }
            seen.push(event);
        }
        panic!("{}: no {what}; instead: {seen:#?}", self.id);
    }

    pub async fn linked_to(&mut self, wanted: u16) {
        let up = |event: &RingEvent| matches!(event, RingEvent::LinkUp { peer, .. } if *peer == id(wanted));
        self.until(&format!("link with {wanted}"), |event| up(event).then_some(()))
            .await;
    }

    pub async fn message(&mut self) -> Envelope {
        let message = |event: &RingEvent| match event {
            RingEvent::Message(envelope) => Some(envelope.clone()),
            _ => None,
        };
        self.until("message", message).await
    }

    /// The words of the next refusal.
    pub async fn refusal(&mut self) -> String {
        let words = |event: &RingEvent| match event {
            RingEvent::Refused { who, why, .. } => Some(format!("{who}: {why}")),
            _ => None,
        };
        self.until("refusal", words).await
    }

    /// Waits until something that has no event of its own is so.
    pub async fn until_so(&self, what: &str, mut is_so: impl FnMut(&Ring) -> bool) {
        let at = self.world.clock().now().plus(PATIENCE);
        while !is_so(&self.ring) {
            assert!(self.world.clock().now() < at, "{}: {what} never", self.id);
            crate::world::sleep(self.world.clock(), Duration::from_millis(2)).await;
        }
    }

    /// Whom it is linked with, each once.
    pub fn neighbours(&self) -> Vec<u16> {
        let mut found: Vec<_> = self.ring.links().iter().map(|link| link.peer.index()).collect();
        found.sort_unstable();
        found.dedup();
        found
    }
}

pub fn setting(name: &str, value: &str, must_match: bool) -> Setting {
    Setting {
        name: name.to_owned(),
        value: value.to_owned(),
        must_match,
    }
}
