//! All facts at one revision.

use std::sync::Arc;

use imbl::OrdMap;

use crate::change::Change;
use crate::controller::Controller;
use crate::deployment::Deployment;
use crate::domain_name::DomainName;
use crate::fact::{Fact, FactKey, FactKind, KeyRef, Quarantined, Stated};
use crate::facts::Facts;
use crate::frontend::Frontend;
use crate::host::Host;
use crate::instance::{Addresses, Instance};
use crate::label::{HostName, ServiceName};
use crate::record::{RecordFact, RecordType};
use crate::revision::Revision;
use crate::service::Service;
use crate::standing::Standing;

/// All facts at one [`Revision`]. Immutable: [`Snapshot::apply`] makes the next one, sharing what did not change.
///
/// Memory: a change copies O(log n) nodes of the map, never the facts.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Snapshot {
    revision: Revision,
    facts: Facts,
    quarantine: OrdMap<Box<str>, Quarantined>,
}

/// How one key differs between two snapshots.
#[derive(Debug, Clone, PartialEq)]
pub struct Difference<'a> {
    /// Which fact.
    pub key: FactKey,
    /// What it said in the older snapshot.
    pub before: Option<&'a Stated>,
    /// What it says in the newer one.
    pub after: Option<&'a Stated>,
}

impl Snapshot {
    /// No facts, revision 0.
    pub fn empty() -> Self {
        Self::default()
    }

    /// The revision all facts are at.
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// The snapshot at `revision`, with `changes` applied in order.
    ///
    /// The revision never goes back: an older one is ignored.
    #[must_use]
    pub fn apply(&self, revision: Revision, changes: impl IntoIterator<Item = Change>) -> Self {
        let mut next = self.clone();
        next.revision = next.revision.max(revision);
        let mut puts = next.facts.puts();
        for change in changes {
            match change {
                Change::Put(stated) => puts.put(stated),
                Change::Remove(key) => puts.remove(&key),
                Change::Quarantine(raw, why) => {
                    next.quarantine.insert(raw, why);
                }
                Change::Release(raw) => {
                    next.quarantine.remove(&raw);
                }
            }
        }
        drop(puts);
        next
    }

    /// The fact under `key`.
    pub fn get(&self, key: &FactKey) -> Option<&Stated> {
        self.facts.get(key)
    }

    /// All facts, by key.
    pub fn facts(&self) -> impl ExactSizeIterator<Item = &Stated> {
        self.facts.iter()
    }

    /// The facts behind `after` in their order, `after` itself left out; all without it.
    pub fn facts_after(&self, after: Option<&FactKey>) -> impl Iterator<Item = &Stated> {
        self.facts.after(after)
    }

    /// The frontends among the facts, by host and path.
    pub fn frontends(&self) -> impl Iterator<Item = (&Frontend, &Stated)> {
        // They stand before all others.
        self.facts.iter().map_while(frontend)
    }

    /// The frontends behind `after` in the order of [`Snapshot::frontends`], `after` itself left out; all without it.
    pub fn frontends_after(&self, after: Option<&FactKey>) -> impl Iterator<Item = (&Frontend, &Stated)> {
        self.facts.after(after).map_while(frontend)
    }

    /// The service of this name.
    pub fn service(&self, name: &ServiceName) -> Option<(&Service, &Stated)> {
        service(self.facts.get(&FactKey::Service(name.clone()))?)
    }

    /// The services, by name.
    pub fn services(&self) -> impl Iterator<Item = (&Service, &Stated)> {
        self.facts.from(KeyRef::Service("")).map_while(service)
    }

    /// All instances, by service and name.
    pub fn instances(&self) -> impl Iterator<Item = (&Instance, &Stated)> {
        self.facts.from(KeyRef::Instance { service: "", name: "" }).map_while(instance)
    }

    /// The instances of one service, by name. There may be some of a service that nobody stated.
    pub fn instances_of(&self, service: &ServiceName) -> impl Iterator<Item = (&Instance, &Stated)> {
        let first = KeyRef::Instance { service: service.as_str(), name: "" };
        let all = self.facts.from(first).map_while(instance);
        all.take_while(move |(instance, _)| instance.service == *service)
    }

    /// The hosts, by name.
    pub fn hosts(&self) -> impl Iterator<Item = (&Host, &Stated)> {
        self.facts.from(KeyRef::Host("")).map_while(host)
    }

    /// The record sets, by name in canonical order (RFC 4034 §6.1) and type.
    pub fn records(&self) -> impl Iterator<Item = (&RecordFact, &Stated)> {
        self.records_at_or_below(&DomainName::root())
    }

