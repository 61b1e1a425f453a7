//! A name (and path) that clients ask for.

use crate::backend::{Backend, BackendName};
use crate::endpoints::Endpoints;
use crate::fact::FactKey;
use crate::host_pattern::HostPattern;
use crate::path_prefix::PathPrefix;
use crate::policy::Policy;
use crate::rare::Rare;

/// The most endpoints one frontend may list.
pub const MAX_ENDPOINTS: usize = 1024;

/// A name (and path) that clients ask for, and the backend that answers.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Frontend {
    /// Which hosts.
    pub host: HostPattern,
    /// Which paths of them; hipache's frontends have `/`.
    pub path: PathPrefix,
    /// Who answers.
    pub backend: Backend,
    /// How.
    pub policy: Rare<Policy>,
}

impl Frontend {
    /// The key under which a registry keeps it.
    pub fn key(&self) -> FactKey {
        FactKey::Frontend { host: self.host.clone(), path: self.path.clone() }
    }
}

impl Default for Frontend {
    /// Every host and path, and nobody answers.
    fn default() -> Self {
        let backend =
            Backend { name: BackendName::NOBODY, endpoints: Endpoints::default(), rejected: Rare::default() };
        Self { host: HostPattern::Any, path: PathPrefix::root(), backend, policy: Rare::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frontend_is_small() {
        assert_eq!(
            size_of::<Frontend>(),
            112,
            "there may be a million of them: 128 octets with their counters"
        );
    }
}
