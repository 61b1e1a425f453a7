//! The persistent ordered map under a snapshot, made for millions of facts.
//!
//! A fact is ordered by the key that stands in it, so the key is not kept twice. What is put in ascending order, as a store lists
//! it, fills the nodes of the tree, which otherwise would be half empty. Together an entry costs some 24 octets beside its fact.

use std::cmp::Ordering;
use std::ops::Bound;

use equivalent::{Comparable, Equivalent};
use imbl::OrdMap;
use imbl::ordmap::DiffItem;

use crate::fact::{FactKey, FactKind, KeyRef, Stated};

/// How many facts are put at once at most.
const RUN: usize = 4096;

/// What is stated, by key. A copy costs nothing; a change of it copies O(log n) nodes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Facts {
    by_key: OrdMap<ByKey, Unlike>,
    /// How many there are of each kind.
    counts: [usize; FactKind::ALL.len()],
}

/// What is stated, ordered by the key of its fact alone.
#[derive(Debug, Clone)]
struct ByKey(Stated);

/// The map compares values to tell what differs, and ours stands in the key: so no two values are alike, and [`Facts::diff`]
/// compares what they stand for.
#[derive(Debug, Clone)]
struct Unlike;

impl Facts {
    pub(crate) fn get(&self, key: &FactKey) -> Option<&Stated> {
        self.by_key.get_key_value(key).map(|(ByKey(stated), _)| stated)
    }

    pub(crate) fn len(&self) -> usize {
        self.by_key.len()
    }

    /// How many of a kind there are.
    pub(crate) fn count(&self, kind: FactKind) -> usize {
        self.counts[kind as usize]
    }

    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = &Stated> {
        self.by_key.keys().map(|ByKey(stated)| stated)
    }

    /// Those behind `key`; all without it.
    pub(crate) fn after(&self, key: Option<&FactKey>) -> impl Iterator<Item = &Stated> + use<'_> {
        let start = key.map_or(Bound::Unbounded, Bound::Excluded);
        self.by_key.range::<_, FactKey>((start, Bound::Unbounded)).map(|(ByKey(stated), _)| stated)
    }

    /// Those at `place` and behind it.
    pub(crate) fn from(&self, place: KeyRef<'_>) -> impl Iterator<Item = &Stated> + use<'_> {
        self.by_key.range(place..).map(|(ByKey(stated), _)| stated)
    }

    /// What stood in `older` and what stands here, under each key where that is not the same.
    pub(crate) fn diff<'a>(
        &'a self,
        older: &'a Self,
    ) -> impl Iterator<Item = (Option<&'a Stated>, Option<&'a Stated>)> {
        older.by_key.diff(&self.by_key).filter_map(|item| match item {
            DiffItem::Add(ByKey(after), _) => Some((None, Some(after))),
            DiffItem::Remove(ByKey(before), _) => Some((Some(before), None)),
            DiffItem::Update { old: (ByKey(before), _), new: (ByKey(after), _) } => {
                (before != after).then_some((Some(before), Some(after)))
            }
        })
    }

    /// The same behind `key`, by a look at all that stands there.
    pub(crate) fn diff_after<'a>(
        &'a self,
        older: &'a Self,
        key: &FactKey,
    ) -> impl Iterator<Item = (Option<&'a Stated>, Option<&'a Stated>)> + use<'a> {
        let mut old = older.after(Some(key)).peekable();
        let mut new = self.after(Some(key)).peekable();
        let both = std::iter::from_fn(move || {
            let order = match (old.peek(), new.peek()) {
                (None, None) => return None,
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some(old), Some(new)) => old.fact.key_ref().cmp(&new.fact.key_ref()),
            };
            let before = if order.is_le() { old.next() } else { None };
            let after = if order.is_ge() { new.next() } else { None };
            Some((before, after))
        });
        both.filter(|(before, after)| before != after)
    }

    fn insert(&mut self, stated: ByKey) {
        let kind = stated.0.fact.kind();
        if self.by_key.insert(stated, Unlike).is_none() {
            self.counts[kind as usize] += 1;
        }
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
        if self.facts.by_key.remove(key).is_some() {
            self.facts.counts[key.kind() as usize] -= 1;
        }
    }

    /// Puts the run in, every second one first: ascending entries leave every leaf half full behind them, and the rest fills it.
    fn fill(&mut self) {
        let mut between = Vec::with_capacity(self.run.len() / 2);
        for (place, stated) in self.run.drain(..).enumerate() {
            if place % 2 == 0 {
                self.facts.insert(stated);
            } else {
                between.push(stated);
            }
        }
        for stated in between {
            self.facts.insert(stated);
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

impl Equivalent<ByKey> for KeyRef<'_> {
    fn equivalent(&self, stated: &ByKey) -> bool {
        self.compare(stated) == Ordering::Equal
    }
}

impl Comparable<ByKey> for KeyRef<'_> {
    fn compare(&self, stated: &ByKey) -> Ordering {
        self.cmp(&stated.0.fact.key_ref())
    }
}
