//! All zones that are served.

use std::sync::Arc;

use imbl::ordmap::DiffItem;
use imbl::{OrdMap, OrdSet};
use model::{DomainName, Revision};

use super::key::Key;
use super::tree::Zone;

/// All zones at one revision. Immutable; a copy shares them, and to change one in it costs O(log n).
#[derive(Debug, Clone, Default)]
pub struct ZoneSet {
    revision: Revision,
    /// False until what is derived from the registry is there: what no zone holds may be there then.
    known: bool,
    zones: OrdMap<Arc<[u8]>, Same>,
    /// The apexes of zones that there are and that cannot be served, for lack of name servers for example.
    lacking: OrdSet<Arc<[u8]>>,
    /// No apex has more labels.
    deepest: usize,
    /// Those whose names are not told any more: what they are made of is too old.
    too_old: OrdMap<Arc<[u8]>, Same>,
    /// Where zones begin that are not there before all is known.
    awaited: Arc<[DomainName]>,
}

/// A zone, which is the same as another one when it is that one: what it holds is not compared.
#[derive(Debug, Clone)]
struct Same(Arc<Zone>);

impl PartialEq for Same {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl ZoneSet {
    /// Puts zones together; of two with the same apex the first one counts.
    pub fn new(revision: Revision, known: bool, zones: impl IntoIterator<Item = Arc<Zone>>) -> Self {
        let mut set = Self { revision, known, ..Self::default() };
        zones.into_iter().for_each(|zone| set.add(zone));
        set
    }

    /// The same zones, at another revision, or known now.
    pub(crate) fn at_revision(&self, revision: Revision, known: bool) -> Self {
        Self { revision, known, ..self.clone() }
    }

    /// Adds a zone, unless there is one with its apex.
    pub(crate) fn add(&mut self, zone: Arc<Zone>) {
        if self.at(zone.apex()).is_none() {
            self.put(zone);
        }
    }

    /// A zone takes the place of the one with its apex.
    pub(crate) fn put(&mut self, zone: Arc<Zone>) {
        self.deepest = self.deepest.max(zone.depth());
        let apex: Arc<[u8]> = Key::of(zone.apex()).octets().into();
        self.lacking.remove(&apex);
        self.zones.insert(apex, Same(zone));
    }

    /// There is a zone of this apex, and it cannot be served.
    pub(crate) fn lack(&mut self, apex: &DomainName) {
        self.remove(apex);
        self.lacking.insert(Key::of(apex).octets().into());
    }

    /// Whether a name belongs to a zone that cannot be served, where none that is served holds it.
    pub(crate) fn lacks(&self, name: &DomainName) -> bool {
        // Nearly always there are none.
        if self.lacking.is_empty() {
            return false;
        }
        let key = Key::of(name);
        (0..=key.depth()).any(|depth| self.lacking.contains(key.ancestor(depth)))
    }

    /// There is no zone of this apex any more.
    pub(crate) fn remove(&mut self, apex: &DomainName) {
        self.zones.remove(Key::of(apex).octets());
        self.lacking.remove(Key::of(apex).octets());
    }

    /// The same; zones of these apexes come once all is known.
    #[must_use]
    pub fn awaiting(self, apexes: impl IntoIterator<Item = DomainName>) -> Self {
        Self { awaited: apexes.into_iter().collect(), ..self }
    }

    /// Whether a name belongs to a zone that is still to come.
    pub(crate) fn awaits(&self, name: &DomainName) -> bool {
        !self.known && self.awaited.iter().any(|apex| name.is_at_or_below(apex))
    }

    /// The same, with zones among them that are too old to be told: their names are there, and nothing is said of them.
    #[must_use]
    pub fn with_too_old(self, zones: impl IntoIterator<Item = Arc<Zone>>) -> Self {
        self.with_old(&Self::new(Revision::default(), true, zones))
    }

    /// The same, with all of `old` too old to be told.
    #[must_use]
    pub(crate) fn with_old(self, old: &Self) -> Self {
        Self { too_old: old.zones.clone(), ..self }
    }

    /// Whether nothing is told of this zone, which is one of them.
    pub fn is_too_old(&self, zone: &Zone) -> bool {
        // Nearly always there are none.
        let old = || self.too_old.get(Key::of(zone.apex()).octets());
        !self.too_old.is_empty() && old().is_some_and(|old| std::ptr::eq(&*old.0, zone))
    }

    /// How many zones are too old to be told.
    pub fn too_old(&self) -> usize {
        self.too_old.len()
    }

    /// The revision they stand at.
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// Whether all zones there are are in it.
    pub fn is_known(&self) -> bool {
        self.known
    }

    /// The zones, by apex.
    pub fn zones(&self) -> impl ExactSizeIterator<Item = &Arc<Zone>> {
        self.zones.values().map(|zone| &zone.0)
    }

    /// The zone of this apex.
    pub fn at(&self, apex: &DomainName) -> Option<&Arc<Zone>> {
        self.zones.get(Key::of(apex).octets()).map(|zone| &zone.0)
    }

    /// The zones that are not the same as in `older`, there and here.
    pub(crate) fn differing<'z>(
        &'z self,
        older: &'z Self,
    ) -> impl Iterator<Item = (Option<&'z Arc<Zone>>, Option<&'z Arc<Zone>>)> {
        older.zones.diff(&self.zones).map(|item| match item {
            DiffItem::Add(_, zone) => (None, Some(&zone.0)),
            DiffItem::Remove(_, zone) => (Some(&zone.0), None),
            DiffItem::Update { old: (_, old), new: (_, new) } => (Some(&old.0), Some(&new.0)),
        })
    }

    /// The zones whose apex is this name, or above it.
    pub(crate) fn above<'z>(&'z self, name: &DomainName) -> impl Iterator<Item = &'z Arc<Zone>> {
        let key = Key::of(name);
        let depths = 0..=key.depth().min(self.deepest);
        depths.filter_map(move |depth| self.zones.get(key.ancestor(depth)).map(|zone| &zone.0))
    }

    /// Whether a zone begins below the name of this key: then the name is there (RFC 4592 §2.2.2), though no zone above has it.
    pub(crate) fn begins_below(&self, key: &[u8]) -> bool {
        use std::ops::Bound::{Excluded, Unbounded};
        let next = self.zones.range::<_, [u8]>((Excluded(key), Unbounded)).next();
        next.is_some_and(|(apex, _)| apex.starts_with(key))
    }

    /// No apex has more labels.
    pub(crate) fn deepest(&self) -> usize {
        self.deepest
    }

    /// Whether a name belongs to one of the zones.
    pub fn holds(&self, name: &DomainName) -> bool {
        let key = Key::of(name);
        self.find(&key, key.depth()).is_some()
    }

    /// The zone that a name belongs to: of those it is at or below, the one with the longest apex, which has at most so many labels.
    pub(crate) fn find(&self, key: &Key, most: usize) -> Option<&Zone> {
        let from = key.depth().min(self.deepest).min(most);
        (0..=from).rev().find_map(|depth| self.zones.get(key.ancestor(depth)).map(|zone| &*zone.0))
    }
}
