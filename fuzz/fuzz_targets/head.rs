//! The target `head`; what it asserts stands in src/.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| keystead_fuzz::run("head", data));
