//! Record sets by name and type, as they should be.

use std::collections::BTreeMap;

use model::record::MAX_RECORD_SET;
use model::{DomainName, RecordData, RecordType};

use crate::zone::Zone;

/// What a record takes in a message beside its data.
const RECORD_HEAD: usize = 12;

/// A set, as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Should {
    /// In seconds.
    pub(super) ttl: u32,
    /// Each record with how often it is to be the first one.
    pub(super) data: BTreeMap<RecordData, u16>,
}

/// What should stand at each name; a name without a set should be there without records.
#[derive(Debug, Default)]
pub(super) struct Sets(pub(super) BTreeMap<DomainName, BTreeMap<RecordType, Should>>);

impl Sets {
    /// The sets of a zone, just read.
    pub(super) fn of(zone: &Zone) -> Self {
        let mut sets = Self::default();
        for set in zone.sets() {
            let data = set.data().iter().cloned().map(|data| (data, 1));
            sets.put(set.name(), set.record_type(), set.ttl(), data);
        }
        sets
    }

    /// The name should be there; so should the set, unless it is empty, or another one of its name and type was put before. Of two records
    /// that are one, the lighter counts; those that do not fit into a message do not.
    pub(super) fn put(
        &mut self,
        name: &DomainName,
        record_type: RecordType,
        ttl: u32,
        data: impl IntoIterator<Item = (RecordData, u16)>,
    ) {
        let mut all: BTreeMap<RecordData, u16> = BTreeMap::new();
        for (record, weight) in data {
            let least = all.entry(record).or_insert(weight);
            *least = weight.min(*least);
        }
        let mut octets = 0;
        all.retain(|record, _| {
            octets += RECORD_HEAD + record.octets().len();
            octets <= MAX_RECORD_SET
        });
        let at_name = self.0.entry(name.clone()).or_default();
        if !all.is_empty() {
            at_name.entry(record_type).or_insert(Should { ttl, data: all });
        }
    }

    /// The set of a name and type.
    pub(super) fn get(&self, name: &DomainName, record_type: RecordType) -> Option<&Should> {
        self.0.get(name)?.get(&record_type)
    }
}
