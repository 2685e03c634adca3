//! A search that learns: plans that reached something new are kept and changed, before and beside fresh seeds.
//!
//! | module | holds |
//! |---|---|
//! | `mutate` | one plan made of another, by small changes |
//! | `corpus` | the plans worth changing, and which of them is next |
//! | `search` | the order of everything: what is tried next, what is kept of it |
//!
//! All of it is a function of a seed and of what runs reached: the same seed and number of plans give the same search,
//! on any number of threads. Running plans, files and clocks are left to the binary.

mod corpus;
mod mutate;
mod search;

pub use corpus::{Corpus, Entry, digest};
pub use mutate::mutant;
pub use search::{BATCH, Origin, Search, Trial};
