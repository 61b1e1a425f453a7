//! The embedded driver: a redb file, or (for `memory:`) the same store on memory.
//!
//! In: writes, history queries. Out: the facts once listed, then each change after its commit. Never here: an answer before the fsync; a
//! damaged file emptied in silence; two processes on one file.
//!
//! ```text
//! mod.rs (async) ── commands ──► worker.rs (one thread) ──► store.rs (redb) ──► file.rs: lock, ceiling, set aside
//!                └─ bounded ─┘        └── events ──► watcher
//! ```

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use model::{Alarm, Change, ChangeRecord, FactKey, Revision};
use redb::backends::InMemoryBackend;
use tokio::sync::{mpsc, oneshot, watch};

use crate::driver::{BoxFuture, Driver, Event, Feed};
use crate::{Backup, BackupError, HistoryQuery, OpenError, PublishError, ReadError, Write};

mod copy;
mod file;
mod leases;
mod store;
pub(crate) mod tables;
mod worker;

pub use store::{Committed, Store, Verdicts};
pub use tables::StoreError;

use file::StoreFile;
use leases::Leases;
use worker::{Command, Place, Worker};

/// How many commands may wait for the store; more wait outside.
const COMMAND_QUEUE: usize = 1024;
/// The most edits of one write: one transaction, whose changed pages wait in memory for the commit.
const WRITE_EDITS: usize = 100_000;
/// How often a failing disk is tried again, and a fine one says so.
const TICK: Duration = Duration::from_secs(1);

struct Embedded {
    name: &'static str,
    commands: mpsc::Sender<Command>,
    /// When the next lease ends.
    lease_ends: watch::Receiver<Option<Instant>>,
}

/// A driver for the store in the file at `path`, which is made when there is none. Blocking: it reads and verifies the whole file.
///
/// # Errors
/// [`OpenError::Held`] names the process that has the file; [`OpenError::Store`] says why the file cannot be used.
pub(crate) fn open(path: &Path, history: usize, alarm: &Alarm) -> Result<Arc<dyn Driver>, OpenError> {
    let (file, store) = StoreFile::open(path, history)?;
    start("embedded", file, store, alarm)
}

/// A driver for a store that ends with this process.
pub(crate) fn memory(history: usize, alarm: &Alarm) -> Result<Arc<dyn Driver>, OpenError> {
    let failed =
        |error: StoreError| OpenError::Store { url: "memory:".to_owned(), reason: error.to_string() };
    let store = Store::open(InMemoryBackend::new(), history, Revision::ZERO).map_err(failed)?;
    start("memory", Memory, store, alarm)
}

fn start(
    name: &'static str,
    place: impl Place,
    store: Store,
    alarm: &Alarm,
) -> Result<Arc<dyn Driver>, OpenError> {
    let (commands, inbox) = mpsc::channel(COMMAND_QUEUE);
    let (to_lease_ends, lease_ends) = watch::channel(None);
    let worker = Worker {
        place,
        store: Some(store),
        commands: inbox,
        events: None,
        leases: Leases::default(),
        lease_ends: to_lease_ends,
    };
    let part = alarm.watch("the registry's thread");
    let thread = std::thread::Builder::new().name("registry".to_owned()).spawn(move || {
        let _part = part;
        worker.run();
    });
    match thread {
        Ok(_) => Ok(Arc::new(Embedded { name, commands, lease_ends })),
        Err(error) => {
            let reason = format!("no thread for the store: {error}");
            Err(OpenError::Store { url: format!("{name}:"), reason })
        }
    }
}

