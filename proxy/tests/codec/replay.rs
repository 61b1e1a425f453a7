//! Every seed of the fuzz targets, and with them whatever they once found.

use std::path::Path;

use super::{properties, proxy_protocol};

/// Asks `property` of each seed of a target; how many there were, and how many of them were accepted.
fn replay(target: &str, property: fn(&[u8]) -> bool) -> (usize, usize) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/seeds").join(target);
    let files = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let seeds: Vec<Vec<u8>> = files.map(|file| std::fs::read(file.unwrap().path()).unwrap()).collect();
    let accepted = seeds.iter().filter(|seed| property(seed)).count();
    (seeds.len(), accepted)
}

fn check(target: &str, property: fn(&[u8]) -> bool) {
    let (seeds, accepted) = replay(target, property);
    // What is only ever refused early leads nowhere.
    assert!(accepted >= 10 && accepted < seeds, "{target}: {accepted} of {seeds} seeds are accepted");
}

#[test]
fn seeds_of_request_heads_hold() {
    check("request_head", properties::request);
}

#[test]
fn seeds_of_response_heads_hold() {
    check("response_head", properties::response);
}

#[test]
fn seeds_of_chunked_bodies_hold() {
    check("chunked_body", properties::chunked);
}

#[test]
fn seeds_of_proxy_headers_hold() {
    check("proxy_protocol", proxy_protocol::agree);
}
