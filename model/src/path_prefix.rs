//! The path below which a frontend serves.

use std::fmt;

use smol_str::SmolStr;

/// The longest path prefix, in octets.
const MAX_PREFIX: usize = 1024;

/// A path prefix in canonical form: starts with `/`, no trailing `/` except the root, matched on whole segments.
///
/// Behind a pointer, which is empty for the root, since nearly all are the root. `/api` takes `/api`, `/api/` and `/api/x`, not `/apix`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PathPrefix(Option<Box<SmolStr>>);

/// Why a text is not a path prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PathPrefixError {
    /// It does not start with `/`.
    #[error("a path prefix starts with `/`")]
    NoSlash,
    /// More than 1024 octets.
    #[error("a path prefix has at most 1024 octets")]
    TooLong,
    /// `?`, `#`, spaces, control characters, or octets outside ASCII (percent-encode those).
    #[error("a path prefix holds visible ASCII only, no `?` and no `#`; percent-encode the rest")]
    Character,
    /// `.` or `..` as a segment, an empty segment, or a percent-encoding that is malformed or not needed.
    #[error("a path prefix has no `.`, `..` or empty segment, and percent-encodes only what needs it")]
    NotCanonical,
}

impl PathPrefix {
    /// `/`: every path. None stands before it.
    pub const ROOT: Self = Self(None);

    /// `/`: every path.
    pub fn root() -> Self {
        Self::ROOT
    }

    /// Parses a prefix as operators write it; one trailing `/` is dropped.
    ///
    /// # Errors
    /// [`PathPrefixError`] says which rule the text breaks.
    pub fn parse(text: &str) -> Result<Self, PathPrefixError> {
        let trimmed = match text.strip_suffix('/') {
            Some("") | None => text,
            Some(rest) => rest,
        };
        let Some(path) = trimmed.strip_prefix('/') else { return Err(PathPrefixError::NoSlash) };
        if trimmed.len() > MAX_PREFIX {
            return Err(PathPrefixError::TooLong);
        }
        if !path.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'?' | b'#' | b'\\')) {
            return Err(PathPrefixError::Character);
        }
        let segments_fine = path.is_empty() || path.split('/').all(|s| !matches!(s, "" | "." | ".."));
        if !segments_fine || !percent_encodings_are_canonical(path.as_bytes()) {
            return Err(PathPrefixError::NotCanonical);
        }
        Ok(Self((!path.is_empty()).then(|| Box::new(trimmed.into()))))
    }

    /// The prefix as text.
    pub fn as_str(&self) -> &str {
        self.0.as_deref().map_or("/", SmolStr::as_str)
    }

    /// True for `/`.
    pub fn is_root(&self) -> bool {
        self.0.is_none()
    }

    /// True when the canonical `path` (without its query) lies below this prefix.
    pub fn covers(&self, path: &[u8]) -> bool {
        self.is_root()
            || path
                .strip_prefix(self.as_str().as_bytes())
                .is_some_and(|rest| matches!(rest.first(), None | Some(b'/')))
    }
}

/// Upper-case hex, and only for octets that RFC 3986 §2.3 does not call unreserved.
fn percent_encodings_are_canonical(path: &[u8]) -> bool {
    let mut rest = path;
    while let Some(at) = rest.iter().position(|&b| b == b'%') {
        let (Some(high), Some(low)) =
            (rest.get(at + 1).copied().and_then(hex), rest.get(at + 2).copied().and_then(hex))
        else {
            return false;
        };
        let octet = high << 4 | low;
        if octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'.' | b'_' | b'~') {
            return false;
        }
        rest = &rest[at + 3..];
    }
    true
}

fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

impl fmt::Display for PathPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Result<&str, PathPrefixError>) {
        let parsed = PathPrefix::parse(text);
        assert_eq!(parsed.as_ref().map(PathPrefix::as_str).map_err(|e| *e), expected, "prefix {text:?}");
    }

    #[test]
    fn prefixes_have_one_canonical_form() {
        check("/", Ok("/"));
        check("/api/", Ok("/api"));
        check("/a%20b", Ok("/a%20b"));
        check("api", Err(PathPrefixError::NoSlash));
        check("", Err(PathPrefixError::NoSlash));
        check("/a b", Err(PathPrefixError::Character));
        check("/a?b", Err(PathPrefixError::Character));
        check("/a/../b", Err(PathPrefixError::NotCanonical));
        check("/a//b", Err(PathPrefixError::NotCanonical));
        check("//", Ok("/"));
        check("/%61", Err(PathPrefixError::NotCanonical));
        check("/%2f", Err(PathPrefixError::NotCanonical));
        check("/%2", Err(PathPrefixError::NotCanonical));
    }

    #[test]
    fn a_prefix_covers_whole_segments() {
        let api = PathPrefix::parse("/api").expect("prefix");
        assert!(api.covers(b"/api") && api.covers(b"/api/") && api.covers(b"/api/x"));
        assert!(!api.covers(b"/apix") && !api.covers(b"/") && !api.covers(b"/ap"));
        assert!(PathPrefix::root().covers(b"/anything") && PathPrefix::root().covers(b"*"));
    }
}
