//! Every seed of the fuzz targets, and with them whatever they once found.

use std::path::Path;

use super::properties;

fn check(target: &str, property: fn(&[u8]) -> bool) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/seeds").join(target);
    let files = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let seeds: Vec<Vec<u8>> = files.map(|file| std::fs::read(file.unwrap().path()).unwrap()).collect();

    let accepted = seeds.iter().filter(|seed| property(seed)).count();

    // What is only ever refused early leads nowhere.
    assert!(
        accepted >= 10 && accepted < seeds.len(),
        "{target}: {accepted} of {} seeds are accepted",
        seeds.len()
    );
}

#[test]
fn seeds_of_messages_hold() {
    check("dns_message", properties::message);
}

#[test]
fn seeds_of_zone_files_hold() {
    check("zone_file", properties::zone_file);
}
