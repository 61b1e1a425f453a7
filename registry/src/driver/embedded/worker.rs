//! The thread that has the store: commands in, commits and events out.
//!
//! All blocking work happens here, one thing after the other; writes that wait together share one commit.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use model::{Change, ChangeRecord, Revision};
use tokio::sync::{mpsc, oneshot};

use super::copy::Source;
use super::store::{Store, Verdicts};
use super::tables::StoreError;
use crate::driver::Event;
use crate::{BackupError, HistoryQuery, PublishError, ReadError, Write};

/// The most writes in one commit.
const GROUP: usize = 256;

/// How long changes take to reach a watcher in this process.
const FOLLOWS_BY: &str = "in process";

/// What the driver asks of the thread.
#[derive(Debug)]
pub(crate) enum Command {
    /// List, and tell all changes from now on.
    Follow(mpsc::Sender<Event>),
    /// Write, and answer.
    Write(Write, Answer),
    /// Read the history, and answer.
    History(HistoryQuery, oneshot::Sender<Result<Vec<ChangeRecord>, ReadError>>),
    /// Hold on to what stands there now, for a copy of it.
    Backup(oneshot::Sender<Result<Source, BackupError>>),
    /// Say that we are alive, or try to be.
    Tick,
    /// Close the store, and answer.
    Close(oneshot::Sender<()>),
}

/// To whoever waits for a write.
pub(crate) type Answer = oneshot::Sender<Result<Revision, PublishError>>;

/// How to get hold of the store, also again after an error of its disk.
pub(crate) trait Place: Send + 'static {
    /// Opens the store.
    fn open(&mut self) -> Result<Store, StoreError>;
    /// Called before revisions up to this one are written.
    fn reserve(&mut self, revision: Revision) -> Result<(), StoreError>;
    /// What `verify` has to say of the place itself.
    fn notices(&self) -> Vec<Change>;
    /// Where a copy of the store has room.
    fn folder(&self) -> PathBuf;
}

pub(crate) struct Worker<P> {
    pub(crate) place: P,
    /// `None` while its disk fails.
    pub(crate) store: Option<Store>,
    pub(crate) commands: mpsc::Receiver<Command>,
    pub(crate) events: Option<mpsc::Sender<Event>>,
}

impl<P: Place> Worker<P> {
    /// Runs until it is told to close or nobody can tell it anything any more.
    pub(crate) fn run(mut self) {
        let mut waiting = VecDeque::new();
        while let Some(command) = waiting.pop_front().or_else(|| self.commands.blocking_recv()) {
            match command {
                Command::Follow(events) => {
                    self.events = Some(events);
                    self.list();
                }
                Command::Write(write, answer) => {
                    let mut group = vec![(write, answer)];
                    while group.len() < GROUP {
                        match self.commands.try_recv() {
                            Ok(Command::Write(write, answer)) => group.push((write, answer)),
                            Ok(other) => {
                                waiting.push_back(other);
                                break;
                            }
                            Err(_) => break,
                        }
                    }
                    self.write(group);
                }
                Command::History(query, answer) => {
                    // The asker may have gone; then nobody misses the answer.
                    let _ = answer.send(self.history(&query));
                }
                Command::Backup(answer) => {
                    let _ = answer.send(self.source());
                }
                Command::Tick => self.tick(),
                Command::Close(closed) => {
                    // The place with its lock, too: whoever hears the answer may open it.
                    drop(self);
                    let _ = closed.send(());
                    return;
                }
            }
        }
    }

    fn tell(&self, event: Event) {
        if let Some(events) = &self.events {
            // A closed queue means that the registry ends; the close command follows.
            let _ = events.blocking_send(event);
        }
    }

    fn list(&mut self) {
        let Some(store) = &self.store else { return };
        self.tell(Event::ListBegin);
        self.tell(Event::List(self.place.notices()));
        if let Err(error) = store.list(|batch| self.tell(Event::List(batch))) {
            return self.lose(&error);
        }
        self.tell(Event::Listed {
            revision: store.revision(),
            follows_by: FOLLOWS_BY,
            read_only: false,
            lost: None,
        });
    }

    fn lose(&mut self, error: &StoreError) {
        if self.store.take().is_some() {
            tracing::error!(%error, "the registry's store failed; it is opened again");
        }
        self.tell(Event::Lost { error: error.to_string() });
    }

    /// Opens the store again after an error. What it holds then takes the place of what is served.
    fn reopen(&mut self) -> Result<(), StoreError> {
        let store =
            self.place.open().inspect_err(|error| self.tell(Event::Lost { error: error.to_string() }))?;
        tracing::info!(revision = %store.revision(), "the registry's store is open again");
        self.store = Some(store);
        self.list();
        Ok(())
    }

    fn tick(&mut self) {
        match (&self.store, &self.events) {
            // What went wrong was told to the watcher.
            (None, _) => drop(self.reopen()),
            // When the queue is full, the events in it say that we are alive.
            (Some(_), Some(events)) => drop(events.try_send(Event::Confirmed)),
            (Some(_), None) => {}
        }
    }

    fn write(&mut self, group: Vec<(Write, Answer)>) {
        match self.commit(&group) {
            Ok(verdicts) => {
                for (verdict, (_, answer)) in verdicts.into_iter().zip(group) {
                    let told = verdict.map(|committed| {
                        let revision = committed.revision;
                        if !committed.changes.is_empty() {
                            self.tell(Event::Changed { revision, changes: committed.changes });
                        }
                        revision
                    });
                    let _ = answer.send(told);
                }
            }
            Err(error) => {
                self.lose(&error);
                for (_, answer) in group {
                    let _ = answer.send(Err(refusal(&error)));
                }
                // If it fails again, the watcher knows, and the next tick tries once more.
                drop(self.reopen());
            }
        }
    }

    fn commit(&mut self, group: &[(Write, Answer)]) -> Result<Verdicts, StoreError> {
        if self.store.is_none() {
            self.reopen()?;
        }
        let store = self.store.as_mut().ok_or_else(|| StoreError::Io("the store is not open".to_owned()))?;
        let edits: usize = group.iter().map(|(write, _)| write.edits.len()).sum();
        self.place.reserve(Revision::new(store.revision().number().saturating_add(edits as u64)))?;
        store.commit(group.iter().map(|(write, _)| write), now_ms())
    }

    fn source(&self) -> Result<Source, BackupError> {
        let store =
            self.store.as_ref().ok_or_else(|| BackupError::Unavailable("its disk fails".to_owned()))?;
        Source::new(store, self.place.folder()).map_err(|error| error.into())
    }

    fn history(&mut self, query: &HistoryQuery) -> Result<Vec<ChangeRecord>, ReadError> {
        let store = self.store.as_ref().ok_or_else(|| ReadError::Unavailable("its disk fails".to_owned()))?;
        store.history(query).map_err(|error| ReadError::Unavailable(error.to_string()))
    }
}

fn refusal(error: &StoreError) -> PublishError {
    match error {
        StoreError::Full(why) => PublishError::Full(why.clone()),
        error => PublishError::Unavailable(error.to_string()),
    }
}

fn now_ms() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
