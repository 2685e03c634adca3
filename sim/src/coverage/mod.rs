//! What a run reached beyond its marks: which fault struck while the protocol was in which state, what went on together,
//! and when. Recording it is left to `world`, searching with it to `learn`.
//!
//! | module | holds |
//! |---|---|
//! | `state` | the states that members and the ring are in |
//! | `reached` | what one run reached, and when |
//! | `point` | one thing that can be reached, with its number and name |
//! | `tally` | how often many runs reached each point, and which was the first |

mod point;
mod reached;
mod state;
mod tally;

pub use point::Point;
pub use reached::{Moment, Reached};
pub use state::State;
pub use tally::{Seen, Tally};
