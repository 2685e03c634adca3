//! Any text as a username hash format and a name.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| maildirector_fuzz::hash_format::run(bytes));
