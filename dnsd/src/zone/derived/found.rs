//! Whose each name is that is found by its type, kept at a snapshot: a change looks at the services it touches alone.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use model::{DomainName, Label, ServiceName, ServiceType, Snapshot};

use super::Derivation;
use super::dns_sd::{self, groups};
use super::service::NamesOf;

/// A name below a type, as a service gives it.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    /// As it is spelled.
    pub(super) name: DomainName,
    /// What is found there in particular.
    pub(super) subtypes: Arc<BTreeSet<Label>>,
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.name.same_spelling(&other.name) && self.subtypes == other.subtypes
    }
}

/// What is found by one type.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct OfType {
    /// All services of it, those of which nothing is found too.
    services: BTreeSet<ServiceName>,
    /// Who wants each name; the first has it.
    names: BTreeMap<DomainName, BTreeMap<ServiceName, Entry>>,
}

impl OfType {
    /// Whose a name is.
    pub(super) fn owner(&self, name: &DomainName) -> Option<(&ServiceName, &Entry)> {
        self.names.get(name)?.first_key_value()
    }

    /// All names that are found.
    pub(super) fn names(&self) -> impl Iterator<Item = &DomainName> {
        self.names.keys()
    }

    /// Each as its owner gives it.
    pub(super) fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.names.values().filter_map(|claimants| claimants.first_key_value()).map(|(_, entry)| entry)
    }

    fn add(&mut self, service: &ServiceName, entries: Vec<Entry>) {
        self.services.insert(service.clone());
        for entry in entries {
            // Two instances of one name: the first one has it.
            self.names.entry(entry.name.clone()).or_default().entry(service.clone()).or_insert(entry);
        }
    }

    fn remove(&mut self, service: &ServiceName, entries: &[Entry]) {
        self.services.remove(service);
        for entry in entries {
            if let Some(claimants) = self.names.get_mut(&entry.name) {
                claimants.remove(service);
                if claimants.is_empty() {
                    self.names.remove(&entry.name);
                }
            }
        }
    }
}

/// What was found by a type before a change.
#[derive(Debug, Default)]
pub(super) struct Before {
    /// Whether there was a service of it.
    pub(super) is_listed: bool,
    /// What the owner gave, of each name that the change touches.
    pub(super) owners: BTreeMap<DomainName, Option<Entry>>,
}

/// What is found by each type.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Found(BTreeMap<ServiceType, OfType>);

impl Found {
    /// From nothing.
    pub(crate) fn of(derivation: &Derivation, snapshot: &Snapshot) -> Self {
        let mut found = Self::default();
        for (service, _) in snapshot.services() {
            if let Some((of, entries)) = entries(derivation, snapshot, &service.name) {
                found.0.entry(of).or_default().add(&service.name, entries);
            }
        }
        found
    }

    /// At another snapshot, in which these services differ. What of each type was found before, where that may differ.
    pub(super) fn follow<'s>(
        &mut self,
        derivation: &Derivation,
        [old, new]: [&Snapshot; 2],
        services: impl Iterator<Item = &'s ServiceName> + Clone,
    ) -> BTreeMap<ServiceType, Before> {
        let mut before = BTreeMap::new();
        for service in services.clone() {
            if let Some((of, entries)) = entries(derivation, old, service) {
                self.note(&mut before, &of, &entries);
                if let Some(of_type) = self.0.get_mut(&of) {
                    of_type.remove(service, &entries);
                    if of_type.services.is_empty() {
                        self.0.remove(&of);
                    }
                }
            }
        }
        for service in services {
            if let Some((of, entries)) = entries(derivation, new, service) {
                self.note(&mut before, &of, &entries);
                self.0.entry(of).or_default().add(service, entries);
            }
        }
        before
    }

    /// Notes what is found under these names, unless that was noted.
    fn note(&self, before: &mut BTreeMap<ServiceType, Before>, of: &ServiceType, entries: &[Entry]) {
        let of_type = self.0.get(of);
        let noted = before
            .entry(of.clone())
            .or_insert_with(|| Before { is_listed: of_type.is_some(), owners: BTreeMap::new() });
        for Entry { name, .. } in entries {
            let owner = || of_type.and_then(|of_type| of_type.owner(name)).map(|(_, entry)| entry.clone());
            noted.owners.entry(name.clone()).or_insert_with(owner);
        }
    }

    /// What is found by this type; `None`: there is no service of it.
    pub(super) fn by(&self, of: &ServiceType) -> Option<&OfType> {
        self.0.get(of)
    }

    /// All types.
    pub(super) fn types(&self) -> impl Iterator<Item = (&ServiceType, &OfType)> {
        self.0.iter()
    }
}

/// The type of a service, and what is found of it.
fn entries(
    derivation: &Derivation,
    snapshot: &Snapshot,
    service: &ServiceName,
) -> Option<(ServiceType, Vec<Entry>)> {
    let dns_sd = snapshot.service(service)?.0.dns_sd.as_ref()?;
    let of = &dns_sd.service_type;
    if dns_sd::is_ours(of) {
        return None;
    }
    let mut entries = Vec::new();
    let names_of = NamesOf::of(derivation, snapshot, service);
    if let (Some(names_of), Ok(below)) = (names_of, dns_sd::name_of(derivation, of)) {
        let subtypes = Arc::new(dns_sd.subtypes.clone());
        let entry = |(name, _)| Entry { name, subtypes: Arc::clone(&subtypes) };
        entries.extend(groups(&names_of, &below).into_iter().map(entry));
    }
    Some((of.clone(), entries))
}
