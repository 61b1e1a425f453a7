//! Whose each address is, kept at a snapshot.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::ops::Bound;

use imbl::OrdMap;
use model::{Addresses, DomainName, HostName, InstanceName, ServiceName, Snapshot};

use super::range::{Range, find};
use crate::zone::derived::{Derivation, Touched};

/// Who has an address. The first in order is who is told: a host before what runs there, then by names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Claim {
    Host(HostName),
    Instance(ServiceName, InstanceName),
}

/// Who has which address, of those in ranges, in order, each with how long that may be kept, in seconds; no claim is before all of an
/// address. However many have one address, each costs O(log n). A copy costs nothing.
#[derive(Debug, Clone, Default)]
pub(crate) struct Claims(OrdMap<(IpAddr, Option<Claim>), u32>);

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
                self.remove(address, claim);
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
    pub(super) fn owner(&self, address: IpAddr) -> Option<(&Claim, u32)> {
        let (of, claim, ttl) = self.between(address, address).next()?;
        (of == address).then_some((claim, ttl))
    }

    /// All addresses of a range that somebody has, in order.
    pub(super) fn within(&self, range: &Range) -> impl Iterator<Item = IpAddr> {
        let mut last = None;
        let all = self.between(range.net.network(), range.net.broadcast()).map(|(address, ..)| address);
        all.filter(move |address| last.replace(*address) != Some(*address))
    }

    /// All claims of the addresses from one to another, in order.
    fn between(&self, first: IpAddr, last: IpAddr) -> impl Iterator<Item = (IpAddr, &Claim, u32)> {
        let from = self.0.range((Bound::Included((first, None)), Bound::Unbounded));
        let all = from.take_while(move |((address, _), _)| *address <= last);
        all.filter_map(|((address, claim), ttl)| Some((*address, claim.as_ref()?, *ttl)))
    }

    fn put(&mut self, address: IpAddr, claim: Claim, ttl: u32) {
        self.0.insert((address, Some(claim)), ttl);
    }

    fn remove(&mut self, address: IpAddr, claim: Claim) {
        self.0.remove(&(address, Some(claim)));
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
        snapshot.addresses_of(host).into_iter().flat_map(Addresses::iter).map(claim)
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
