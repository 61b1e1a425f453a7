//! The seam: how a registry is kept.
//!
//! In: a [`Write`], a [`HistoryQuery`], and a [`Feed`] to follow with. Out: [`Event`]s in the order of their revisions, dead marks,
//! history. Never here: a snapshot of its own (the watcher folds them), an event queue without a bound, a wait of a data path.
//!
//! ```text
//! open ──► run(Feed) ─ ListBegin, List…, Listed ─► Changed, Confirmed, Marks … ─► Lost ─► (again from ListBegin)
//!          write ─ commits, sends Changed, then answers
//! ```

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use model::{Address, Change, ChangeRecord, DeadMarks, FactKey, HealthReport, Report, Revision, Snapshot};
use tokio::sync::{Notify, mpsc, watch};

pub use crate::nodes::{Heard, Voice, Word};
use crate::{Backup, BackupError, HistoryQuery, MAX_EDITS, PublishError, ReadError, Write};

pub mod embedded;
pub mod redis;

/// A boxed future, so that drivers can be chosen at run time.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// How many events may wait for the watcher; a driver that is faster waits (the watcher never waits for a driver).
pub const EVENT_QUEUE: usize = 1024;
/// How many health reports may wait for the driver; the sender drops and counts what does not fit.
pub const HEALTH_QUEUE: usize = 1024;
/// How many changes one [`Event::List`] should carry at most.
pub const LIST_BATCH: usize = 1000;

/// One way to keep a registry.
///
/// **Revisions.** Each edit that changes something takes one revision of its own, so a write of n edits moves the registry by n
/// (one [`Event::Changed`], at the last of them) and each history record has a unique revision. A put always changes something;
/// removing what is not there does not, and leaves no record. Expectations, those of guards with those of edits, are all checked
/// before the first edit is applied, and nobody writes in between; a guard takes no revision and leaves no record.
/// Revisions never go back: a store whose counter was lost goes on above `Feed::snapshots`' revision.
pub trait Driver: Send + Sync + 'static {
    /// `embedded`, `memory` or `redis`.
    fn name(&self) -> &'static str;

    /// Whether the store is beyond this process, so that a last known good file is worth keeping.
    fn is_remote(&self) -> bool;

    /// Follows the store until `feed.events` is closed by its receiver (see [`mpsc::Sender::closed`]): connects, lists, follows,
    /// says `Lost`, connects again. Called once. Returns early only when the driver is closed.
    fn run(self: Arc<Self>, feed: Feed) -> BoxFuture<'static, ()>;

    /// Writes all edits or none. Before it answers `Ok`, the [`Event::Changed`] of this write is in the event queue (a
    /// second announcement of it, by the store's own channel, does no harm). The answer is the last revision the write took,
    /// or the present one when it changed nothing. The keys of edits and guards are distinct; the edits' equal their facts' keys.
    fn write(&self, write: Write) -> BoxFuture<'_, Result<Revision, PublishError>>;

    /// Has the lease of the fact under `key` hold for its whole time from now on; no revision, no history. `false`: no fact with a
    /// lease is there, or not at the `expected` revision, where one is named; nobody writes it between the look and the renewal. A
    /// lease that ends is a change that the store tells like any other.
    fn renew(&self, key: FactKey, expected: Option<Revision>) -> BoxFuture<'_, Result<bool, PublishError>>;

    /// Reads the history, newest first.
    fn history(&self, query: HistoryQuery) -> BoxFuture<'_, Result<Vec<ChangeRecord>, ReadError>>;

    /// The most edits of one write: more cannot be all or nothing.
    fn max_edits(&self) -> usize {
        MAX_EDITS
    }

    /// Makes a consistent copy of the whole store while it runs; a store that has means of its own for that names them.
    fn backup(&self) -> BoxFuture<'_, Result<Backup, BackupError>>;

    /// Lets go of the store; later writes answer `Unavailable`.
    fn close(&self) -> BoxFuture<'_, ()>;
}

/// What a driver follows with.
#[derive(Debug)]
pub struct Feed {
    /// Where what happened in the store is told. Bounded by [`EVENT_QUEUE`].
    pub events: mpsc::Sender<Event>,
    /// What the watcher serves now (from the last known good file, at first): the highest revision this node knows.
    pub snapshots: watch::Receiver<Arc<Snapshot>>,
    /// Dead marks to set in the store, where it keeps them; to be drained in any case. Bounded by [`HEALTH_QUEUE`].
    pub health: mpsc::Receiver<HealthReport>,
    /// What this node says of itself, to be kept in the store with a TTL, where it can; to be taken back when the driver is closed.
    pub report: watch::Receiver<Arc<Report>>,
    /// Where it is told what other nodes say of themselves, where the store is theirs too.
    pub nodes: watch::Sender<Arc<Heard>>,
}

/// The revisions that a store lost, because it is an older copy of itself: those after the one and before the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lost {
    /// The last that it still had.
    pub after: Revision,
    /// The first that it took since.
    pub before: Revision,
}

/// What happened in a store.
#[derive(Debug, Clone)]
pub enum Event {
    /// A complete listing begins. An unfinished one before it is forgotten. What is served stays served.
    ListBegin,
    /// A part of the listing: `Put` and `Quarantine` only, at most about [`LIST_BATCH`] of them.
    List(Vec<Change>),
    /// The listing is complete: it is compared with what is served and takes its place; from now on we are live.
    ///
    /// `Changed` events may come between `ListBegin` and `Listed`: they are served at once and also applied to the listing
    /// (whichever of the two has the higher revision for a key wins).
    Listed {
        /// The store's revision. Below or at the served one with other content: the watcher counts on from what it serves.
        revision: Revision,
        /// How changes reach us: `in process`, `client tracking`, `keyspace events` or `reconcile only`.
        follows_by: &'static str,
        /// The store takes no writes from us and revisions are local.
        read_only: bool,
        /// The store is an older copy of itself (a replica that lagged and was promoted): what it lost is held.
        lost: Option<Lost>,
    },
    /// Facts changed, all at once. A change that is older than what is served for its key is ignored; what was removed is not
    /// remembered, so after a `Remove` no older `Put` may be told.
    Changed {
        /// The revision after the last of `changes`.
        revision: Revision,
        /// In order. `Put` carries the revision of its own edit.
        changes: Vec<Change>,
    },
    /// Like `Changed`, for facts that went all at once with nobody naming them (a flush). Most of a large table gone so is held, see
    /// [`crate::Config::hold`]; what somebody removed by name is told by `Changed` and believed.
    Vanished {
        /// The revision after the last of `changes`.
        revision: Revision,
        /// `Remove` and `Release` only.
        changes: Vec<Change>,
    },
    /// Like `Vanished`, of all that the store held: nothing is left of it.
    Emptied {
        /// The revision from which on nothing is there.
        revision: Revision,
    },
    /// The store was asked and says just what is served (a heartbeat, a finished reconcile): the age is zero again.
    Confirmed,
    /// All dead marks, as just listed.
    MarksListed(DeadMarks),
    /// The marks of this canonical host are now these; empty: none.
    Marks {
        /// The host they were written under.
        host: Box<str>,
        /// The marked addresses.
        dead: Vec<Address>,
    },
    /// Whether an active checker proves itself alive.
    ActiveChecker(bool),
    /// The store cannot be reached; the last snapshot stays. Said again when the error differs.
    Lost {
        /// What the last attempt said.
        error: String,
    },
    /// Not for drivers: everything queued before is served when this is notified.
    Barrier(Arc<Notify>),
}
