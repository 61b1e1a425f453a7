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

mod apex;
mod dns_sd;
mod host;
mod names;
mod service;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::net::IpAddr;

use model::{DomainName, Fact, FactKey, HostName, ServiceName, ServiceType, Snapshot};

use super::tree::{Zone, ZoneError};
use names::Names;

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

/// Which names differ.
#[derive(Default)]
struct Touched {
    services: BTreeSet<ServiceName>,
    hosts: BTreeSet<HostName>,
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
        let mut services: BTreeSet<_> =
            snapshot.services().map(|(service, _)| service.name.clone()).collect();
        services.extend(snapshot.instances().map(|(instance, _)| instance.service.clone()));
        for service in &services {
            service::add(self, snapshot, service, &mut names);
        }
        for (host, _) in snapshot.hosts() {
            host::add(self, host, &mut names);
        }
        let types = services.iter().filter_map(|service| type_of(snapshot, service)).collect::<BTreeSet<_>>();
        for service_type in types {
            dns_sd::add(self, snapshot, service_type, &mut names);
        }
        dns_sd::add_types(self, snapshot, &mut names);
        Zone::of(self.apex.clone(), names)
    }

    /// What differs in the zone from the one of `old` to that of `new`: nothing, unless facts of it differ, or it is to have another
    /// serial `always`.
    pub(crate) fn changes(&self, old: &Snapshot, new: &Snapshot, always: bool) -> Option<Changed> {
        let touched = touched(old, new);
        if touched.services.is_empty() && touched.hosts.is_empty() && !always {
            return None;
        }
        let (mut gone, mut names) = (Names::default(), Names::default());
        for service in &touched.services {
            service::add(self, old, service, &mut gone);
            service::add(self, new, service, &mut names);
        }
        for host in &touched.hosts {
            for (snapshot, into) in [(old, &mut gone), (new, &mut names)] {
                let stated = snapshot.get(&FactKey::Host(host.clone())).map(|stated| &*stated.fact);
                if let Some(Fact::Host(host)) = stated {
                    host::add(self, host, into);
                }
            }
        }
        for (snapshot, into) in [(old, &mut gone), (new, &mut names)] {
            let both =
                touched.services.iter().flat_map(|service| [type_of(old, service), type_of(new, service)]);
            let types: BTreeSet<_> = both.flatten().collect();
            for service_type in &types {
                dns_sd::add(self, snapshot, service_type, into);
            }
            if !types.is_empty() {
                dns_sd::add_types(self, snapshot, into);
            }
        }
        apex::add(self, old.revision(), &mut gone);
        apex::add(self, new.revision(), &mut names);
        Some(Changed { gone, names })
    }

    /// Whether a service of this name has no names, because the zone has it for itself.
    pub(crate) fn takes(&self, service: &ServiceName) -> bool {
        apex::is_ours(self, service.as_str())
    }
}

/// The type that a service is found by.
fn type_of<'s>(snapshot: &'s Snapshot, service: &ServiceName) -> Option<&'s ServiceType> {
    let (service, _) = snapshot.service(service)?;
    service.dns_sd.as_ref().map(|dns_sd| &dns_sd.service_type)
}

fn touched(old: &Snapshot, new: &Snapshot) -> Touched {
    let mut touched = Touched::default();
    for difference in new.diff(old) {
        for stated in difference.before.into_iter().chain(difference.after) {
            match &*stated.fact {
                Fact::Service(service) => drop(touched.services.insert(service.name.clone())),
                Fact::Instance(instance) => drop(touched.services.insert(instance.service.clone())),
                Fact::Host(host) => drop(touched.hosts.insert(host.name.clone())),
                Fact::Frontend(_) | Fact::Record(_) => {}
            }
        }
    }
    touched
}