impl Driver for Embedded {
    fn name(&self) -> &'static str {
        self.name
    }

    fn is_remote(&self) -> bool {
        false
    }

    fn run(self: Arc<Self>, feed: Feed) -> BoxFuture<'static, ()> {
        Box::pin(async move {
            // While this holds where nodes are told of, the registry tells of this one.
            let Feed { events, mut health, nodes: _nodes, .. } = feed;
            if self.commands.send(Command::Follow(events.clone())).await.is_err() {
                return;
            }
            let mut ticks = tokio::time::interval(TICK);
            ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            let (mut lease_ends, mut asked) = (self.lease_ends.clone(), None);
            loop {
                // Asked for once; should it not be heard, the next tick asks again.
                let end = lease_ends.borrow_and_update().filter(|end| Some(*end) != asked);
                tokio::select! {
                    () = events.closed() => return,
                    () = self.commands.closed() => break,
                    // Dead marks have no place here; the proxy keeps its own.
                    Some(_) = health.recv() => {}
                    _ = ticks.tick() => drop(self.commands.try_send(Command::Tick(Instant::now()))),
                    () = time_of(end) => {
                        asked = end;
                        drop(self.commands.try_send(Command::Tick(Instant::now())));
                    }
                    Ok(()) = lease_ends.changed() => {}
                }
            }
            let error = "the store was closed".to_owned();
            drop(events.send(Event::Lost { error }).await);
        })
    }

    fn write(&self, write: Write) -> BoxFuture<'_, Result<Revision, PublishError>> {
        Box::pin(async move {
            let gone = || PublishError::Unavailable("the store was closed".to_owned());
            let (answer, answered) = oneshot::channel();
            self.commands.send(Command::Write(write, answer)).await.map_err(|_| gone())?;
            answered.await.map_err(|_| gone())?
        })
    }

    fn renew(&self, key: FactKey, expected: Option<Revision>) -> BoxFuture<'_, Result<bool, PublishError>> {
        Box::pin(async move {
            let gone = || PublishError::Unavailable("the store was closed".to_owned());
            let (answer, answered) = oneshot::channel();
            self.commands.send(Command::Renew(key, expected, answer)).await.map_err(|_| gone())?;
            answered.await.map_err(|_| gone())?
        })
    }

    fn history(&self, query: HistoryQuery) -> BoxFuture<'_, Result<Vec<ChangeRecord>, ReadError>> {
        Box::pin(async move {
            let gone = || ReadError::Unavailable("the store was closed".to_owned());
            let (answer, answered) = oneshot::channel();
            self.commands.send(Command::History(query, answer)).await.map_err(|_| gone())?;
            answered.await.map_err(|_| gone())?
        })
    }

    fn max_edits(&self) -> usize {
        WRITE_EDITS
    }

    fn backup(&self) -> BoxFuture<'_, Result<Backup, BackupError>> {
        Box::pin(async move {
            let gone = || BackupError::Unavailable("the store was closed".to_owned());
            let (answer, answered) = oneshot::channel();
            self.commands.send(Command::Backup(answer)).await.map_err(|_| gone())?;
            let source = answered.await.map_err(|_| gone())??;
            // Writes go on meanwhile: the copy is made of what stood there when it was asked for.
            let copied = tokio::task::spawn_blocking(move || source.copy()).await;
            copied.map_err(|error| BackupError::Unavailable(format!("the copy was not finished: {error}")))?
        })
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            let (answer, answered) = oneshot::channel();
            if self.commands.send(Command::Close(answer)).await.is_ok() {
                // An error means that the thread has ended already.
                let _ = answered.await;
            }
        })
    }
}

/// Waits until `time`; without one, for ever.
async fn time_of(time: Option<Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time.into()).await,
        None => std::future::pending().await,
    }
}

impl Place for StoreFile {
    fn open(&mut self) -> Result<Store, StoreError> {
        self.open_store()
    }

    fn reserve(&mut self, revision: Revision) -> Result<(), StoreError> {
        StoreFile::reserve(self, revision)
    }

    fn notices(&self) -> Vec<Change> {
        StoreFile::notices(self)
    }

    fn folder(&self) -> PathBuf {
        StoreFile::folder(self).to_owned()
    }
}

/// The place of `memory:`, which cannot fail and so is never opened again.
struct Memory;

impl Place for Memory {
    fn open(&mut self) -> Result<Store, StoreError> {
        Err(StoreError::Io("a store in memory cannot be opened again".to_owned()))
    }

    fn reserve(&mut self, _: Revision) -> Result<(), StoreError> {
        Ok(())
    }

    fn notices(&self) -> Vec<Change> {
        Vec::new()
    }

    fn folder(&self) -> PathBuf {
        std::env::temp_dir()
    }
}

#[cfg(test)]
mod tests;
