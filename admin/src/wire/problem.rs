//! An error, as RFC 9457 writes it.

use serde::{Deserialize, Serialize};

/// `application/problem+json` (RFC 9457 §3).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// Which kind of problem: `urn:portico:problem:conflict`, `…:not-found`, `…:invalid`, `…:unavailable` …
    #[serde(rename = "type")]
    pub kind: String,
    /// The status in words.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What went wrong this time.
    pub detail: String,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub remedy: String,
    /// Which field of the request, when it was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// The revision the fact is really at (412).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<u64>,
}
