//! The zone of what the registry holds: names of services, instances and hosts, as values.
//!
//! In: a snapshot, and what the configuration says of the zone. Out: a [`Zone`], from nothing, or what differs from the
//! one before; both ways give the same. Never here: health that is not a fact, time.
//!
//! ```text
//! Z                      SOA NS            nsN.Z                     A AAAA
//! <svc>.Z                A AAAA SRV TXT    <inst>.<svc>.Z            A AAAA TXT
//! _<port>._tcp.<svc>.Z   SRV               <tag>.tag.<svc>.Z         A AAAA SRV
//! <host>.node.Z          A AAAA TXT        <svc>.<host>.node.Z       A AAAA SRV
//! _http._tcp.Z           PTR               <spelled>._http._tcp.Z    SRV TXT
//! ```
//!
//! Beside it: whose an address is (`zone/reverse`), and frontends' own names (`zone/frontends`).

mod apex;
mod dns_sd;
mod found;
mod host;
mod names;
mod service;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::net::IpAddr;

use model::{DomainName, Fact, FactKey, Host, HostName, Instance, InstanceName, Revision};
use model::{ServiceName, Snapshot};

use super::tree::{Zone, ZoneError};
pub use apex::mailbox;
pub(super) use found::Found;
pub(super) use names::Names;

/// The label below which hosts have their names; no service has it.
const NODE: &str = "node";
/// The label below which tags have theirs.
const TAG: &str = "tag";

/// What the configuration says of the zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Derivation {
    /// Its apex.
    pub apex: DomainName,
    /// How long answers about a service may be kept where it does not say so, in seconds.
    pub ttl_service: u32,
    /// How long those about hosts, name servers and the zone itself may be kept, in seconds.
    pub ttl_host: u32,
    /// How long it may be remembered that something is not there, in seconds.
    pub negative_ttl: u32,
    /// Where the name servers are: `ns1.Z` is at the first.
    pub name_servers: Vec<IpAddr>,
}

/// Which facts differ that names are made of.
#[derive(Debug, Default)]
pub(crate) struct Touched {
    pub(super) services: BTreeSet<ServiceName>,
    pub(super) hosts: BTreeSet<HostName>,
}

impl Touched {
    /// Those that are not the same in two snapshots.
    pub(crate) fn between(old: &Snapshot, new: &Snapshot) -> Self {
        let mut touched = Self::default();
        for difference in new.diff(old) {
            for stated in difference.before.into_iter().chain(difference.after) {
                match &*stated.fact {
                    Fact::Service(service) => drop(touched.services.insert(service.name.clone())),
                    Fact::Instance(instance) => drop(touched.services.insert(instance.service.clone())),
                    Fact::Host(host) => drop(touched.hosts.insert(host.name.clone())),
                    Fact::Standing(standing) => drop(touched.hosts.insert(standing.host.clone())),
                    Fact::Frontend(_) | Fact::Record(_) | Fact::Deployment(_) | Fact::Controller(_) => {}
                }
            }
        }
        touched
    }

    /// All of a snapshot.
    pub(super) fn all(snapshot: &Snapshot) -> Self {
        let services = snapshot.services().map(|(service, _)| service.name.clone());
        let of_instances = snapshot.instances().map(|(instance, _)| instance.service.clone());
        let hosts = snapshot.hosts().map(|(host, _)| host.name.clone());
        Self { services: services.chain(of_instances).collect(), hosts: hosts.collect() }
    }

    /// Whether none differs.
    pub(crate) fn is_empty(&self) -> bool {
        self.services.is_empty() && self.hosts.is_empty()
    }

    /// The hosts, as this snapshot has them.
    pub(super) fn hosts_in<'s>(&'s self, snapshot: &'s Snapshot) -> impl Iterator<Item = &'s Host> {
        let stated = |host: &HostName| snapshot.get(&FactKey::Host(host.clone()));
        self.hosts.iter().filter_map(stated).filter_map(|stated| match &*stated.fact {
            Fact::Host(host) => Some(&**host),
            _ => None,
        })
    }
}

