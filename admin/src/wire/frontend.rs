//! Frontends, read and written.

use serde::{Deserialize, Deserializer, Serialize};

use super::{BalanceDoc, CheckDoc, EndpointDoc, FrontendDoc, TimeoutsDoc};

/// `/v1/frontends`: a page of them, by host and path.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FrontendList {
    /// The revision of the snapshot this page is of.
    pub revision: u64,
    /// The frontends.
    pub frontends: Vec<FrontendView>,
    /// `?after=` of the next page; `null` at the end.
    pub next: Option<String>,
}

/// One frontend as it stands; `ETag` is its revision.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FrontendView {
    /// The frontend.
    pub frontend: FrontendDoc,
    /// The revision of its last change: what `If-Match` expects.
    pub revision: u64,
    /// How the registry keeps it: `native` or `hipache`.
    pub kept_as: String,
    /// Entries of its list that are not endpoints.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rejected: Vec<Rejected>,
}

/// An entry of a list that is not an endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rejected {
    /// As it was written.
    pub text: String,
    /// What is wrong and how to write it.
    pub reason: String,
}

/// The answer to a write.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Written {
    /// The revision it made, or the present one when nothing had to change.
    pub revision: u64,
    /// Whether this node's proxy routes by it already; false also where there is no proxy.
    pub live: bool,
    /// Whether anything changed.
    pub changed: bool,
    /// What stands there now; `null` when it was removed.
    pub frontend: Option<FrontendDoc>,
}

/// `POST /v1/frontends/{host}/endpoints`: endpoints that shall be there, in a frontend that is made when it is not.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Addition {
    /// The endpoints. One that is there already stays as it is, or takes the weight, when one is given.
    pub endpoints: Vec<EndpointDoc>,
    /// The backend's name; left out: as it is, or the host pattern.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backend: Option<String>,
    /// How endpoints are chosen; left out: as it is, or the default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub balance: Option<BalanceDoc>,
    /// Times of this frontend's own; each that is left out: as it is, or the proxy's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeouts: Option<TimeoutsDoc>,
    /// How endpoints are checked; left out: as it is; `null`: no more.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "said")]
    pub check: Option<Option<CheckDoc>>,
    /// Whether DNS answers its host with the addresses of the fleet's proxies; left out: as it is, or no.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dns: Option<bool>,
}

/// A `null` that is written is something else than what is left out.
fn said<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<CheckDoc>>, D::Error> {
    Option::<CheckDoc>::deserialize(deserializer).map(Some)
}
