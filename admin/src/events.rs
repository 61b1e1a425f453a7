//! What happened between two snapshots, as lines of `/v1/events`: every fact, or who answers for services of one type.
//!
//! In: snapshots. Out: [`Event`]s. It takes work in proportion to what differs. Never here: a clock, a client.

use std::collections::{BTreeMap, BTreeSet};

use model::{Fact, FactKey, Instance, Service, ServiceName, ServiceType, Snapshot};

use crate::wire::{Event, FactDoc, Member};

/// What is told when nobody knows yet what was before: who answers for the type; of every fact, none.
pub(crate) fn present(now: &Snapshot, of: Option<&ServiceType>) -> Vec<Event> {
    let members = of.into_iter().flat_map(|of| {
        let services = now.services().map(|(service, _)| &service.name);
        services.flat_map(|service| members(now, service, of).into_values())
    });
    let mut told: Vec<Event> = members.map(|member| told_at(now, member)).map(Event::Joined).collect();
    told.push(Event::Present { revision: now.revision().number() });
    told
}

/// What happened.
pub(crate) fn between(before: &Snapshot, now: &Snapshot, of: Option<&ServiceType>) -> Vec<Event> {
    let Some(of) = of else { return facts(before, now) };
    let touched = now.diff(before).filter_map(|difference| match difference.key {
        FactKey::Service(service) | FactKey::Instance { service, .. } => Some(service),
        FactKey::Frontend { .. } | FactKey::Host(_) | FactKey::Record { .. } => None,
    });
    let touched: BTreeSet<ServiceName> = touched.collect();
    touched.iter().flat_map(|service| moves(before, now, service, of)).collect()
}

fn facts(before: &Snapshot, now: &Snapshot) -> Vec<Event> {
    let revision = now.revision().number();
    let event = |difference: model::Difference<'_>| {
        let key = difference.key.to_string();
        match difference.after {
            Some(stated) => Event::Put { revision, key, fact: FactDoc::from(&*stated.fact) },
            None => Event::Removed { revision, key },
        }
    };
    now.diff(before).map(event).collect()
}

fn moves(before: &Snapshot, now: &Snapshot, service: &ServiceName, of: &ServiceType) -> Vec<Event> {
    let (mut old, new) = (members(before, service, of), members(now, service, of));
    let mut told = Vec::new();
    for (name, member) in new {
        match old.remove(&name) {
            Some(was) if was == member => {}
            Some(_) => told.push(Event::Moved(told_at(now, member))),
            None => told.push(Event::Joined(told_at(now, member))),
        }
    }
    let left = old.into_values().map(|member| Event::Left(told_at(now, member)));
    left.chain(told).collect()
}

fn told_at(now: &Snapshot, member: Member) -> Member {
    Member { revision: now.revision().number(), ..member }
}

/// Who answers for a service that is of this type, by name.
fn members(snapshot: &Snapshot, service: &ServiceName, of: &ServiceType) -> BTreeMap<String, Member> {
    let stated = snapshot.get(&FactKey::Service(service.clone())).map(|stated| &*stated.fact);
    let Some(Fact::Service(stated)) = stated else { return BTreeMap::new() };
    let Some(dns_sd) = stated.dns_sd.as_ref().filter(|dns_sd| dns_sd.service_type == *of) else {
        return BTreeMap::new();
    };
    let name = dns_sd.name.as_ref().map(|name| name.as_str().to_owned());
    let member = |instance: &Instance| Member {
        revision: 0,
        service_type: of.to_string(),
        service: service.to_string(),
        instance: instance.name.to_string(),
        name: name.clone(),
        addresses: instance.addresses.iter().map(|address| address.to_string()).collect(),
        ports: ports(stated, instance),
    };
    let answering = snapshot.answering(service).into_iter();
    answering.map(|instance| (instance.name.to_string(), member(instance))).collect()
}

/// The ports of a service, with the numbers that an instance has for them.
fn ports(service: &Service, instance: &Instance) -> BTreeMap<String, u16> {
    let stated = service.ports.iter().map(|port| (port.name.to_string(), port.port.get()));
    let own = instance.ports.iter().map(|(name, port)| (name.to_string(), port.get()));
    stated.chain(own).collect()
}
