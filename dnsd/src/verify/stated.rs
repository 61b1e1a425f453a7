//! The names that services, instances and hosts should have: the table of `zone::derived`, read a second time.
//!
//! Written line by line after the table of names, on purpose without a look at the code that makes them and keeps them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipnet::IpNet;
use model::{
    DomainName, Host, Instance, InstanceState, Metadata, Protocol, RecordData, RecordType, Service,
    ServiceName, Snapshot, WhenEmpty,
};

use super::sets::Sets;
use crate::zone::derived::Derivation;

/// All that the zone should have.
pub(super) fn of_registry(zone: &Derivation, snapshot: &Snapshot) -> Sets {
    let mut sets = Sets::default();
    own(zone, &mut sets);
    for (host, _) in snapshot.hosts() {
        let Some(name) = below(&zone.apex, &["node", host.name.as_str()]) else { continue };
        addresses(&mut sets, &name, zone.ttl_host, reached(host, snapshot).map(|address| (address, 1)));
        texts(&mut sets, &name, zone.ttl_host, &host.labels);
    }
    let mut running: BTreeMap<&ServiceName, Vec<&Instance>> = BTreeMap::new();
    for (instance, _) in snapshot.instances() {
        running.entry(&instance.service).or_default().push(instance);
    }
    let mut services: BTreeMap<ServiceName, Service> =
        running.keys().map(|name| ((*name).clone(), Service::new((*name).clone()))).collect();
    services.extend(snapshot.services().map(|(service, _)| (service.name.clone(), service.clone())));
    let mut typed = Typed::default();
    for (name, service) in &services {
        let of_type =
            service.dns_sd.as_ref().and_then(|found| type_name(zone, &found.service_type.to_string()));
        typed.types.extend(of_type);
        if is_taken(zone, name.as_str()) {
            continue;
        }
        let instances = running.get(name).map(Vec::as_slice).unwrap_or_default();
        let Some(of) = Of::new(zone, service, instances) else { continue };
        of.put(&mut sets);
        of.put_type(&mut sets, &mut typed);
    }
    typed.put(zone, &mut sets);
    sets
}

/// Where a host says that it is; where it leaves that open, where it was found.
fn reached<'a>(host: &'a Host, snapshot: &'a Snapshot) -> impl Iterator<Item = IpAddr> + 'a {
    let found = snapshot.standing(&host.name).and_then(|(standing, _)| standing.addresses.as_ref());
    let at = if host.addresses.is_some() { host.addresses.as_ref() } else { found };
    at.into_iter().flat_map(|addresses| addresses.iter())
}

/// The name of a type of services; `_dns-sd._udp` is the zone's own.
fn type_name(zone: &Derivation, service_type: &str) -> Option<DomainName> {
    below(&zone.apex, &labels(service_type)).filter(|_| service_type != "_dns-sd._udp")
}

/// `_http._tcp`, as the labels from the right that [`below`] takes.
fn labels(service_type: &str) -> Vec<&str> {
    service_type.split('.').rev().collect()
}

/// The name below `apex` by labels from the right.
fn below(apex: &DomainName, labels: &[&str]) -> Option<DomainName> {
    labels.iter().try_fold(apex.clone(), |name, label| name.child(label.as_bytes()).ok())
}

/// `node`, and `ns1` to the last name server.
fn is_taken(zone: &Derivation, service: &str) -> bool {
    let servers = 1..=zone.name_servers.len().max(1);
    service == "node" || servers.into_iter().any(|number| service == format!("ns{number}"))
}

/// All that a reverse zone should have: of each address that it covers, who has it; a host before what runs there, then by names.
pub(super) fn of_range(zone: &Derivation, apex: &DomainName, net: &IpNet, snapshot: &Snapshot) -> Sets {
    let mut sets = Sets::default();
    authority(zone, apex, &mut sets);
    let mut put = |address: IpAddr, ttl, whose: &DomainName| {
        let name = address_name(address).filter(|_| net.contains(&address));
        if let Some(name) = name.filter(|name| sets.get(name, RecordType::PTR).is_none()) {
            sets.put(&name, RecordType::PTR, ttl, to(RecordType::PTR, whose));
        }
    };
    for (host, _) in snapshot.hosts() {
        if let Some(whose) = below(&zone.apex, &["node", host.name.as_str()]) {
            reached(host, snapshot).for_each(|address| put(address, zone.ttl_host, &whose));
        }
    }
    for (instance, _) in snapshot.instances() {
        let stated = snapshot.service(&instance.service).map(|(service, _)| service);
        let is_told = |service: &Service| {
            let is_hidden = service.when_empty == WhenEmpty::NxDomain
                && !snapshot.instances_of(&service.name).any(|(one, _)| one.state == InstanceState::Healthy);
            service.external.is_none() && !is_hidden
        };
        let names = [instance.service.as_str(), instance.name.as_str()];
        let whose = below(&zone.apex, &names).filter(|_| stated.is_none_or(is_told));
        if let Some(whose) = whose.filter(|_| !is_taken(zone, instance.service.as_str())) {
            let ttl = stated.and_then(|service| service.ttl).map_or(zone.ttl_service, model::Ttl::seconds);
            instance.addresses.iter().for_each(|address| put(address, ttl, &whose));
        }
    }
    sets
}

