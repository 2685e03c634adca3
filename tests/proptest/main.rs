//! Laws of the pure rooms, tried on random values.

mod bad_input;
mod codec;
mod duplicates;
mod envelopes;
mod holds;
mod hostile;
mod lockstep;
mod machine;
mod topology;
