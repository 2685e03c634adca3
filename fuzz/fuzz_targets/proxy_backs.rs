//! Any bytes as what a backend says to a proxy during a login.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| maildirector_fuzz::proxy_backs::run(bytes));
