//! The path of a Unix socket.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

/// The longest path of a socket, in octets: what the system's address has room for (unix(7)), without the end mark.
pub const MAX_SOCKET_PATH: usize = 107;

/// The path of a Unix socket, in the one form that there is: absolute, without empty, `.` or `..` parts, of letters, digits and
/// `._-+=@~,`. What stands there is not known here.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SocketPath(Arc<str>);

/// Why a text is not the path of a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SocketPathError {
    /// It does not begin with `/`.
    #[error("a socket's path begins with `/`; write `unix:/run/app.sock`")]
    Relative,
    /// An empty part, `.` or `..`.
    #[error("a socket's path has no empty parts, no `.` and no `..`; write it as `unix:/run/app.sock`")]
    Part,
    /// Something other than letters, digits and a few signs.
    #[error("a socket's path has letters, digits and ._-+=@~, only")]
    Character,
    /// Longer than [`MAX_SOCKET_PATH`].
    #[error("a socket's path has at most {MAX_SOCKET_PATH} octets")]
    TooLong,
}

impl SocketPath {
    /// Parses a path.
    ///
    /// # Errors
    /// [`SocketPathError`] says what is wrong.
    pub fn parse(path: &str) -> Result<Self, SocketPathError> {
        let parts = path.strip_prefix('/').ok_or(SocketPathError::Relative)?;
        if path.len() > MAX_SOCKET_PATH {
            return Err(SocketPathError::TooLong);
        }
        let fine = |octet: u8| octet.is_ascii_alphanumeric() || b"/._-+=@~,".contains(&octet);
        if !path.bytes().all(fine) {
            return Err(SocketPathError::Character);
        }
        if parts.split('/').any(|part| matches!(part, "" | "." | "..")) {
            return Err(SocketPathError::Part);
        }
        Ok(Self(path.into()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The path.
    pub fn as_path(&self) -> &Path {
        Path::new(&*self.0)
    }
}

impl fmt::Display for SocketPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_has_one_path() {
        let check = |path: &str, expected: Result<(), SocketPathError>| {
            assert_eq!(
                SocketPath::parse(path).map(|read| assert_eq!(read.as_str(), path)),
                expected,
                "{path:?}"
            );
        };
        check("/run/app.sock", Ok(()));
        check("/run/My-app_1.0+x=y@2~,/..s", Ok(()));
        check(&format!("/{}", "a".repeat(106)), Ok(()));
        check(&format!("/{}", "a".repeat(107)), Err(SocketPathError::TooLong));
        for path in ["", "run/app.sock", "@abstract", "./a"] {
            check(path, Err(SocketPathError::Relative));
        }
        for path in ["/", "//a", "/a/", "/a//b", "/a/./b", "/run/../etc/a", "/..", "/a/.."] {
            check(path, Err(SocketPathError::Part));
        }
        for path in ["/a b", "/a\0b", "/a\n", "/a:", "/a%2f", "/a?b", "/ä", "/a\\b", "/a'", "/a;b"] {
            check(path, Err(SocketPathError::Character));
        }
    }
}
