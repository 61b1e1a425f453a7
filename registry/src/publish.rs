//! The handle: snapshots out, writes in.

use std::sync::Arc;
use std::time::Duration;

use model::{ChangeRecord, DeadMarks, HealthReport, Report, Snapshot};
use tokio::sync::{mpsc, watch};

use crate::driver::{Driver, EVENT_QUEUE, Feed, HEALTH_QUEUE};
use crate::{Config, HistoryQuery, Link, PublishError, Published, ReadError, State, Write};

/// A registry that is followed. Clones are handles to the same one.
#[derive(Clone)]
pub struct Registry {
    inner: Arc<Inner>,
}

struct Inner {
    driver: Arc<dyn Driver>,
    snapshots: watch::Receiver<Arc<Snapshot>>,
    marks: watch::Receiver<Arc<DeadMarks>>,
    state: watch::Receiver<Arc<State>>,
    health: mpsc::Sender<HealthReport>,
    report: watch::Sender<Arc<Report>>,
    timeout: Duration,
}

impl Registry {
    pub(crate) fn start(driver: Arc<dyn Driver>, url: String, config: Config) -> Self {
        let (_, snapshots) = watch::channel(Arc::new(Snapshot::empty()));
        let (_, marks) = watch::channel(Arc::new(DeadMarks::default()));
        let (_, state) = watch::channel(Arc::new(State {
            driver: driver.name(),
            url,
            link: Link::Connecting,
            follows_by: "",
            ready: false,
            from_cache: false,
            confirmed: None,
            read_only: false,
        }));
        let (events, _) = mpsc::channel(EVENT_QUEUE);
        let (health, from_health) = mpsc::channel(HEALTH_QUEUE);
        let (report, reports) = watch::channel(Arc::new(Report::default()));
        let feed = Feed { events, snapshots: snapshots.clone(), health: from_health, report: reports };
        tokio::spawn(Arc::clone(&driver).run(feed));
        let timeout = config.timeout;
        Self { inner: Arc::new(Inner { driver, snapshots, marks, state, health, report, timeout }) }
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
    /// # Errors
    /// [`PublishError`], named by what to do next.
    pub async fn publish(&self, write: Write) -> Result<Published, PublishError> {
        let revision = self.inner.driver.write(write).await?;
        let mut snapshots = self.inner.snapshots.clone();
        let shown = snapshots.wait_for(|snapshot| snapshot.revision() >= revision);
        match tokio::time::timeout(self.inner.timeout, shown).await {
            Ok(Ok(_)) => Ok(Published { revision }),
            Ok(Err(_)) | Err(_) => Err(PublishError::Unavailable(format!(
                "written at revision {revision}, but not seen back in time"
            ))),
        }
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

    /// What this node says of itself, kept in the store where it has a place for it.
    pub fn report(&self, mut report: watch::Receiver<Arc<Report>>) {
        let inner = Arc::downgrade(&self.inner);
        tokio::spawn(async move {
            loop {
                let now = Arc::clone(&report.borrow_and_update());
                let Some(inner) = inner.upgrade() else { return };
                inner.report.send_replace(now);
                drop(inner);
                if report.changed().await.is_err() {
                    return;
                }
            }
        });
    }

    /// Lets go of the store.
    pub async fn close(self) {
        self.inner.driver.close().await;
    }
}
