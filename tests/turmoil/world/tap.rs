//! Listening at connections to other hosts: what a process gives to them, in the moment in which it does.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

/// Hears all bytes that are written to one connection, and its end when it is dropped.
pub type Tap = Box<dyn FnMut(&[u8]) + Send>;

type Attach = dyn Fn(SocketAddr) -> Option<Tap> + Send + Sync;

/// Which connections are listened at. Clones are the same; by default none is.
#[derive(Clone, Default)]
pub struct Taps(Option<Arc<Attach>>);

impl Taps {
    /// `attach` is asked for each connection that is made.
    pub fn new(attach: impl Fn(SocketAddr) -> Option<Tap> + Send + Sync + 'static) -> Self {
        Taps(Some(Arc::new(attach)))
    }

    pub fn attach(&self, to: SocketAddr) -> Option<Tap> {
        self.0.as_ref()?(to)
    }
}

impl fmt::Debug for Taps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Taps")
    }
}
