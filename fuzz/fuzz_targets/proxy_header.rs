//! Any bytes as a PROXY header.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| maildirector_fuzz::proxy_header::run(bytes));
