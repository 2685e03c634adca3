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
mod insistent;
mod logins;
mod look;
mod member;
mod network;
mod note;
mod orders;
mod outsiders;
mod patrons;
mod people;
mod petitions;
mod probes;
mod queue;
mod recorded;
mod recovery;
mod said;
mod scene;
mod sessions;
mod states;
mod storage;
mod testimony;
mod watch;

pub(crate) use causes::{Affected, Causes, Name};
pub(crate) use clock::Clock;
pub(crate) use configuration::new_backend;
pub(crate) use counting::right_topology;
pub(crate) use network::is_named;
pub(crate) use note::{Fate, Message, Note};
pub(crate) use people::{People, SECOND_TAG, backend_ip, backend_number};
pub(crate) use queue::Queue;
pub(crate) use scene::World;
