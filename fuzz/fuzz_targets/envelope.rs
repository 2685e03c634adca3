//! Any bytes as a frame of the ring.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| maildirector_fuzz::envelope::run(bytes));
