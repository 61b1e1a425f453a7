//! The proxy's own turn: each snapshot becomes a table and is swapped in; marks of others become states; reports go out.
//!
//! All of it off the request path: a request sees one store of one pointer, or of one flag. It asks no channel, whose reading locks.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use model::{DeadMarks, ProxyReport, Revision, Snapshot};
use tokio::sync::watch;

use crate::clock::now_ms;
use crate::health::check::Counts;
use crate::log::Writer;
use crate::metrics::Metrics;
use crate::route::RouteTable;
use crate::worker::Shared;

/// How often a report goes out when nothing else asks for one.
const REPORT_EVERY: Duration = Duration::from_secs(1);

/// Changes within this time of a new table share the next one: the first of many is served at once, and a thousand a second do not
/// take the processors from requests.
const REST: Duration = Duration::from_millis(5);
/// How many old tables may wait to be freed together.
const RETIRED: usize = 32;

/// What following takes.
#[derive(Debug)]
pub(crate) struct Follower {
    /// Whose table, states and flags it keeps.
    pub(crate) shared: Arc<Shared>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) writer: Writer,
    pub(crate) snapshots: watch::Receiver<Arc<Snapshot>>,
    pub(crate) marks: watch::Receiver<Arc<DeadMarks>>,
    /// Whether the routes are known.
    pub(crate) known: watch::Receiver<bool>,
    /// Told the revision of each table that is swapped in.
    pub(crate) served: watch::Sender<Revision>,
    pub(crate) checks: Arc<Counts>,
}

/// Follows the registry until it is closed and nobody listens to our reports.
pub(crate) async fn follow(mut follower: Follower, report: watch::Sender<Arc<ProxyReport>>) {
    let (mut registry_open, mut known_open) = (true, true);
    follower.snapshots.mark_changed();
    follower.marks.mark_changed();
    let mut tick = tokio::time::interval(REPORT_EVERY);
    let (mut retired, mut rested) = (Vec::new(), tokio::time::Instant::now());
    while registry_open || report.receiver_count() > 0 {
        tokio::select! {
            changed = changed_after(rested, &mut follower.snapshots), if registry_open => {
                registry_open = changed.is_ok();
                retired.extend(follower.swap().await);
                rested = tokio::time::Instant::now() + REST;
                if retired.len() >= RETIRED {
                    free(&mut retired);
                }
            }
            changed = follower.marks.changed(), if registry_open => {
                registry_open = changed.is_ok();
                let newest = Arc::clone(&follower.marks.borrow_and_update());
                follower.shared.states.apply_marks(&newest, &follower.shared.table.load());
                follower.shared.active_checker.store(newest.active_checker, Ordering::Relaxed);
            }
            told = follower.known.changed(), if known_open => {
                known_open = told.is_ok();
                let known = *follower.known.borrow_and_update();
                // They are in the table before anybody is told that a host which is not there is nobody's.
                if follower.snapshots.has_changed().is_ok_and(|changed| changed) {
                    retired.extend(follower.swap().await);
                }
                follower.shared.known.store(known, Ordering::Release);
            }
            _ = tick.tick() => {
                follower.shared.states.sweep(now_ms());
                follower.writer.check();
                free(&mut retired);
            }
        }
        report.send_replace(Arc::new(follower.report()));
    }
}

/// Waits for a snapshot that is news, and not before `rested`.
async fn changed_after(
    rested: tokio::time::Instant,
    snapshots: &mut watch::Receiver<Arc<Snapshot>>,
) -> Result<(), watch::error::RecvError> {
    tokio::time::sleep_until(rested).await;
    snapshots.changed().await
}

/// Frees the tables that no thread holds any more, here and not on the way of whoever held one last.
fn free(retired: &mut Vec<Arc<RouteTable>>) {
    let unused: Vec<_> = retired.extract_if(.., |table| Arc::strong_count(table) == 1).collect();
    if !unused.is_empty() {
        tokio::task::spawn_blocking(move || drop(unused));
    }
}

impl Follower {
    /// Builds the table of the newest snapshot and swaps it in: one store of one pointer. Returns the one that served until now.
    async fn swap(&mut self) -> Option<Arc<RouteTable>> {
        let newest = Arc::clone(&self.snapshots.borrow_and_update());
        let (table, states) = (self.shared.table.load_full(), Arc::clone(&self.shared.states));
        // A first table of a million frontends takes a second: other tasks of the runtime go on meanwhile.
        let built = tokio::task::spawn_blocking(move || table.update(newest, &states)).await;
        match built {
            Ok(table) => {
                let revision = table.revision();
                let old = self.shared.table.swap(Arc::new(table));
                self.served.send_replace(revision);
                Some(old)
            }
            // The runtime is ending: nobody asks for a table any more.
            Err(error) if error.is_cancelled() => None,
            Err(error) => {
                tracing::error!(%error, "the route table could not be built; the last one serves on");
                None
            }
        }
    }

    fn report(&self) -> ProxyReport {
        let table = self.shared.table.load();
        ProxyReport {
            serving: table.revision(),
            in_flight: self.metrics.totals().in_flight(),
            dead: self.shared.states.dead(&table, now_ms()),
            checked: self.checks.read().checked,
        }
    }
}
