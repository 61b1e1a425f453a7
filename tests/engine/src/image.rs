//! What an image is built from: busybox, and files.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use crate::below;

/// What every image has in it: in `folder`, `root/bin/busybox`, and a link to it for each of its commands.
pub(crate) fn lay_base(folder: &Path) -> io::Result<()> {
    let bin = folder.join("root/bin");
    fs::create_dir_all(&bin)?;
    let list = Command::new("busybox").arg("--list").output().map_err(|error| {
        io::Error::new(error.kind(), format!("busybox: {error}; tests/install installs it"))
    })?;
    let found = Command::new("sh").args(["-c", "command -v busybox"]).output()?;
    fs::copy(String::from_utf8_lossy(&found.stdout).trim(), bin.join("busybox"))?;
    for command in String::from_utf8_lossy(&list.stdout).lines().filter(|command| *command != "busybox") {
        symlink("busybox", bin.join(command))?;
    }
    Ok(())
}

/// A build's context: a tar archive of a Dockerfile and of what it copies.
pub(crate) fn context(base: &Path, files: &[(&str, &str)], instructions: &str) -> io::Result<Vec<u8>> {
    let own = tempfile::Builder::new().prefix("image.").tempdir()?;
    for (path, text) in files {
        let path = below(&own.path().join("root"), path);
        fs::create_dir_all(path.parent().unwrap_or(own.path()))?;
        fs::write(path, text)?;
    }
    fs::write(own.path().join("Dockerfile"), format!("FROM scratch\nCOPY root /\n{instructions}\n"))?;
    let tar = Command::new("tar")
        .arg("-c")
        .arg("-C")
        .arg(base)
        .arg("root")
        .arg("-C")
        .arg(own.path())
        .arg(".")
        .output()?;
    if !tar.status.success() {
        return Err(io::Error::other(format!("tar: {}", String::from_utf8_lossy(&tar.stderr))));
    }
    Ok(tar.stdout)
}
