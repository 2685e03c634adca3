//! From a seed to a plan: knobs first, then what goes wrong, then what people do. Which kinds of faults a seed may use
//! is drawn with the knobs, so that each seed is strong in a few of them.

mod drain;
mod faults;
mod health;
mod knobs;
mod moments;
mod patterns;
mod pieces;
mod script;
mod seed;
mod upgrades;
mod work;

pub(crate) use pieces::{Pieces, set_member};
pub(crate) use seed::plan;
