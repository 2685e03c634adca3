//! Laws of the pure rooms, tried on random values.

mod holds;
mod topology;
