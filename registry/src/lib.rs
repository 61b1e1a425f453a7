//! The registry: where facts are kept, and how every change of them reaches the house.
//!
//! In: writes ([`Write`]), changes that a store announces, health reports. Out: one [`Snapshot`] after the other, dead marks,
//! history. Never here: a data path that waits for us; DNS or container crates; a panic on anything a store returned.
//!
//! ```text
//! driver (embedded | memory | redis) ── events ──► watcher ── fold ──► watch<Arc<Snapshot>> ──► proxy, admin
//!      ▲                                              └──────────────► watch<Arc<DeadMarks>> ──► proxy
//!      └───────────── publish (compare-and-set) ◄── admin        last known good on disk
//! ```

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use model::{ChangeRecord, DeadMarks, Fact, FactKey, HealthReport, NodeId, Revision, Snapshot};
use tokio::sync::{mpsc, watch};

/// How the registry behaves; start-up configuration, not facts.
#[derive(Debug, Clone)]
pub struct Config {
    /// Who we are, in histories and reports.
    pub node: NodeId,
    /// Where the last known good snapshot of a remote store is kept; `None`: nowhere. Written at most once a second.
    pub cache_file: Option<PathBuf>,
    /// How many changes the history keeps.
    pub history: usize,
    /// A remote store that says nothing for this long is lost.
    pub timeout: Duration,
    /// The longest pause between two attempts to reach a lost store (doubling from 50 ms, with jitter).
    pub reconnect_max: Duration,
    /// How long a full reconcile of a remote store may take to come round: what a lost message hid is found within it.
    pub reconcile: Duration,
    /// Whether portico may switch on Redis' keyspace notifications when client tracking is missing.
    pub configure_keyspace_events: bool,
    /// The largest value of one entry, in octets; a larger one is set aside.
    pub max_value: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            node: NodeId("portico".into()),
            cache_file: None,
            history: 10_000,
            timeout: Duration::from_secs(2),
            reconnect_max: Duration::from_secs(1),
            reconcile: Duration::from_secs(5),
            configure_keyspace_events: false,
            max_value: 256 * 1024,
        }
    }
}

/// Several facts written together or not at all.
#[derive(Debug, Clone)]
pub struct Write {
    /// Who writes, for the history: `cli:root@host`, `api:127.0.0.1`.
    pub who: String,
    /// What; at most one edit a key.
    pub edits: Vec<Edit>,
}

/// One fact put or removed, when it is at the expected revision.
#[derive(Debug, Clone)]
pub struct Edit {
    /// Which fact.
    pub key: FactKey,
    /// What it shall say; `None` removes it.
    pub fact: Option<Fact>,
    /// What must be true of it now.
    pub expected: Expected,
}

/// What a writer expects of the fact it touches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// Whatever is there.
    Any,
    /// Something is there.
    Present,
    /// Nothing is there.
    Absent,
    /// It is at this revision.
    At(Revision),
}

/// An accepted write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Published {
    /// The revision it made. Our own snapshot is at it, or later, when this is returned.
    pub revision: Revision,
}

/// Why a write was not accepted; named by what the caller does next.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// Read again, decide again.
    #[error("{key} is not as expected: {}", describe_actual(.actual))]
    Conflict {
        /// Which fact.
        key: FactKey,
        /// Its revision now; `None` when it does not exist.
        actual: Option<Revision>,
    },
    /// Try later: the store cannot be reached. Nothing was written, or it is not known whether it was.
    #[error("the registry cannot be reached: {0}")]
    Unavailable(String),
    /// Write elsewhere: this store takes no writes from us.
    #[error("the registry is read-only: {0}")]
    ReadOnly(String),
    /// Make room: the store's disk or memory is full.
    #[error("the registry is full: {0}")]
    Full(String),
}

fn describe_actual(actual: &Option<Revision>) -> String {
    actual.map_or_else(|| "it does not exist".to_owned(), |revision| format!("it is at revision {revision}"))
}

/// Why a read of the store failed.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// Try later.
    #[error("the registry cannot be reached: {0}")]
    Unavailable(String),
}

/// Which part of the history to read; newest first.
#[derive(Debug, Clone, Default)]
pub struct HistoryQuery {
    /// At most this many records.
    pub limit: usize,
    /// Only older than this revision.
    pub before: Option<Revision>,
    /// Only of this fact.
    pub key: Option<FactKey>,
}

/// How we stand with the store.
#[derive(Debug, Clone)]
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
    /// True when the store takes no writes from us and revisions are local.
    pub read_only: bool,
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
