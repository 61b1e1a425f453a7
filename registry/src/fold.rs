//! Events folded into what is served: the pure part of the watcher.
//!
//! In: a driver's events. Out: snapshot, marks and state after them. Never here: a wait, a clock, a merge of two listings.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Instant;

use model::{Change, DeadMarks, FactKey, Revision, Snapshot, Stated};

use crate::driver::Event;
use crate::{Link, State};
use after::After;

mod after;

/// What is served, and the listing that may take its place.
#[derive(Debug)]
pub(crate) struct Fold {
    pub(crate) snapshot: Snapshot,
    pub(crate) marks: DeadMarks,
    pub(crate) state: State,
    listing: Option<Listing>,
}

/// A listing under way: never seen by anybody before it is complete.
#[derive(Debug, Default)]
struct Listing {
    staged: Snapshot,
    /// Keys that changed while it was read, and when: what the listing says of them may be older.
    changed: HashMap<FactKey, Revision>,
    /// Raw keys that were set aside or released while it was read.
    judged: HashSet<Box<str>>,
}

impl Fold {
    pub(crate) fn new(snapshot: Snapshot, state: State) -> Self {
        Self { snapshot, marks: DeadMarks::default(), state, listing: None }
    }

    /// Takes one event in. `now`: when it was received.
    pub(crate) fn event(&mut self, event: Event, now: Instant) {
        match event {
            Event::ListBegin => self.listing = Some(Listing::default()),
            Event::List(part) => {
                if let Some(listing) = &mut self.listing {
                    listing.add(part);
                }
            }
            Event::Listed { revision, follows_by, read_only } => {
                self.swap(revision);
                self.state.link = Link::Live;
                self.state.follows_by = follows_by;
                self.state.read_only = read_only;
                self.state.ready = true;
                self.state.from_cache = false;
                self.state.saved_ms = None;
                self.state.confirmed = Some(now);
            }
            Event::Changed { revision, changes } => {
                self.change(revision, changes);
                self.confirm(now);
            }
            Event::Confirmed => self.confirm(now),
            Event::MarksListed(marks) => self.marks = marks,
            Event::Marks { host, dead } => {
                if dead.is_empty() {
                    self.marks.by_host.remove(&host);
                } else {
                    self.marks.by_host.insert(host, dead.into());
                }
            }
            Event::ActiveChecker(alive) => self.marks.active_checker = alive,
            Event::Lost { error } => {
                self.state.link = Link::Lost { error };
                self.state.follows_by = "";
            }
            Event::Barrier(_) => {}
        }
    }

    fn confirm(&mut self, now: Instant) {
        if self.state.link == Link::Live {
            self.state.confirmed = Some(now);
        }
    }

    fn change(&mut self, revision: Revision, changes: Vec<Change>) {
        if let Some(listing) = &mut self.listing {
            listing.change(revision, &changes);
        }
        let mut after = After::new(&self.snapshot);
        let changes: Vec<Change> =
            changes.into_iter().filter_map(|change| after.take(revision, change)).collect();
        self.step(revision, changes);
    }

    /// Compares the listing with what is served and puts it in its place.
    fn swap(&mut self, revision: Revision) {
        let Some(Listing { staged, .. }) = self.listing.take() else { return };
        let served = &self.snapshot;
        let mut changes = Vec::new();
        for (key, stated) in staged.facts() {
            changes.extend(news_of(served.get(key), stated.clone()).map(Change::Put));
        }
        let gone = served.facts().filter(|(key, _)| staged.get(key).is_none());
        changes.extend(gone.map(|(key, _)| Change::Remove(key.clone())));
        let released = served.quarantine().filter(|(raw, _)| staged.quarantined(raw).is_none());
        changes.extend(released.map(|(raw, _)| Change::Release(raw.into())));
        let set_aside = staged.quarantine().filter(|(raw, why)| served.quarantined(raw) != Some(why));
        changes.extend(set_aside.map(|(raw, why)| Change::Quarantine(raw.into(), why.clone())));
        self.step(revision, changes);
    }

    /// The next snapshot. One revision never has two contents: a store that is behind us is counted on from ours.
    fn step(&mut self, revision: Revision, changes: Vec<Change>) {
        let served = self.snapshot.revision();
        let revision = if changes.is_empty() { revision } else { revision.max(served.next()) };
        self.snapshot = self.snapshot.apply(revision, changes);
    }
}

/// `stated`, unless just that is `served`.
fn news_of(served: Option<&Stated>, stated: Stated) -> Option<Stated> {
    match served {
        Some(served) if *served == stated => None,
        Some(served) if served.fact == stated.fact => {
            Some(Stated { fact: Arc::clone(&served.fact), ..stated })
        }
        _ => Some(stated),
    }
}

impl Listing {
    fn add(&mut self, part: Vec<Change>) {
        let fresh = part.into_iter().filter(|change| match change {
            Change::Put(stated) => {
                self.changed.get(&stated.fact.key()).is_none_or(|changed| *changed < stated.revision)
            }
            Change::Quarantine(raw, _) => !self.judged.contains(raw),
            Change::Remove(_) | Change::Release(_) => false,
        });
        self.staged = self.staged.apply(Revision::ZERO, fresh);
    }

    fn change(&mut self, revision: Revision, changes: &[Change]) {
        for change in changes {
            match change {
                Change::Put(stated) => drop(self.changed.insert(stated.fact.key(), stated.revision)),
                Change::Remove(key) => drop(self.changed.insert(key.clone(), revision)),
                Change::Quarantine(raw, _) | Change::Release(raw) => drop(self.judged.insert(raw.clone())),
            }
        }
        self.staged = self.staged.apply(Revision::ZERO, changes.iter().cloned());
    }
}

#[cfg(test)]
mod tests;
