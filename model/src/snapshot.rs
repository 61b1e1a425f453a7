//! All facts at one revision.

use std::sync::Arc;

use imbl::OrdMap;

use crate::change::Change;
use crate::fact::{Fact, FactKey, Quarantined, Stated};
use crate::facts::Facts;
use crate::frontend::Frontend;
use crate::revision::Revision;

/// All facts at one [`Revision`]. Immutable: [`Snapshot::apply`] makes the next one, sharing what did not change.
///
/// Memory: a change copies O(log n) nodes of the map, never the facts.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Snapshot {
    revision: Revision,
    facts: Facts,
    quarantine: OrdMap<Box<str>, Quarantined>,
}

/// How one key differs between two snapshots.
#[derive(Debug, Clone, PartialEq)]
pub struct Difference<'a> {
    /// Which fact.
    pub key: FactKey,
    /// What it said in the older snapshot.
    pub before: Option<&'a Stated>,
    /// What it says in the newer one.
    pub after: Option<&'a Stated>,
}

impl Snapshot {
    /// No facts, revision 0.
    pub fn empty() -> Self {
        Self::default()
    }

    /// The revision all facts are at.
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// The snapshot at `revision`, with `changes` applied in order.
    ///
    /// The revision never goes back: an older one is ignored.
    #[must_use]
    pub fn apply(&self, revision: Revision, changes: impl IntoIterator<Item = Change>) -> Self {
        let mut next = self.clone();
        next.revision = next.revision.max(revision);
        let mut puts = next.facts.puts();
        for change in changes {
            match change {
                Change::Put(stated) => puts.put(stated),
                Change::Remove(key) => puts.remove(&key),
                Change::Quarantine(raw, why) => {
                    next.quarantine.insert(raw, why);
                }
                Change::Release(raw) => {
                    next.quarantine.remove(&raw);
                }
            }
        }
        drop(puts);
        next
    }

    /// The fact under `key`.
    pub fn get(&self, key: &FactKey) -> Option<&Stated> {
        self.facts.get(key)
    }

    /// All facts, by key.
    pub fn facts(&self) -> impl ExactSizeIterator<Item = &Stated> {
        self.facts.iter()
    }

    /// The frontends among the facts, by host and path.
    pub fn frontends(&self) -> impl Iterator<Item = (&Frontend, &Stated)> {
        self.facts.iter().map(frontend)
    }

    /// The frontends behind `after` in the order of [`Snapshot::frontends`], `after` itself left out; all without it.
    pub fn frontends_after(&self, after: Option<&FactKey>) -> impl Iterator<Item = (&Frontend, &Stated)> {
        self.facts.after(after).map(frontend)
    }

    /// How many facts there are.
    pub fn len(&self) -> usize {
        self.facts.len()
    }

    /// True when there is no fact.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The entries that were set aside, by the raw key of the store (lossy text).
    pub fn quarantine(&self) -> impl ExactSizeIterator<Item = (&str, &Quarantined)> {
        self.quarantine.iter().map(|(key, why)| (&**key, why))
    }

    /// Why the entry under this raw key of the store was set aside, if it was.
    pub fn quarantined(&self, raw: &str) -> Option<&Quarantined> {
        self.quarantine.get(raw)
    }

    /// What differs in facts from `older` to `self`, by key; costs work in proportion to the difference where they share history.
    pub fn diff<'a>(&'a self, older: &'a Self) -> impl Iterator<Item = Difference<'a>> {
        self.facts.diff(&older.facts).filter_map(|(before, after)| {
            let key = after.or(before)?.fact.key();
            Some(Difference { key, before, after })
        })
    }

    /// True when both hold the same facts and the same quarantine, whatever their revisions.
    pub fn same_content(&self, other: &Self) -> bool {
        self.quarantine == other.quarantine
            && self.facts.len() == other.facts.len()
            && self.diff(other).all(|d| match (d.before, d.after) {
                (Some(a), Some(b)) => Arc::ptr_eq(&a.fact, &b.fact) || a.fact == b.fact,
                _ => false,
            })
    }
}

fn frontend(stated: &Stated) -> (&Frontend, &Stated) {
    let Fact::Frontend(frontend) = &*stated.fact;
    (frontend, stated)
}
