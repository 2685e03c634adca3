//! Any bytes as accounts, as what an auth server says, and as what Postfix asks.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| maildirector_fuzz::accounts::run(bytes));
