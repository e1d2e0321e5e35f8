//! Runs `parsers::archive` on what the fuzzer makes up.
#![no_main]

#[path = "../src/parsers.rs"]
#[allow(dead_code, reason = "each program fuzzes one of the parsers")]
mod parsers;

libfuzzer_sys::fuzz_target!(|data: &[u8]| parsers::archive(data));
