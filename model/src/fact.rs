//! What is stated in the registry.

use std::fmt;
use std::sync::Arc;

use crate::frontend::Frontend;
use crate::host_pattern::{HostPattern, HostPatternError};
use crate::path_prefix::{PathPrefix, PathPrefixError};
use crate::revision::Revision;

/// Something stated in the registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fact {
    /// A frontend and its backend.
    Frontend(Frontend),
}

/// The name of a fact: at most one fact stands under a key.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FactKey {
    /// A frontend, by what clients ask for.
    Frontend {
        /// Which hosts.
        host: HostPattern,
        /// Which paths of them.
        path: PathPrefix,
    },
}

/// A fact's key where it stands: facts are ordered and found by it without a copy of it.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum KeyRef<'a> {
    Frontend { host: &'a HostPattern, path: &'a PathPrefix },
}

impl Fact {
    /// The key of this fact.
    pub fn key(&self) -> FactKey {
        match self {
            Self::Frontend(frontend) => frontend.key(),
        }
    }

    pub(crate) fn key_ref(&self) -> KeyRef<'_> {
        match self {
            Self::Frontend(Frontend { host, path, .. }) => KeyRef::Frontend { host, path },
        }
    }
}

/// Why a text is not a fact's key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FactKeyError {
    /// It does not start with a kind that exists.
    #[error("a key starts with `frontend:`")]
    Kind,
    /// The host part is malformed.
    #[error(transparent)]
    Host(#[from] HostPatternError),
    /// The path part is malformed.
    #[error(transparent)]
    Path(#[from] PathPrefixError),
}

impl FactKey {
    pub(crate) fn key_ref(&self) -> KeyRef<'_> {
        match self {
            Self::Frontend { host, path } => KeyRef::Frontend { host, path },
        }
    }

    /// Parses what `Display` writes.
    ///
    /// # Errors
    /// [`FactKeyError`] says which part is malformed.
    pub fn parse(text: &str) -> Result<Self, FactKeyError> {
        let rest = text.strip_prefix("frontend:").ok_or(FactKeyError::Kind)?;
        let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let path = if path.is_empty() { PathPrefix::root() } else { PathPrefix::parse(path)? };
        Ok(Self::Frontend { host: HostPattern::parse(host)?, path })
    }
}

impl fmt::Display for FactKey {
    /// `frontend:www.example.com/api`; a root path is left out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Frontend { host, path } if path.is_root() => write!(f, "frontend:{host}"),
            Self::Frontend { host, path } => write!(f, "frontend:{host}{path}"),
        }
    }
}

/// In which form a registry keeps a fact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Origin {
    /// portico's own JSON, or the embedded store.
    Native,
    /// A Redis list as hipache reads it.
    Hipache,
}

/// A fact as it stands in a snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stated {
    /// The fact.
    pub fact: Arc<Fact>,
    /// The revision of its last change: what a writer expects.
    pub revision: Revision,
    /// Where it is kept.
    pub origin: Origin,
}

/// An entry of the registry that could not become a fact. All others serve.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quarantined {
    /// What is wrong.
    pub reason: Box<str>,
    /// What the operator can do about it.
    pub remedy: Box<str>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_stated_fits_into_two_words() {
        assert_eq!(size_of::<Stated>(), 16, "there may be a million of them, more than once");
    }

    #[test]
    fn keys_read_back_what_they_write() {
        for text in [
            "frontend:www.example.com",
            "frontend:*.example.com/api",
            "frontend:*",
            "frontend:[::1]:8080/a/b",
        ] {
            assert_eq!(FactKey::parse(text).map(|key| key.to_string()), Ok(text.to_owned()));
        }
        assert_eq!(FactKey::parse("zone:a"), Err(FactKeyError::Kind));
        assert_eq!(FactKey::parse("frontend:a/../b"), Err(FactKeyError::Path(PathPrefixError::NotCanonical)));
        assert!(matches!(FactKey::parse("frontend:"), Err(FactKeyError::Host(_))));
    }
}
