//! The discrete-event world: members with clocks and disks, the network between them, doors with users in front,
//! backends behind, admins beside. It drives the real machine and knows the truth; judging is left to `checkers`.

mod admins;
mod boots;
mod causes;
mod clock;
mod configuration;
mod counting;
mod doors;
mod drains;
mod faulting;
mod feed;
mod flushes;
mod happen;
mod happening;
mod logins;
mod member;
mod network;
mod note;
mod orders;
mod people;
mod probes;
mod queue;
mod recovery;
mod said;
mod scene;
mod sessions;
mod storage;
mod watch;

pub(crate) use causes::{Affected, Causes, Name};
pub(crate) use clock::Clock;
pub(crate) use counting::right_topology;
pub(crate) use network::is_named;
pub(crate) use people::{People, SECOND_TAG, backend_ip, backend_number};
pub(crate) use queue::Queue;
pub(crate) use scene::World;
