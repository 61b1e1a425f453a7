//! Dead marks: what proxies say of endpoints, and what others said.

use std::sync::Arc;

use imbl::OrdMap;

use crate::endpoint::Address;
use crate::fact::FactKey;

/// What a proxy saw of an endpoint; becomes hipache's `dead:` mark where the registry keeps those.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthReport {
    /// The canonical host that was asked for: hipache names its `dead:` sets by it, also under a wildcard.
    pub host: Box<str>,
    /// The frontend that matched.
    pub frontend: FactKey,
    /// Which endpoint.
    pub address: Address,
    /// What of it.
    pub verdict: HealthVerdict,
}

/// What a proxy saw.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HealthVerdict {
    /// Dead, for this many seconds (`deadBackendTTL`).
    Dead {
        /// How long the mark holds, in seconds.
        ttl_seconds: u32,
    },
    /// It failed its active check, and is marked for this many seconds unless it is said again. Not said of the last live one.
    CheckFailed {
        /// How long the mark holds, in seconds.
        ttl_seconds: u32,
        /// True when it is said again so that the mark does not end.
        again: bool,
    },
    /// It passes its active check again: no mark of any checker holds.
    CheckPassed,
}

/// The dead marks of all writers, as the registry last read them: by the host they were written under, the addresses.
///
/// Not facts: they never move the revision. An absent host has no marks; a mark that ended is absent.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DeadMarks {
    /// The marked addresses of each canonical host.
    pub by_host: OrdMap<Box<str>, Arc<[Address]>>,
    /// True while an active checker that is not portico proves itself alive (`hchecker_ping` younger than 30 s).
    pub active_checker: bool,
}
