//! Any bytes as what a client says to a proxy before the login.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| maildirector_fuzz::proxy_fronts::run(bytes));
