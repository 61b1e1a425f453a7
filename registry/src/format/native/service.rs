//! A service as JSON. `config/service.example.json` shows all of one that registers itself, `config/launched.example.json` the rest.

use std::collections::BTreeSet;
use std::num::NonZeroU16;

use model::{
    DnsSd, DomainName, Label, MAX_SUBTYPES, Metadata, Port, PortName, Ports, Protocol, Service, ServiceName,
    ServiceType, SpelledName, Ttl, WhenEmpty,
};
use serde::{Deserialize, Serialize};

use super::canary::CanaryDoc;
use super::heartbeat::HeartbeatDoc;
use super::launch::{
    self, HooksDoc, PlacementDoc, ReadinessDoc, ResourcesDoc, RestartDoc, RolloutDoc, StopDoc, VolumeDoc,
};
use super::{Entries, FormatError};

/// How a name is written.
pub(super) const NAME_REMEDY: &str = "write a part of a domain name, such as `web-1`";

/// A service as JSON. Defaults are left out when written.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
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
    /// Where it is instead, when it runs elsewhere: a domain name; default: where its instances are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external: Option<String>,
    /// How it is found by its type (RFC 6763); default: not at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dns_sd: Option<DnsSdDoc>,
    /// Of what its instances are launched, `[registry/]name[:tag][@sha256:digest]`; default: they are not, and register themselves. All
    /// fields behind this one want it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// What is run instead of the image's own command.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<Vec<String>>,
    /// What runs it instead of the image's own entry point.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entrypoint: Option<Vec<String>>,
    /// Variables beside those of the image; default: none.
    #[serde(default, skip_serializing_if = "Entries::is_empty")]
    pub environment: Entries<String>,
    /// Labels of its containers; default: none but the controller's.
    #[serde(default, skip_serializing_if = "Entries::is_empty")]
    pub labels: Entries<String>,
    /// What is seen inside of what is outside; default: nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub volumes: Vec<VolumeDoc>,
    /// As whom it runs, `user[:group]`; default: as the image says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Where it runs; default: where the image says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub working_dir: Option<String>,
    /// What is done when it ends by itself; default `always`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restart: Option<RestartDoc>,
    /// Whether any runs at all; default: yes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub active: Option<bool>,
    /// Another image that is tried beside it; default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub canary: Option<CanaryDoc>,
    /// How often it was restarted by hand: another number restarts it; default 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restarts: Option<u32>,
    /// How many run, 0 to 1000; default 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instances: Option<u64>,
    /// How many run at most, while one takes another's place or more are asked for; default: `instances`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_instances: Option<u64>,
    /// What each may take; default: no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<ResourcesDoc>,
    /// How it is known to be well; default: while it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heartbeat: Option<HeartbeatDoc>,
    /// Where it may run; default: on every host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub placement: Option<PlacementDoc>,
    /// How one version takes the place of another; default: one by one, new before old.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollout: Option<RolloutDoc>,
    /// How it is ended; default: as the image says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop: Option<StopDoc>,
    /// Services that are there before it starts, as `{"db": "healthy"}` or `"started"`; default: none.
    #[serde(default, skip_serializing_if = "Entries::is_empty")]
    pub depends_on: Entries<ReadinessDoc>,
    /// What the controller does around it; default: nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hooks: Option<HooksDoc>,
}

/// How a service is found by its type, as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DnsSdDoc {
    /// What it is: `_http._tcp`.
    #[serde(rename = "type")]
    pub service_type: String,
    /// What people read; default: each instance's own name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What it is in particular; default: nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub subtypes: Vec<String>,
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

    fn try_from(mut doc: ServiceDoc) -> Result<Self, FormatError> {
        let launch = launch::read(&mut doc)?;
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
        let external = doc.external.as_deref().map(DomainName::parse).transpose();
        let remedy = "write a domain name, such as `db.example.com.`, or leave it out";
        let external = external.map_err(|e| FormatError::at("external", e, remedy))?;
        let dns_sd = doc.dns_sd.map(DnsSd::try_from).transpose()?;
        Ok(Self { name, ports, metadata, ttl, when_empty, external, dns_sd, launch })
    }
}

impl TryFrom<DnsSdDoc> for DnsSd {
    type Error = FormatError;

    fn try_from(doc: DnsSdDoc) -> Result<Self, FormatError> {
        let service_type = ServiceType::parse(&doc.service_type);
        let service_type =
            service_type.map_err(|e| FormatError::at("dns_sd.type", e, "write `_http._tcp`"))?;
        let name = doc.name.as_deref().map(SpelledName::parse).transpose();
        let name =
            name.map_err(|e| FormatError::at("dns_sd.name", e, "write it shorter, or leave it out"))?;
        if doc.subtypes.len() > MAX_SUBTYPES {
            let reason = format!("{} subtypes are more than {MAX_SUBTYPES}", doc.subtypes.len());
            return Err(FormatError::at("dns_sd.subtypes", reason, "leave some out"));
        }
        let mut subtypes = BTreeSet::new();
        for (i, text) in doc.subtypes.iter().enumerate() {
            let place = || format!("dns_sd.subtypes[{i}]");
            let label = Label::parse(text.strip_prefix('_').unwrap_or(text));
            if !subtypes.insert(label.map_err(|e| FormatError::at(place(), e, NAME_REMEDY))?) {
                return Err(FormatError::at(place(), format!("`{text}` is there already"), "say it once"));
            }
        }
        Ok(Self { service_type, name, subtypes })
    }
}

impl From<&DnsSd> for DnsSdDoc {
    fn from(dns_sd: &DnsSd) -> Self {
        Self {
            service_type: dns_sd.service_type.to_string(),
            name: dns_sd.name.as_ref().map(ToString::to_string),
            subtypes: dns_sd.subtypes.iter().map(ToString::to_string).collect(),
        }
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
        let mut doc = Self {
            name: service.name.to_string(),
            ports: ports.collect(),
            metadata: entries(&service.metadata),
            ttl: service.ttl.map(|ttl| ttl.seconds().into()),
            when_empty: (service.when_empty != WhenEmpty::default()).then(|| service.when_empty.into()),
            external: service.external.as_ref().map(ToString::to_string),
            dns_sd: service.dns_sd.as_ref().map(DnsSdDoc::from),
            ..Self::default()
        };
        if let Some(how) = &service.launch {
            launch::write(how, &mut doc);
        }
        doc
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
