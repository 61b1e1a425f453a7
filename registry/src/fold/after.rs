//! What is served once the changes of an event that were taken so far are.

use std::collections::HashMap;

use model::{Change, FactKey, Quarantined, Revision, Snapshot, Stated};

use super::news_of;

/// A snapshot, and what the changes of one event said since, each judged on what those before it leave.
pub(super) struct After<'s> {
    served: &'s Snapshot,
    facts: HashMap<FactKey, Option<Stated>>,
    raws: HashMap<Box<str>, Option<Quarantined>>,
}

impl<'s> After<'s> {
    pub(super) fn new(served: &'s Snapshot) -> Self {
        Self { served, facts: HashMap::new(), raws: HashMap::new() }
    }

    /// The change, when it says something new; an equal fact keeps its place in memory.
    pub(super) fn take(&mut self, revision: Revision, change: Change) -> Option<Change> {
        match change {
            Change::Put(stated) => {
                let key = stated.fact.key();
                if self.fact(&key).is_some_and(|before| before.revision > stated.revision) {
                    return None;
                }
                let stated = news_of(self.fact(&key), stated)?;
                self.facts.insert(key, Some(stated.clone()));
                Some(Change::Put(stated))
            }
            Change::Remove(key) => {
                self.fact(&key).filter(|before| before.revision <= revision)?;
                self.facts.insert(key.clone(), None);
                Some(Change::Remove(key))
            }
            Change::Quarantine(raw, why) => {
                if self.quarantined(&raw) == Some(&why) {
                    return None;
                }
                self.raws.insert(raw.clone(), Some(why.clone()));
                Some(Change::Quarantine(raw, why))
            }
            Change::Release(raw) => {
                self.quarantined(&raw)?;
                self.raws.insert(raw.clone(), None);
                Some(Change::Release(raw))
            }
        }
    }

    fn fact(&self, key: &FactKey) -> Option<&Stated> {
        self.facts.get(key).map_or_else(|| self.served.get(key), Option::as_ref)
    }

    fn quarantined(&self, raw: &str) -> Option<&Quarantined> {
        self.raws.get(raw).map_or_else(|| self.served.quarantined(raw), Option::as_ref)
    }
}
