//! A zone while it is updated: what is served, the facts it is made of, and what has been changed so far.

use std::collections::{BTreeMap, BTreeSet};

use model::{DomainName, Fact, FactKey, RecordData, RecordFact, RecordSet, RecordType, Revision, Snapshot};

use super::UpdateEdit;
use crate::wire::Code;
use crate::zone::Zone;

/// A set while it is updated: its TTL, in seconds, and its records; none: it is not there.
pub(super) type Set = Option<(u32, Vec<RecordData>)>;

/// A zone while it is updated.
pub(super) struct State<'s> {
    zone: &'s Zone,
    snapshot: &'s Snapshot,
    changed: BTreeMap<(DomainName, RecordType), Set>,
}

impl<'s> State<'s> {
    /// Of a zone, as it is at this snapshot.
    pub(super) fn new(zone: &'s Zone, snapshot: &'s Snapshot) -> Self {
        Self { zone, snapshot, changed: BTreeMap::new() }
    }

    pub(super) fn apex(&self) -> &DomainName {
        self.zone.apex()
    }

    fn served(&self, name: &DomainName, record_type: RecordType) -> Option<&RecordSet> {
        self.zone.sets_at(name).iter().find(|set| set.record_type() == record_type)
    }

    fn fact(&self, name: &DomainName, record_type: RecordType) -> Option<(&RecordFact, Revision)> {
        let (fact, stated) = self.snapshot.record(&name.folded(), record_type)?;
        Some((fact, stated.revision))
    }

    /// A set as it is now: changed, stated by a fact of its own, or served from elsewhere.
    pub(super) fn get(&self, name: &DomainName, record_type: RecordType) -> Set {
        if let Some(set) = self.changed.get(&(name.folded(), record_type)) {
            return set.clone();
        }
        let stated = self.fact(name, record_type).map(|(fact, _)| fact.set(0));
        let ttl = |set: &RecordSet| self.served(name, record_type).map_or(set.ttl(), RecordSet::ttl);
        let set = stated.as_ref().or_else(|| self.served(name, record_type))?;
        Some((ttl(set), set.data().to_vec()))
    }

    /// The types of which a name has sets now.
    pub(super) fn types(&self, name: &DomainName) -> BTreeSet<RecordType> {
        let served = self.zone.sets_at(name).iter().map(RecordSet::record_type);
        let stated = self.snapshot.records_at(&name.folded()).map(|(fact, _)| fact.record_type());
        let changed = self.changed.keys().filter(|(of, _)| of == name).map(|(_, record_type)| *record_type);
        let all: BTreeSet<_> = served.chain(stated).chain(changed).collect();
        all.into_iter().filter(|record_type| self.get(name, *record_type).is_some()).collect()
    }

    /// Changes a set.
    ///
    /// # Errors
    /// REFUSED for a set that is not stated by a fact of its own: a service's addresses, the zone's own name servers.
    pub(super) fn put(&mut self, name: &DomainName, record_type: RecordType, set: Set) -> Result<(), Code> {
        // A zone's serial is the registry's, whatever the fact says.
        let is_of_fact = |served: &RecordSet| {
            self.fact(name, record_type)
                .is_some_and(|(fact, _)| record_type == RecordType::SOA || fact.data() == served.data())
        };
        if self.served(name, record_type).is_some_and(|served| !is_of_fact(served)) {
            return Err(Code::Refused);
        }
        self.changed.insert((name.folded(), record_type), set);
        Ok(())
    }

    /// What is to be written: nothing for what is as it was.
    ///
    /// # Errors
    /// REFUSED for a set that is none, one too large for example.
    pub(super) fn edits(self) -> Result<Vec<UpdateEdit>, Code> {
        let mut edits = Vec::new();
        for ((name, record_type), set) in &self.changed {
            let before = self.fact(name, *record_type);
            let after = match set {
                Some((ttl, data)) => {
                    let fact = RecordFact::new(name, *record_type, Some(*ttl), data.clone());
                    Some(fact.map_err(|_| Code::Refused)?)
                }
                None => None,
            };
            if before.map(|(fact, _)| fact) == after.as_ref() {
                continue;
            }
            let key = FactKey::Record { name: name.clone(), record_type: *record_type };
            let fact = after.map(|fact| Fact::Record(Box::new(fact)));
            edits.push(UpdateEdit { key, fact, expected: before.map(|(_, revision)| revision) });
        }
        Ok(edits)
    }
}
