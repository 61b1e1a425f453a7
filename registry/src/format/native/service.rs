//! A service as JSON. `config/service.example.json` shows all of it.

use std::num::NonZeroU16;

use model::{Metadata, Port, PortName, Ports, Protocol, Service, ServiceName, Ttl, WhenEmpty};
use serde::{Deserialize, Serialize};

use super::{Entries, FormatError};

/// How a name is written.
pub(super) const NAME_REMEDY: &str = "write a part of a domain name, such as `web-1`";

/// A service as JSON. Defaults are left out when written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceDoc {
    /// Its name: 1 to 63 letters, digits and hyphens.
    pub name: String,
    /// Its ports; default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<PortDoc>,
    /// What is told of it beside, as `{"version": "1.4"}`; default: nothing.
    #[serde(default, skip_serializing_if = "Entries::is_empty")]
    pub metadata: Entries<String>,
    /// How long DNS answers about it may be kept, in seconds, 0 to a week; default: as the zone says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl: Option<u64>,
    /// What is answered while no instance is healthy; default `nodata`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when_empty: Option<WhenEmptyDoc>,
}

/// A port as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PortDoc {
    /// Its name: `http`.
    pub name: String,
    /// 1 to 65535.
    pub port: u64,
    /// `tcp` (the default) or `udp`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<ProtocolDoc>,
}

/// A transport as JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProtocolDoc {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

/// What is answered while no instance is healthy, as JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WhenEmptyDoc {
    /// The name is there and has no address.
    NoData,
    /// All instances.
    All,
    /// The name is not there.
    NxDomain,
}

impl TryFrom<ServiceDoc> for Service {
    type Error = FormatError;

    fn try_from(doc: ServiceDoc) -> Result<Self, FormatError> {
        let name = ServiceName::parse(&doc.name).map_err(|e| FormatError::at("name", e, NAME_REMEDY))?;
        let ports = doc.ports.into_iter().enumerate().map(|(i, port)| {
            let place = |field: &str| format!("ports[{i}].{field}");
            Ok(Port {
                name: PortName::parse(&port.name)
                    .map_err(|e| FormatError::at(place("name"), e, NAME_REMEDY))?,
                port: port_number(port.port, || place("port"))?,
                protocol: port.protocol.map_or(Protocol::Tcp, Protocol::from),
            })
        });
        let ports = Ports::new(ports.collect::<Result<_, FormatError>>()?)
            .map_err(|e| FormatError::at("ports", e, "correct the list"))?;
        let ttl = doc.ttl.map(Ttl::new).transpose();
        let ttl = ttl.map_err(|e| FormatError::at("ttl", e, "write seconds, or leave it out"))?;
        let metadata = metadata("metadata", doc.metadata)?;
        let when_empty = doc.when_empty.map(WhenEmpty::from).unwrap_or_default();
        Ok(Self { name, ports, metadata, ttl, when_empty })
    }
}

/// A port as a number from 1 to 65535.
pub(super) fn port_number(number: u64, place: impl FnOnce() -> String) -> Result<NonZeroU16, FormatError> {
    let port = u16::try_from(number).ok().and_then(NonZeroU16::new);
    port.ok_or_else(|| {
        FormatError::at(place(), format!("{number} is outside 1 to 65535"), "write the port's number")
    })
}

/// Keys and values under `place`.
pub(super) fn metadata(place: &str, entries: Entries<String>) -> Result<Metadata, FormatError> {
    Metadata::new(entries.0).map_err(|e| FormatError::at(place, e, "write `{\"key\": \"value\"}`"))
}

/// The reverse.
pub(super) fn entries(metadata: &Metadata) -> Entries<String> {
    Entries(metadata.iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect())
}

impl From<&Service> for ServiceDoc {
    fn from(service: &Service) -> Self {
        let ports = service.ports.iter().map(|port| PortDoc {
            name: port.name.to_string(),
            port: port.port.get().into(),
            protocol: (port.protocol != Protocol::default()).then(|| port.protocol.into()),
        });
        Self {
            name: service.name.to_string(),
            ports: ports.collect(),
            metadata: entries(&service.metadata),
            ttl: service.ttl.map(|ttl| ttl.seconds().into()),
            when_empty: (service.when_empty != WhenEmpty::default()).then(|| service.when_empty.into()),
        }
    }
}

impl From<ProtocolDoc> for Protocol {
    fn from(doc: ProtocolDoc) -> Self {
        match doc {
            ProtocolDoc::Tcp => Self::Tcp,
            ProtocolDoc::Udp => Self::Udp,
        }
    }
}

impl From<Protocol> for ProtocolDoc {
    fn from(protocol: Protocol) -> Self {
        match protocol {
            Protocol::Tcp => Self::Tcp,
            Protocol::Udp => Self::Udp,
        }
    }
}

impl From<WhenEmptyDoc> for WhenEmpty {
    fn from(doc: WhenEmptyDoc) -> Self {
        match doc {
            WhenEmptyDoc::NoData => Self::NoData,
            WhenEmptyDoc::All => Self::All,
            WhenEmptyDoc::NxDomain => Self::NxDomain,
        }
    }
}

impl From<WhenEmpty> for WhenEmptyDoc {
    fn from(when_empty: WhenEmpty) -> Self {
        match when_empty {
            WhenEmpty::NoData => Self::NoData,
            WhenEmpty::All => Self::All,
            WhenEmpty::NxDomain => Self::NxDomain,
        }
    }
}
