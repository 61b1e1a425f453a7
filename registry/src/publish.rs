//! The handle: snapshots out, writes in.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use model::{
    ChangeRecord, DeadMarks, Fact, FactKey, HealthReport, MAX_ENDPOINTS, Nodes, Report, Revision, Snapshot,
    Watched,
};
use tokio::sync::{Mutex, Notify, mpsc, oneshot, watch};
use tokio::task::JoinSet;

use crate::cache::{Cache, Saved};
use crate::driver::{Driver, EVENT_QUEUE, Event, Feed, HEALTH_QUEUE};
use crate::fold::Fold;
use crate::format::native;
use crate::hold::Patience;
use crate::nodes::Roll;
use crate::watcher::Watcher;
use crate::{
    Accepted, Backup, BackupError, Config, Edit, HistoryQuery, Link, MAX_GUARDS, PublishError, Published,
    ReadError, State, Write,
};

/// The most edits in one write, whatever the store; some take more ([`Registry::max_edits`]).
pub const MAX_EDITS: usize = 1000;
/// The longest `who` that is kept, in octets.
const MAX_WHO: usize = 200;
/// How many operators may wait for the held view to be believed.
const ACCEPT_QUEUE: usize = 16;

/// A registry that is followed. Clones are handles to the same one; it ends with the last of them.
#[derive(Clone)]
pub struct Registry {
    inner: Arc<Inner>,
}

struct Inner {
    driver: Arc<dyn Driver>,
    snapshots: watch::Receiver<Arc<Snapshot>>,
    marks: watch::Receiver<Arc<DeadMarks>>,
    state: watch::Receiver<Arc<State>>,
    events: mpsc::Sender<Event>,
    accepts: mpsc::Sender<oneshot::Sender<Option<Accepted>>>,
    health: mpsc::Sender<HealthReport>,
    report: watch::Sender<Arc<Report>>,
    nodes: watch::Receiver<Arc<Nodes>>,
    stop: watch::Sender<bool>,
    /// True once the end was asked for: that the store is let go of is no loss.
    closing: Arc<AtomicBool>,
    /// Watcher, driver and cache; aborted when the last handle goes without `close`.
    tasks: Mutex<JoinSet<()>>,
    timeout: Duration,
    max_value: usize,
}

impl Registry {
    /// Starts following; `cache` is where the last known good snapshot is kept, with what it held.
    pub(crate) fn start(
        driver: Arc<dyn Driver>,
        url: String,
        config: &Config,
        cache: Option<(Cache, Option<Saved>)>,
    ) -> Self {
        let (cache, saved) = cache.unzip();
        let saved = saved.flatten();
        let first = State {
            driver: driver.name(),
            url,
            link: Link::Connecting,
            follows_by: "",
            ready: saved.is_some(),
            from_cache: saved.is_some(),
            confirmed: None,
            saved_ms: saved.as_ref().map(|saved| saved.confirmed_ms),
            read_only: false,
            held: None,
        };
        // A local store is lost and changed by nobody but this process.
        let of_remote = |hold| if driver.is_remote() { hold } else { Duration::ZERO };
        let hold = Patience { loss: of_remote(config.hold), older: of_remote(config.hold_older) };
        let saved = saved.map_or_else(Snapshot::empty, |saved| saved.snapshot);
        let fold = Fold::new(saved, first.clone(), hold);
        let (to_snapshots, snapshots) = watch::channel(Arc::new(fold.snapshot.clone()));
        let (to_marks, marks) = watch::channel(Arc::new(DeadMarks::default()));
        let (to_state, state) = watch::channel(Arc::new(first));
        let (events, from_driver) = mpsc::channel(EVENT_QUEUE);
        let (accepts, accepted) = mpsc::channel(ACCEPT_QUEUE);
        let (health, from_proxies) = mpsc::channel(HEALTH_QUEUE);
        let (report, reports) = watch::channel(Arc::new(Report::default()));
        let (stop, stopped) = watch::channel(false);
        let (roll, to_heard, nodes) = Roll::new(config, driver.is_remote(), reports.clone());

        let feed = Feed {
            events: events.clone(),
            snapshots: snapshots.clone(),
            health: from_proxies,
            report: reports,
            nodes: to_heard,
        };
        let closing = Arc::<AtomicBool>::default();
        let watcher = Watcher {
            events: from_driver,
            accepts: accepted,
            fold,
            snapshots: to_snapshots,
            marks: to_marks,
            state: to_state,
            closing: Arc::clone(&closing),
        };
        let mut tasks = JoinSet::new();
        let (driving, following) = (Arc::clone(&driver).run(feed), watcher.run(stopped.clone()));
        tasks.spawn(watched(config.alarm.watch("the registry's driver"), driving));
        tasks.spawn(watched(config.alarm.watch("the registry's watcher"), following));
        tasks.spawn(roll.follow());
        if let Some(cache) = cache {
            tasks.spawn(cache.follow(snapshots.clone(), state.clone(), stopped));
        }
        let (timeout, max_value, tasks) = (config.timeout, config.max_value, Mutex::new(tasks));
        let inner = Inner {
            driver,
            snapshots,
            marks,
            state,
            events,
            accepts,
            health,
            report,
            nodes,
            stop,
            closing,
            tasks,
            timeout,
            max_value,
        };
        Self { inner: Arc::new(inner) }
    }

