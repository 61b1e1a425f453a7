//! How we stand with the store.

use std::time::Instant;

use model::Revision;

/// How we stand with the store.
#[derive(Debug, Clone, PartialEq)]
pub struct State {
    /// `embedded`, `memory` or `redis`.
    pub driver: &'static str,
    /// The URL, its password hidden.
    pub url: String,
    /// Whether the store can be reached now.
    pub link: Link,
    /// How changes reach us: `in process`, `client tracking`, `keyspace events`, `reconcile only`; empty while lost.
    pub follows_by: &'static str,
    /// True once a snapshot came from the store itself or from the last known good file.
    pub ready: bool,
    /// True while the snapshot served is the last known good one from disk.
    pub from_cache: bool,
    /// When the snapshot was last known to be what the store says; `None`: never in this process.
    pub confirmed: Option<Instant>,
    /// When the last known good snapshot served was last confirmed by the store, in milliseconds since the Unix epoch, to a
    /// minute; `None` unless `from_cache`.
    pub saved_ms: Option<u64>,
    /// True when the store takes no writes from us and revisions are local.
    pub read_only: bool,
    /// The view of the store's that is not believed yet; `None`: what the store says is served.
    pub held: Option<Held>,
}

/// A view that suddenly lost most of a large table, or that is older than what is served: it is held for [`crate::Config::hold`] before it is believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Held {
    /// Since when.
    pub since: Instant,
    /// When it will be believed if nothing changes.
    pub until: Instant,
    /// How many of the frontends that are served it would remove, or take back to what they were.
    pub removes: usize,
    /// How many are served.
    pub of: usize,
    /// Whether the store is an older copy of itself (a replica that lagged and was promoted).
    pub older: bool,
}

/// A held view that an operator had believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Accepted {
    /// The revision it is served at.
    pub revision: Revision,
    /// How many frontends it removed.
    pub removed: usize,
}

/// Whether the store can be reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Link {
    /// Not yet.
    Connecting,
    /// Yes, and we follow its changes.
    Live,
    /// No.
    Lost {
        /// What the last attempt said.
        error: String,
    },
}
