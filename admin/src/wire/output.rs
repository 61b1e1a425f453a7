//! What containers print, one JSON object a line.

use serde::{Deserialize, Serialize};

/// A line of `/v1/services/{service}/logs`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLine {
    /// Which instance printed it.
    pub instance: String,
    /// Where.
    pub stream: Stream,
    /// When, as its engine says it (RFC 3339); left out: it does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
    /// What, without the line feed at its end; what is no UTF-8 is replaced.
    pub text: String,
}

/// Where something is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stream {
    /// On standard output.
    Stdout,
    /// On standard error.
    Stderr,
    /// Nowhere: portico says why nothing comes of the instance.
    Portico,
    /// Nowhere: the last line, of no instance, says why there is more than was told.
    Cut,
}