    /// The facts, one snapshot after the other.
    pub fn snapshots(&self) -> watch::Receiver<Arc<Snapshot>> {
        self.inner.snapshots.clone()
    }

    /// The dead marks of all writers, where the store keeps them.
    pub fn marks(&self) -> watch::Receiver<Arc<DeadMarks>> {
        self.inner.marks.clone()
    }

    /// How we stand with the store.
    pub fn state(&self) -> watch::Receiver<Arc<State>> {
        self.inner.state.clone()
    }

    /// Writes all edits or none; returns when our own snapshot shows them.
    ///
    /// Each edit takes a revision of its own; removing what is not there takes none. At most [`Registry::max_edits`] edits, one a key.
    /// Guards are checked with what the edits expect, before the first edit is made; they change nothing.
    ///
    /// # Errors
    /// [`PublishError`], named by what to do next.
    pub async fn publish(&self, mut write: Write) -> Result<Published, PublishError> {
        check(&write, self.inner.driver.max_edits(), self.inner.max_value)?;
        write.who = write.who.chars().filter(|c| !c.is_control()).take(MAX_WHO).collect();
        let revision = self.inner.driver.write(write).await?;
        // The driver has queued what the write changed; what is queued behind it is reached after it is served.
        let reached = Arc::new(Notify::new());
        let barrier = self.inner.events.send(Event::Barrier(Arc::clone(&reached)));
        if barrier.await.is_ok() {
            tokio::select! {
                () = reached.notified() => return Ok(Published { revision }),
                () = self.inner.events.closed() => {}
            }
        }
        Err(PublishError::Unavailable(format!("written at revision {revision}, but the registry was closed")))
    }

    /// Has the lease of the fact under `key` hold for its whole time from now on; with an `expected` revision, only if the fact is
    /// still at it. That is no change: no revision, no history. `false`: no fact with a lease is there (any more), or another wrote it
    /// meanwhile.
    ///
    /// # Errors
    /// [`PublishError`] when the store cannot be reached.
    pub async fn renew(&self, key: FactKey, expected: Option<Revision>) -> Result<bool, PublishError> {
        self.inner.driver.renew(key, expected).await
    }

    /// The most edits of one write to this store.
    pub fn max_edits(&self) -> usize {
        self.inner.driver.max_edits()
    }

    /// Makes a consistent copy of the whole store, facts and history, while it runs.
    ///
    /// # Errors
    /// [`BackupError`], named by what to do next.
    pub async fn backup(&self) -> Result<Backup, BackupError> {
        self.inner.driver.backup().await
    }

