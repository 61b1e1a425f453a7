//! A `docker-credential-…` of a test's own, in a folder that is the first of a process' `PATH`.

use std::os::unix::fs::PermissionsExt as _;

use super::World;

/// A world with a credential helper `test` that runs this script, and a `config.json` that names it; the variables of a portico that has
/// both.
pub(crate) fn helped(kept: &serde_json::Value, script: &str) -> (World, [(&'static str, String); 2]) {
    let world = World::new();
    let helper = world.write("docker-credential-test", &format!("#!/bin/sh\n{script}\n"));
    std::fs::set_permissions(&helper, std::fs::Permissions::from_mode(0o755)).unwrap();
    let login = world.write("config.json", &kept.to_string()).display().to_string();
    let path = format!("{}:{}", world.folder().display(), std::env::var("PATH").unwrap_or_default());
    (world, [("PATH", path), ("PORTICO_CONTROL__LOGIN", login)])
}