/// The zones of names that frontends want to have answered: each a name, or what is below it, with the addresses of proxies.
pub(super) fn of_frontends(
    like: &Derivation,
    snapshot: &Snapshot,
    healthy: &[IpAddr],
    allowed: impl Fn(&DomainName) -> bool,
) -> BTreeMap<DomainName, Sets> {
    let mut zones: BTreeMap<DomainName, Sets> = BTreeMap::new();
    for (frontend, _) in snapshot.frontends().filter(|(frontend, _)| frontend.policy.dns) {
        let text = frontend.host.to_string();
        let (below, name) = text.strip_prefix("*.").map_or((false, &*text), |suffix| (true, suffix));
        let is_name = !name.contains([':', '*', '[']) && name.parse::<IpAddr>().is_err();
        let Some(apex) = DomainName::parse(name).ok().filter(|apex| is_name && allowed(apex)) else {
            continue;
        };
        let zone = Derivation { apex: apex.clone(), ..like.clone() };
        let sets = zones.entry(apex.clone()).or_insert_with(|| {
            let mut sets = Sets::default();
            authority(&zone, &apex, &mut sets);
            server_addresses(&zone, &mut sets);
            sets
        });
        let name = if below { apex.child(b"*").ok() } else { Some(apex) };
        if let Some(name) = name {
            addresses(sets, &name, like.ttl_service, healthy.iter().map(|address| (*address, 1)));
        }
    }
    zones
}

/// `7.0.0.10.in-addr.arpa.`, or the 32 digits of an IPv6 address from the last one on.
fn address_name(address: IpAddr) -> Option<DomainName> {
    let text = match address {
        IpAddr::V4(address) => {
            let [a, b, c, d] = address.octets();
            format!("{d}.{c}.{b}.{a}.in-addr.arpa.")
        }
        IpAddr::V6(address) => {
            let digits = format!("{:032x}", address.to_bits());
            digits.chars().rev().flat_map(|digit| [digit, '.']).chain("ip6.arpa.".chars()).collect()
        }
    };
    DomainName::parse(&text).ok()
}

/// `ns1` to the last name server.
fn servers(zone: &Derivation) -> Vec<DomainName> {
    let numbers = 1..=zone.name_servers.len().max(1);
    numbers.filter_map(|number| below(&zone.apex, &[&format!("ns{number}")])).collect()
}

/// SOA and NS, at this zone's apex or another's with the same servers.
fn authority(zone: &Derivation, apex: &DomainName, sets: &mut Sets) {
    let (servers, ttl) = (servers(zone), zone.ttl_host);
    if let (Some(first), Some(mailbox)) = (servers.first(), below(&zone.apex, &["hostmaster"])) {
        let soa = format!("{first} {mailbox} 0 60 10 604800 {}", zone.negative_ttl);
        let soa = RecordData::parse(RecordType::SOA, &soa).ok();
        sets.put(apex, RecordType::SOA, ttl, soa.map(|soa| (soa, 1)));
    }
    sets.put(apex, RecordType::NS, ttl, servers.iter().filter_map(|server| to(RecordType::NS, server)));
}

/// The SOA, the name servers, where to browse.
fn own(zone: &Derivation, sets: &mut Sets) {
    let (apex, ttl) = (&zone.apex, zone.ttl_host);
    authority(zone, apex, sets);
    server_addresses(zone, sets);
    for browse in ["b", "db", "lb"] {
        if let Some(name) = below(apex, &["_udp", "_dns-sd", browse]) {
            sets.put(&name, RecordType::PTR, ttl, to(RecordType::PTR, apex));
        }
    }
}

