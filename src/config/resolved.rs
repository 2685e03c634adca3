//! What the names of a configuration resolved to.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

/// How often names are resolved again while the daemon runs.
pub const RESOLVE_EVERY: Duration = Duration::from_secs(300);

/// The addresses of names. A name without an address is as good as not there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resolved(BTreeMap<Box<str>, Vec<IpAddr>>);

impl Resolved {
    /// The answer for a name, as the resolver gave it: sorted here, and each address counted once.
    pub fn insert(&mut self, name: &str, mut addresses: Vec<IpAddr>) {
        addresses.sort();
        addresses.dedup();
        self.0.insert(name.into(), addresses);
    }

    /// The addresses of a name, sorted; none when it was not resolved.
    pub fn addresses(&self, name: &str) -> &[IpAddr] {
        self.0.get(name).map_or(&[], |addresses| addresses)
    }
}
