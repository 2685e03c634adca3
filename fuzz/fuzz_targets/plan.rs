//! Any text as a plan of the simulator, and any change of a seed's plan.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| maildirector_fuzz::plan::run(bytes));
