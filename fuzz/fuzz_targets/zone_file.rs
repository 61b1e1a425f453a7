//! Zone files.
#![no_main]

#[path = "../../dnsd/tests/fuzzed/main.rs"]
#[expect(dead_code, reason = "there is another target for the other half")]
mod fuzzed;

libfuzzer_sys::fuzz_target!(|octets: &[u8]| {
    fuzzed::properties::zone_file(octets);
});
