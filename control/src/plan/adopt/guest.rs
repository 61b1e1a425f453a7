//! Who joins by labels, and as which instance.
//!
//! A container is an instance of its own name, made a label. Where another container has that one already, of another host or spelled almost
//! alike, it is called by its host too, or by a number that follows from both. Who has a name keeps it as long as it is there.

use std::collections::{BTreeMap, BTreeSet};

use model::{HostName, Instance, InstanceName, Label, MAX_LABEL, ServiceName};

use super::super::{Key, Labels, spec};
use crate::runtime::{Container, ContainerState};

/// A container that joins by its labels.
#[derive(Debug, Clone)]
pub(super) struct Guest<'a> {
    pub(super) container: &'a Container,
    pub(super) service: ServiceName,
    /// What it may be called, the first that is free.
    pub(super) names: Vec<InstanceName>,
}

impl<'a> Guest<'a> {
    /// What a container is by its labels; `None`: it does not join this fleet.
    fn of(container: &'a Container, fleet: &Label, host: &HostName) -> Option<Self> {
        if Labels::of(container).is_some() || container.state != ContainerState::Running {
            return None;
        }
        // Where several fleets use an engine, it may say whose it is.
        if container.labels.get(spec::CONTROLLER).is_some_and(|said| said != fleet.as_str()) {
            return None;
        }
        let service = ServiceName::parse(container.labels.get(spec::SERVICE)?).ok()?;
        Some(Self { container, service, names: names(&container.name, host) })
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = Key> {
        self.names.iter().map(|name| (self.service.clone(), name.clone()))
    }
}

/// Who joins from a host: those that do already, each with what is stated of it, and those that are new, in order.
pub(super) fn guests<'a>(
    fleet: &Label,
    host: &HostName,
    containers: &'a [Container],
    stated: &[&'a Instance],
) -> (Vec<(&'a Instance, Guest<'a>)>, Vec<Guest<'a>>) {
    let mut all: Vec<_> =
        containers.iter().filter_map(|container| Guest::of(container, fleet, host)).collect();
    all.sort_by_key(|guest| &guest.container.name);
    let mut by_key: BTreeMap<Key, Vec<&Guest<'_>>> = BTreeMap::new();
    for guest in &all {
        guest.keys().for_each(|key| by_key.entry(key).or_default().push(guest));
    }
    let (mut known, mut ids, mut keys) = (Vec::new(), BTreeSet::new(), BTreeSet::new());
    // Of those that may be called so it is the one that is where it is said to be; who is nowhere else may have moved.
    for moved in [false, true] {
        for instance in stated {
            let key = (instance.service.clone(), instance.name.clone());
            if keys.contains(&key) {
                continue;
            }
            let mut called = by_key.get(&key).into_iter().flatten();
            let found = called.find(|guest| {
                !ids.contains(&*guest.container.id) && (moved || is_at(instance, guest.container))
            });
            if let Some(guest) = found {
                ids.insert(&*guest.container.id);
                keys.insert(key);
                known.push((*instance, (*guest).clone()));
            }
        }
    }
    all.retain(|guest| !ids.contains(&*guest.container.id));
    (known, all)
}

fn is_at(instance: &Instance, container: &Container) -> bool {
    let is_its = |port| container.published.iter().any(|published| published.outside == port);
    instance.ports.values().copied().any(is_its)
        || instance.addresses.iter().any(|address| container.addresses.contains(&address))
}

/// What a container of a host may be called.
fn names(container: &str, host: &HostName) -> Vec<InstanceName> {
    let is_fine = |letter: &char| letter.is_ascii_alphanumeric();
    let name: String = container.chars().map(|letter| if is_fine(&letter) { letter } else { '-' }).collect();
    let label = |end: &str| {
        let room = MAX_LABEL.saturating_sub(end.len());
        let begin = name.get(..room.min(name.len())).unwrap_or_default();
        InstanceName::parse(format!("{}{end}", begin.trim_end_matches('-')).trim_matches('-')).ok()
    };
    let number = format!("-{:08x}", digest(&[host.as_str(), container]));
    [String::new(), format!("-{host}"), number].iter().filter_map(|end| label(end)).collect()
}

/// FNV-1a of 32 bits (Fowler, Noll, Vo) over texts, each with an octet behind it that is in none.
fn digest(texts: &[&str]) -> u32 {
    let octets = texts.iter().flat_map(|text| text.bytes().chain([0xff]));
    octets.fold(0x811c_9dc5, |digest: u32, octet| (digest ^ u32::from(octet)).wrapping_mul(0x0100_0193))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_of_a_container_is_made_a_label() {
        let check = |container: &str, expected: [&str; 2]| {
            let names = names(container, &HostName::parse("node-1").unwrap());
            let [first, second, _] = &names[..] else { panic!("{container}: {names:?}") };
            assert_eq!([first.as_str(), second.as_str()], expected, "{container}");
        };

        check("web", ["web", "web-node-1"]);
        check("shop_web.1", ["shop-web-1", "shop-web-1-node-1"]);
        check("Web_", ["web", "web-node-1"]);
        check("-web", ["web", "web-node-1"]);
        let long = "a".repeat(70);
        check(&long, [&long[..63], &format!("{}-node-1", &long[..56])]);
    }

    #[test]
    fn the_last_name_of_a_container_is_nobody_elses() {
        let last = |container: &str, host: &str| {
            names(container, &HostName::parse(host).unwrap()).pop().unwrap().as_str().to_owned()
        };

        assert_eq!(last("web", "a"), last("web", "a"));
        let others = [last("web", "a"), last("web", "b"), last("web_", "a"), last("we", "ba")];
        assert_eq!(others.iter().collect::<BTreeSet<_>>().len(), others.len(), "{others:?}");
    }
}
