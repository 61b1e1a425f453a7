//! Whose each address is, kept at a snapshot.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::ops::Bound;
use std::sync::Arc;

use imbl::OrdMap;
use model::{DomainName, HostName, InstanceName, ServiceName, Snapshot};

use super::range::{Range, find};
use crate::zone::derived::{Derivation, Touched};

/// Who has an address. The first in order is who is told: a host before what runs there, then by names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Claim {
    Host(HostName),
    Instance(ServiceName, InstanceName),
}

/// All who have an address, in order, each with how long that may be kept, in seconds.
type Claimants = Arc<[(Claim, u32)]>;

/// Who has which address, of those in ranges. A copy costs nothing.
#[derive(Debug, Clone, Default)]
pub(crate) struct Claims(OrdMap<IpAddr, Claimants>);

impl Claims {
    /// From nothing.
    pub(crate) fn of(ranges: &[Range], derivation: Option<&Derivation>, snapshot: &Snapshot) -> Self {
        let mut claims = Self::default();
        if let Some(derivation) = derivation.filter(|_| !ranges.is_empty()) {
            let touched = Touched::all(snapshot);
            made(derivation, snapshot, &touched).for_each(|(address, claim, ttl)| {
                if find(ranges, address).is_some() {
                    claims.put(address, claim, ttl);
                }
            });
        }
        claims
    }

    /// At another snapshot, in which these facts differ. The addresses of which something else is told now.
    pub(crate) fn follow(
        &mut self,
        ranges: &[Range],
        derivation: &Derivation,
        [old, new]: [&Snapshot; 2],
        touched: &Touched,
    ) -> BTreeSet<IpAddr> {
        if ranges.is_empty() || touched.is_empty() {
            return BTreeSet::new();
        }
        let before = self.clone();
        let mut addresses = BTreeSet::new();
        for (address, claim, _) in made(derivation, old, touched) {
            if find(ranges, address).is_some() {
                self.remove(address, &claim);
                addresses.insert(address);
            }
        }
        for (address, claim, ttl) in made(derivation, new, touched) {
            if find(ranges, address).is_some() {
                self.put(address, claim, ttl);
                addresses.insert(address);
            }
        }
        addresses.retain(|address| before.owner(*address) != self.owner(*address));
        addresses
    }

    /// Who is told to have an address.
    pub(super) fn owner(&self, address: IpAddr) -> Option<&(Claim, u32)> {
        self.0.get(&address).and_then(|claimants| claimants.first())
    }

    /// All that is told of a range.
    pub(super) fn within(&self, range: &Range) -> impl Iterator<Item = (IpAddr, &(Claim, u32))> {
        let ends = (Bound::Included(range.net.network()), Bound::Included(range.net.broadcast()));
        let within = self.0.range(ends);
        within.filter_map(|(address, claimants)| Some((*address, claimants.first()?)))
    }

    fn put(&mut self, address: IpAddr, claim: Claim, ttl: u32) {
        let mut claimants = self.0.get(&address).map_or_else(Vec::new, |claimants| claimants.to_vec());
        match claimants.binary_search_by(|(other, _)| other.cmp(&claim)) {
            Ok(at) => claimants[at].1 = ttl,
            Err(at) => claimants.insert(at, (claim, ttl)),
        }
        self.0.insert(address, claimants.into());
    }

    fn remove(&mut self, address: IpAddr, claim: &Claim) {
        let Some(claimants) = self.0.get(&address) else { return };
        let rest: Vec<_> = claimants.iter().filter(|(other, _)| other != claim).cloned().collect();
        match rest.is_empty() {
            true => drop(self.0.remove(&address)),
            false => drop(self.0.insert(address, rest.into())),
        }
    }
}

impl Claim {
    /// The name of who has it.
    pub(super) fn name(&self, derivation: &Derivation) -> Option<DomainName> {
        match self {
            Self::Host(host) => derivation.name_of_host(host),
            Self::Instance(service, instance) => derivation.name_of_instance(service, instance),
        }
    }
}

/// The addresses of these services' instances and of these hosts, of those that have names.
fn made<'s>(
    derivation: &'s Derivation,
    snapshot: &'s Snapshot,
    touched: &'s Touched,
) -> impl Iterator<Item = (IpAddr, Claim, u32)> + 's {
    let hosts = touched.hosts_in(snapshot).filter(|host| derivation.name_of_host(&host.name).is_some());
    let of_hosts = hosts.flat_map(move |host| {
        let claim = move |address| (address, Claim::Host(host.name.clone()), derivation.ttl_host);
        host.addresses.iter().map(claim)
    });
    let of_instances = touched.services.iter().flat_map(move |service| {
        let (ttl, instances) = derivation.named_instances(snapshot, service);
        instances.into_iter().flat_map(move |instance| {
            let claim = Claim::Instance(instance.service.clone(), instance.name.clone());
            instance.addresses.iter().map(move |address| (address, claim.clone(), ttl))
        })
    });
    of_hosts.chain(of_instances)
}