    /// Believes the view of the store's that is held (see [`Config::hold`]), as it is now; returns when it is served. `None`: none is
    /// held.
    pub async fn accept(&self) -> Option<Accepted> {
        let (asked, accepted) = oneshot::channel();
        self.inner.accepts.send(asked).await.ok()?;
        accepted.await.ok()?
    }

    /// Reads the history, newest first.
    ///
    /// # Errors
    /// [`ReadError`] when the store cannot be asked.
    pub async fn history(&self, query: HistoryQuery) -> Result<Vec<ChangeRecord>, ReadError> {
        self.inner.driver.history(query).await
    }

    /// Where proxies report dead endpoints; bounded, so use `try_send` and count what does not fit.
    pub fn health_reports(&self) -> mpsc::Sender<HealthReport> {
        self.inner.health.clone()
    }

    /// What this node says of itself, kept in the store where it has a place for it; see [`Registry::nodes`].
    pub fn report(&self, mut report: watch::Receiver<Arc<Report>>) {
        // The first word stands when this returns.
        self.inner.report.send_replace(Arc::clone(&report.borrow_and_update()));
        let inner = Arc::downgrade(&self.inner);
        tokio::spawn(async move {
            while report.changed().await.is_ok() {
                let now = Arc::clone(&report.borrow_and_update());
                let Some(inner) = inner.upgrade() else { return };
                inner.report.send_replace(now);
            }
        });
    }

    /// All nodes that share this registry, each with its last report: those that are lost for a time, those that took their leave not.
    /// Of a store of this process' own, this node alone.
    pub fn nodes(&self) -> watch::Receiver<Arc<Nodes>> {
        self.inner.nodes.clone()
    }

    /// Lets go of the store and ends all that runs for it; other handles' writes answer `Unavailable` from then on.
    pub async fn close(self) {
        self.inner.closing.store(true, Ordering::Relaxed);
        self.inner.driver.close().await;
        self.inner.stop.send_replace(true);
        let mut tasks = self.inner.tasks.lock().await;
        let ended = async { while tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(self.inner.timeout, ended).await.is_err() {
            tracing::warn!(driver = self.inner.driver.name(), "the registry did not end in time; abandoned");
            tasks.shutdown().await;
        }
    }
}

/// A part without which nothing follows the store.
async fn watched(part: Watched, running: impl Future<Output = ()>) {
    let _part = part;
    running.await;
}

/// What no driver needs to look at.
fn check(write: &Write, max_edits: usize, max_value: usize) -> Result<(), PublishError> {
    let invalid = |why: String| Err(PublishError::Invalid(why));
    if write.edits.is_empty() || write.edits.len() > max_edits {
        return invalid(format!("{} edits; send 1 to {max_edits}", write.edits.len()));
    }
    if write.guards.len() > MAX_GUARDS {
        return invalid(format!("{} guards; send at most {MAX_GUARDS}", write.guards.len()));
    }
    let mut keys = BTreeSet::new();
    if let Some(guard) = write.guards.iter().find(|guard| !keys.insert(&guard.key)) {
        return invalid(format!("{} is guarded twice; say it once", guard.key));
    }
    for Edit { key, fact, .. } in &write.edits {
        if !keys.insert(key) {
            return invalid(format!("{key} is edited twice, or guarded, too; say it once"));
        }
        let Some(fact) = fact else { continue };
        if fact.key() != *key {
            return invalid(format!("{key} cannot hold {}; write it under its own key", fact.key()));
        }
        if let Fact::Frontend(frontend) = fact {
            let backend = &frontend.backend;
            if let Some(rejected) = backend.rejected.first() {
                return invalid(format!("{key}: `{}`: {}", rejected.text, rejected.reason));
            }
            if backend.endpoints.len() > MAX_ENDPOINTS {
                return invalid(format!("{key} has more than {MAX_ENDPOINTS} endpoints; spread them"));
            }
        }
        if native::write_fact(fact).len() > max_value {
            return invalid(format!("{key} takes more than {max_value} octets; make it smaller"));
        }
    }
    Ok(())
}
