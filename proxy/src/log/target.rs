//! Where lines go: standard output or a file.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use nix::fcntl::{FcntlArg, OFlag, fcntl};

use crate::config::LogTarget;

/// Why the access log cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The file cannot be opened.
    #[error("access log: {} cannot be opened: {reason}; create its folder, make it writable for this user, or turn the log off", .path.display())]
    Open {
        /// Which.
        path: PathBuf,
        /// What the system says.
        reason: io::Error,
    },
    /// Standard output cannot be used.
    #[error("access log: standard output cannot be used: {0}; name a file, or turn the log off")]
    Stdout(io::Error),
    /// The writer's thread cannot be started.
    #[error("access log: the writer's thread cannot be started: {0}; allow this process more threads")]
    Thread(io::Error),
}

/// An open target.
#[derive(Debug)]
pub(super) struct Target {
    named: LogTarget,
    file: File,
    /// The last line was cut by a failed write: it must be ended before another one is begun.
    torn: bool,
}

impl Target {
    /// Opens without waiting: a pipe that nobody reads is an error.
    pub(super) fn open(named: &LogTarget) -> Result<Self, LogError> {
        let file = match named {
            LogTarget::Stdout => stdout()?,
            // Opening it anew fails where standard output is a socket, as under systemd.
            LogTarget::File(path) if path.as_os_str() == "/dev/stdout" => stdout()?,
            LogTarget::File(path) => {
                open_file(path).map_err(|reason| LogError::Open { path: path.clone(), reason })?
            }
        };
        Ok(Self { named: named.clone(), file, torn: false })
    }

    #[cfg(test)]
    pub(super) fn over(file: File) -> Self {
        Self { named: LogTarget::Stdout, file, torn: false }
    }

    pub(super) fn named(&self) -> &LogTarget {
        &self.named
    }

    /// Writes whole lines. On an error, returns how many of them were not written.
    pub(super) fn write(&mut self, lines: &[u8]) -> Result<(), (u64, io::Error)> {
        if self.torn {
            write_all(&mut self.file, b"\n").map_err(|(_, error)| (count(lines), error))?;
            self.torn = false;
        }
        write_all(&mut self.file, lines).map_err(|(written, error)| {
            let (done, rest) = lines.split_at(written);
            self.torn = done.last().is_some_and(|last| *last != b'\n');
            (count(rest), error)
        })
    }
}

fn count(lines: &[u8]) -> u64 {
    memchr::memchr_iter(b'\n', lines).count() as u64
}

/// As the standard library's, but tells how far it came.
fn write_all(to: &mut impl Write, octets: &[u8]) -> Result<(), (usize, io::Error)> {
    let mut written = 0;
    while written < octets.len() {
        match to.write(&octets[written..]) {
            Ok(0) => return Err((written, io::ErrorKind::WriteZero.into())),
            Ok(more) => written += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err((written, error)),
        }
    }
    Ok(())
}

fn stdout() -> Result<File, LogError> {
    // A descriptor of our own: the standard library's handle locks and buffers.
    let own = io::stdout().as_fd().try_clone_to_owned().map_err(LogError::Stdout)?;
    Ok(File::from(own))
}

fn open_file(path: &PathBuf) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.append(true).create(true).mode(0o644).custom_flags(OFlag::O_NONBLOCK.bits());
    let file = options.open(path)?;
    // Only opening must not wait; the writer's thread may.
    let flags = OFlag::from_bits_retain(fcntl(&file, FcntlArg::F_GETFL)?);
    fcntl(&file, FcntlArg::F_SETFL(flags - OFlag::O_NONBLOCK))?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes so many octets, then fails.
    struct Full(usize);

    impl Write for Full {
        fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
            let taken = octets.len().min(self.0);
            self.0 -= taken;
            if taken == 0 { Err(io::ErrorKind::StorageFull.into()) } else { Ok(taken) }
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_failed_write_tells_how_far_it_came() {
        let (written, error) = write_all(&mut Full(5), b"one\ntwo\nthree\n").unwrap_err();
        assert_eq!((written, error.kind()), (5, io::ErrorKind::StorageFull));
        assert!(write_all(&mut Full(100), b"one\n").is_ok());
    }

    #[test]
    fn a_line_cut_by_a_failed_write_is_ended_before_the_next_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("access.log");
        let mut target = Target::open(&LogTarget::File(path.clone())).unwrap();
        target.write(b"one\ntw").unwrap();
        target.torn = true;

        target.write(b"three\n").unwrap();

        assert_eq!(std::fs::read_to_string(path).unwrap(), "one\ntw\nthree\n");
    }

    #[test]
    fn a_full_disk_costs_the_lines_that_were_not_written() {
        let mut target = Target::open(&LogTarget::File("/dev/full".into())).unwrap();
        let (lost, error) = target.write(b"one\ntwo\n").unwrap_err();
        assert_eq!((lost, error.kind()), (2, io::ErrorKind::StorageFull));
    }

    #[test]
    fn a_pipe_without_a_reader_is_an_error_and_no_wait() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pipe");
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();

        let error = Target::open(&LogTarget::File(path)).unwrap_err().to_string();

        assert!(error.contains("pipe cannot be opened: "), "{error}");
    }

    #[test]
    fn a_folder_that_is_not_there_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let error =
            Target::open(&LogTarget::File(folder.path().join("no/access.log"))).unwrap_err().to_string();
        assert!(error.contains("no/access.log cannot be opened: "), "{error}");
    }
}
