//! Containers that nobody here launched join by their labels, and leave when they end.
//!
//! `portico.service=web` has a container join a service under its own name (`guest`), at its port `portico.port`, else those of its service
//! that are published, else the only one that is (`ports`), as long as it runs and its image's check, where it has one, does not fail. While
//! its engine can tell of it only in part it is as it was. `portico.frontend` has frontends lead to its service (`frontends`).

mod frontends;
mod guest;
mod ports;

use std::collections::{BTreeMap, BTreeSet};

use model::launch::Resources;
use model::{
    Addresses, Fact, FactKey, Host, HostName, Instance, InstanceName, InstanceState, InstancesAt, Label, Run,
    Snapshot, Stage, Version,
};

use self::guest::Guest;
use super::{Edits, Seen, short};
use crate::runtime::{Container, Health};

/// States which of them are there.
pub(crate) fn adopt(seen: Seen<'_>, edits: &mut Edits) {
    let stated = || seen.facts.instances().filter(|(instance, _)| is_adopted(instance));
    let mut by_host: BTreeMap<&HostName, Vec<&Instance>> = BTreeMap::new();
    for (instance, _) in stated() {
        instance.host.iter().for_each(|host| by_host.entry(host).or_default().push(instance));
    }
    let mut joined: BTreeMap<FactKey, (Instance, &Container)> = BTreeMap::new();
    // Two hosts may have one engine, under two names.
    let (mut ids, mut new) = (BTreeSet::new(), Vec::new());
    for (name, view) in seen.hosts {
        let (Some(host), Some(_)) = (seen.host(name), seen.view(name, None)) else { continue };
        let stated = by_host.get(name).map_or(&[][..], |stated| stated);
        let (known, others) = guest::guests(&seen.config.fleet, name, &view.containers, stated);
        for (before, guest) in known {
            let instance = || instance(seen, host, &guest, before.name.clone());
            let instance = if guest.container.partial { Some(before.clone()) } else { instance() };
            if let (Some(instance), true) = (instance, ids.insert(&*guest.container.id)) {
                joined.insert(instance.key(), (instance, guest.container));
            }
        }
        new.extend(others.into_iter().map(|guest| (host, guest)));
    }
    let mut gone = BTreeSet::new();
    for (instance, stated) in stated() {
        let host = instance.host.as_ref();
        // Of a host that is silent nobody knows, until it is lost.
        let is_known = host.is_none_or(|host| {
            seen.view(host, None).is_some() || seen.is_lost(host) || seen.host(host).is_none()
        });
        if is_known && !joined.contains_key(&instance.key()) {
            edits.remove(stated);
            gone.insert(instance.key());
        }
    }
    for (host, guest) in new {
        if guest.container.partial || ids.contains(&*guest.container.id) {
            continue;
        }
        let is_free = |key: &FactKey| {
            let is_new = gone.contains(key) || seen.facts.get(key).is_none() && !edits.has(key);
            is_new && !joined.contains_key(key)
        };
        let name = free(seen, host, &guest, is_free);
        if let Some(instance) = name.and_then(|name| instance(seen, host, &guest, name)) {
            ids.insert(&*guest.container.id);
            joined.insert(instance.key(), (instance, guest.container));
        }
    }
    let unknown = stated().map(|(instance, _)| instance).filter(|instance| {
        let key = instance.key();
        !gone.contains(&key) && !joined.contains_key(&key)
    });
    let unknown = unknown.map(|instance| &instance.service).collect();
    frontends::claim(seen, &mut joined, &unknown, edits);
    for (key, (instance, _)) in joined {
        edits.put(Fact::Instance(Box::new(instance)), seen.facts.get(&key));
    }
}

/// The container of an instance that joined by its labels, among those of its host; `None`: it runs no more.
pub fn adopted<'a>(
    facts: &'a Snapshot,
    fleet: &Label,
    instance: &Instance,
    containers: &'a [Container],
) -> Option<&'a Container> {
    let host = instance.host.as_ref()?;
    let stated = facts.instances().map(|(instance, _)| instance);
    let stated: Vec<_> = stated.filter(|it| is_adopted(it) && it.host.as_ref() == Some(host)).collect();
    let (known, _) = guest::guests(fleet, host, containers, &stated);
    let found = known.into_iter().find(|(stated, _)| stated.key() == instance.key());
    found.map(|(_, guest)| guest.container)
}

fn is_adopted(instance: &Instance) -> bool {
    instance.run.as_ref().is_some_and(|run| run.stage == Stage::Adopted)
}

/// The first name of a container that nobody has; `None`: somebody wrote himself what it is, which is not taken over.
fn free(
    seen: Seen<'_>,
    host: &Host,
    guest: &Guest<'_>,
    is_free: impl Fn(&FactKey) -> bool,
) -> Option<InstanceName> {
    for (service, name) in guest.keys() {
        let key = FactKey::Instance { service, name: name.clone() };
        if is_free(&key) {
            return Some(name);
        }
        if let Some(Fact::Instance(there)) = seen.facts.get(&key).map(|stated| &*stated.fact) {
            let is_here = there.host.as_ref().is_none_or(|there| *there == host.name);
            if there.run.is_none() && is_here {
                return None;
            }
        }
    }
    None
}

/// The instance of that name that a container is.
fn instance(seen: Seen<'_>, host: &Host, guest: &Guest<'_>, name: InstanceName) -> Option<Instance> {
    let Guest { container, service, .. } = guest;
    let stated = seen.facts.service(service).map(|(service, _)| service);
    let (addresses, ports) = if host.instances_at == InstancesAt::Container {
        let addresses = Addresses::new(container.addresses.iter().copied()).ok()?;
        (addresses, Ok(ports::own(container, stated)))
    } else {
        let addresses = seen.facts.addresses_of(host)?;
        (addresses.clone(), ports::published(container, stated, addresses))
    };
    let mut instance = Instance::new(service.clone(), name, addresses);
    instance.host = Some(host.name.clone());
    let (state, reason) = match (&ports, &container.health) {
        // At its service's own ports there may be anybody.
        (Err(why), _) => (InstanceState::Unhealthy, why.clone()),
        (_, None | Some(Health::Healthy)) => (InstanceState::Healthy, String::new()),
        (_, Some(Health::Starting)) => (InstanceState::Starting, String::new()),
        (_, Some(Health::Unhealthy(said))) => {
            (InstanceState::Unhealthy, format!("its image's check failed: {said}"))
        }
    };
    instance.ports = ports.unwrap_or_default();
    instance.state = state;
    instance.run = Some(Box::new(Run {
        version: Version::new(0),
        stage: Stage::Adopted,
        image: container.image.as_str().into(),
        failures: 0,
        reason: short(&reason).into(),
        resources: Resources::default(),
        release: None,
    }));
    Some(instance)
}
