//! Values of a store, where frontends should be: portico's JSON, files of exports, hipache's lists.
#![no_main]

#[path = "../../registry/tests/values/main.rs"]
mod values;

libfuzzer_sys::fuzz_target!(|octets: &[u8]| {
    values::properties::value(octets);
});
