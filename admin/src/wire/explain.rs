//! How a request would be routed.

use serde::{Deserialize, Serialize};

use super::{BalanceDoc, Rejected, TimeoutsDoc};

/// `/v1/explain?url=`: how a request for this URL would be routed, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explained {
    /// The host in canonical form; as written where it has none.
    pub host: String,
    /// The path in canonical form, without the query; as written where it has none.
    pub path: String,
    /// The revision this is true of: the one new requests are routed by.
    pub revision: u64,
    /// What a client gets.
    pub outcome: String,
    /// Everything that was looked at, in order, and on after the match.
    pub considered: Vec<Considered>,
    /// The frontend that takes the request; `null`: none.
    pub matched: Option<Match>,
}

/// One frontend, or one host pattern, that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Considered {
    /// `HOST[/path]`.
    pub pattern: String,
    /// Whether it takes the request.
    pub taken: bool,
    /// What came of it, and why.
    pub outcome: String,
}

/// The frontend that takes the request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Match {
    /// `HOST[/path]`.
    pub frontend: String,
    /// Its backend's name.
    pub backend: String,
    /// How an endpoint is chosen.
    pub balance: BalanceDoc,
    /// Its own times, where it has some.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeouts: Option<TimeoutsDoc>,
    /// Its endpoints, in the order of the list.
    pub endpoints: Vec<EndpointView>,
    /// What stands in the list and cannot be used.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rejected: Vec<Rejected>,
}

/// An endpoint, as this node's proxy sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndpointView {
    /// `http://host:port` or `unix:/path`.
    pub url: String,
    /// Its weight.
    pub weight: u64,
    /// Requests in flight there for this frontend, from this node.
    pub in_flight: u64,
    /// Why it is out; `null`: it is not.
    pub out: Option<String>,
    /// Whether no request ever goes there, because of its address; `out` says why.
    #[serde(default)]
    pub refused: bool,
    /// What its active check said when it failed, also where the endpoint serves on because there is no other; left out: nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check: Option<String>,
    /// When this node will try it again, in milliseconds from now; `null`: it is not out, or its marker or its check decides.
    pub back_in_ms: Option<u64>,
    /// Whether the next request may go there; the only ones left serve although they are marked.
    pub serves: bool,
}
