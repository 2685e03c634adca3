//! Any order of events at a ring of three directors.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| maildirector_fuzz::machine::run(bytes));
