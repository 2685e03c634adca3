//! Any bytes as what an auth server says through a door.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| maildirector_fuzz::dovecot_lines::run(bytes));
