//! Chunked bodies, with whatever follows them.
#![no_main]

#[path = "../../proxy/tests/codec/main.rs"]
#[expect(dead_code, unused_imports, reason = "tests, and the rows they read, are for the tests")]
mod codec;

libfuzzer_sys::fuzz_target!(|octets: &[u8]| {
    codec::properties::chunked(octets);
});
