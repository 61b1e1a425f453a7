//! What is wrong in the registry and with the endpoints.

use serde::{Deserialize, Serialize};

/// `/v1/verify`: everything that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verification {
    /// The revision that was looked at.
    pub revision: u64,
    /// How many facts were looked at.
    pub facts: usize,
    /// What was found: the registry itself, then its entries.
    pub findings: Vec<Finding>,
    /// How many more were found and left out.
    pub left_out: usize,
}

/// One thing that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// Of which kind.
    pub kind: FindingKind,
    /// The entry of the registry, or the frontend.
    pub key: String,
    /// The endpoint, when it is about one: as written for a rejected one, else its address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// What is wrong.
    pub reason: String,
    /// What to do about it.
    pub remedy: String,
}

/// What kind of thing a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FindingKind {
    /// The registry itself.
    Registry,
    /// The proxy or DNS serves another revision than the registry has, so that they cannot be compared.
    Behind,
    /// A route that is not what the registry says, or is missing.
    Route,
    /// A name or a record set that DNS serves otherwise than the registry says, or not at all.
    Records,
    /// An answer that is ready and is not the one that the zones give.
    Ready,
    /// A zone file that is not what is served of it, or cannot be read any more.
    ZoneFile,
    /// An entry that is set aside: not a fact, or hidden by another one.
    Quarantined,
    /// An endpoint of a frontend that is not an address; the others serve.
    Rejected,
    /// A frontend without an endpoint: its requests are answered 502.
    Empty,
    /// A frontend that no request can reach.
    Unreachable,
    /// A fact that DNS does not serve: a record set, or a service's names.
    Unserved,
    /// An endpoint that is out.
    Dead,
}
