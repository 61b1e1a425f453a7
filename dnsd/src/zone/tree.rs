//! One zone: the record sets of its names, in canonical order.

use std::sync::Arc;

use imbl::OrdMap;
use imbl::ordmap::DiffItem;
use model::{DomainName, RecordData, RecordSet, RecordType};

use super::key::{self, Key};

/// All that a zone has at one name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Node {
    /// By type; without any the name is there all the same, and has no records.
    pub(super) sets: Vec<RecordSet>,
    /// How often each record of a set is to be the first one of an answer, for sets where that is not all the same.
    pub(super) weights: Vec<(RecordType, Box<[u16]>)>,
}

impl Node {
    /// The set of this type.
    pub fn get(&self, record_type: RecordType) -> Option<&RecordSet> {
        // There are few.
        self.sets.iter().find(|set| set.record_type() == record_type)
    }

    /// The weights of the records of this type's set, in their order; empty: all alike.
    pub fn weights(&self, record_type: RecordType) -> &[u16] {
        let weights = self.weights.iter().find(|(of, _)| *of == record_type);
        weights.map_or(&[], |(_, weights)| weights)
    }

    /// All sets, by type.
    pub fn sets(&self) -> &[RecordSet] {
        &self.sets
    }

    /// Whether what is below it is elsewhere.
    pub(super) fn is_cut(&self, apex: &DomainName) -> bool {
        let delegates = self.get(RecordType::NS).is_some_and(|servers| servers.name() != apex);
        delegates || self.get(RecordType::DNAME).is_some()
    }

    pub(super) fn put(&mut self, set: RecordSet) -> Result<(), ZoneError> {
        match self.sets.binary_search_by_key(&set.record_type(), RecordSet::record_type) {
            Ok(_) => return Err(ZoneError::Twice(set.name().clone(), set.record_type())),
            Err(at) => self.sets.insert(at, set),
        }
        Ok(())
    }

    /// A name with an alias has nothing else, but what signs and denies (RFC 1034 §3.6.2, RFC 4034 §2.5).
    pub(super) fn is_fine_alias(&self) -> bool {
        let beside = [RecordType::CNAME, RecordType::RRSIG, RecordType::NSEC];
        self.get(RecordType::CNAME).is_none()
            || self.sets.iter().all(|set| beside.contains(&set.record_type()))
    }
}

/// What stands at each name, by its key.
pub(super) type Nodes = OrdMap<Arc<[u8]>, Arc<Node>>;

