//! One running copy of a service.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::num::NonZeroU16;

use crate::endpoint::Weight;
use crate::fact::FactKey;
use crate::label::{HostName, InstanceName, PortName, ServiceName, Tag};
use crate::metadata::Metadata;
use crate::run::{Run, Stage};

/// The most addresses of an instance or a host.
pub const MAX_ADDRESSES: usize = 16;
/// The most tags of an instance.
pub const MAX_TAGS: usize = 64;
/// The longest lease, in seconds: a day.
pub const MAX_LEASE: u32 = 24 * 3600;

/// One running copy of a service: where it is and how it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Instance {
    /// Of which service.
    pub service: ServiceName,
    /// Its name among the instances of that service.
    pub name: InstanceName,
    /// Where it is.
    pub addresses: Addresses,
    /// Its own numbers for ports of the service, by name; at most [`crate::MAX_PORTS`].
    pub ports: BTreeMap<PortName, NonZeroU16>,
    /// Its share among its siblings.
    pub weight: Weight,
    /// Instances of a lower number come first: those of the next one are used when none of these can be.
    pub priority: u16,
    /// How it is.
    pub state: InstanceState,
    /// What it is told apart by; at most [`MAX_TAGS`].
    pub tags: BTreeSet<Tag>,
    /// What is told of it beside.
    pub metadata: Metadata,
    /// The machine it runs on.
    pub host: Option<HostName>,
    /// How long it is believed to be there without saying so; `None`: until it is removed.
    pub lease: Option<Lease>,
    /// What the controller that launched it says of it; `None`: nobody launched it.
    pub run: Option<Box<Run>>,
}

/// How an instance is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum InstanceState {
    /// It takes requests. The default.
    #[default]
    Healthy,
    /// It does not do what it should.
    Unhealthy,
    /// It finishes what it has and takes nothing new.
    Draining,
    /// It is not ready yet.
    Starting,
}

/// Where a machine, or something on it, is: 1 to [`MAX_ADDRESSES`] addresses, none twice. IPv4 is never mapped into IPv6.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Addresses(Box<[IpAddr]>);

/// Why addresses cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AddressesError {
    /// None.
    #[error("there is no address; write at least one IPv4 or IPv6 address")]
    None,
    /// More than [`MAX_ADDRESSES`].
    #[error("{0} addresses are more than {MAX_ADDRESSES}; leave some out")]
    TooMany(usize),
    /// One of them twice.
    #[error("{0} stands there twice; say it once")]
    Repeated(IpAddr),
    /// An address that is nobody's: unspecified, multicast or broadcast.
    #[error("{0} is nobody's address; write the one that others reach it by")]
    Nobody(IpAddr),
}

/// How long an instance is believed to be there without saying so, in seconds: 1 to [`MAX_LEASE`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Lease(u32);

/// A lease outside 1 s to a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a lease of {0} s is outside 1 to {MAX_LEASE} seconds")]
pub struct LeaseError(pub u64);

impl Addresses {
    /// Checks addresses.
    ///
    /// # Errors
    /// [`AddressesError`] names the one that cannot be used.
    pub fn new(addresses: impl IntoIterator<Item = IpAddr>) -> Result<Self, AddressesError> {
        let addresses: Box<[IpAddr]> = addresses.into_iter().map(|ip| ip.to_canonical()).collect();
        match addresses.len() {
            0 => return Err(AddressesError::None),
            1..=MAX_ADDRESSES => {}
            many => return Err(AddressesError::TooMany(many)),
        }
        for (i, ip) in addresses.iter().enumerate() {
            let broadcast = matches!(ip, IpAddr::V4(ip) if ip.is_broadcast());
            if ip.is_unspecified() || ip.is_multicast() || broadcast {
                return Err(AddressesError::Nobody(*ip));
            }
            if addresses.iter().take(i).any(|before| before == ip) {
                return Err(AddressesError::Repeated(*ip));
            }
        }
        Ok(Self(addresses))
    }

    /// The addresses, in the order they were written.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = IpAddr> {
        self.0.iter().copied()
    }
}

impl Lease {
    /// So many seconds.
    ///
    /// # Errors
    /// [`LeaseError`] outside 1 s to a day.
    pub fn new(seconds: u64) -> Result<Self, LeaseError> {
        match u32::try_from(seconds) {
            Ok(seconds @ 1..=MAX_LEASE) => Ok(Self(seconds)),
            _ => Err(LeaseError(seconds)),
        }
    }

    /// The seconds.
    pub const fn seconds(self) -> u32 {
        self.0
    }
}

impl Instance {
    /// Whether it serves nobody, however it is: the controller that launched it is about to end it, or never starts it again.
    pub fn is_leaving(&self) -> bool {
        let is_off = |stage| matches!(stage, Stage::Ended | Stage::Draining | Stage::Stopping);
        self.run.as_ref().is_some_and(|run| is_off(run.stage))
    }

    /// An instance of which nothing is said but where it is.
    pub fn new(service: ServiceName, name: InstanceName, addresses: Addresses) -> Self {
        Self {
            service,
            name,
            addresses,
            ports: BTreeMap::new(),
            weight: Weight::ONE,
            priority: 0,
            state: InstanceState::default(),
            tags: BTreeSet::new(),
            metadata: Metadata::default(),
            host: None,
            lease: None,
            run: None,
        }
    }

    /// The key under which a registry keeps it.
    pub fn key(&self) -> FactKey {
        FactKey::Instance { service: self.service.clone(), name: self.name.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instance_is_somewhere() {
        let check = |addresses: &[&str], expected: &str| {
            let read = Addresses::new(addresses.iter().map(|text| text.parse().expect("address")));
            let said = match read {
                Ok(read) => read.iter().map(|ip| ip.to_string()).collect::<Vec<_>>().join(" "),
                Err(error) => error.to_string(),
            };
            assert!(said.contains(expected), "{addresses:?}: {said}");
        };
        check(&["10.0.0.7", "fd00::7"], "10.0.0.7 fd00::7");
        check(&["::ffff:10.0.0.7"], "10.0.0.7");
        check(&["127.0.0.1"], "127.0.0.1");
        check(&[], "no address");
        check(&["10.0.0.7", "::ffff:10.0.0.7"], "10.0.0.7 stands there twice");
        for nobody in ["0.0.0.0", "::", "224.0.0.1", "ff02::1", "255.255.255.255"] {
            check(&[nobody], "nobody's address");
        }
        check(&["10.0.0.7"; 17], "17 addresses are more than 16");
    }

    #[test]
    fn a_lease_ends_within_a_day() {
        assert_eq!(Lease::new(1).map(Lease::seconds), Ok(1));
        assert_eq!(Lease::new(86_400).map(Lease::seconds), Ok(86_400));
        assert_eq!(Lease::new(0), Err(LeaseError(0)));
        assert_eq!(Lease::new(86_401), Err(LeaseError(86_401)));
    }
}