fn server_addresses(zone: &Derivation, sets: &mut Sets) {
    for (server, address) in servers(zone).iter().zip(&zone.name_servers) {
        addresses(sets, server, zone.ttl_host, [(*address, 1)].into_iter());
    }
}

/// A record that is a name, as often first as any other.
fn to(record_type: RecordType, name: &DomainName) -> Option<(RecordData, u16)> {
    RecordData::name(record_type, name).ok().map(|data| (data, 1))
}

fn addresses(sets: &mut Sets, name: &DomainName, ttl: u32, all: impl Iterator<Item = (IpAddr, u16)>) {
    let (v4, v6): (Vec<_>, Vec<_>) = all.partition(|(address, _)| address.is_ipv4());
    for (record_type, family) in [(RecordType::A, v4), (RecordType::AAAA, v6)] {
        let data = family.into_iter().map(|(address, weight)| match address {
            IpAddr::V4(address) => (RecordData::a(address), weight),
            IpAddr::V6(address) => (RecordData::aaaa(address), weight),
        });
        sets.put(name, record_type, ttl, data);
    }
}

fn texts(sets: &mut Sets, name: &DomainName, ttl: u32, metadata: &Metadata) {
    if metadata.iter().len() > 0 {
        sets.put(name, RecordType::TXT, ttl, text(metadata));
    }
}

fn text(metadata: &Metadata) -> Option<(RecordData, u16)> {
    let texts: Vec<String> = metadata.iter().map(|(key, value)| [key, "=", value].concat()).collect();
    RecordData::txt(texts.iter().map(String::as_bytes)).ok().map(|data| (data, 1))
}

/// A service, and who answers for it.
struct Of<'s> {
    zone: &'s Derivation,
    service: &'s Service,
    instances: &'s [&'s Instance],
    name: DomainName,
    ttl: u32,
}

