//! One zone: the record sets of its names, in canonical order.

use std::sync::Arc;

use imbl::OrdMap;
use model::{DomainName, RecordData, RecordSet, RecordType};

use super::key::Key;

/// All that a zone has at one name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// By type; never empty.
    sets: Vec<RecordSet>,
}

impl Node {
    /// The set of this type.
    pub fn get(&self, record_type: RecordType) -> Option<&RecordSet> {
        // There are few.
        self.sets.iter().find(|set| set.record_type() == record_type)
    }

    /// All sets, by type.
    pub fn sets(&self) -> &[RecordSet] {
        &self.sets
    }

    fn put(&mut self, set: RecordSet) -> Result<(), ZoneError> {
        match self.sets.binary_search_by_key(&set.record_type(), RecordSet::record_type) {
            Ok(_) => return Err(ZoneError::Twice(set.name().clone(), set.record_type())),
            Err(at) => self.sets.insert(at, set),
        }
        Ok(())
    }

    /// A name with an alias has nothing else, but what signs and denies (RFC 1034 §3.6.2, RFC 4034 §2.5).
    fn is_fine_alias(&self) -> bool {
        let beside = [RecordType::CNAME, RecordType::RRSIG, RecordType::NSEC];
        self.get(RecordType::CNAME).is_none()
            || self.sets.iter().all(|set| beside.contains(&set.record_type()))
    }
}

/// A zone that can be answered from: one SOA and NS records at its apex, all names at or below it.
///
/// A copy shares the names; to change one costs O(log n).
#[derive(Debug, Clone)]
pub struct Zone {
    apex: DomainName,
    depth: usize,
    nodes: OrdMap<Arc<[u8]>, Arc<Node>>,
    /// How many names below the apex are delegated, or at or below it have a DNAME: without any, no name needs a look at its ancestors.
    cuts: usize,
    /// What negative answers carry: the SOA with the TTL of RFC 2308 §5.
    negative: RecordSet,
}

/// Why record sets are not a zone. Each names the name; what holds them knows where it was written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ZoneError {
    /// No SOA at the apex.
    #[error("{0} has no SOA record; a zone begins with one")]
    NoSoa(DomainName),
    /// A SOA elsewhere.
    #[error("{0} has a SOA record, but only a zone's apex has one; serve it as a zone of its own")]
    Soa(DomainName),
    /// No NS at the apex.
    #[error("{0} has no NS record; name at least one name server of the zone")]
    NoNs(DomainName),
    /// A name that is not the zone's.
    #[error("{0} is not at or below {1}, so it belongs to another zone")]
    Outside(DomainName, DomainName),
    /// Two sets of one name and type.
    #[error("{0} has two sets of type {1}")]
    Twice(DomainName, RecordType),
    /// An alias with something beside it.
    #[error("{0} has a CNAME record and others; a name with an alias has nothing else (RFC 1034 §3.6.2)")]
    Alias(DomainName),
    /// A wildcard that delegates.
    #[error("{0} has a record of type {1}, which a wildcard cannot have (RFC 4592 §4)")]
    Wildcard(DomainName, RecordType),
    /// Names below a DNAME.
    #[error("{0} has a DNAME record, so there can be nothing below it, but there is {1} (RFC 6672 §2.4)")]
    BelowDname(DomainName, DomainName),
}

impl Zone {
    /// Puts a zone together.
    ///
    /// # Errors
    /// [`ZoneError`] names what keeps the sets from being one.
    pub fn new(apex: DomainName, sets: impl IntoIterator<Item = RecordSet>) -> Result<Self, ZoneError> {
        let mut nodes: OrdMap<Arc<[u8]>, Arc<Node>> = OrdMap::new();
        let (mut cuts, mut dnames) = (0, Vec::new());
        for set in sets {
            check(&apex, &set)?;
            let (name, record_type) = (set.name().clone(), set.record_type());
            match record_type {
                RecordType::NS if name != apex => cuts += 1,
                RecordType::DNAME => {
                    cuts += 1;
                    dnames.push(name.clone());
                }
                _ => {}
            }
            let key = Key::of(&name);
            match nodes.get_mut(key.octets()) {
                Some(node) => Arc::make_mut(node).put(set)?,
                None => drop(nodes.insert(key.octets().into(), Arc::new(Node { sets: vec![set] }))),
            }
        }
        let at_apex = nodes.get(Key::of(&apex).octets());
        let soa = at_apex
            .and_then(|node| node.get(RecordType::SOA))
            .ok_or_else(|| ZoneError::NoSoa(apex.clone()))?;
        if at_apex.is_none_or(|node| node.get(RecordType::NS).is_none()) {
            return Err(ZoneError::NoNs(apex));
        }
        let negative = negative(soa);
        let zone = Self { depth: apex.label_count(), apex, cuts, negative, nodes };
        zone.check_aliases()?;
        dnames.iter().try_for_each(|name| zone.check_dname(name))?;
        Ok(zone)
    }

