//! What is seen inside an instance of what is outside.

use std::fmt;

/// The most volumes of a service.
pub const MAX_VOLUMES: usize = 64;
/// The longest path.
const MAX_PATH: usize = 4096;
/// The longest name of a volume.
const MAX_NAME: usize = 128;

/// Something of the host's, or kept by its engine, at a path inside.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Volume {
    /// What.
    pub source: Source,
    /// Where inside: an absolute path.
    target: Box<str>,
    /// Whether it cannot be written to.
    pub read_only: bool,
}

/// What a volume is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Source {
    /// Kept by the engine under this name, and made when it is first asked for.
    Named(VolumeName),
    /// A path of the host, which the controller's configuration has to allow.
    Path(Box<str>),
}

/// The name of a volume that an engine keeps: a letter or digit, then letters, digits, `_`, `.` and `-`, 128 at most.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct VolumeName(Box<str>);

/// Why a volume cannot be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum VolumeError {
    /// Neither a name nor an absolute path.
    #[error(
        "its source is neither a volume's name nor an absolute path without `..`; write `data` or `/srv/data`"
    )]
    Source,
    /// No absolute path.
    #[error("its target is no absolute path without `..`; write `/var/lib/data`")]
    Target,
}

impl Volume {
    /// Checks a volume: `source` is a name, or a path of the host.
    ///
    /// # Errors
    /// [`VolumeError`] says which part cannot be.
    pub fn new(source: &str, target: &str, read_only: bool) -> Result<Self, VolumeError> {
        let source = match source {
            path if path.starts_with('/') && is_path(path) => Source::Path(path.into()),
            name => Source::Named(VolumeName::parse(name).ok_or(VolumeError::Source)?),
        };
        if !is_path(target) || target == "/" {
            return Err(VolumeError::Target);
        }
        Ok(Self { source, target: target.into(), read_only })
    }

    /// Where inside.
    pub fn target(&self) -> &str {
        &self.target
    }
}

impl VolumeName {
    fn parse(text: &str) -> Option<Self> {
        let fine = |octet: u8| octet.is_ascii_alphanumeric() || matches!(octet, b'_' | b'.' | b'-');
        let first = text.bytes().next()?;
        (first.is_ascii_alphanumeric() && text.len() <= MAX_NAME && text.bytes().all(fine))
            .then(|| Self(text.into()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Named(name) => name.as_str(),
            Self::Path(path) => path,
        })
    }
}

/// Absolute and plain: no `.` or `..` among its parts, no control characters, and no `:`, at which engines part what they read.
fn is_path(path: &str) -> bool {
    let plain = |part: &str| !matches!(part, "." | "..");
    path.len() <= MAX_PATH
        && path.strip_prefix('/').is_some_and(|parts| parts.split('/').all(plain))
        && !path.chars().any(|c| c.is_control() || c == ':')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_volume_is_a_name_or_a_plain_path() {
        let check = |source: &str, target: &str, expected: Result<bool, VolumeError>| {
            let read =
                Volume::new(source, target, true).map(|volume| matches!(volume.source, Source::Path(_)));
            assert_eq!(read, expected, "{source} {target}");
        };
        check("data", "/data", Ok(false));
        check("/srv/data", "/data/", Ok(true));
        for source in ["", "-a", "a/b", "./a", "/srv/../etc", "/a:b", "/a\nb", "a b", &"a".repeat(129)] {
            check(source, "/data", Err(VolumeError::Source));
        }
        for target in ["", "data", "/", "/a/../b", "/a:ro"] {
            check("data", target, Err(VolumeError::Target));
        }
    }
}
