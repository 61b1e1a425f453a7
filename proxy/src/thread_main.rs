//! What a thread of the proxy runs: its reactor, its listeners, its sweep, and at the end its drain.

use std::net::TcpListener;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use model::Alarm;
use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::{mpsc, watch};

use crate::accept::connection::accept;
use crate::accept::deadline::SWEEP_MS;
use crate::accept::handover::{Given, take};
use crate::caught::watched;
use crate::clock::millis;
use crate::log::Writer;
use crate::metrics::Metrics;
use crate::upstream::resolve::Resolver;
use crate::worker::{Shared, Worker};

/// How long exchanges that are cut off may take to tell their clients, in milliseconds.
const FAREWELL_MS: u64 = 200;

/// What a thread starts with.
#[derive(Debug)]
pub(crate) struct Start {
    /// Which of the threads it is.
    pub(crate) number: usize,
    pub(crate) shared: Arc<Shared>,
    pub(crate) resolver: Resolver,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) writer: Writer,
    pub(crate) listeners: Vec<TcpListener>,
    /// What other threads give this one.
    pub(crate) given: mpsc::Receiver<Given>,
    pub(crate) draining: watch::Receiver<bool>,
    /// Told when the thread, or one of its listeners, ends by a panic.
    pub(crate) alarm: Alarm,
    /// Dropped when the thread ends.
    pub(crate) alive: mpsc::Sender<()>,
}

/// Runs a thread to its end, which is the end of a drain.
pub(crate) fn run(start: Start) {
    let _watched = start.alarm.watch("a thread of the proxy");
    let runtime = match Builder::new_current_thread().enable_all().build_local(LocalOptions::default()) {
        Ok(runtime) => runtime,
        Err(error) => return tracing::error!(%error, "a thread of the proxy cannot have a reactor"),
    };
    let alive = start.alive.clone();
    runtime.block_on(serve(start));
    // Tasks that are cut off here end their exchanges and log them before the thread is reported as ended.
    drop(runtime);
    drop(alive);
}

async fn serve(start: Start) {
    let counters = start.metrics.of_worker(start.number);
    let sink = start.writer.sink(counters.clone());
    let worker = Rc::new(Worker::new(start.number, start.shared, start.resolver, counters, sink));
    for (place, listener) in start.listeners.into_iter().enumerate() {
        let accepting = accept(Rc::clone(&worker), listener, place, start.draining.clone());
        tokio::task::spawn_local(watched(start.alarm.watch("a listener of the proxy"), accepting));
    }
    let taking = take(Rc::clone(&worker), start.given, start.draining.clone());
    let taking = tokio::task::spawn_local(watched(start.alarm.watch("a thread's way in"), taking));
    let mut draining = start.draining;
    let mut sweep = tokio::time::interval(Duration::from_millis(SWEEP_MS));
    sweep.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = sweep.tick() => worker.sweep().await,
            _ = draining.wait_for(|draining| *draining) => break,
        }
    }
    worker.start_draining();
    // What others gave before is here, and nothing more comes. A panic there was told.
    let _ended = taking.await;
    let deadline = worker.after(millis(worker.settings().config.drain));
    while worker.has_connections() && worker.now() < deadline {
        sweep.tick().await;
        worker.sweep().await;
    }
    worker.shared.cut_off.fetch_add(worker.exchanges(), Ordering::Relaxed);
    let last = worker.after(FAREWELL_MS);
    while worker.has_connections() && worker.now() < last {
        worker.give_up();
        sweep.tick().await;
    }
    worker.sweep().await;
}
