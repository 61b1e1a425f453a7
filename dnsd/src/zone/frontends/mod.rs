//! Zones of frontends' own names, of those that want them: each name an apex, answered with where the proxies are.
//!
//! In: which names are wanted, the addresses of healthy proxies. Out: a zone for each, or what differs in it. Never here: whether a proxy is
//! healthy; a name that another zone has for itself.
//!
//! `*.` frontends are wildcards as RFC 4592 has them: the suffix is the apex, and has no addresses unless it is a frontend itself. A name
//! that has a zone of its own, and what is below it, is in no wildcard of another.
//!
//! ```text
//! www.example.com    SOA NS A AAAA        ns1.www.example.com   A AAAA
//! *.example.com      A AAAA, below example.com  SOA NS
//! ```

mod names;
mod proxies;
#[cfg(test)]
mod tests;

use model::DomainName;

pub(crate) use names::{FrontendNames, place};
pub(crate) use proxies::Proxies;

use super::derived::{Changed, Derivation, Names};
use super::tree::{Zone, ZoneError};

/// What such zones are made of.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fleet<'a> {
    pub(crate) names: &'a FrontendNames,
    pub(crate) proxies: &'a Proxies,
}

/// The zone of a name, from nothing. `derivation`: how long answers may be kept, and where its name servers are.
///
/// # Errors
/// [`ZoneError`] when the apex leaves no room for names of name servers.
pub(super) fn build(derivation: &Derivation, fleet: Fleet<'_>) -> Result<Zone, ZoneError> {
    Zone::of(derivation.apex.clone(), made(derivation, fleet))
}

/// What differs in it: there are few names.
pub(super) fn changes(derivation: &Derivation, [old, new]: [Fleet<'_>; 2]) -> Changed {
    Changed { gone: made(derivation, old), names: made(derivation, new) }
}

fn made(derivation: &Derivation, fleet: Fleet<'_>) -> Names {
    let (apex, wanted) = (&derivation.apex, fleet.names.get(&derivation.apex));
    let mut names = Names::default();
    derivation.add_servers(fleet.proxies.serial(), &mut names);
    let mut add = |name: &DomainName| {
        let addresses = fleet.proxies.addresses().iter().map(|address| (*address, 1));
        names.addresses(name, derivation.ttl_service, addresses);
    };
    if wanted.own {
        add(apex);
    }
    if let (true, Ok(wildcard)) = (wanted.below, apex.child(b"*")) {
        add(&wildcard);
    }
    names
}
