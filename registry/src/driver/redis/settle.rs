//! From keys that may have changed to changes that are told.
//!
//! In: keys. Out: one [`Event::Changed`] at a revision up to which nothing is missing: what was changed by others below it, as the
//! store's history says, is read too before it is told.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use model::{Change, Revision};
use redis::streams::StreamRangeReply;
use redis::{ErrorKind, RedisError, ServerErrorKind};
use tokio::time::Instant;

use super::candidate::{Looked, look_at};
use super::connect::{Stop, octets};
use super::follow::Session;
use super::known::Entry;
use super::list::Taken;
use super::names::RawKey;
use crate::driver::Event;

/// How many keys are read at once.
pub(super) const BATCH: usize = 256;
/// How often a batch is read again while others write the same keys, before what was read is told all the same.
const ROUNDS: usize = 4;
/// How long to wait before a replica that is behind is asked again.
pub(super) const BEHIND: Duration = Duration::from_millis(20);
/// How many records of the history are read to find what was missed.
const GAP: usize = 2048;

/// What was found under a key.
#[derive(Debug)]
pub(super) struct Found {
    /// `None`: nothing is there.
    pub(super) entry: Option<Entry>,
    /// The revision of its last change; 0: none is known.
    pub(super) revision: u64,
    /// The store was at this revision, or later, when the key was read.
    pub(super) seen_at: u64,
}

/// What was found, and the revision it was found at.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    pub(super) found: BTreeMap<RawKey, Found>,
    pub(super) at: u64,
}

/// How facts go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Gone {
    /// Each by its key.
    OneByOne,
    /// By a flush.
    AtOnce,
    /// By a flush that left nothing.
    All,
}