    fn check_aliases(&self) -> Result<(), ZoneError> {
        let wrong = self.nodes.values().find(|node| !node.is_fine_alias());
        wrong
            .and_then(|node| node.sets.first())
            .map_or(Ok(()), |set| Err(ZoneError::Alias(set.name().clone())))
    }

    fn check_dname(&self, name: &DomainName) -> Result<(), ZoneError> {
        let key = Key::of(name);
        let below = self.behind(key.octets()).find(|(other, _)| other.len() > key.octets().len());
        match below.filter(|(other, _)| other.starts_with(key.octets())) {
            Some((_, node)) => {
                let below = node.sets.first().map_or_else(|| name.clone(), |set| set.name().clone());
                Err(ZoneError::BelowDname(name.clone(), below))
            }
            None => Ok(()),
        }
    }

    /// The name at its top.
    pub fn apex(&self) -> &DomainName {
        &self.apex
    }

    /// How many labels the apex has.
    pub(crate) fn depth(&self) -> usize {
        self.depth
    }

    /// What a negative answer carries: the SOA, its TTL no longer than its MINIMUM (RFC 2308 §5).
    pub fn negative(&self) -> &RecordSet {
        &self.negative
    }

    /// The SOA's serial.
    pub fn serial(&self) -> u32 {
        let data = self.negative.data().first();
        data.and_then(|soa| soa.octets().rchunks(20).next()?.first_chunk())
            .map_or(0, |serial| u32::from_be_bytes(*serial))
    }

    /// How many names have records.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Never: the apex has records.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// Every record set, in canonical order of their names.
    pub fn sets(&self) -> impl Iterator<Item = &RecordSet> {
        self.nodes.values().flat_map(|node| &node.sets)
    }

    /// Whether names may be delegated, or led elsewhere by a DNAME.
    pub(crate) fn has_cuts(&self) -> bool {
        self.cuts > 0
    }

    /// What stands at a name.
    pub(crate) fn node(&self, key: &[u8]) -> Option<&Node> {
        self.nodes.get(key).map(|node| &**node)
    }

    /// The names from this one on, in canonical order.
    pub(crate) fn behind<'z>(&'z self, key: &[u8]) -> impl Iterator<Item = (&'z [u8], &'z Node)> {
        use std::ops::Bound::{Included, Unbounded};
        self.nodes.range::<_, [u8]>((Included(key), Unbounded)).map(|(key, node)| (&**key, &**node))
    }

    /// The last name before this one.
    pub(crate) fn before<'z>(&'z self, key: &[u8]) -> Option<&'z [u8]> {
        use std::ops::Bound::{Excluded, Unbounded};
        self.nodes.range::<_, [u8]>((Unbounded, Excluded(key))).next_back().map(|(key, _)| &**key)
    }
}

/// What can be told of one set alone.
fn check(apex: &DomainName, set: &RecordSet) -> Result<(), ZoneError> {
    let (name, record_type) = (set.name(), set.record_type());
    if !name.is_at_or_below(apex) {
        return Err(ZoneError::Outside(name.clone(), apex.clone()));
    }
    if record_type == RecordType::SOA && name != apex {
        return Err(ZoneError::Soa(name.clone()));
    }
    if name.is_wildcard() && [RecordType::NS, RecordType::DNAME].contains(&record_type) {
        return Err(ZoneError::Wildcard(name.clone(), record_type));
    }
    Ok(())
}

/// The SOA with the TTL that RFC 2308 §5 gives it in negative answers.
fn negative(soa: &RecordSet) -> RecordSet {
    let minimum = soa.data().first().and_then(RecordData::soa_minimum).unwrap_or(0);
    let ttl = soa.ttl().min(minimum);
    // Of its own type, and not larger than it was.
    RecordSet::new(soa.name().clone(), RecordType::SOA, ttl, soa.data().to_vec())
        .unwrap_or_else(|_| soa.clone())
}
