//! A zone while it is updated: what is served, the facts it is made of, and what has been changed so far.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use model::{
    Change, DomainName, Fact, FactKey, Origin, RecordData, RecordFact, RecordSet, RecordType, Snapshot,
    Stated,
};

use super::{UpdateEdit, UpdateGuard};
use crate::config::UPDATE_GUARDS;
use crate::wire::Code;
use crate::zone::Zone;
use crate::zone::facts::{Grounds, Home, Rules};

/// A set while it is updated.
#[derive(Debug, Clone, Default)]
pub(super) struct Set {
    /// In seconds.
    pub(super) ttl: u32,
    /// Its records; at least one.
    pub(super) data: BTreeSet<RecordData>,
}

/// A name while it is updated: read once, when it is first asked for.
#[derive(Debug, Default)]
struct Sets {
    now: BTreeMap<RecordType, Set>,
    /// Those that no record fact says: a service's addresses, the zone's own name servers.
    fixed: BTreeSet<RecordType>,
    changed: BTreeSet<RecordType>,
}

/// A zone while it is updated.
pub(super) struct State<'s> {
    zone: &'s Zone,
    snapshot: &'s Snapshot,
    grounds: &'s Grounds,
    names: BTreeMap<DomainName, Sets>,
    /// The sets that prerequisites name.
    required: BTreeSet<(DomainName, RecordType)>,
}

impl<'s> State<'s> {
    /// Of a zone, as it is at this snapshot, on these grounds.
    pub(super) fn new(zone: &'s Zone, snapshot: &'s Snapshot, grounds: &'s Grounds) -> Self {
        Self { zone, snapshot, grounds, names: BTreeMap::new(), required: BTreeSet::new() }
    }

