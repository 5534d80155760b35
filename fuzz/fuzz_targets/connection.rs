//! The target `connection`; what it asserts stands in src/.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| keystead_fuzz::run("connection", data));
