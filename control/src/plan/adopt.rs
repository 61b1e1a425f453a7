//! Containers that nobody here launched join by their labels, and leave when they end.
//!
//! `portico.service=web` has a container join a service under its own name, at its port `portico.port` (else all that are published), as long
//! as it runs and its image's check, where it has one, does not fail. While its engine can tell of it only in part it is as it was.

use std::collections::BTreeMap;
use std::num::NonZeroU16;

use model::launch::Resources;
use model::{
    Addresses, Fact, FactKey, Host, Instance, InstanceName, InstanceState, InstancesAt, PortName, Run,
    ServiceName, Stage, Version,
};

use super::{Edits, Labels, Seen, spec};
use crate::runtime::{Container, ContainerState, Health};

/// The port of a container that is asked.
const PORT: &str = "portico.port";
/// What that port is called where the service has no port of that number.
const NAME: &str = "http";

/// States which of them are there.
pub(crate) fn adopt(seen: Seen<'_>, edits: &mut Edits) {
    let mut joined: BTreeMap<FactKey, Instance> = BTreeMap::new();
    for (name, view) in seen.hosts {
        let (Some(host), Some(_)) = (seen.host(name), seen.view(name, None)) else { continue };
        let found = view.containers.iter().filter_map(|container| instance(seen, host, container));
        joined.extend(found.map(|instance| (instance.key(), instance)));
    }
    for (instance, stated) in seen.facts.instances() {
        if instance.run.as_ref().is_none_or(|run| run.stage != Stage::Adopted) {
            continue;
        }
        let host = instance.host.as_ref();
        // Of a host that is silent nobody knows, until it is lost.
        let is_known = host.is_none_or(|host| {
            seen.view(host, None).is_some() || seen.is_lost(host) || seen.host(host).is_none()
        });
        if is_known && !joined.contains_key(&instance.key()) {
            edits.remove(stated);
        }
    }
    for (key, instance) in joined {
        let there = seen.facts.get(&key);
        // What somebody wrote, or a controller launched, is not taken over.
        let is_ours = there.is_none_or(|stated| match &*stated.fact {
            Fact::Instance(there) => there.run.as_ref().is_some_and(|run| run.stage == Stage::Adopted),
            _ => false,
        });
        if is_ours {
            edits.put(Fact::Instance(Box::new(instance)), there);
        }
    }
}

/// The instance that a container is by its labels.
fn instance(seen: Seen<'_>, host: &Host, container: &Container) -> Option<Instance> {
    if Labels::of(container).is_some() || container.state != ContainerState::Running {
        return None;
    }
    // Where several fleets use an engine, it may say whose it is.
    if container.labels.get(spec::CONTROLLER).is_some_and(|fleet| fleet != seen.config.fleet.as_str()) {
        return None;
    }
    let service = ServiceName::parse(container.labels.get(spec::SERVICE)?).ok()?;
    let name = InstanceName::parse(&container.name.replace(['_', '.'], "-")).ok()?;
    if container.partial {
        return stands(seen, host, service, name);
    }
    let is_own = host.instances_at == InstancesAt::Container;
    let addresses = if is_own {
        Addresses::new(container.addresses.iter().copied()).ok()?
    } else {
        seen.facts.addresses_of(host)?.clone()
    };
    let mut instance = Instance::new(service.clone(), name, addresses);
    let stated = seen.facts.service(&service).map(|(service, _)| service);
    let called = |inside: NonZeroU16| {
        let port = stated.and_then(|service| service.ports.iter().find(|port| port.port == inside));
        port.map(|port| port.name.clone()).or_else(|| PortName::parse(NAME).ok())
    };
    let asked: Option<NonZeroU16> = container.labels.get(PORT).and_then(|text| text.parse().ok());
    for published in &container.published {
        if asked.is_none_or(|asked| asked == published.inside) && !is_own {
            instance.ports.extend(called(published.inside).map(|name| (name, published.outside)));
        }
    }
    if let (true, Some(asked)) = (is_own, asked) {
        instance.ports.extend(called(asked).map(|name| (name, asked)));
    }
    instance.host = Some(host.name.clone());
    let (state, reason) = match &container.health {
        None | Some(Health::Healthy) => (InstanceState::Healthy, String::new()),
        Some(Health::Starting) => (InstanceState::Starting, String::new()),
        Some(Health::Unhealthy(said)) => {
            (InstanceState::Unhealthy, format!("its image's check failed: {said}"))
        }
    };
    instance.state = state;
    instance.run = Some(Box::new(Run {
        version: Version::new(0),
        stage: Stage::Adopted,
        image: container.image.as_str().into(),
        failures: 0,
        reason: reason.into(),
        resources: Resources::default(),
        release: None,
    }));
    Some(instance)
}

/// The instance of that name on a host, as it is stated.
fn stands(seen: Seen<'_>, host: &Host, service: ServiceName, name: InstanceName) -> Option<Instance> {
    match &*seen.facts.get(&FactKey::Instance { service, name })?.fact {
        Fact::Instance(there) if there.host.as_ref() == Some(&host.name) => Some((**there).clone()),
        _ => None,
    }
}
