//! How a request would be routed.

use serde::{Deserialize, Serialize};

/// `/v1/explain?url=`: how a request for this URL would be routed, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explained {
    /// The host in canonical form.
    pub host: String,
    /// The path in canonical form, without the query.
    pub path: String,
    /// The revision this is true of: the one new requests are routed by.
    pub revision: u64,
    /// The frontend that takes it: `HOST[/path]`; `null`: none.
    pub frontend: Option<String>,
    /// What the client gets: one of the endpoints, or which answer of our own.
    pub outcome: String,
    /// Everything that was looked up, in order, up to the one that matched.
    pub considered: Vec<Considered>,
    /// The endpoints of the frontend.
    pub endpoints: Vec<EndpointView>,
}

/// One frontend (or host pattern) that was looked up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Considered {
    /// `HOST[/path]`, as looked up.
    pub pattern: String,
    /// Whether it takes the request.
    pub matched: bool,
    /// Why, or why not.
    pub reason: String,
}

/// An endpoint, as this node's proxy sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndpointView {
    /// `http://host:port`.
    pub url: String,
    /// Its weight.
    pub weight: u64,
    /// Requests in flight at it, from this node.
    pub in_flight: u64,
    /// Why it is out; `null`: it is not.
    pub out: Option<String>,
    /// When this node will try it again, in milliseconds from now; `null`: now, or when its marker says so.
    pub back_in_ms: Option<u64>,
}
