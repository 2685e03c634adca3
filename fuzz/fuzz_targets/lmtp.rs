//! Any bytes as what a mail server or a backend says to the LMTP proxy, and as a message that goes through it.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| maildirector_fuzz::lmtp::run(bytes));
