//! The registry: where facts are kept, and how every change of them reaches the house.
//!
//! In: writes ([`Write`]), changes that a store announces, health reports, this node's report. Out: one [`model::Snapshot`] after the
//! other, dead marks, all nodes' reports, history. Never here: a data path that waits for us; DNS or container crates; a panic on anything a store returned.
//!
//! ```text
//! driver (embedded | memory | redis) ── events ──► watcher ── fold ──► watch<Arc<Snapshot>> ──► proxy, admin
//!      ▲                                              └──────────────► watch<Arc<DeadMarks>> ──► proxy
//!      ├── what other nodes say ── nodes ─► watch<Arc<Nodes>> ──► admin
//!      └───────────── publish (compare-and-set) ◄── admin        last known good on disk
//! ```

use std::path::PathBuf;
use std::time::Duration;

use model::{Alarm, NodeId};

mod backup;
mod cache;
pub mod driver;
mod fold;
pub mod format;
mod history;
mod hold;
pub mod import;
mod nodes;
mod open;
mod past;
mod plan;
mod publish;
mod state;
mod url;
mod watcher;
mod write;

pub use backup::{Backup, BackupError};
pub use history::{HistoryQuery, ReadError};
pub use hold::{LARGE_TABLE, SUDDEN_LOSS_PERCENT};
pub use nodes::MAX_NODES;
pub use open::{OpenError, open};
pub use past::{PastError, Touched, Was};
pub use plan::{Plan, Step};
pub use publish::{MAX_EDITS, Registry};
pub use state::{Accepted, Held, Link, State};
pub use url::{RegistryUrl, UrlError};
pub use write::{Edit, Expected, Guard, MAX_GUARDS, PublishError, Published, Write};

/// How the registry behaves; start-up configuration, not facts.
#[derive(Debug, Clone)]
pub struct Config {
    /// Who we are, in histories and reports.
    pub node: NodeId,
    /// How long this node's word about itself holds, where other nodes hear it: one that says nothing for longer is lost.
    pub lease: Duration,
    /// How long a node that is lost is still named, of [`MAX_NODES`] at most; one that took its leave is not.
    pub lost: Duration,
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
    /// How long a view of a remote store that suddenly lost most of a large table ([`SUDDEN_LOSS_PERCENT`] of [`LARGE_TABLE`] or more
    /// frontends, by a flush or at a reconnect) is held before it is believed; zero: it is believed at once.
    pub hold: Duration,
    /// How long what an older copy of the store takes back is held, where sentinels promoted a replica that lagged; zero: not at all.
    pub hold_older: Duration,
    /// The authorities (PEM) that a store behind TLS is believed for; `None`: the system's.
    pub ca_file: Option<PathBuf>,
    /// Whether portico may switch on Redis' keyspace notifications when client tracking is missing.
    pub configure_keyspace_events: bool,
    /// The largest value of one entry, in octets; a larger one is set aside.
    pub max_value: usize,
    /// Whether an active checker that proves itself alive (hipache's `hchecker_ping`) is believed; if not, none ever runs.
    pub active_checks: bool,
    /// Told when a part of the registry ends by a panic: nothing follows the store any more then.
    pub alarm: Alarm,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            node: NodeId("portico".into()),
            lease: Duration::from_secs(15),
            lost: Duration::from_secs(3600),
            cache_file: None,
            history: 10_000,
            timeout: Duration::from_secs(2),
            reconnect_max: Duration::from_secs(1),
            reconcile: Duration::from_secs(5),
            hold: Duration::from_secs(60),
            hold_older: Duration::from_secs(60),
            ca_file: None,
            configure_keyspace_events: false,
            max_value: 256 * 1024,
            active_checks: true,
            alarm: Alarm::default(),
        }
    }
}
