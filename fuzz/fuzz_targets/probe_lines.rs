//! Any bytes as what a backend says to a probe.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| maildirector_fuzz::probe_lines::run(bytes));
