//! All zones that are served.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::{DomainName, Revision};

use super::key::Key;
use super::tree::Zone;

/// All zones at one revision. Immutable.
#[derive(Debug, Clone, Default)]
pub struct ZoneSet {
    revision: Revision,
    /// False until what is derived from the registry is there: what no zone holds may be there then.
    known: bool,
    zones: BTreeMap<Box<[u8]>, Arc<Zone>>,
    /// The most labels of an apex.
    deepest: usize,
}

impl ZoneSet {
    /// Puts zones together; of two with the same apex the first one counts.
    pub fn new(revision: Revision, known: bool, zones: impl IntoIterator<Item = Arc<Zone>>) -> Self {
        let mut set = Self { revision, known, ..Self::default() };
        for zone in zones {
            set.deepest = set.deepest.max(zone.depth());
            set.zones.entry(Key::of(zone.apex()).octets().into()).or_insert(zone);
        }
        set
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
        self.zones.values()
    }

    /// The zone of this apex.
    pub fn at(&self, apex: &DomainName) -> Option<&Arc<Zone>> {
        self.zones.get(Key::of(apex).octets())
    }

    /// The zones that are not the same as in `older`, there and here.
    pub(crate) fn differing<'z>(
        &'z self,
        older: &'z Self,
    ) -> impl Iterator<Item = (Option<&'z Arc<Zone>>, Option<&'z Arc<Zone>>)> {
        let gone = older.zones.iter().filter(|(apex, _)| !self.zones.contains_key(*apex));
        let there = self.zones.iter().map(|(apex, zone)| (older.zones.get(apex), Some(zone)));
        let both = gone.map(|(_, zone)| (Some(zone), None)).chain(there);
        both.filter(|pair| !matches!(pair, (Some(before), Some(after)) if Arc::ptr_eq(before, after)))
    }

    /// Whether a name belongs to one of the zones.
    pub fn holds(&self, name: &DomainName) -> bool {
        let key = Key::of(name);
        self.find(&key, key.depth()).is_some()
    }

    /// The zone that a name belongs to: of those it is at or below, the one with the longest apex, which has at most so many labels.
    pub(crate) fn find(&self, key: &Key, most: usize) -> Option<&Zone> {
        let from = key.depth().min(self.deepest).min(most);
        (0..=from).rev().find_map(|depth| self.zones.get(key.ancestor(depth)).map(|zone| &**zone))
    }
}
