//! Events folded into what is served: the pure part of the watcher.
//!
//! In: a driver's events. Out: snapshot, marks and state after them. Never here: a wait, a clock, a merge of two listings.
//! What suddenly lost most of a large table is not served at once: see [`crate::hold`].

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Instant;

use model::{Change, DeadMarks, FactKey, Revision, Snapshot, Stated};

use crate::driver::{Event, Lost};
use crate::hold::{End, Hold, Patience, is_sudden_loss, taken_back};
use crate::{Accepted, Link, State};
use after::After;

mod after;

/// What is served, and the listing that may take its place.
#[derive(Debug)]
pub(crate) struct Fold {
    pub(crate) snapshot: Snapshot,
    pub(crate) marks: DeadMarks,
    pub(crate) state: State,
    listing: Option<Listing>,
    hold: Option<Hold>,
    patience: Patience,
    /// Why the last hold ended, until it is told.
    pub(crate) ended: Option<End>,
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
    pub(crate) fn new(snapshot: Snapshot, state: State, patience: Patience) -> Self {
        let marks = DeadMarks::default();
        Self { snapshot, marks, state, listing: None, hold: None, patience, ended: None }
    }

    /// Takes one event in. `now`: when it was received.
    pub(crate) fn event(&mut self, event: Event, now: Instant) {
        match event {
            Event::ListBegin => self.listing = Some(Listing::default()),
            Event::List(part) => {
                if let Some(listing) = &mut self.listing {
                    listing.add(part, &self.snapshot);
                }
            }
            Event::Listed { revision, follows_by, read_only, lost } => {
                self.state.link = Link::Live;
                self.state.follows_by = follows_by;
                self.state.read_only = read_only;
                self.state.ready = true;
                self.swap(revision, lost, now);
            }
            Event::Changed { revision, changes } => {
                self.change(revision, changes);
                self.confirm(now);
            }
            Event::Vanished { revision, changes } => {
                self.vanish(revision, changes, now);
                self.confirm(now);
            }
            Event::Emptied { revision } => {
                self.empty(revision, now);
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
                // What a store said that is gone is not believed later; when it returns it says it anew.
                if self.hold.take().is_some() {
                    self.ended = Some(End::Lost);
                }
            }
            Event::Barrier(_) => {}
        }
        if self.hold.as_ref().is_some_and(Hold::is_over) {
            self.end_hold(End::Recovered, now);
        }
        self.state.held = self.hold.as_ref().map(|hold| hold.told(&self.snapshot));
    }