impl Session<'_> {
    /// Reads at most [`BATCH`] of the keys that may have changed and tells what did.
    pub(super) async fn settle(&mut self) -> Result<(), Stop> {
        let mut batch = Vec::new();
        while batch.len() < BATCH {
            let Some(key) = self.dirty.pop_first() else { break };
            batch.push(key);
        }
        let mut gathered = Gathered { at: self.highest, ..Gathered::default() };
        for _ in 0..ROUNDS {
            let again = self.gather(batch, &mut gathered).await?;
            let again = each_once(again, self.missed(&gathered, &Taken::default()).await?);
            if again.is_empty() {
                return self.tell_unless_flushed(gathered).await;
            }
            batch = again;
        }
        // Somebody writes faster than we read. What is not settled is read with the next batch.
        self.dirty.extend(batch);
        self.tell_unless_flushed(gathered).await
    }

    /// Tells what was gathered, unless the store says that it was flushed meanwhile: then what is gone did not go by its name, and how
    /// much is left comes first. It says so before it answers anything else.
    async fn tell_unless_flushed(&mut self, gathered: Gathered) -> Result<(), Stop> {
        self.absorb_waiting()?;
        if self.sweep.begins_to_hurry() {
            self.dirty.extend(gathered.found.into_keys());
            return Ok(());
        }
        self.tell(gathered).await
    }

    /// Reads `keys`, has them numbered, and adds them to `gathered`. Returns those that changed meanwhile.
    pub(super) async fn gather(
        &mut self,
        keys: Vec<RawKey>,
        gathered: &mut Gathered,
    ) -> Result<Vec<RawKey>, Stop> {
        let max_octets = self.shared.config.max_value;
        let looked = look_at(&mut self.connection, &self.shared.names, max_octets, keys).await?;
        self.weigh(looked, gathered).await
    }

    /// The same, for keys that were read already.
    pub(super) async fn weigh(
        &mut self,
        looked: Looked,
        gathered: &mut Gathered,
    ) -> Result<Vec<RawKey>, Stop> {
        let Looked { counter, candidates, sum } = looked;
        let keys = candidates.iter().map(|candidate| Arc::clone(&candidate.key));
        if self.is_behind(counter) {
            let soon = Instant::now() + BEHIND;
            keys.for_each(|key| self.deadlines.moved(&key, None, Some(soon)));
            return Ok(Vec::new());
        }
        if self.has_lost_its_books(counter) && self.sweep.doubts() {
            // Nobody needs to tell us of a flush: the counter went, too.
            self.dirty.extend(keys);
            return Ok(Vec::new());
        }
        let mut unnumbered = Vec::new();
        for candidate in candidates {
            match candidate.recorded {
                Some(revision) if self.read_only.is_none() => {
                    gathered.found.insert(candidate.key, found(candidate.entry, revision, counter));
                }
                _ => unnumbered.push(candidate),
            }
        }
        if self.read_only.is_none() {
            gathered.at = gathered.at.max(counter);
            if unnumbered.is_empty() && counter >= self.highest {
                return Ok(Vec::new());
            }
            if let Some(again) = self.number(&mut unnumbered, &sum, gathered).await? {
                return Ok(again);
            }
        }
        self.number_locally(unnumbered, gathered);
        Ok(Vec::new())
    }

    /// True when a replica we read from has not heard yet of what we know: its word on any key may be an old one.
    pub(super) fn is_behind(&self, counter: u64) -> bool {
        !self.writer_is_reader() && self.read_only.is_none() && counter < self.highest
    }

    /// True when the store's counter is behind what we know, though nobody else could have set it back.
    fn has_lost_its_books(&self, counter: u64) -> bool {
        self.listed && self.writer_is_reader() && self.read_only.is_none() && counter < self.highest
    }

    /// Keys that others changed between what we served last and what was gathered, and that were not read since; some of what was
    /// gathered may be `taken` in already.
    pub(super) async fn missed(&mut self, gathered: &Gathered, taken: &Taken) -> Result<Vec<RawKey>, Stop> {
        if self.read_only.is_some() || gathered.at <= self.highest {
            return Ok(Vec::new());
        }
        let seen = gathered.found.values().filter(|found| found.revision > self.highest).count() + taken.seen;
        if u64::try_from(seen).unwrap_or(u64::MAX) >= gathered.at - self.highest {
            return Ok(Vec::new());
        }
        let records: Result<StreamRangeReply, RedisError> = redis::cmd("XRANGE")
            .arg(&self.shared.names.history)
            .arg(format!("{}-0", self.highest + 1))
            .arg(format!("{}-0", gathered.at))
            .arg("COUNT")
            .arg(GAP)
            .query_async(&mut self.connection)
            .await;
        let records = match records {
            Ok(records) => records,
            // Without the history, what was missed is found by comparing everything.
            Err(error) if refuses(&error) => {
                self.sweep.hurry();
                return Ok(Vec::new());
            }
            Err(error) => return Err(error.into()),
        };
        if records.ids.len() == GAP {
            self.sweep.hurry();
        }
        let mut missed = Vec::new();
        for record in records.ids {
            let revision: u64 =
                record.id.split('-').next().and_then(|digits| digits.parse().ok()).unwrap_or(0);
            let Some(key) = record.map.get("key").cloned().and_then(octets) else { continue };
            let key = RawKey::from(key);
            let read_at = match gathered.found.get(&key) {
                Some(found) => Some(found.revision.max(found.seen_at)),
                None => taken.known.get(&self.shared.names, &key).map(|entry| entry.revision.number()),
            };
            if read_at.is_none_or(|read_at| read_at < revision) {
                missed.push(key);
            }
        }
        missed.sort();
        missed.dedup();
        Ok(missed)
    }

    /// Takes in what was gathered and tells what it changes.
    pub(super) async fn tell(&mut self, gathered: Gathered) -> Result<(), Stop> {
        self.tell_as(gathered, Gone::OneByOne).await
    }

    pub(super) async fn tell_as(&mut self, gathered: Gathered, gone: Gone) -> Result<(), Stop> {
        let mut order: Vec<(RawKey, Found)> = gathered.found.into_iter().collect();
        order.sort_by_key(|(_, found)| found.revision);
        let last = order.last().map_or(0, |(_, found)| found.revision);
        let at = gathered.at.max(last).max(self.highest);
        let mut changes = Vec::new();
        for (key, found) in order {
            self.take(&key, found, at, &mut changes);
        }
        self.known.pack(&self.shared.names);
        self.announce(at, last_of_each(changes), gone).await
    }

    /// Tells changes that were taken in, at `at` or later.
    pub(super) async fn announce(
        &mut self,
        mut at: u64,
        changes: Vec<Change>,
        gone: Gone,
    ) -> Result<(), Stop> {
        if changes.is_empty() && at == self.highest && gone != Gone::All {
            return Ok(());
        }
        if at == self.highest {
            // What went with the books has no number of its own: one revision never means two things.
            at = self.count_on().await?;
        }
        self.highest = at;
        self.marks.lists_changed();
        let revision = Revision::new(at);
        self.send(match gone {
            Gone::OneByOne => Event::Changed { revision, changes },
            Gone::AtOnce => Event::Vanished { revision, changes },
            Gone::All => Event::Emptied { revision },
        })
        .await
    }

    /// A new revision, for changes that the store's books do not number.
    async fn count_on(&mut self) -> Result<u64, Stop> {
        self.highest = self.floor() + 1;
        let stepped = if self.read_only.is_none() { self.call_number(&[], "").await? } else { None };
        Ok(stepped.map_or(self.highest, |stepped| stepped.last.max(self.highest)))
    }

    /// Takes in one key.
    fn take(&mut self, key: &RawKey, found: Found, at: u64, changes: &mut Vec<Change>) {
        let before = self.known.get(&self.shared.names, key);
        let ends = found.entry.as_ref().and_then(|entry| entry.ends);
        self.deadlines.moved(key, before.as_ref().and_then(|before| before.ends), ends);
        let mut entry = found.entry;
        if let (Some(entry), Some(before)) = (&mut entry, before) {
            // A fact that came forward when a better one went is served at a later revision than the books say.
            if entry.digest == before.digest {
                entry.revision = entry.revision.max(before.revision);
            }
        }
        self.known.take(&self.shared.names, key, entry, Revision::new(at), changes);
    }
}

