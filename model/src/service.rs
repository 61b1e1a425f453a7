//! What runs, or is published, under one name: its ports and how it is told of.

use std::num::NonZeroU16;

use crate::dns_sd::DnsSd;
use crate::domain_name::DomainName;
use crate::fact::FactKey;
use crate::label::{PortName, ServiceName};
use crate::launch::Launch;
use crate::metadata::Metadata;

/// The most ports of a service.
pub const MAX_PORTS: usize = 64;
/// The longest TTL, in seconds: a week.
pub const MAX_TTL: u32 = 7 * 24 * 3600;

/// A service: one name, its ports, and what is said of it. Its instances are facts of their own.
///
/// One that says nothing of how it is launched never is: its instances register themselves, or are written by hand.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Service {
    /// Its name.
    pub name: ServiceName,
    /// Its ports, by name; an instance may have its own number for one.
    pub ports: Ports,
    /// What is told of it beside.
    pub metadata: Metadata,
    /// How long answers about it may be kept; `None`: as the zone says.
    pub ttl: Option<Ttl>,
    /// What is answered while no instance is healthy.
    pub when_empty: WhenEmpty,
    /// Where it is instead, when it runs elsewhere: then instances of it are not looked at.
    pub external: Option<DomainName>,
    /// How it is found by its type; `None`: not at all.
    pub dns_sd: Option<DnsSd>,
    /// How instances of it are launched; `None`: never.
    pub launch: Option<Box<Launch>>,
}

/// A port that instances of a service listen on.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Port {
    /// Its name: `http`.
    pub name: PortName,
    /// 1 to 65535.
    pub port: NonZeroU16,
    /// What is spoken on it.
    pub protocol: Protocol,
}

/// The ports of a service, in the order they were written: no name twice, no number twice for one protocol.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Ports(Box<[Port]>);

/// A transport.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub enum Protocol {
    /// TCP, the default.
    #[default]
    Tcp,
    /// UDP.
    Udp,
}

/// What is answered while no instance is healthy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum WhenEmpty {
    /// The name is there and has no address. The default.
    #[default]
    NoData,
    /// All instances, as if they were healthy: none of them may be worse than some.
    All,
    /// The name is not there.
    NxDomain,
}

/// How long an answer may be kept, in seconds: 0 to [`MAX_TTL`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ttl(u32);

/// A TTL beyond [`MAX_TTL`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a TTL of {0} s is longer than a week; write 0 to {MAX_TTL} seconds")]
pub struct TtlError(pub u64);

/// Why ports cannot be those of a service.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PortsError {
    /// More than [`MAX_PORTS`].
    #[error("{0} ports are more than {MAX_PORTS}; leave some out")]
    TooMany(usize),
    /// Two ports of one name.
    #[error("two ports are named `{0}`; give one of them another name")]
    Name(PortName),
    /// Two ports of one number.
    #[error("`{0}` and `{1}` are the same port; say it once")]
    Number(PortName, PortName),
}

impl Ports {
    /// Checks ports.
    ///
    /// # Errors
    /// [`PortsError`] names those that cannot be together.
    pub fn new(ports: Vec<Port>) -> Result<Self, PortsError> {
        if ports.len() > MAX_PORTS {
            return Err(PortsError::TooMany(ports.len()));
        }
        for (i, port) in ports.iter().enumerate() {
            for before in ports.iter().take(i) {
                if before.name == port.name {
                    return Err(PortsError::Name(port.name.clone()));
                }
                if (before.port, before.protocol) == (port.port, port.protocol) {
                    return Err(PortsError::Number(before.name.clone(), port.name.clone()));
                }
            }
        }
        Ok(Self(ports.into()))
    }

    /// The ports, in the order they were written.
    pub fn iter(&self) -> std::slice::Iter<'_, Port> {
        self.0.iter()
    }

    /// The port of this name.
    pub fn get(&self, name: &PortName) -> Option<&Port> {
        self.0.iter().find(|port| port.name == *name)
    }
}

impl<'a> IntoIterator for &'a Ports {
    type Item = &'a Port;
    type IntoIter = std::slice::Iter<'a, Port>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl Ttl {
    /// So many seconds.
    ///
    /// # Errors
    /// [`TtlError`] beyond a week.
    pub fn new(seconds: u64) -> Result<Self, TtlError> {
        match u32::try_from(seconds) {
            Ok(seconds @ 0..=MAX_TTL) => Ok(Self(seconds)),
            _ => Err(TtlError(seconds)),
        }
    }

    /// The seconds.
    pub const fn seconds(self) -> u32 {
        self.0
    }
}

impl Service {
    /// A service of which nothing is said but its name.
    pub fn new(name: ServiceName) -> Self {
        Self {
            name,
            ports: Ports::default(),
            metadata: Metadata::default(),
            ttl: None,
            when_empty: WhenEmpty::default(),
            external: None,
            dns_sd: None,
            launch: None,
        }
    }

    /// The key under which a registry keeps it.
    pub fn key(&self) -> FactKey {
        FactKey::Service(self.name.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn port(text: &str) -> Port {
        let (name, number) = text.split_once('=').expect("name=number");
        let (number, protocol) = match number.strip_suffix('u') {
            Some(number) => (number, Protocol::Udp),
            None => (number, Protocol::Tcp),
        };
        Port { name: PortName::parse(name).expect("name"), port: number.parse().expect("port"), protocol }
    }

    #[test]
    fn a_service_has_each_port_once() {
        let check = |ports: &[&str], expected: &str| {
            let read = Ports::new(ports.iter().map(|text| port(text)).collect());
            let said = read.map_or_else(|error| error.to_string(), |ports| ports.iter().len().to_string());
            assert!(said.contains(expected), "{ports:?}: {said}");
        };
        check(&[], "0");
        check(&["http=80", "dns=53", "dns-udp=53u"], "3");
        check(&["http=80", "http=81"], "two ports are named `http`");
        check(&["http=80", "web=80"], "`http` and `web` are the same port");
        let many: Vec<String> = (1..=65).map(|n| format!("p{n}={n}")).collect();
        check(&many.iter().map(String::as_str).collect::<Vec<_>>(), "65 ports are more than 64");
    }

    #[test]
    fn a_ttl_is_a_week_at_most() {
        assert_eq!(Ttl::new(0).map(Ttl::seconds), Ok(0));
        assert_eq!(Ttl::new(604_800).map(Ttl::seconds), Ok(604_800));
        assert_eq!(Ttl::new(604_801), Err(TtlError(604_801)));
        assert_eq!(Ttl::new(u64::MAX), Err(TtlError(u64::MAX)));
    }
}
