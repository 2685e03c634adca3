//! The cables between directors: each dials the others through relays, which a test of the ring can make silent.
//!
//! A cut cable loses nothing and says nothing: bytes wait in it until it is mended, as TCP repeats what was not
//! acknowledged. Who dials, a relay learns from the greeting, which is text where links have no TLS.

use std::collections::BTreeSet;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::serve::serve_all;
use super::stage::directors;
use crate::world::{
    Address, BootClock, Clock, Listen, Network, RealWorld, Socket, Stream, Task, World, deadline, select,
    sleep,
};

const CONNECT_MAX: Duration = Duration::from_secs(2);
/// How often a cut cable is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// No greeting is longer.
const GREETING_BYTES_MAX: usize = 64 << 10;
/// Nobody has this number.
const UNKNOWN: u16 = 0;

/// Which cables are cut; clones share them.
#[derive(Clone, Debug, Default)]
pub(super) struct Cables {
    cut: Arc<Mutex<BTreeSet<(u16, u16)>>>,
}

impl Cables {
    /// Cuts the one between two directors.
    pub fn cut(&self, one: u16, other: u16) {
        self.lock().insert(pair(one, other));
    }

    /// Mends it.
    pub fn mend(&self, one: u16, other: u16) {
        self.lock().remove(&pair(one, other));
    }

    /// Cuts all of one director's.
    pub fn isolate(&self, director: u16) {
        directors().for_each(|other| self.cut(director, other));
    }

    /// Mends all of one director's.
    pub fn rejoin(&self, director: u16) {
        directors().for_each(|other| self.mend(director, other));
    }

    /// Whether nothing passes between them. Nothing is known of someone unknown but whether all cables to the other
    /// are cut.
    pub fn is_cut(&self, to: u16, from: u16) -> bool {
        let cut = self.lock();
        match from {
            UNKNOWN => cut.contains(&(to, to)),
            from => cut.contains(&pair(to, from)),
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeSet<(u16, u16)>> {
        self.cut.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn pair(one: u16, other: u16) -> (u16, u16) {
    (one.min(other), one.max(other))
}

/// Opens the relay before one director.
pub(super) async fn open_relay(
    world: &RealWorld,
    cables: Cables,
    director: u16,
    listen: SocketAddr,
    target: SocketAddr,
) -> io::Result<Task> {
    let own = world.clone();
    serve_all(world, Listen::tcp(listen), move |incoming| {
        let cable = Cable {
            cables: cables.clone(),
            to: director,
            from: AtomicU16::new(UNKNOWN),
        };
        let world = own.clone();
        async move { cable.carry(&world, incoming, target).await }
    })
    .await
}

/// One connection through a relay.
struct Cable {
    cables: Cables,
    to: u16,
    from: AtomicU16,
}

impl Cable {
    async fn carry(&self, world: &RealWorld, incoming: Socket, target: SocketAddr) {
        self.whole().await;
        let until = world.clock().now().plus(CONNECT_MAX);
        let connecting = async { world.network().connect(&Address::Tcp(target), None).await };
        // Whoever dials sees that the director does not listen by being hung up on.
        let Ok(Ok(outgoing)) = deadline(world.clock(), until, connecting).await else {
            return;
        };
        let (from_dialler, to_dialler) = incoming.into_split();
        let (from_target, to_target) = outgoing.into_split();
        select! {
            () = self.there(from_dialler, to_target) => {},
            () = self.back(from_target, to_dialler) => {},
        }
    }

    async fn there(&self, mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin) {
        let mut greeting = Vec::new();
        let mut bytes = Vec::new();
        while let Ok(1..) = from.read_buf(&mut bytes).await {
            if self.from.load(Ordering::Relaxed) == UNKNOWN && greeting.len() < GREETING_BYTES_MAX {
                greeting.extend(&bytes);
                self.from.store(dialler(&greeting), Ordering::Relaxed);
            }
            self.whole().await;
            if to.write_all(&bytes).await.is_err() {
                return;
            }
            bytes.clear();
        }
    }

    async fn back(&self, mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin) {
        let mut bytes = Vec::new();
        while let Ok(1..) = from.read_buf(&mut bytes).await {
            self.whole().await;
            if to.write_all(&bytes).await.is_err() {
                return;
            }
            bytes.clear();
        }
    }

    /// Waits while the cable is cut.
    async fn whole(&self) {
        while self.cables.is_cut(self.to, self.from.load(Ordering::Relaxed)) {
            sleep(&BootClock, LOOK_EVERY).await;
        }
    }
}

/// The member that says in its greeting who it is, once it has.
fn dialler(greeting: &[u8]) -> u16 {
    let text = String::from_utf8_lossy(greeting);
    let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
    let from = whole.lines().find_map(|line| line.strip_prefix("from\t"));
    from.and_then(|number| number.parse().ok()).unwrap_or(UNKNOWN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_cable_is_cut_both_ways_and_no_other_is() {
        let cables = Cables::default();
        cables.cut(1, 2);
        assert!(cables.is_cut(1, 2) && cables.is_cut(2, 1));
        assert!(!cables.is_cut(1, 3) && !cables.is_cut(1, UNKNOWN));
        cables.mend(2, 1);
        assert!(!cables.is_cut(1, 2));
    }

    #[test]
    fn who_is_isolated_hears_nobody() {
        let cables = Cables::default();
        cables.isolate(2);
        for from in [UNKNOWN, 1, 3] {
            assert!(cables.is_cut(2, from), "{from}");
        }
        assert!(cables.is_cut(1, 2) && cables.is_cut(3, 2) && !cables.is_cut(1, 3));
        cables.rejoin(2);
        assert!(!cables.is_cut(2, UNKNOWN) && !cables.is_cut(3, 2));
    }

    #[test]
    fn who_dials_is_read_from_whole_lines_only() {
        assert_eq!(dialler(b"maildirector-ring 1 1\ncluster\tmail\nfrom\t2"), UNKNOWN);
        assert_eq!(dialler(b"maildirector-ring 1 1\ncluster\tmail\nfrom\t2\n"), 2);
    }
}
