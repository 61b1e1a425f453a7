//! The proxy's own turn: each snapshot becomes a table and is swapped in; marks of others become states; reports go out.
//!
//! All of it off the request path: a request sees one store of one pointer, or of one flag. It asks no channel, whose reading locks.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use model::{DeadMarks, ProxyReport, Revision, Snapshot};
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;

use crate::clock::now_ms;
use crate::health::check::Counts;
use crate::health::{Standing, States};
use crate::log::Writer;
use crate::metrics::Metrics;
use crate::route::RouteTable;
use crate::worker::Shared;

/// How often a report goes out when nothing else asks for one.
const REPORT_EVERY: Duration = Duration::from_secs(1);

/// Changes within this time of a new table share the next one: the first of many is served at once, and a thousand a second do not
/// take the processors from requests.
const REST: Duration = Duration::from_millis(5);
/// How often it is looked who let go of endpoints that left, while there are such: those that wait for it shall not wait long.
const LETTING_GO: Duration = Duration::from_millis(50);
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
    let mut letting_go = tokio::time::interval(LETTING_GO);
    letting_go.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut retired, mut rested) = (Retired::default(), tokio::time::Instant::now());
    while registry_open || report.receiver_count() > 0 {
        tokio::select! {
            changed = changed_after(rested, &mut follower.snapshots), if registry_open => {
                registry_open = changed.is_ok();
                retired.take(follower.swap().await, &follower.shared.states);
                rested = tokio::time::Instant::now() + REST;
                if retired.tables.len() >= RETIRED {
                    retired.free();
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
                    retired.take(follower.swap().await, &follower.shared.states);
                }
                follower.shared.known.store(known, Ordering::Release);
            }
            _ = tick.tick() => {
                follower.shared.states.sweep(now_ms());
                follower.writer.check();
                retired.free();
            }
            _ = letting_go.tick(), if retired.holds_some(&follower.shared.states) => {
                retired.free();
                if !retired.let_go(&follower.shared).await {
                    continue;
                }
            }
        }
        report.send_replace(Arc::new(follower.report(&retired.standing)));
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

/// What was served before.
#[derive(Default)]
struct Retired {
    /// Until no thread holds them.
    tables: Vec<Arc<RouteTable>>,
    /// Who of their endpoints is not free, as it was told last.
    standing: Standing,
}

impl Retired {
    /// Takes in the table that served until now. Until it is looked again, nobody who left with it counts as free.
    fn take(&mut self, old: Option<Arc<RouteTable>>, states: &States) {
        if let Some(old) = old {
            if !states.nothing_left() {
                self.standing.holds(old.revision());
            }
            self.tables.push(old);
        }
    }

    /// Frees the tables that no thread holds any more, here and not on the way of whoever held one last.
    fn free(&mut self) {
        let unused: Vec<_> = self.tables.extract_if(.., |table| Arc::strong_count(table) == 1).collect();
        if !unused.is_empty() {
            tokio::task::spawn_blocking(move || drop(unused));
        }
    }

    /// Whether there is something to be let go of, or to be told that it was.
    fn holds_some(&self, states: &States) -> bool {
        !states.nothing_left() || self.standing != Standing::default()
    }

    /// Looks who of those that left is free by now. True: there is something to tell.
    async fn let_go(&mut self, shared: &Shared) -> bool {
        let older = self.tables.iter().map(|table| table.revision()).min();
        let (table, states) = (shared.table.load_full(), Arc::clone(&shared.states));
        // Somebody may have taken a million of them out.
        let looking = tokio::task::spawn_blocking(move || states.let_go(&table, older, now_ms()));
        // It fails where the runtime is ending.
        let Ok(standing) = looking.await else { return false };
        std::mem::replace(&mut self.standing, standing) != self.standing
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

    fn report(&self, standing: &Standing) -> ProxyReport {
        let table = self.shared.table.load();
        ProxyReport {
            serving: table.revision(),
            oldest: standing.oldest.unwrap_or(table.revision()),
            in_flight: self.metrics.totals().in_flight(),
            dead: self.shared.states.dead(&table, now_ms()),
            checked: self.checks.read().checked,
            leaving: standing.leaving.clone(),
        }
    }
}
