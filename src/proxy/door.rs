//! A socket where clients connect: accepts them, within limits, and ends them all when it is dropped.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tracing::{info, warn};

use super::entry::StreamOf;
use super::reception::Reception;
use super::verifier::Verifier;
use super::{Counters, Desk, ProxySettings, Reloadable, VerifierSettings};
use crate::world::{Address, Clock, LOG_EVERY, Listener, Network, Task, World, select, sleep};

/// A pause after a failed accept: out of file descriptors, the next one fails at once.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// An open listener. Dropping it closes the socket and all its sessions.
#[derive(Debug)]
#[must_use = "the listener closes when this is dropped"]
pub struct Door {
    address: Address,
    protocol: &'static str,
    counters: Arc<Counters>,
    reloadable: Vec<Reloadable>,
    closing: UnboundedSender<Told>,
    _task: Task,
}

impl Door {
    /// Where it is.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// What is spoken there.
    pub fn protocol(&self) -> &'static str {
        self.protocol
    }

    /// What it counts.
    pub fn counters(&self) -> &Arc<Counters> {
        &self.counters
    }

    /// Its certificates and accounts, which can be read again.
    pub fn reloadable(&self) -> &[Reloadable] {
        &self.reloadable
    }

    /// Takes no new clients from now on; those who are there stay.
    pub fn stop_listening(&self) {
        // A door that is gone listens no more.
        let _ = self.closing.send(Told::StopListening);
    }
}

/// How many clients are connected to these, logged in or not.
pub fn clients(doors: &[Door]) -> u64 {
    doors.iter().map(|door| door.counters.counted().open).sum()
}

/// Opens a listener.
///
/// # Errors
/// The socket can't be opened.
pub async fn open_door<W: World, D: Desk>(world: W, desk: D, settings: ProxySettings) -> io::Result<Door> {
    let listener = world.network().bind(&settings.listen).await?;
    let address = listener.address()?;
    let protocol = settings.protocol.name();
    info!("{protocol}: listening on {address}");
    let counters = Arc::new(Counters::default());
    let certificates = settings.tls.clone().map(Reloadable::Certificates);
    let accounts = match &settings.verifier {
        VerifierSettings::File(file) => Some(Reloadable::Accounts(file.clone())),
        VerifierSettings::Backend | VerifierSettings::Dovecot(_) => None,
    };
    let (told, tells) = unbounded_channel();
    let accepting = Accepting {
        world: world.clone(),
        reception: Arc::new(Reception {
            world: world.clone(),
            desk,
            verifier: Verifier::start(&world, &settings.verifier),
            settings,
            counters: Arc::clone(&counters),
        }),
        told: told.clone(),
        visits: BTreeMap::new(),
        by_address: BTreeMap::new(),
    };
    let task = world.spawn("proxy door", accepting.run(listener, tells));
    Ok(Door {
        address,
        protocol,
        counters,
        reloadable: certificates.into_iter().chain(accounts).collect(),
        closing: told,
        _task: task,
    })
}

/// What the accepting task is told.
enum Told {
    /// A visit is over, however it ended.
    Ended(u64),
    StopListening,
}

struct Accepting<W, D> {
    world: W,
    reception: Arc<Reception<W, D>>,
    told: UnboundedSender<Told>,
    visits: BTreeMap<u64, (IpAddr, Task)>,
    by_address: BTreeMap<IpAddr, usize>,
}

/// Says that a visit is over when it is dropped.
struct Ended {
    number: u64,
    told: UnboundedSender<Told>,
}

impl Drop for Ended {
    fn drop(&mut self) {
        // A door that is closed counts no more.
        let _ = self.told.send(Told::Ended(self.number));
    }
}

impl<W: World, D: Desk> Accepting<W, D> {
    async fn run(
        mut self,
        listener: impl Listener<Stream = StreamOf<W>>,
        mut tells: UnboundedReceiver<Told>,
    ) {
        let mut listener = Some(listener);
        let mut number = 0;
        loop {
            let accepting = async {
                match &listener {
                    Some(listener) => listener.accept().await,
                    None => std::future::pending().await,
                }
            };
            select! {
                told = tells.recv() => match told {
                    Some(Told::Ended(number)) => self.ended(number),
                    Some(Told::StopListening) => listener = None,
                    None => return,
                },
                accepted = accepting => match accepted {
                    Ok((stream, from)) => {
                        number += 1;
                        self.accepted(number, stream, from);
                    }
                    Err(error) => {
                        let at = &self.reception.settings.listen.address;
                        warn!("{at}: cannot accept: {error}; tried again in {ACCEPT_PAUSE:?}");
                        sleep(self.world.clock(), ACCEPT_PAUSE).await;
                    }
                },
            }
        }
    }

    fn accepted(&mut self, number: u64, stream: StreamOf<W>, from: Option<SocketAddr>) {
        let from = from.unwrap_or(SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), 0));
        let from = SocketAddr::new(from.ip().to_canonical(), from.port());
        let limits = &self.reception.settings.limits;
        let here = self.by_address.get(&from.ip()).copied().unwrap_or(0);
        // A load balancer is one address for all clients.
        let is_trusted = self.reception.trusts(from.ip());
        if self.visits.len() >= limits.connections {
            return self.turn_away(from, "connections", limits.connections);
        }
        if here >= limits.connections_of_address && !is_trusted {
            return self.turn_away(from, "connections of one address", limits.connections_of_address);
        }
        let ended = Ended {
            number,
            told: self.told.clone(),
        };
        let connected = self.reception.counters.connections.enter();
        let reception = Arc::clone(&self.reception);
        let task = self.world.spawn("proxy visit", async move {
            let (_ended, _connected) = (ended, connected);
            reception.serve(stream, from).await;
        });
        self.visits.insert(number, (from.ip(), task));
        *self.by_address.entry(from.ip()).or_default() += 1;
    }

    fn ended(&mut self, number: u64) {
        let Some((ip, _)) = self.visits.remove(&number) else {
            return;
        };
        if let Some(count) = self.by_address.get_mut(&ip) {
            *count -= 1;
            if *count == 0 {
                self.by_address.remove(&ip);
            }
        }
    }

    /// The stream is dropped with this.
    fn turn_away(&mut self, from: SocketAddr, what: &str, limit: usize) {
        let connections = &self.reception.counters.connections;
        connections.turn_away();
        if connections.may_log(self.world.clock().now()).is_none() {
            return;
        }
        let at = &self.reception.settings.listen.address;
        warn!(
            "{at}: {from} is turned away: too many {what}, the limit is {limit}; others in the next {LOG_EVERY:?} are only counted"
        );
    }
}