    /// The record sets of one name and of those below it, in that order; costs work in proportion to them.
    pub fn records_at_or_below<'a>(
        &'a self,
        name: &DomainName,
    ) -> impl Iterator<Item = (&'a RecordFact, &'a Stated)> + use<'a> {
        let first = KeyRef::Record { name, record_type: RecordType(0) };
        let name = name.clone();
        self.facts
            .from(first)
            .map_while(record)
            .take_while(move |(record, _)| record.name().is_at_or_below(&name))
    }

    /// The record sets of one name, by type.
    pub fn records_at<'a>(
        &'a self,
        name: &DomainName,
    ) -> impl Iterator<Item = (&'a RecordFact, &'a Stated)> + use<'a> {
        let same = name.clone();
        self.records_at_or_below(name).take_while(move |(record, _)| *record.name() == same)
    }

    /// The record set of this name and type.
    pub fn record(&self, name: &DomainName, record_type: RecordType) -> Option<(&RecordFact, &Stated)> {
        record(self.facts.get(&FactKey::Record { name: name.clone(), record_type })?)
    }

    /// How far the present version of a service has come.
    pub fn deployment(&self, service: &ServiceName) -> Option<(&Deployment, &Stated)> {
        deployment(self.facts.get(&FactKey::Deployment(service.clone()))?)
    }

    /// Of all services that have one.
    pub fn deployments(&self) -> impl Iterator<Item = (&Deployment, &Stated)> {
        self.of_kind(FactKind::Deployment, None).filter_map(deployment)
    }

    /// How a host stands.
    pub fn standing(&self, host: &HostName) -> Option<(&Standing, &Stated)> {
        standing(self.facts.get(&FactKey::Standing(host.clone()))?)
    }

    /// How hosts stand, of which the controller says it.
    pub fn standings(&self) -> impl Iterator<Item = (&Standing, &Stated)> {
        self.of_kind(FactKind::Standing, None).filter_map(standing)
    }

    /// Where a host is: as it says, or as it was found; `None`: nobody knows yet.
    pub fn addresses_of<'a>(&'a self, host: &'a Host) -> Option<&'a Addresses> {
        host.addresses.as_ref().or_else(|| self.standing(&host.name)?.0.addresses.as_ref())
    }

    /// Who controls.
    pub fn controller(&self) -> Option<(&Controller, &Stated)> {
        let stated = self.facts.get(&FactKey::Controller)?;
        match &*stated.fact {
            Fact::Controller(controller) => Some((controller, stated)),
            _ => None,
        }
    }

    /// The facts of one kind that stand behind `after`, which is a key of it, in their order; all without it.
    pub fn of_kind(&self, kind: FactKind, after: Option<&FactKey>) -> impl Iterator<Item = &Stated> {
        let root = DomainName::root();
        let first = match kind {
            FactKind::Frontend => None,
            FactKind::Service => Some(KeyRef::Service("")),
            FactKind::Instance => Some(KeyRef::Instance { service: "", name: "" }),
            FactKind::Host => Some(KeyRef::Host("")),
            FactKind::Record => Some(KeyRef::Record { name: &root, record_type: RecordType(0) }),
            FactKind::Deployment => Some(KeyRef::Deployment("")),
            FactKind::Standing => Some(KeyRef::Standing("")),
            FactKind::Controller => Some(KeyRef::Controller),
        };
        let from = first.filter(|_| after.is_none()).map(|first| self.facts.from(first));
        let behind = from.is_none().then(|| self.facts.after(after));
        let all = from.into_iter().flatten().chain(behind.into_iter().flatten());
        all.take_while(move |stated| stated.fact.kind() == kind)
    }

    /// How many facts there are.
    pub fn len(&self) -> usize {
        self.facts.len()
    }

    /// How many facts of a kind there are.
    pub fn count(&self, kind: FactKind) -> usize {
        self.facts.count(kind)
    }

    /// True when there is no fact.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The entries that were set aside, by the raw key of the store (lossy text).
    pub fn quarantine(&self) -> impl ExactSizeIterator<Item = (&str, &Quarantined)> {
        self.quarantine.iter().map(|(key, why)| (&**key, why))
    }

    /// Why the entry under this raw key of the store was set aside, if it was.
    pub fn quarantined(&self, raw: &str) -> Option<&Quarantined> {
        self.quarantine.get(raw)
    }

    /// What differs in facts from `older` to `self`, by key; costs work in proportion to the difference where they share history.
    pub fn diff<'a>(&'a self, older: &'a Self) -> impl Iterator<Item = Difference<'a>> {
        self.facts.diff(&older.facts).filter_map(|(before, after)| {
            let key = after.or(before)?.fact.key();
            Some(Difference { key, before, after })
        })
    }

    /// The same behind `after`, which is left out; costs work in proportion to all facts behind it, for whoever goes on in what differs
    /// much.
    pub fn diff_after<'a>(
        &'a self,
        older: &'a Self,
        after: &FactKey,
    ) -> impl Iterator<Item = Difference<'a>> + use<'a> {
        self.facts.diff_after(&older.facts, after).filter_map(|(before, after)| {
            let key = after.or(before)?.fact.key();
            Some(Difference { key, before, after })
        })
    }

    /// True when both hold the same facts and the same quarantine, whatever their revisions.
    pub fn same_content(&self, other: &Self) -> bool {
        self.quarantine == other.quarantine
            && self.facts.len() == other.facts.len()
            && self.diff(other).all(|d| match (d.before, d.after) {
                (Some(a), Some(b)) => Arc::ptr_eq(&a.fact, &b.fact) || a.fact == b.fact,
                _ => false,
            })
    }
}

fn frontend(stated: &Stated) -> Option<(&Frontend, &Stated)> {
    stated.fact.as_frontend().map(|frontend| (frontend, stated))
}

fn service(stated: &Stated) -> Option<(&Service, &Stated)> {
    match &*stated.fact {
        Fact::Service(service) => Some((service, stated)),
        _ => None,
    }
}

fn instance(stated: &Stated) -> Option<(&Instance, &Stated)> {
    match &*stated.fact {
        Fact::Instance(instance) => Some((instance, stated)),
        _ => None,
    }
}

fn host(stated: &Stated) -> Option<(&Host, &Stated)> {
    match &*stated.fact {
        Fact::Host(host) => Some((host, stated)),
        _ => None,
    }
}

fn record(stated: &Stated) -> Option<(&RecordFact, &Stated)> {
    match &*stated.fact {
        Fact::Record(record) => Some((record, stated)),
        _ => None,
    }
}

fn standing(stated: &Stated) -> Option<(&Standing, &Stated)> {
    match &*stated.fact {
        Fact::Standing(standing) => Some((standing, stated)),
        _ => None,
    }
}

fn deployment(stated: &Stated) -> Option<(&Deployment, &Stated)> {
    match &*stated.fact {
        Fact::Deployment(deployment) => Some((deployment, stated)),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
