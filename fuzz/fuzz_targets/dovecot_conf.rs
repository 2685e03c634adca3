//! Any text as a Dovecot configuration, or as what a Dovecot director tells of its ring.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| maildirector_fuzz::dovecot_conf::run(bytes));
