//! A named set of interchangeable endpoints.

use std::fmt;

use smol_str::SmolStr;

use crate::endpoint::RejectedEndpoint;
use crate::endpoints::Endpoints;
use crate::rare::{Rare, Usual};

/// The longest backend name, in octets.
const MAX_NAME: usize = 253;

/// A backend's name: hipache's identifier, the head of its list; 1 to 253 octets without control characters.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BackendName(SmolStr);

/// Why a text is not a backend name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a backend name has 1 to 253 octets and no control characters")]
pub struct BackendNameError;

impl BackendName {
    /// The name of a backend without endpoints that nobody named.
    pub(crate) const NOBODY: Self = Self(SmolStr::new_static("nobody"));

    /// Checks a name.
    ///
    /// # Errors
    /// [`BackendNameError`] when it is empty, too long, or holds control characters.
    pub fn parse(text: &str) -> Result<Self, BackendNameError> {
        let fine = !text.is_empty() && text.len() <= MAX_NAME && !text.chars().any(char::is_control);
        if fine { Ok(Self(text.into())) } else { Err(BackendNameError) }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for BackendName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A named set of endpoints. An address stands in it once: a repeated one adds its weight to the first.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Backend {
    /// Its name, for logs and metrics.
    pub name: BackendName,
    /// The endpoints, in the order they were written.
    pub endpoints: Endpoints,
    /// What stood in the list and could not be used.
    pub rejected: Rare<Vec<RejectedEndpoint>>,
}

impl Usual for Vec<RejectedEndpoint> {
    const USUAL: &'static Self = &Self::new();
}