/// What differs between two zones.
#[derive(Debug)]
pub(crate) struct Changed {
    /// Names that were there.
    pub(crate) gone: Names,
    /// Names that are there now, each with all that stands at it.
    pub(crate) names: Names,
}

impl Derivation {
    /// The zone of a snapshot, from nothing. Its serial is the snapshot's revision.
    ///
    /// # Errors
    /// [`ZoneError`] when the apex leaves no room for names.
    pub fn build(&self, snapshot: &Snapshot) -> Result<Zone, ZoneError> {
        let mut names = Names::default();
        apex::add(self, snapshot.revision(), &mut names);
        let Touched { services, .. } = Touched::all(snapshot);
        for service in &services {
            service::add(self, snapshot, service, &mut names);
        }
        for (host, _) in snapshot.hosts() {
            host::add(self, snapshot, host, &mut names);
        }
        dns_sd::add(self, snapshot, &Found::of(self, snapshot), &mut names);
        Zone::of(self.apex.clone(), names)
    }

    /// What differs in the zone from the one of `old` to that of `new`, where these facts differ: its serial at least. `found` follows.
    pub(crate) fn changes(
        &self,
        [old, new]: [&Snapshot; 2],
        touched: &Touched,
        found: &mut Found,
    ) -> Changed {
        let (mut gone, mut names) = (Names::default(), Names::default());
        for service in &touched.services {
            service::add(self, old, service, &mut gone);
            service::add(self, new, service, &mut names);
        }
        for (snapshot, into) in [(old, &mut gone), (new, &mut names)] {
            touched.hosts_in(snapshot).for_each(|host| host::add(self, snapshot, host, into));
        }
        apex::add(self, old.revision(), &mut gone);
        apex::add(self, new.revision(), &mut names);
        let mut changed = Changed { gone, names };
        let before = found.follow(self, [old, new], touched.services.iter());
        dns_sd::change(self, new, found, &before, &mut changed);
        changed
    }

    /// Whether a service of this name has no names, because the zone has it for itself.
    pub(crate) fn takes(&self, service: &ServiceName) -> bool {
        apex::is_ours(self, service.as_str())
    }

    /// Adds what every zone begins with, to one with this apex: its SOA, and the name servers of the registry's zone.
    pub(super) fn add_authority(&self, apex: &DomainName, revision: Revision, names: &mut Names) {
        apex::add_authority(self, apex, revision, names);
    }

    /// Adds what a zone of its own begins with: SOA, NS, and where the name servers are.
    pub(super) fn add_servers(&self, revision: Revision, names: &mut Names) {
        apex::add_servers(self, revision, names);
    }

    /// The name of a host; `None`: it would be too long.
    pub(crate) fn name_of_host(&self, host: &HostName) -> Option<DomainName> {
        self.apex.child(NODE.as_bytes()).and_then(|below| below.child(host.as_str().as_bytes())).ok()
    }

    /// The name of an instance; `None`: it would be too long.
    pub(crate) fn name_of_instance(
        &self,
        service: &ServiceName,
        instance: &InstanceName,
    ) -> Option<DomainName> {
        let below = self.apex.child(service.as_str().as_bytes());
        below.and_then(|below| below.child(instance.as_str().as_bytes())).ok()
    }

    /// The instances of a service that have names of their own, and how long answers about them may be kept, in seconds.
    pub(super) fn named_instances<'s>(
        &'s self,
        snapshot: &'s Snapshot,
        service: &ServiceName,
    ) -> (u32, Vec<&'s Instance>) {
        let names_of = service::NamesOf::of(self, snapshot, service);
        names_of.map_or_else(Default::default, |names_of| (names_of.ttl, names_of.named()))
    }
}
