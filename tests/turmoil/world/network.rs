//! A process's sockets: TCP of the simulation, paths of its host.

use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use maildirector::world::{Address, Listen, Listener, Network};
use tokio::sync::mpsc::Receiver;
use turmoil::net::{TcpListener, TcpStream};

use super::local::{Incoming, Paths, PipeReading};
use super::stream::SimStream;
use super::tap::Taps;
use crate::dice::Dice;

/// One process's sockets.
#[derive(Clone, Debug)]
pub struct SimNetwork {
    paths: Paths,
    pid: i32,
    taps: Taps,
    dice: Arc<Mutex<Dice>>,
}

/// A socket that accepts connections.
pub struct SimListener {
    address: Address,
    accepting: Accepting,
    dice: Arc<Mutex<Dice>>,
}

enum Accepting {
    Tcp(TcpListener),
    Local(Mutex<Receiver<Incoming>>),
}

impl SimNetwork {
    pub fn new(paths: Paths, pid: i32, taps: Taps, dice: Dice) -> Self {
        SimNetwork {
            paths,
            pid,
            taps,
            dice: Arc::new(Mutex::new(dice)),
        }
    }

    fn dice(&self) -> std::sync::MutexGuard<'_, Dice> {
        self.dice.lock().expect("no panic while it is held")
    }
}

impl Network for SimNetwork {
    type Stream = SimStream;
    type Listener = SimListener;
    type Fifo = PipeReading;

    async fn bind(&self, listen: &Listen) -> io::Result<SimListener> {
        let accepting = match &listen.address {
            // A simulated host has one address, and binds to all that it has.
            Address::Tcp(at) => Accepting::Tcp(TcpListener::bind((Ipv4Addr::UNSPECIFIED, at.port())).await?),
            Address::Unix(path) => Accepting::Local(Mutex::new(self.paths.bind(path)?)),
        };
        Ok(SimListener {
            address: listen.address.clone(),
            accepting,
            dice: Arc::clone(&self.dice),
        })
    }

    async fn connect(&self, to: &Address, _from: Option<IpAddr>) -> io::Result<SimStream> {
        match to {
            Address::Tcp(at) => {
                let stream = TcpStream::connect(*at).await?;
                let stream = SimStream::tcp(stream, &mut self.dice());
                Ok(stream.tapped(self.taps.attach(*at)))
            }
            Address::Unix(path) => {
                let pipe = self.paths.connect(path, self.pid)?;
                Ok(SimStream::local(pipe, 0, &mut self.dice()))
            }
        }
    }

    async fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        let ip = name.parse().map_err(|_| io::ErrorKind::NotFound)?;
        Ok(vec![ip])
    }

    async fn fifo(&self, listen: &Listen) -> io::Result<PipeReading> {
        let path = listen.address.path().ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.paths.pipe(path))
    }
}

impl Listener for SimListener {
    type Stream = SimStream;

    async fn accept(&self) -> io::Result<(SimStream, Option<SocketAddr>)> {
        match &self.accepting {
            Accepting::Tcp(listener) => {
                let (stream, from) = TcpListener::accept(listener).await?;
                let mut dice = self.dice.lock().expect("no panic while it is held");
                Ok((SimStream::tcp(stream, &mut dice), Some(from)))
            }
            Accepting::Local(incoming) => {
                let next = poll_fn(|context| {
                    let mut incoming = incoming.lock().expect("no panic while it is held");
                    incoming.poll_recv(context)
                });
                let (pipe, pid) = next.await.ok_or(io::ErrorKind::BrokenPipe)?;
                let mut dice = self.dice.lock().expect("no panic while it is held");
                Ok((SimStream::local(pipe, pid, &mut dice), None))
            }
        }
    }

    fn address(&self) -> io::Result<Address> {
        Ok(self.address.clone())
    }
}
