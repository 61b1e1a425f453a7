//! Which facts stand at a name of a zone: a function of the facts at it and above it, and of what the zone has otherwise.

use model::{DomainName, RecordData, RecordFact, RecordSet, RecordType, Revision, Snapshot};

use super::homes::{Home, Homes};
use super::reason::Reason;
use crate::zone::key::Key;
use crate::zone::tree::{Node, Zone};

/// What stands beside an alias (RFC 4034 §2.5).
const BESIDE_ALIAS: [RecordType; 2] = [RecordType::RRSIG, RecordType::NSEC];
/// What stands where a name is delegated: the servers, their addresses, and what the parent says of the child.
const AT_CUT: [RecordType; 6] =
    [RecordType::NS, RecordType::DS, RecordType::A, RecordType::AAAA, RecordType::RRSIG, RecordType::NSEC];

/// What a zone takes of the facts.
pub(crate) struct Rules<'a> {
    pub(crate) snapshot: &'a Snapshot,
    pub(crate) homes: &'a Homes,
    /// Which zone.
    pub(crate) apex: &'a DomainName,
    /// What it has otherwise.
    pub(crate) base: Option<&'a Zone>,
    /// How long records may be kept where their fact does not say so, in seconds.
    pub(crate) ttl: u32,
    /// What its SOA's serial is, where a fact is the SOA.
    pub(crate) serial: Revision,
}

impl<'a> Rules<'a> {
    /// What stands at a name; `None`: nothing.
    pub(crate) fn node(&self, name: &DomainName) -> Option<Node> {
        let base = self.base_node(name).cloned();
        let mut sets = self.own(name).filter(|fact| self.verdict(fact).is_ok()).peekable();
        if base.is_none() && sets.peek().is_none() {
            return None;
        }
        let mut node = base.unwrap_or_default();
        for fact in sets {
            node.add(self.set(fact), Box::default());
        }
        Some(node)
    }

    /// The facts of a name that are this zone's.
    fn own(&self, name: &DomainName) -> impl Iterator<Item = &'a RecordFact> {
        let facts = self.snapshot.records_at(name).map(|(fact, _)| fact);
        facts.filter(|fact| self.is_own(fact))
    }

    /// Whether a fact is this zone's.
    pub(crate) fn is_own(&self, fact: &RecordFact) -> bool {
        let home = self.homes.of(fact.name(), fact.record_type());
        home.and_then(Home::taker).is_some_and(|apex| apex == *self.apex)
    }

    fn set(&self, fact: &RecordFact) -> RecordSet {
        let set = fact.set(self.ttl);
        if fact.record_type() != RecordType::SOA {
            return set;
        }
        let data = set.data().iter().map(|soa| with_serial(soa, self.serial)).collect();
        // Of its own type, and not larger than it was.
        RecordSet::new(set.name().clone(), RecordType::SOA, set.ttl(), data).unwrap_or(set)
    }

    /// Whether a fact of this zone's is served.
    pub(crate) fn verdict(&self, fact: &RecordFact) -> Result<(), Reason> {
        self.without_aliases(fact)?;
        let beside = |other: &RecordFact| {
            other.record_type() != RecordType::CNAME && !BESIDE_ALIAS.contains(&other.record_type())
        };
        let is_alias = fact.record_type() == RecordType::CNAME;
        // Of an alias and others, the others are served.
        let mut others = self.own(fact.name()).filter(|other| beside(other));
        match is_alias && others.any(|other| self.without_aliases(other).is_ok()) {
            true => Err(Reason::Alias),
            false => Ok(()),
        }
    }

    fn without_aliases(&self, fact: &RecordFact) -> Result<(), Reason> {
        let (name, record_type) = (fact.name(), fact.record_type());
        self.alone(name, record_type)?;
        match self.cut_above(name) {
            Some((dname, RecordType::DNAME)) => return Err(Reason::BelowDname(dname)),
            Some((cut, _)) if ![RecordType::A, RecordType::AAAA].contains(&record_type) => {
                return Err(Reason::Delegated(cut));
            }
            Some(_) => return Ok(()),
            None => {}
        }
        match self.is_cut(name, RecordType::NS) && !AT_CUT.contains(&record_type) {
            true => Err(Reason::Delegated(name.clone())),
            false => Ok(()),
        }
    }

    /// The highest name above this one that is delegated, or led elsewhere.
    fn cut_above(&self, name: &DomainName) -> Option<(DomainName, RecordType)> {
        self.snapshot.records_at_or_below(self.apex).next()?;
        let ancestors = std::iter::successors(name.parent(), DomainName::parent);
        let mut ancestors: Vec<_> = ancestors.take_while(|name| name.is_at_or_below(self.apex)).collect();
        ancestors.reverse();
        ancestors.into_iter().find_map(|name| {
            let cuts = [RecordType::NS, RecordType::DNAME];
            let of = cuts.into_iter().find(|record_type| self.is_cut(&name, *record_type))?;
            Some((name, of))
        })
    }

    /// Whether a name that is below no cut is one.
    fn is_cut(&self, name: &DomainName, record_type: RecordType) -> bool {
        let is_elsewhere = record_type == RecordType::NS && name == self.apex;
        !is_elsewhere
            && self.snapshot.record(name, record_type).is_some()
            && self.alone(name, record_type).is_ok()
    }

    /// What can be told of a fact without other record facts.
    fn alone(&self, name: &DomainName, record_type: RecordType) -> Result<(), Reason> {
        let leads = [RecordType::NS, RecordType::DNAME, RecordType::SOA].contains(&record_type);
        if leads && name.is_wildcard() {
            return Err(Reason::Wildcard);
        }
        let Some(base) = self.base else { return Ok(()) };
        if let Some(node) = self.base_node(name) {
            let is_beside = BESIDE_ALIAS.contains(&record_type);
            if node.get(record_type).is_some() {
                return Err(Reason::Clash);
            }
            if node.get(RecordType::CNAME).is_some() && !is_beside {
                return Err(Reason::Alias);
            }
            let others = node.sets().iter().any(|set| !BESIDE_ALIAS.contains(&set.record_type()));
            if record_type == RecordType::CNAME && others {
                return Err(Reason::Alias);
            }
        }
        let key = Key::of(name);
        // A delegation hides what is at its name, too; and so does a zone, which is why this one has the fact at all.
        let mut hidden = base.behind(key.octets()).map(|(other, _)| other);
        let hides = match record_type {
            RecordType::NS | RecordType::SOA => hidden.next(),
            RecordType::DNAME => hidden.find(|other| *other != key.octets()),
            _ => None,
        };
        match hides.is_some_and(|other| other.starts_with(key.octets())) {
            true => Err(Reason::Hides),
            false => Ok(()),
        }
    }

    fn base_node(&self, name: &DomainName) -> Option<&'a Node> {
        self.base?.node(Key::of(name).octets())
    }
}

/// A SOA with another serial: the low 32 bits of a revision.
fn with_serial(soa: &RecordData, revision: Revision) -> RecordData {
    let mut octets = soa.octets().to_vec();
    let serial = u32::try_from(revision.number() & u64::from(u32::MAX)).unwrap_or(0);
    if let Some(place) = octets.last_chunk_mut::<20>() {
        place[..4].copy_from_slice(&serial.to_be_bytes());
    }
    RecordData::new(RecordType::SOA, octets).unwrap_or_else(|_| soa.clone())
}