impl<'s> Of<'s> {
    fn new(zone: &'s Derivation, service: &'s Service, instances: &'s [&'s Instance]) -> Option<Self> {
        let name = below(&zone.apex, &[service.name.as_str()])?;
        let ttl = service.ttl.map_or(zone.ttl_service, model::Ttl::seconds);
        let instances = if service.external.is_some() { &[] } else { instances };
        Some(Self { zone, service, instances, name, ttl })
    }

    /// Of those that are meant: the healthy ones of the lowest tier that has any; without any, all of the lowest tier, where the service
    /// wants that.
    fn who(&self, is_meant: impl Fn(&Instance) -> bool) -> Vec<&'s Instance> {
        let meant: Vec<&Instance> =
            self.instances.iter().copied().filter(|instance| is_meant(instance)).collect();
        let healthy = |instance: &&&Instance| instance.state == InstanceState::Healthy;
        let mut able: Vec<&Instance> = meant.iter().filter(healthy).copied().collect();
        if able.is_empty() && self.service.when_empty == WhenEmpty::All {
            able = meant.into_iter().filter(|instance| !instance.is_leaving()).collect();
        }
        let tier = able.iter().map(|instance| instance.priority).min();
        able.retain(|instance| Some(instance.priority) == tier);
        able
    }

    fn put(&self, sets: &mut Sets) {
        let all = self.who(|_| true);
        if let Some(elsewhere) = &self.service.external {
            sets.put(&self.name, RecordType::CNAME, self.ttl, to(RecordType::CNAME, elsewhere));
        } else if all.is_empty() && self.service.when_empty == WhenEmpty::NxDomain {
            return;
        } else {
            self.put_at(sets, &self.name, &all);
            texts(sets, &self.name, self.ttl, &self.service.metadata);
        }
        for port in &self.service.ports {
            let protocol = if port.protocol == Protocol::Tcp { "_tcp" } else { "_udp" };
            if let Some(name) = below(&self.name, &[protocol, &format!("_{}", port.name)]) {
                sets.put(&name, RecordType::SRV, self.ttl, self.srv(port, &all));
            }
        }
        for instance in self.instances {
            if let Some(name) = below(&self.name, &[instance.name.as_str()]) {
                let own = instance.addresses.iter().map(|address| (address, 1));
                addresses(sets, &name, self.ttl, own);
                texts(sets, &name, self.ttl, &instance.metadata);
            }
        }
        let tags: BTreeSet<_> = self.instances.iter().flat_map(|instance| &instance.tags).collect();
        for tag in tags {
            let tagged = self.who(|instance| instance.tags.contains(tag));
            self.put_set(sets, &["tag", tag.as_str()], &tagged);
        }
        let hosts: BTreeSet<_> =
            self.instances.iter().filter_map(|instance| instance.host.as_ref()).collect();
        for host in hosts {
            let there = self.who(|instance| instance.host.as_ref() == Some(host));
            if let Some(name) = below(&self.zone.apex, &["node", host.as_str(), self.service.name.as_str()]) {
                self.put_at(sets, &name, &there);
            }
        }
    }

    fn put_set(&self, sets: &mut Sets, labels: &[&str], who: &[&Instance]) {
        if let Some(name) = below(&self.name, labels) {
            self.put_at(sets, &name, who);
        }
    }

    /// Addresses, and where the first port is.
    fn put_at(&self, sets: &mut Sets, name: &DomainName, who: &[&Instance]) {
        let all = who
            .iter()
            .flat_map(|instance| instance.addresses.iter().map(|address| (address, instance.weight.get())));
        addresses(sets, name, self.ttl, all);
        if let Some(port) = self.service.ports.iter().next() {
            sets.put(name, RecordType::SRV, self.ttl, self.srv(port, who));
        }
    }

    fn srv(&self, port: &model::Port, who: &[&Instance]) -> Vec<(RecordData, u16)> {
        if let Some(elsewhere) = &self.service.external {
            return vec![(RecordData::srv(0, 1, port.port.get(), elsewhere), 1)];
        }
        let of = |instance: &&Instance| {
            let target = below(&self.name, &[instance.name.as_str()])?;
            let number = instance.ports.get(&port.name).unwrap_or(&port.port).get();
            Some((RecordData::srv(instance.priority, instance.weight.get(), number, &target), 1))
        };
        who.iter().filter_map(of).collect()
    }

    /// What is found by the service's type.
    fn put_type(&self, sets: &mut Sets, typed: &mut Typed) {
        let (Some(found), Some(port)) = (&self.service.dns_sd, self.service.ports.iter().next()) else {
            return;
        };
        let Some(of_type) = type_name(self.zone, &found.service_type.to_string()) else { return };
        let all = self.who(|_| true);
        let elsewhere = self.service.external.is_some();
        let groups: Vec<(&str, Vec<&Instance>)> = match &found.name {
            Some(name) if elsewhere || !all.is_empty() => vec![(name.as_str(), all)],
            Some(_) => Vec::new(),
            None if elsewhere => vec![(self.service.name.as_str(), Vec::new())],
            None => all.into_iter().map(|instance| (instance.name.as_str(), vec![instance])).collect(),
        };
        for (spelled, who) in groups {
            let Some(name) = below(&of_type, &[spelled]) else { continue };
            let there = typed.found.entry(of_type.clone()).or_default();
            // Of two services that want one name, the first has it.
            if there.contains_key(&name) {
                continue;
            }
            there.insert(name.clone(), found.subtypes.iter().map(ToString::to_string).collect());
            sets.put(&name, RecordType::SRV, self.ttl, self.srv(port, &who));
            let own = who.first().filter(|one| who.len() == 1 && one.metadata.iter().len() > 0);
            let metadata = own.map_or(&self.service.metadata, |one| &one.metadata);
            sets.put(&name, RecordType::TXT, self.ttl, text(metadata));
        }
    }
}

/// What is found by type.
#[derive(Default)]
struct Typed {
    /// Every type that a service has.
    types: BTreeSet<DomainName>,
    /// By type: each name, with its subtypes.
    found: BTreeMap<DomainName, BTreeMap<DomainName, BTreeSet<String>>>,
}

impl Typed {
    fn put(&self, zone: &Derivation, sets: &mut Sets) {
        let ttl = zone.ttl_service;
        let mut pointers = |name: Option<DomainName>, to_whom: Vec<&DomainName>| {
            let data: Vec<_> = to_whom.into_iter().filter_map(|name| to(RecordType::PTR, name)).collect();
            if let (Some(name), false) = (name, data.is_empty()) {
                sets.put(&name, RecordType::PTR, ttl, data);
            }
        };
        pointers(below(&zone.apex, &["_udp", "_dns-sd", "_services"]), self.types.iter().collect());
        for (of_type, names) in &self.found {
            pointers(Some(of_type.clone()), names.keys().collect());
            let subtypes: BTreeSet<_> = names.values().flatten().collect();
            for subtype in subtypes {
                let with = names.iter().filter(|(_, all)| all.contains(subtype)).map(|(name, _)| name);
                pointers(below(of_type, &["_sub", &format!("_{subtype}")]), with.collect());
            }
        }
    }
}
