//! The names of a service: of its instances together, of each, of those with a tag, of those on a host.

use std::borrow::Cow;
use std::collections::BTreeSet;

use model::{DomainName, HostName, Instance, Port, Protocol, RecordData, RecordType};
use model::{Service, ServiceName, Snapshot, Tag, WhenEmpty, answering};

use super::names::Names;
use super::{Derivation, NODE, TAG, apex};

/// Adds the names of a service; of one that nobody stated too, if it has instances.
pub(super) fn add(derivation: &Derivation, snapshot: &Snapshot, service: &ServiceName, names: &mut Names) {
    if let Some(names_of) = NamesOf::of(derivation, snapshot, service) {
        names_of.add_all(names);
    }
}

/// What the names of a service are made of.
pub(super) struct NamesOf<'s> {
    derivation: &'s Derivation,
    pub(super) service: Cow<'s, Service>,
    instances: Vec<&'s Instance>,
    name: DomainName,
    /// How long answers about it may be kept, in seconds.
    pub(super) ttl: u32,
}

impl<'s> NamesOf<'s> {
    /// `None`: there is no such service, or it has no names.
    pub(super) fn of(
        derivation: &'s Derivation,
        snapshot: &'s Snapshot,
        service: &ServiceName,
    ) -> Option<Self> {
        if apex::is_ours(derivation, service.as_str()) {
            return None;
        }
        let stated = snapshot.service(service).map(|(service, _)| service);
        let mut instances: Vec<&Instance> =
            snapshot.instances_of(service).map(|(instance, _)| instance).collect();
        let service = match stated {
            Some(stated) => Cow::Borrowed(stated),
            None if instances.is_empty() => return None,
            None => Cow::Owned(Service::new(service.clone())),
        };
        if service.external.is_some() {
            instances.clear();
        }
        let name = derivation.apex.child(service.name.as_str().as_bytes()).ok()?;
        let ttl = service.ttl.map_or(derivation.ttl_service, model::Ttl::seconds);
        Some(Self { derivation, service, instances, name, ttl })
    }

    fn add_all(&self, names: &mut Names) {
        if let Some(Ok(alias)) =
            self.service.external.as_ref().map(|to| RecordData::name(RecordType::CNAME, to))
        {
            names.put(&self.name, RecordType::CNAME, self.ttl, vec![alias]);
            self.add_ports(&[], names);
            return;
        }
        if !self.is_there() {
            // What is not there has nothing below it either (RFC 8020).
            return;
        }
        let chosen = self.choose(|_| true);
        self.add_set(&self.name, &chosen, names);
        names.texts(&self.name, self.ttl, &self.service.metadata);
        self.add_ports(&chosen, names);
        for instance in &self.instances {
            if let Ok(name) = self.name_of(instance) {
                names.addresses(&name, self.ttl, instance.addresses.iter().map(|address| (address, 1)));
                names.texts(&name, self.ttl, &instance.metadata);
            }
        }
        self.add_filtered(names);
    }

    /// Whether it has names.
    fn is_there(&self) -> bool {
        self.service.when_empty != WhenEmpty::NxDomain || !self.choose(|_| true).is_empty()
    }

    /// The instances that have names of their own.
    pub(super) fn named(&self) -> Vec<&'s Instance> {
        if self.is_there() { self.instances.clone() } else { Vec::new() }
    }

    fn add_ports(&self, chosen: &[&Instance], names: &mut Names) {
        for port in &self.service.ports {
            let protocol = match port.protocol {
                Protocol::Tcp => b"_tcp",
                Protocol::Udp => b"_udp",
            };
            let name =
                self.name.child(protocol).and_then(|name| name.child(format!("_{}", port.name).as_bytes()));
            if let Ok(name) = name {
                names.put(&name, RecordType::SRV, self.ttl, self.srv(port, chosen));
            }
        }
    }

    /// The names of those with a tag, and of those on a host.
    fn add_filtered(&self, names: &mut Names) {
        let tags: BTreeSet<&Tag> = self.instances.iter().flat_map(|instance| &instance.tags).collect();
        for tag in tags {
            let name = self.name.child(TAG.as_bytes()).and_then(|name| name.child(tag.as_str().as_bytes()));
            if let Ok(name) = name {
                self.add_set(&name, &self.choose(|instance| instance.tags.contains(tag)), names);
            }
        }
        let hosts: BTreeSet<&HostName> =
            self.instances.iter().filter_map(|instance| instance.host.as_ref()).collect();
        for host in hosts {
            let name = self.derivation.apex.child(NODE.as_bytes());
            let name = name.and_then(|name| name.child(host.as_str().as_bytes()));
            let name = name.and_then(|name| name.child(self.service.name.as_str().as_bytes()));
            if let Ok(name) = name {
                self.add_set(&name, &self.choose(|instance| instance.host.as_ref() == Some(host)), names);
            }
        }
    }

    /// Who is answered with, of those that `is_meant` takes: the healthy ones of the lowest tier that has any; if there are none at all,
    /// whom the service then wants.
    pub(super) fn choose(&self, is_meant: impl Fn(&Instance) -> bool) -> Vec<&Instance> {
        let meant = self.instances.iter().copied().filter(|instance| is_meant(instance));
        answering(meant, self.service.when_empty)
    }

    /// Addresses, and hosts and ports of the service's first port.
    fn add_set(&self, name: &DomainName, chosen: &[&Instance], names: &mut Names) {
        let weighted = |instance: &&Instance| {
            let weight = instance.weight.get();
            instance.addresses.iter().map(move |address| (address, weight)).collect::<Vec<_>>()
        };
        names.addresses(name, self.ttl, chosen.iter().flat_map(weighted));
        if let Some(port) = self.service.ports.iter().next() {
            names.put(name, RecordType::SRV, self.ttl, self.srv(port, chosen));
        }
    }

    /// Where a port is: at each of these instances, or where the service is instead.
    pub(super) fn srv(&self, port: &Port, chosen: &[&Instance]) -> Vec<RecordData> {
        if let Some(elsewhere) = &self.service.external {
            return vec![RecordData::srv(0, 1, port.port.get(), elsewhere)];
        }
        let record = |instance: &&Instance| {
            let number = instance.ports.get(&port.name).copied().unwrap_or(port.port);
            let target = self.name_of(instance).ok()?;
            Some(RecordData::srv(instance.priority, instance.weight.get(), number.get(), &target))
        };
        chosen.iter().filter_map(record).collect()
    }

    fn name_of(&self, instance: &Instance) -> Result<DomainName, model::DomainNameError> {
        self.name.child(instance.name.as_str().as_bytes())
    }
}
