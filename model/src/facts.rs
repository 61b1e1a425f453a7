//! The persistent ordered map under a snapshot, made for millions of facts.
//!
//! A fact is ordered by the key that stands in it, so the key is not kept twice. What is put in ascending order, as a store lists
//! it, fills the nodes of the tree, which otherwise would be half empty. Together an entry costs some 24 octets beside its fact.

use std::cmp::Ordering;
use std::ops::Bound;

use equivalent::{Comparable, Equivalent};
use imbl::OrdMap;
use imbl::ordmap::DiffItem;

use crate::fact::{FactKey, Stated};

/// How many facts are put at once at most.
const RUN: usize = 4096;

/// What is stated, by key. A copy costs nothing; a change of it copies O(log n) nodes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Facts(OrdMap<ByKey, Unlike>);

/// What is stated, ordered by the key of its fact alone.
#[derive(Debug, Clone)]
struct ByKey(Stated);

/// The map compares values to tell what differs, and ours stands in the key: so no two values are alike, and [`Facts::diff`]
/// compares what they stand for.
#[derive(Debug, Clone)]
struct Unlike;

impl Facts {
    pub(crate) fn get(&self, key: &FactKey) -> Option<&Stated> {
        self.0.get_key_value(key).map(|(ByKey(stated), _)| stated)
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = &Stated> {
        self.0.keys().map(|ByKey(stated)| stated)
    }

    /// Those behind `key`; all without it.
    pub(crate) fn after(&self, key: Option<&FactKey>) -> impl Iterator<Item = &Stated> {
        let start = key.map_or(Bound::Unbounded, Bound::Excluded);
        self.0.range::<_, FactKey>((start, Bound::Unbounded)).map(|(ByKey(stated), _)| stated)
    }

    /// What stood in `older` and what stands here, under each key where that is not the same.
    pub(crate) fn diff<'a>(
        &'a self,
        older: &'a Self,
    ) -> impl Iterator<Item = (Option<&'a Stated>, Option<&'a Stated>)> {
        older.0.diff(&self.0).filter_map(|item| match item {
            DiffItem::Add(ByKey(after), _) => Some((None, Some(after))),
            DiffItem::Remove(ByKey(before), _) => Some((Some(before), None)),
            DiffItem::Update { old: (ByKey(before), _), new: (ByKey(after), _) } => {
                (before != after).then_some((Some(before), Some(after)))
            }
        })
    }

    /// To be changed, one after the other; done when what is returned is dropped.
    pub(crate) fn puts(&mut self) -> Puts<'_> {
        Puts { facts: self, run: Vec::new() }
    }
}

/// Changes of [`Facts`] under way.
pub(crate) struct Puts<'a> {
    facts: &'a mut Facts,
    /// What waits to be put, in ascending order.
    run: Vec<ByKey>,
}

impl Puts<'_> {
    pub(crate) fn put(&mut self, stated: Stated) {
        let stated = ByKey(stated);
        if self.run.len() == RUN || self.run.last().is_some_and(|last| *last >= stated) {
            self.fill();
        }
        self.run.push(stated);
    }

    pub(crate) fn remove(&mut self, key: &FactKey) {
        self.fill();
        self.facts.0.remove(key);
    }

    /// Puts the run in, every second one first: ascending entries leave every leaf half full behind them, and the rest fills it.
    fn fill(&mut self) {
        let mut between = Vec::with_capacity(self.run.len() / 2);
        for (place, stated) in self.run.drain(..).enumerate() {
            if place % 2 == 0 {
                self.facts.0.insert(stated, Unlike);
            } else {
                between.push(stated);
            }
        }
        for stated in between {
            self.facts.0.insert(stated, Unlike);
        }
    }
}

impl Drop for Puts<'_> {
    fn drop(&mut self) {
        self.fill();
    }
}

impl PartialEq for Facts {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len() && self.diff(other).next().is_none()
    }
}

impl PartialEq for Unlike {
    fn eq(&self, _: &Self) -> bool {
        false
    }
}

impl Ord for ByKey {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.fact.key_ref().cmp(&other.0.fact.key_ref())
    }
}

impl PartialOrd for ByKey {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for ByKey {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for ByKey {}

impl Equivalent<ByKey> for FactKey {
    fn equivalent(&self, stated: &ByKey) -> bool {
        self.compare(stated) == Ordering::Equal
    }
}

impl Comparable<ByKey> for FactKey {
    fn compare(&self, stated: &ByKey) -> Ordering {
        self.key_ref().cmp(&stated.0.fact.key_ref())
    }
}
