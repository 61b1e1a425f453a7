//! Every seed of the fuzz target, and with them whatever it once found.

use std::path::Path;

use super::properties;

#[test]
fn seeds_of_registry_values_hold() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/seeds/registry_value");
    let files = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let seeds = files.map(|file| std::fs::read(file.map(|file| file.path()).unwrap_or_default()));
    let accepted: Vec<bool> = seeds.map(|seed| properties::value(&seed.unwrap_or_default())).collect();

    let count = accepted.iter().filter(|accepted| **accepted).count();
    assert!(count >= 10 && count < accepted.len(), "{count} of {} seeds are accepted", accepted.len());
}