    /// When the held view will be believed; `None`: none is held.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.hold.as_ref().map(Hold::until)
    }

    /// Believes the held view when its time has come.
    pub(crate) fn tick(&mut self, now: Instant) {
        if self.deadline().is_some_and(|until| until <= now) {
            self.end_hold(End::Time, now);
        }
    }

    /// Believes the held view because an operator says so; `None`: none is held.
    pub(crate) fn accept(&mut self, now: Instant) -> Option<Accepted> {
        let removed = self.hold.as_ref()?.told(&self.snapshot).removes;
        self.end_hold(End::Accepted, now);
        Some(Accepted { revision: self.snapshot.revision(), removed })
    }

    fn end_hold(&mut self, end: End, now: Instant) {
        let Some(Hold { view, revision, .. }) = self.hold.take() else { return };
        self.ended = Some(end);
        self.state.held = None;
        self.believe(&view, revision);
        self.confirm(now);
    }

    /// The store says what is served, unless a view is held: then it says something else.
    fn confirm(&mut self, now: Instant) {
        if self.state.link == Link::Live && self.hold.is_none() {
            self.state.confirmed = Some(now);
            self.state.from_cache = false;
            self.state.saved_ms = None;
        }
    }

    fn change(&mut self, revision: Revision, changes: Vec<Change>) {
        if let Some(listing) = &mut self.listing {
            listing.change(revision, &changes);
        }
        let said = self.hold.is_some().then(|| changes.clone());
        let mut after = After::new(&self.snapshot);
        let changes: Vec<Change> =
            changes.into_iter().filter_map(|change| after.take(revision, change)).collect();
        self.step(revision, changes);
        if let (Some(hold), Some(said)) = (&mut self.hold, said) {
            hold.change(revision, &said, &self.snapshot);
        }
    }

    /// Nothing is left. Not told one by one, because it is to be quick for tables of any size.
    fn empty(&mut self, revision: Revision, now: Instant) {
        if self.listing.is_some() || self.hold.is_some() {
            let views = [Some(&self.snapshot), self.hold.as_ref().map(|hold| &hold.view)];
            let all = views.into_iter().flatten().flat_map(removals).collect();
            return self.vanish(revision, all, now);
        }
        let nothing = Snapshot::empty();
        if self.is_held_back(self.snapshot.len()) {
            let missing = self.snapshot.facts().map(|stated| stated.fact.key()).collect();
            let time = (now, self.patience.loss);
            self.hold = Some(Hold::new(nothing, revision, missing, time, None));
            return;
        }
        let served = self.snapshot.revision();
        self.snapshot = nothing.apply(revision.max(served.next()), []);
    }

    /// Much is gone at once: of a large table, that is held.
    fn vanish(&mut self, revision: Revision, changes: Vec<Change>, now: Instant) {
        if self.patience.loss.is_zero() {
            return self.change(revision, changes);
        }
        let gone = |change: &Change| match change {
            Change::Remove(key) if self.snapshot.get(key).is_some() => Some(key.clone()),
            _ => None,
        };
        let gone: HashSet<FactKey> = changes.iter().filter_map(gone).collect();
        if self.hold.is_none() && !self.is_held_back(gone.len()) {
            return self.change(revision, changes);
        }
        if let Some(listing) = &mut self.listing {
            listing.change(revision, &changes);
        }
        let time = (now, self.patience.loss);
        let hold = self
            .hold
            .get_or_insert_with(|| Hold::new(self.snapshot.clone(), revision, HashSet::new(), time, None));
        hold.lose(revision, changes, gone);
    }

    fn is_held_back(&self, gone: usize) -> bool {
        !self.patience.loss.is_zero() && is_sudden_loss(self.snapshot.len(), gone)
    }

    /// Puts the listing in the place of what is served, or holds it.
    fn swap(&mut self, revision: Revision, lost: Option<Lost>, now: Instant) {
        let Some(Listing { staged, .. }) = self.listing.take() else { return };
        let gone = self.snapshot.facts().map(|stated| stated.fact.key());
        let gone: HashSet<FactKey> = gone.filter(|key| staged.get(key).is_none()).collect();
        let older = lost.map(|lost| taken_back(&self.snapshot, &staged, lost)).unwrap_or_default();
        let is_older = !older.is_empty() && !self.patience.older.is_zero();
        let is_loss = self.is_held_back(gone.len()) || (self.hold.is_some() && !self.patience.loss.is_zero());
        let before = self.hold.take();
        if is_older || is_loss {
            let patience =
                if is_older { self.patience.older.max(self.patience.loss) } else { self.patience.loss };
            let taken = older.into_iter().chain(gone).collect();
            self.add(&staged, revision);
            let hold = Hold::new(staged, revision, taken, (now, patience), before.as_ref());
            self.hold = Some(hold.older(is_older));
        } else {
            self.ended = self.ended.take().or(before.map(|_| End::Time));
            self.believe(&staged, revision);
        }
        self.confirm(now);
    }

    /// Serves what a view that is held has more: nobody misses anything by that. What is stated by a revision that was passed long ago
    /// was removed since, and is no more than the rest of an old copy.
    fn add(&mut self, view: &Snapshot, revision: Revision) {
        let served = &self.snapshot;
        let is_new = |stated: &&Stated| {
            stated.revision > served.revision() && served.get(&stated.fact.key()).is_none()
        };
        let new: Vec<Change> = view.facts().filter(is_new).cloned().map(Change::Put).collect();
        if !new.is_empty() {
            self.step(revision, new);
        }
    }

    /// Compares a view of the store's with what is served and puts it in its place.
    fn believe(&mut self, view: &Snapshot, revision: Revision) {
        let served = &self.snapshot;
        if served.same_content(&Snapshot::empty()) && !view.same_content(served) {
            // The first one, which may be large, is not made a second time.
            self.snapshot = view.apply(revision.max(served.revision().next()), []);
            return;
        }
        let mut changes = Vec::new();
        for stated in view.facts() {
            changes.extend(news_of(served.get(&stated.fact.key()), stated.clone()).map(Change::Put));
        }
        let gone = served.facts().map(|stated| stated.fact.key()).filter(|key| view.get(key).is_none());
        changes.extend(gone.map(Change::Remove));
        let released = served.quarantine().filter(|(raw, _)| view.quarantined(raw).is_none());
        changes.extend(released.map(|(raw, _)| Change::Release(raw.into())));
        let set_aside = view.quarantine().filter(|(raw, why)| served.quarantined(raw) != Some(why));
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

/// The changes that leave nothing of `view`.
fn removals(view: &Snapshot) -> impl Iterator<Item = Change> {
    let facts = view.facts().map(|stated| Change::Remove(stated.fact.key()));
    facts.chain(view.quarantine().map(|(raw, _)| Change::Release(raw.into())))
}

/// `stated`, unless just that is `served`.
fn news_of(served: Option<&Stated>, stated: Stated) -> Option<Stated> {
    if served == Some(&stated) { None } else { Some(in_place(served, stated)) }
}

/// `stated`, by the fact that is `served` where that is the same.
fn in_place(served: Option<&Stated>, stated: Stated) -> Stated {
    match served {
        Some(served) if served.fact == stated.fact => Stated { fact: Arc::clone(&served.fact), ..stated },
        _ => stated,
    }
}

impl Listing {
    /// Takes a part in. A fact that is `served` already keeps its place in memory, so that a large table is not there twice.
    fn add(&mut self, part: Vec<Change>, served: &Snapshot) {
        let fresh = part.into_iter().filter_map(|change| match change {
            Change::Put(stated) => {
                let key = stated.fact.key();
                let is_fresh = self.changed.get(&key).is_none_or(|changed| *changed < stated.revision);
                is_fresh.then(|| Change::Put(in_place(served.get(&key), stated)))
            }
            Change::Quarantine(raw, why) => {
                (!self.judged.contains(&raw)).then_some(Change::Quarantine(raw, why))
            }
            Change::Remove(_) | Change::Release(_) => None,
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
mod hold_tests;
#[cfg(test)]
mod tests;