    pub(super) fn apex(&self) -> &'s DomainName {
        self.zone.apex()
    }

    fn rules<'r>(&self, snapshot: &'r Snapshot) -> Rules<'r>
    where
        's: 'r,
    {
        let (homes, apex) = (&self.grounds.homes, self.zone.apex());
        let base = self.grounds.bases.get(apex);
        Rules { snapshot, homes, apex, base, ttl: 0, serial: snapshot.revision() }
    }

    /// Whether records of this type at this name are this zone's. What belongs to a zone below it is not.
    ///
    /// # Errors
    /// NOTZONE when they are not.
    pub(super) fn holds(&self, name: &DomainName, record_type: RecordType) -> Result<(), Code> {
        let home = self.grounds.homes.of(name, record_type).and_then(Home::taker);
        if home.as_ref() == Some(self.apex()) { Ok(()) } else { Err(Code::NotZone) }
    }

    /// What a name has before it is changed: a fact that is not served is not there.
    fn read(&self, name: &DomainName) -> Sets {
        let (rules, mut sets) = (self.rules(self.snapshot), Sets::default());
        let base = rules.base.map(|base| base.sets_at(name)).unwrap_or_default();
        for set in base {
            let data = set.data().iter().cloned().collect();
            sets.now.insert(set.record_type(), Set { ttl: set.ttl(), data });
            sets.fixed.insert(set.record_type());
        }
        let served: BTreeMap<RecordType, &RecordSet> =
            self.zone.sets_at(name).iter().map(|set| (set.record_type(), set)).collect();
        for (fact, _) in self.snapshot.records_at(name) {
            if rules.is_own(fact) && rules.verdict(fact).is_ok() {
                // Where the fact does not say it, the zone does.
                let ttl = served.get(&fact.record_type()).map_or(fact.ttl().unwrap_or(0), |set| set.ttl());
                let data = fact.data().iter().cloned().collect();
                sets.now.insert(fact.record_type(), Set { ttl, data });
            }
        }
        sets
    }

    fn at(&mut self, name: &DomainName) -> &mut Sets {
        let name = name.folded();
        let read = if self.names.contains_key(&name) { None } else { Some(self.read(&name)) };
        match self.names.entry(name) {
            Entry::Occupied(sets) => sets.into_mut(),
            Entry::Vacant(place) => place.insert(read.unwrap_or_default()),
        }
    }

    /// A set as it is now.
    pub(super) fn get(&mut self, name: &DomainName, record_type: RecordType) -> Option<&Set> {
        self.at(name).now.get(&record_type)
    }

    /// The types of which a name has sets now.
    pub(super) fn types(&mut self, name: &DomainName) -> Vec<RecordType> {
        self.at(name).now.keys().copied().collect()
    }

    /// How many sets a name has now.
    pub(super) fn count(&mut self, name: &DomainName) -> usize {
        self.at(name).now.len()
    }

    /// What is decided hangs on this set, whether it is there or not.
    pub(super) fn require(&mut self, name: &DomainName, record_type: RecordType) {
        self.required.insert((name.folded(), record_type));
    }

    /// The facts that prerequisites hang on and that no edit changes, as they were read: none of a set that no record fact says.
    pub(super) fn guards(&self, edits: &[UpdateEdit]) -> Vec<UpdateGuard> {
        let edited: BTreeSet<&FactKey> = edits.iter().map(|edit| &edit.key).collect();
        let guard = |(name, record_type): &(DomainName, RecordType)| {
            let key = FactKey::Record { name: name.clone(), record_type: *record_type };
            let is_fixed = self.names.get(name).is_some_and(|sets| sets.fixed.contains(record_type));
            if is_fixed || edited.contains(&key) {
                return None;
            }
            let expected = self.snapshot.record(name, *record_type).map(|(_, stated)| stated.revision);
            Some(UpdateGuard { key, expected })
        };
        self.required.iter().filter_map(guard).take(UPDATE_GUARDS).collect()
    }

    /// Takes a set away.
    ///
    /// # Errors
    /// REFUSED for a set that no record fact says.
    pub(super) fn take(&mut self, name: &DomainName, record_type: RecordType) -> Result<Option<Set>, Code> {
        let sets = self.at(name);
        if sets.fixed.contains(&record_type) {
            return Err(Code::Refused);
        }
        sets.changed.insert(record_type);
        Ok(sets.now.remove(&record_type))
    }

    /// Puts a set where one was taken away.
    pub(super) fn put(&mut self, name: &DomainName, record_type: RecordType, set: Set) {
        self.at(name).now.insert(record_type, set);
    }

    /// What is to be written: nothing for what is as it was.
    ///
    /// # Errors
    /// REFUSED for a set that is none, one too large for example, and for one that would not be served.
    pub(super) fn edits(&self) -> Result<Vec<UpdateEdit>, Code> {
        let mut edits = Vec::new();
        for (name, sets) in &self.names {
            for record_type in &sets.changed {
                let before = self.snapshot.record(name, *record_type);
                let after = match sets.now.get(record_type) {
                    Some(Set { ttl, data }) => {
                        let data = data.iter().cloned().collect();
                        let fact = RecordFact::new(name, *record_type, Some(*ttl), data);
                        Some(fact.map_err(|_| Code::Refused)?)
                    }
                    None => None,
                };
                if before.map(|(fact, _)| fact) == after.as_ref() {
                    continue;
                }
                let key = FactKey::Record { name: name.clone(), record_type: *record_type };
                let fact = after.map(|fact| Fact::Record(Box::new(fact)));
                edits.push(UpdateEdit { key, fact, expected: before.map(|(_, stated)| stated.revision) });
            }
        }
        self.would_be_served(&edits)?;
        Ok(edits)
    }

    /// Whether all that is put has a place in the zone as it will be.
    fn would_be_served(&self, edits: &[UpdateEdit]) -> Result<(), Code> {
        let revision = self.snapshot.revision();
        let change = |edit: &UpdateEdit| match edit.fact.clone() {
            Some(fact) => Change::Put(Stated { fact: fact.into(), revision, origin: Origin::Native }),
            None => Change::Remove(edit.key.clone()),
        };
        let after = self.snapshot.apply(revision, edits.iter().map(change));
        let rules = self.rules(&after);
        let is_served = |edit: &UpdateEdit| match &edit.fact {
            Some(Fact::Record(fact)) => rules.is_own(fact) && rules.verdict(fact).is_ok(),
            _ => true,
        };
        if edits.iter().all(is_served) { Ok(()) } else { Err(Code::Refused) }
    }
}