/// A zone that can be answered from: one SOA and NS records at its apex, all names at or below it.
///
/// A copy shares the names; to change one costs O(log n).
#[derive(Debug, Clone)]
pub struct Zone {
    pub(super) apex: DomainName,
    depth: usize,
    pub(super) nodes: Nodes,
    /// How many names below the apex are delegated, or at or below it have a DNAME: without any, no name needs a look at its ancestors.
    pub(super) cuts: usize,
    /// How many names are, or are below, a wildcard: without any, a name that is not there needs no look for its closest encloser.
    pub(super) wildcards: usize,
    /// What negative answers carry: the SOA with the TTL of RFC 2308 §5.
    pub(super) negative: RecordSet,
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
        let mut nodes = Nodes::new();
        for set in sets {
            check(&apex, &set)?;
            let key = Key::of(set.name());
            match nodes.get_mut(key.octets()) {
                Some(node) => Arc::make_mut(node).put(set)?,
                None => drop(
                    nodes
                        .insert(key.octets().into(), Arc::new(Node { sets: vec![set], weights: Vec::new() })),
                ),
            }
        }
        Self::of_nodes(apex, nodes)
    }

    pub(super) fn of_nodes(apex: DomainName, nodes: Nodes) -> Result<Self, ZoneError> {
        let cuts = nodes.values().filter(|node| node.is_cut(&apex)).count();
        let negative = check_apex(&apex, &nodes)?;
        let wildcards = nodes.keys().filter(|key| has_asterisk(key)).count();
        let zone = Self { depth: apex.label_count(), apex, cuts, wildcards, negative, nodes };
        zone.check_aliases()?;
        if zone.has_cuts() {
            let dnames = zone.nodes.values().filter_map(|node| node.get(RecordType::DNAME));
            dnames.map(RecordSet::name).try_for_each(|name| zone.check_dname(name))?;
        }
        Ok(zone)
    }

    fn check_aliases(&self) -> Result<(), ZoneError> {
        let wrong = self.nodes.values().find(|node| !node.is_fine_alias());
        wrong
            .and_then(|node| node.sets.first())
            .map_or(Ok(()), |set| Err(ZoneError::Alias(set.name().clone())))
    }

    pub(super) fn check_dname(&self, name: &DomainName) -> Result<(), ZoneError> {
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

    /// Every name with what stands at it, in canonical order.
    pub(crate) fn names(&self) -> impl Iterator<Item = (DomainName, &Node)> {
        self.nodes.iter().map(|(key, node)| (name_of(key, node), &**node))
    }

    /// Whether what it knows beside its names (its cuts, its wildcards, what negative answers carry) is what they say.
    pub(crate) fn is_sound(&self) -> bool {
        Self::of_nodes(self.apex.clone(), self.nodes.clone()).is_ok_and(|anew| {
            let known = |zone: &Self| (zone.cuts, zone.wildcards, zone.depth);
            known(self) == known(&anew) && self.negative == anew.negative
        })
    }

    /// Every record set, in canonical order of their names.
    pub fn sets(&self) -> impl Iterator<Item = &RecordSet> {
        self.nodes.values().flat_map(|node| &node.sets)
    }

    /// The names that are not the same as in `older`, and whether what is below each may be hidden by it, or was.
    pub(crate) fn differing(&self, older: &Self) -> Vec<(DomainName, bool)> {
        let is_cut = |node: &Node| node.is_cut(&self.apex);
        let differing = older.nodes.diff(&self.nodes).map(|item| match item {
            DiffItem::Add(key, node) | DiffItem::Remove(key, node) => (name_of(key, node), is_cut(node)),
            DiffItem::Update { old: (_, old), new: (key, new) } => {
                (name_of(key, new), is_cut(old) || is_cut(new))
            }
        });
        differing.collect()
    }

    /// The names at or below this one.
    pub(crate) fn names_below(&self, name: &DomainName) -> Vec<DomainName> {
        let key = Key::of(name);
        let below = self.behind(key.octets()).take_while(|(other, _)| other.starts_with(key.octets()));
        below.map(|(key, node)| name_of(key, node)).collect()
    }

    /// Whether names may be delegated, or led elsewhere by a DNAME.
    pub(crate) fn has_cuts(&self) -> bool {
        self.cuts > 0
    }

    /// Whether a name that is not there may have a wildcard that stands for it.
    pub(crate) fn has_wildcards(&self) -> bool {
        self.wildcards > 0
    }

    /// What stands at a name.
    pub(crate) fn node(&self, key: &[u8]) -> Option<&Node> {
        self.nodes.get(key).map(|node| &**node)
    }

    /// The sets of a name; none where it is not there.
    pub(crate) fn sets_at(&self, name: &DomainName) -> &[RecordSet] {
        self.node(Key::of(name).octets()).map_or(&[], Node::sets)
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

/// The name of a key, spelled as its records are where there are any.
fn name_of(key: &[u8], node: &Node) -> DomainName {
    node.sets.first().map_or_else(|| key::name(key), |set| set.name().clone())
}

/// Whether the name of a key has a label `*`.
pub(super) fn has_asterisk(key: &[u8]) -> bool {
    // A 0 ends a label, and is nowhere else.
    key.split(|octet| *octet == 0).any(|label| label == b"*")
}

/// Whether the apex has what it must have; what negative answers carry then.
pub(super) fn check_apex(apex: &DomainName, nodes: &Nodes) -> Result<RecordSet, ZoneError> {
    let at_apex = nodes.get(Key::of(apex).octets());
    let soa =
        at_apex.and_then(|node| node.get(RecordType::SOA)).ok_or_else(|| ZoneError::NoSoa(apex.clone()))?;
    if at_apex.is_none_or(|node| node.get(RecordType::NS).is_none()) {
        return Err(ZoneError::NoNs(apex.clone()));
    }
    Ok(negative(soa))
}

/// What can be told of one set alone.
pub(super) fn check(apex: &DomainName, set: &RecordSet) -> Result<(), ZoneError> {
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
