//! What happens, one JSON object a line.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::FactDoc;

/// A line of `/v1/events`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// An instance answers for a service of the type; told of all that do, first.
    Joined(Member),
    /// One that answered answers elsewhere.
    Moved(Member),
    /// One that answered does so no more; as it was.
    Left(Member),
    /// All that was so when the stream began has been told: what follows is news.
    Present {
        /// The revision of all that.
        revision: u64,
    },
    /// A fact was made, or says something else.
    Put {
        /// The revision that it made; of a change that no history tells of, the one of the snapshot that shows it.
        revision: u64,
        /// Which: `service:web`.
        key: String,
        /// What it says.
        fact: Box<FactDoc>,
        /// When it was written, or else seen by this node, in milliseconds since the Unix epoch.
        #[serde(default)]
        at_ms: u64,
    },
    /// A fact is gone.
    Removed {
        /// The revision, as of a put.
        revision: u64,
        /// Which.
        key: String,
        /// When it was written, or else seen by this node, in milliseconds since the Unix epoch.
        #[serde(default)]
        at_ms: u64,
    },
}

/// An instance that is found by a type (RFC 6763).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// The revision of the snapshot that shows it.
    pub revision: u64,
    /// `_http._tcp`.
    #[serde(rename = "type")]
    pub service_type: String,
    /// Of which service.
    pub service: String,
    /// Its name among the instances of that.
    pub instance: String,
    /// The name of the service for people, as it was spelled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Where it is.
    pub addresses: Vec<String>,
    /// Its ports, by name.
    pub ports: BTreeMap<String, u16>,
}
