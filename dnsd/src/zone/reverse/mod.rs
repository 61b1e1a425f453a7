//! Reverse zones: whose an address is, of those in configured ranges.
//!
//! In: ranges, and who has which address by the facts. Out: for each range the zones that cover exactly it, or what differs in them from
//! those before. Never here: an address that no fact has; a name that the zone of the registry has not.
//!
//! An address is a host's (`<host>.node.Z`), else an instance's (`<inst>.<svc>.Z`), whatever its health, as that name is there. Of several
//! instances with one address, the first by service and name is told.
//!
//! ```text
//! 10.0.0.0/8 ─► 10.in-addr.arpa.        hosts, services, instances ─► claims (by address) ─► PTR
//! ```

mod claims;
mod range;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::net::IpAddr;

use model::{RecordData, RecordType, Revision};

pub(crate) use claims::Claims;
pub(crate) use range::find;
pub use range::{Range, ReverseError, ranges};

use super::derived::{Changed, Derivation, Names};
use super::tree::{Zone, ZoneError};

/// One such zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reverse {
    /// Of these addresses.
    pub(crate) range: Range,
    /// What the names that addresses have are made by.
    pub(crate) derivation: Derivation,
}

impl Reverse {
    /// The zone, from nothing.
    ///
    /// # Errors
    /// None that an apex of addresses leads to.
    pub(super) fn build(&self, claims: &Claims, revision: Revision) -> Result<Zone, ZoneError> {
        let mut names = Names::default();
        self.add_apex(claims, revision, &mut names);
        for address in claims.within(&self.range) {
            self.add(address, claims, &mut names);
        }
        Zone::of(self.range.apex.clone(), names)
    }

    /// What differs in it, when something else is told of these addresses, and its serial.
    pub(super) fn changes(
        &self,
        [old, new]: [(&Claims, Revision); 2],
        addresses: &BTreeSet<IpAddr>,
    ) -> Changed {
        let made = |(claims, revision)| {
            let mut names = Names::default();
            self.add_apex(claims, revision, &mut names);
            addresses.iter().for_each(|address| self.add(*address, claims, &mut names));
            names
        };
        Changed { gone: made(old), names: made(new) }
    }

    fn add_apex(&self, claims: &Claims, revision: Revision, names: &mut Names) {
        self.derivation.add_authority(&self.range.apex, revision, names);
        let net = self.range.net;
        // Of one address alone, the apex is its name.
        if net.prefix_len() == net.max_prefix_len() {
            self.add(net.addr(), claims, names);
        }
    }

    fn add(&self, address: IpAddr, claims: &Claims, names: &mut Names) {
        let Some((claim, ttl)) = claims.owner(address) else { return };
        let target = claim.name(&self.derivation);
        let data = target.and_then(|target| RecordData::name(RecordType::PTR, &target).ok());
        if let (Some(name), Some(data)) = (range::name(address), data) {
            names.put(&name, RecordType::PTR, ttl, vec![data]);
        }
    }
}
