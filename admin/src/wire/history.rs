//! Who changed what, when.

use serde::{Deserialize, Serialize};

use super::FactDoc;

/// `/v1/history`: changes, newest first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct History {
    /// The changes.
    pub records: Vec<HistoryRecord>,
    /// `?before=` of the next page; `null` at the end.
    pub next: Option<u64>,
}

/// One change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HistoryRecord {
    /// The revision it made.
    pub revision: u64,
    /// When, in milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// The same as RFC 3339 text, UTC.
    pub at: String,
    /// Who.
    pub who: String,
    /// Which fact: `frontend:www.example.com/api`, `service:web`, `instance:web/web-1`, `host:node-1`.
    pub key: String,
    /// What stood there before; `null` when nothing did or it is not known.
    pub before: Option<FactDoc>,
    /// False when nobody saw what stood there before: a foreign writer's change while no portico looked.
    #[serde(default = "yes", skip_serializing_if = "Clone::clone")]
    pub before_known: bool,
    /// What stands there since; `null` when it was removed or set aside.
    pub after: Option<FactDoc>,
    /// True when something stands there since that cannot be used; `portico verify` says what and why while it does.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub set_aside: bool,
}

fn yes() -> bool {
    true
}
