//! The thread that has the store: commands in, commits and events out.
//!
//! All blocking work happens here, one thing after the other; writes that wait together share one commit.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use model::{Change, ChangeRecord, FactKey, Revision};
use tokio::sync::{mpsc, oneshot, watch};

use super::copy::Source;
use super::leases::Leases;
use super::store::{Store, Verdicts};
use super::tables::StoreError;
use crate::driver::Event;
use crate::{BackupError, Edit, Expected, HistoryQuery, PublishError, ReadError, Write};

/// The most writes in one commit.
const GROUP: usize = 256;

/// Who removes a fact whose lease ended, for the history.
const LEASE: &str = "lease";

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
    /// Renew the lease of this fact, if it is at this revision where one is named, and answer.
    Renew(FactKey, Option<Revision>, oneshot::Sender<Result<bool, PublishError>>),
    /// Say that we are alive, or try to be; and remove what had no lease any more when this was asked.
    Tick(Instant),
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
    pub(crate) leases: Leases,
    /// Told when the next lease ends.
    pub(crate) lease_ends: watch::Sender<Option<Instant>>,
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
                Command::Renew(key, expected, answer) => {
                    let _ = answer.send(self.renew(&key, expected));
                }
                Command::Tick(asked) => self.tick(asked),
                Command::Close(closed) => {
                    // The place with its lock, too: whoever hears the answer may open it.
                    drop(self);
                    let _ = closed.send(());
                    return;
                }
            }
            let end = self.leases.next();
            self.lease_ends.send_if_modified(|told| std::mem::replace(told, end) != end);
        }
    }

    fn tell(&self, event: Event) {
        if let Some(events) = &self.events {
            // A closed queue means that the registry ends; the close command follows.
            let _ = events.blocking_send(event);
        }
    }

    /// Tells all that is there. Leases begin anew: while nobody could renew them, none ends.
    fn list(&mut self) {
        let Some(store) = &self.store else { return };
        self.tell(Event::ListBegin);
        self.tell(Event::List(self.place.notices()));
        let (mut leases, now) = (Leases::default(), Instant::now());
        let listed = store.list(|batch| {
            leases.take(&batch, now);
            self.tell(Event::List(batch));
        });
        if let Err(error) = listed {
            return self.lose(&error);
        }
        self.leases = leases;
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

    /// A lease is in memory alone; while the disk fails, nobody's ends.
    fn renew(&mut self, key: &FactKey, expected: Option<Revision>) -> Result<bool, PublishError> {
        if self.store.is_none() {
            return Err(PublishError::Unavailable("its disk fails".to_owned()));
        }
        Ok(self.leases.renew(key, expected, Instant::now()))
    }

    /// Removes what had no lease any more at `asked`: what was asked of us before that is done.
    fn end_leases(&mut self, asked: Instant) {
        let ended = self.leases.ended(asked);
        if ended.is_empty() {
            return;
        }
        let edit = |key| Edit { key, fact: None, expected: Expected::Any };
        let write =
            Write { who: LEASE.to_owned(), edits: ended.into_iter().map(edit).collect(), guards: Vec::new() };
        // Nobody waits for the answer.
        let (answer, _) = oneshot::channel();
        self.write(vec![(write, answer)]);
    }

    fn tick(&mut self, asked: Instant) {
        if self.store.is_some() {
            self.end_leases(asked);
        }
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
                        self.leases.take(&committed.changes, Instant::now());
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
