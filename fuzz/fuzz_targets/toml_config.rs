//! portico's configuration file.
#![no_main]

#[path = "../../src/config/mod.rs"]
#[expect(dead_code, unused_imports, reason = "the rest of the binary has a use for it")]
mod config;
#[path = "../../src/logging/mod.rs"]
#[expect(dead_code, unused_imports, reason = "the rest of the binary has a use for it")]
mod logging;
#[path = "../../src/config/properties.rs"]
#[expect(dead_code, reason = "there is another target for the other half")]
mod properties;

libfuzzer_sys::fuzz_target!(|octets: &[u8]| {
    if let Ok(text) = std::str::from_utf8(octets) {
        properties::toml(text);
    }
});
