//! A running member: the one task that owns the machine, and everything around it.
//!
//! | part | what |
//! |---|---|
//! | `node`, `settings`, `configured` | puts ring, doors, storage and machine together |
//! | `core`, `lookups` | the task that owns the machine: inputs in, outputs out |
//! | `circle` | whom to link with, as admins have changed it |
//! | `desk` | how doors reach it |
//! | `closing`, `journal`, `saver`, `places` | what outputs need: kicks, holds on disk, the record, words for backends |
//! | `names` | the backends' names, resolved again and again |
//! | `control`, `control_talk` | the socket of the command line; what is asked there, and answered |
//! | `reload` | a changed configuration taken over |
//! | `probes` | what is probed, and what was found |
//! | `hand_over` | a new process takes over, the old one keeps its sessions |
//! | `drain` | backends that are to be emptied |
//! | `status`, `metrics`, `events` | what operators and monitors see: a snapshot, figures, log lines |
//!
//! Generic over the world, so that simulated hosts run the very same code. What to do is decided by the machine; how
//! bytes look, by the doors.

mod circle;
mod closing;
mod configured;
mod control;
mod control_talk;
mod core;
mod desk;
mod drain;
mod events;
mod flushes;
mod hand_over;
mod journal;
mod lookups;
mod metrics;
mod names;
mod node;
mod places;
mod probes;
mod proxies;
mod reload;
mod saver;
mod sessions;
mod settings;
mod status;
mod who;

pub use configured::configured;
pub use control::{CONTROL_SOCKET, Upgrades, open_control};
pub use control_talk::{ControlAnswer, ControlRequest, SessionReport};
pub use desk::CoreDesk;
pub use hand_over::{FAREWELL_MAX, Kept, KeptSession, Link, Predecessor};
pub use journal::{JOURNAL, journalled_keys};
pub use node::{Busy, Node, start, start_after};
pub use proxies::proxies;
pub use reload::{Reloads, watch_configuration};
pub use settings::{DoorSettings, Ended, LeaseNote, NodeSettings, RingPart, StartError};
pub use status::{
    BackendReport, DifferenceReport, LinkReport, MemberReport, OtherReport, STATUS_SOCKET, look, open_status,
};
