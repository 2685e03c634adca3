//! The discrete-event world: members with clocks and disks, the network between them, doors with users in front,
//! backends behind, admins beside. It drives the real machine and knows the truth; judging is left to `checkers`.

mod admins;
mod boots;
mod causes;
mod clock;
mod configuration;
mod doors;
mod drains;
mod faulting;
mod feed;
mod flushes;
mod happen;
mod happening;
mod insistent;
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

pub(crate) use people::{SECOND_TAG, backend_number};
pub(crate) use scene::World;