/// Both, each key once: one that changed under our eyes was numbered all the same, so that it is missed, too.
fn each_once(mut keys: Vec<RawKey>, more: Vec<RawKey>) -> Vec<RawKey> {
    keys.extend(more);
    keys.sort_unstable();
    keys.dedup();
    keys
}

/// The last change of each subject: what came before it in one event was never true for anybody.
fn last_of_each(changes: Vec<Change>) -> Vec<Change> {
    let (mut facts, mut raws) = (HashSet::new(), HashSet::new());
    let mut last: Vec<Change> = changes
        .into_iter()
        .rev()
        .filter(|change| match change {
            Change::Put(stated) => facts.insert(stated.fact.key()),
            Change::Remove(key) => facts.insert(key.clone()),
            Change::Quarantine(raw, _) | Change::Release(raw) => raws.insert(raw.clone()),
        })
        .collect();
    last.reverse();
    last
}

pub(super) fn found(entry: Option<Entry>, revision: u64, seen_at: u64) -> Found {
    let entry = entry.map(|entry| Entry { revision: Revision::new(revision), ..entry });
    Found { entry, revision, seen_at }
}

/// True for an error by which a reachable store says no; false where it cannot answer now.
pub(super) fn refuses(error: &RedisError) -> bool {
    match error.kind() {
        ErrorKind::Server(
            ServerErrorKind::BusyLoading | ServerErrorKind::MasterDown | ServerErrorKind::TryAgain,
        ) => false,
        ErrorKind::Server(_) => true,
        ErrorKind::Extension => error.code() != Some("BUSY"),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_changed_and_was_missed_is_read_once() {
        let keys = |keys: &[&str]| keys.iter().map(|key| key.as_bytes().into()).collect::<Vec<RawKey>>();
        assert_eq!(each_once(keys(&["b", "a"]), keys(&["b", "c"])), keys(&["a", "b", "c"]));
        assert_eq!(each_once(keys(&[]), keys(&[])), keys(&[]));
    }
}
