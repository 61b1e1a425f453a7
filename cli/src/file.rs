//! Files that a command writes: whole or not at all, under their name only once every octet is on the disk.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::failure::Failure;

/// A file that is being written beside its place; gone again unless it is put there.
#[derive(Debug)]
pub(crate) struct Fresh {
    file: File,
    beside: PathBuf,
    path: PathBuf,
}

impl Fresh {
    /// Begins a file for `path`, which `mode` (less the umask) is for.
    ///
    /// # Errors
    /// [`Failure::File`] names the path.
    pub(crate) fn begin(path: &Path, mode: u32) -> Result<Self, Failure> {
        let failed = |error: io::Error| failed(path, &error);
        if path.is_dir() {
            return Err(failed(io::Error::other("it is a folder")));
        }
        let name = path.file_name().ok_or_else(|| failed(io::Error::other("it names no file")))?;
        let mut hidden = OsString::from(".");
        hidden.push(name);
        hidden.push(format!(".{}", std::process::id()));
        let beside = path.with_file_name(hidden);
        let mut options = OpenOptions::new();
        let file = options.write(true).create_new(true).mode(mode).open(&beside).map_err(failed)?;
        Ok(Self { file, beside, path: path.to_owned() })
    }

    /// Puts it under its name, in the place of what was there.
    ///
    /// # Errors
    /// [`Failure::File`] names the path.
    pub(crate) fn put(self) -> Result<(), Failure> {
        let put = || -> io::Result<()> {
            self.file.sync_all()?;
            fs::rename(&self.beside, &self.path)?;
            let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty());
            File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
        };
        put().map_err(|error| failed(&self.path, &error))
    }
}

impl Write for Fresh {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.file.write(octets)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for Fresh {
    fn drop(&mut self) {
        // Put in its place, it has no such name any more.
        let _ = fs::remove_file(&self.beside);
    }
}

/// What the system said of `path`.
pub(crate) fn failed(path: &Path, error: &io::Error) -> Failure {
    Failure::File { path: path.to_owned(), reason: crate::client::plain(error) }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_file_is_whole_or_as_it_was() {
        let folder = std::env::temp_dir().join(format!("portico-cli-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join("copy");
        fs::write(&path, "old").unwrap();

        let mut half = Fresh::begin(&path, 0o600).unwrap();
        half.write_all(b"ne").unwrap();
        drop(half);
        assert_eq!(fs::read_to_string(&path).unwrap(), "old");
        let mut whole = Fresh::begin(&path, 0o600).unwrap();
        whole.write_all(b"new").unwrap();
        whole.put().unwrap();

        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
        let failure = Fresh::begin(&folder, 0o600).unwrap_err();
        assert!(failure.line().contains("it is a folder"), "{}", failure.line());
        assert!(Fresh::begin(&folder.join("no/copy"), 0o600).unwrap_err().line().contains("no/copy"));
        fs::remove_dir_all(&folder).unwrap();
    }
}
