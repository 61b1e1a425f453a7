//! Endpoints at Unix sockets: below the folders of `upstream.unix` alone, whatever links lie on the way.
//!
//! A path is judged twice: by its text, as often as it is used, and by what it leads to when a connection is opened. The kernel
//! is asked for what is beneath the folder and for nothing else (`openat2`), and the connection goes to what it found: no link that
//! is put in its place meanwhile leads anywhere else. Links in the folder's own path are the operator's, and followed.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;
use std::time::Duration;

use model::SocketPath;
use rustix::fs::{Mode, OFlags, ResolveFlags, open, openat2};
use socket2::{Domain, SockAddr, Type};

use super::guard::Refusal;
use crate::config::UpstreamLimits;

/// How long to wait for an endpoint whose backlog is full; the kernel tells nobody when there is room again.
const FULL: Duration = Duration::from_millis(10);

/// Judges a path by its text: the folder that allows it, and the rest.
///
/// # Errors
/// [`Refusal::SocketNotAllowed`].
pub(crate) fn judge<'a>(
    path: &'a SocketPath,
    limits: &'a UpstreamLimits,
) -> Result<(&'a Path, &'a Path), Refusal> {
    let within = |folder: &'a std::path::PathBuf| {
        let rest = path.as_path().strip_prefix(folder).ok()?;
        (!rest.as_os_str().is_empty()).then_some((folder.as_path(), rest))
    };
    limits.unix.iter().find_map(within).ok_or(Refusal::SocketNotAllowed)
}

/// Why a socket is not connected to.
#[derive(Debug)]
pub(crate) enum Barred {
    /// It is refused.
    Refused(Refusal),
    /// There is none, or it cannot be reached.
    Unreachable(io::Error),
}

/// Judges a path by what it leads to now; what is returned holds it.
///
/// # Errors
/// [`Barred`].
pub(crate) fn locate(path: &SocketPath, limits: &UpstreamLimits) -> Result<OwnedFd, Barred> {
    let (folder, rest) = judge(path, limits).map_err(Barred::Refused)?;
    let unreachable = |error: rustix::io::Errno| Barred::Unreachable(error.into());
    let folder = open(folder, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty());
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
    let found =
        openat2(folder.map_err(unreachable)?, rest, OFlags::PATH | OFlags::CLOEXEC, Mode::empty(), resolve);
    found.map_err(|error| match error {
        rustix::io::Errno::XDEV | rustix::io::Errno::LOOP => Barred::Refused(Refusal::SocketEscapes),
        error => unreachable(error),
    })
}

/// A socket connected to the one that was found, which does not block.
pub(crate) async fn connect(found: &OwnedFd) -> io::Result<socket2::Socket> {
    // A socket is connected to by its path; this one leads to what was found.
    let address = SockAddr::unix(format!("/proc/self/fd/{}", found.as_raw_fd()))?;
    loop {
        let socket = socket2::Socket::new(Domain::UNIX, Type::STREAM.nonblocking(), None)?;
        match socket.connect(&address) {
            Ok(()) => return Ok(socket),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => tokio::time::sleep(FULL).await,
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;

    use super::*;

    fn limits(folders: &[&Path]) -> UpstreamLimits {
        UpstreamLimits {
            unix: folders.iter().map(|folder| folder.to_path_buf()).collect(),
            ..UpstreamLimits::default()
        }
    }

    fn socket(path: &Path) -> SocketPath {
        SocketPath::parse(path.to_str().expect("text")).expect("a path")
    }

    #[test]
    fn a_path_is_allowed_below_a_folder_and_nowhere_else() {
        for (folders, path, expected) in [
            (&[] as &[&str], "/run/apps/a.sock", None),
            (&["/run/apps/"], "/run/apps/a.sock", Some(("/run/apps", "a.sock"))),
            (&["/run/apps"], "/run/apps/b/a.sock", Some(("/run/apps", "b/a.sock"))),
            (&["/run/apps"], "/run/apps2/a.sock", None),
            (&["/run/apps"], "/run/apps", None),
            (&["/srv", "/run/apps"], "/run/apps/a.sock", Some(("/run/apps", "a.sock"))),
            (&["/"], "/run/apps/a.sock", Some(("/", "run/apps/a.sock"))),
        ] {
            let limits = limits(&folders.iter().map(Path::new).collect::<Vec<_>>());
            let path = socket(Path::new(path));
            let judged = judge(&path, &limits).ok();
            let expected = expected.map(|(folder, rest)| (Path::new(folder), Path::new(rest)));
            assert_eq!(judged, expected, "{path} in {folders:?}");
        }
    }

    #[tokio::test]
    async fn a_link_may_lead_about_its_folder_and_never_out_of_it() {
        let root = tempfile::tempdir().expect("a folder");
        let (apps, outside) = (root.path().join("apps"), root.path().join("outside.sock"));
        fs::create_dir_all(apps.join("deep")).expect("folders");
        let _listening =
            [&apps.join("a.sock"), &outside].map(|path| UnixListener::bind(path).expect("a socket"));
        symlink("../a.sock", apps.join("deep/beside")).expect("a link");
        symlink(&outside, apps.join("absolute")).expect("a link");
        symlink("../outside.sock", apps.join("relative")).expect("a link");
        symlink(root.path(), apps.join("folder")).expect("a link");
        symlink("loop", apps.join("loop")).expect("a link");
        symlink(&apps, root.path().join("alias")).expect("a link");
        fs::write(apps.join("file"), "").expect("a file");
        let limits = limits(&[&apps, &root.path().join("alias")]);
        let locate = |path: &Path| locate(&socket(path), &limits);

        for path in [apps.join("a.sock"), apps.join("deep/beside"), root.path().join("alias/a.sock")] {
            let found = locate(&path).expect("it is there");
            assert!(connect(&found).await.is_ok(), "{}", path.display());
        }
        for path in ["absolute", "relative", "folder/outside.sock", "folder/apps/a.sock", "loop"] {
            let barred = locate(&apps.join(path));
            assert!(matches!(barred, Err(Barred::Refused(Refusal::SocketEscapes))), "{path}: {barred:?}");
        }
        assert!(matches!(locate(&apps.join("none")), Err(Barred::Unreachable(_))));
        let file = locate(&apps.join("file")).expect("it is there");
        assert!(connect(&file).await.is_err(), "a file is no socket");
    }
}
