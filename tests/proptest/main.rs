//! Laws of the pure rooms, tried on random values.

mod admin_lines;
mod bad_input;
mod codec;
mod config;
mod dovecot_lines;
mod duplicates;
mod envelopes;
mod holds;
mod hostile;
mod lockstep;
mod machine;
mod topology;
