//! Names and what stands at them, on the way to a zone.

use std::collections::BTreeMap;
use std::net::IpAddr;

use model::record::MAX_RECORD_SET;
use model::{DomainName, Metadata, RecordData, RecordSet, RecordType};

use crate::zone::Node;

/// What a record takes in a message beside its data.
const RECORD_HEAD: usize = 12;

/// Names, and what stands at each; one at which nothing does is there all the same.
#[derive(Debug, Default)]
pub(crate) struct Names(BTreeMap<DomainName, Node>);

impl Names {
    /// Adds a set, unless it would be empty. What does not fit into a message is left out.
    pub(in crate::zone) fn put(
        &mut self,
        name: &DomainName,
        record_type: RecordType,
        ttl: u32,
        data: Vec<RecordData>,
    ) {
        self.put_weighted(name, record_type, ttl, data.into_iter().map(|data| (data, 1)).collect());
    }

    /// The same, each record with its weight.
    fn put_weighted(
        &mut self,
        name: &DomainName,
        record_type: RecordType,
        ttl: u32,
        mut data: Vec<(RecordData, u16)>,
    ) {
        // As a set orders them, so that the weights are in their order.
        data.sort();
        data.dedup_by(|(a, _), (b, _)| a == b);
        let mut octets = 0;
        data.retain(|(data, _)| {
            octets += RECORD_HEAD + data.octets().len();
            octets <= MAX_RECORD_SET
        });
        let weights: Box<[u16]> = data.iter().map(|(_, weight)| *weight).collect();
        let alike = weights.iter().all(|weight| Some(weight) == weights.first());
        let data = data.into_iter().map(|(data, _)| data).collect();
        let node = self.0.entry(name.clone()).or_default();
        // Two facts that want one name: the first one has it.
        if node.get(record_type).is_some() {
            return;
        }
        // Nothing else is wrong with them: they are of one type, and as many as fit.
        if let Ok(set) = RecordSet::new(name.clone(), record_type, ttl, data) {
            node.add(set, if alike { Box::default() } else { weights });
        }
    }

    /// A name is there, whatever stands at it.
    pub(super) fn there(&mut self, name: &DomainName) {
        self.0.entry(name.clone()).or_default();
    }

    /// Adds addresses, each family as its set, each with its weight.
    pub(in crate::zone) fn addresses(
        &mut self,
        name: &DomainName,
        ttl: u32,
        addresses: impl Iterator<Item = (IpAddr, u16)>,
    ) {
        let (mut v4, mut v6) = (Vec::new(), Vec::new());
        for (address, weight) in addresses {
            match address {
                IpAddr::V4(address) => v4.push((RecordData::a(address), weight)),
                IpAddr::V6(address) => v6.push((RecordData::aaaa(address), weight)),
            }
        }
        self.put_weighted(name, RecordType::A, ttl, v4);
        self.put_weighted(name, RecordType::AAAA, ttl, v6);
    }

    /// Adds metadata as texts, where there are any.
    pub(super) fn texts(&mut self, name: &DomainName, ttl: u32, metadata: &Metadata) {
        if !metadata.is_empty() {
            self.all_texts(name, ttl, metadata);
        }
    }

    /// Adds metadata as texts, one empty text where there are none.
    pub(super) fn all_texts(&mut self, name: &DomainName, ttl: u32, metadata: &Metadata) {
        let texts: Vec<String> = metadata.iter().map(|(key, value)| format!("{key}={value}")).collect();
        if let Ok(data) = RecordData::txt(texts.iter().map(String::as_bytes)) {
            self.put(name, RecordType::TXT, ttl, vec![data]);
        }
    }

    /// The names.
    pub(crate) fn names(&self) -> impl Iterator<Item = &DomainName> {
        self.0.keys()
    }
}

impl IntoIterator for Names {
    type Item = (DomainName, Node);
    type IntoIter = std::collections::btree_map::IntoIter<DomainName, Node>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}
