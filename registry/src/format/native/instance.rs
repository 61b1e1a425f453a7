//! An instance as JSON. `config/instance.example.json` shows all of it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use model::{
    Addresses, HostName, Instance, InstanceName, InstanceState, Lease, MAX_PORTS, MAX_TAGS, PortName,
    ServiceName, Tag, Weight,
};
use serde::{Deserialize, Serialize};

use super::run::RunDoc;
use super::service::{NAME_REMEDY, entries, metadata, port_number};
use super::{Entries, FormatError};

/// An instance as JSON. Defaults are left out when written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InstanceDoc {
    /// Of which service.
    pub service: String,
    /// Its name among the instances of that service: 1 to 63 letters, digits and hyphens.
    pub name: String,
    /// Where it is: 1 to 16 IPv4 and IPv6 addresses.
    pub addresses: Vec<String>,
    /// Its own numbers for ports of the service, as `{"http": 18080}`; default: those of the service.
    #[serde(default, skip_serializing_if = "Entries::is_empty")]
    pub ports: Entries<u64>,
    /// Its share among its siblings, 1 to 1000; default 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight: Option<u64>,
    /// 0 to 65535: those of a lower number come first, the others when none of these can be used; default 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<u16>,
    /// How it is; default `healthy`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<InstanceStateDoc>,
    /// What it is told apart by; default: nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// What is told of it beside; default: nothing.
    #[serde(default, skip_serializing_if = "Entries::is_empty")]
    pub metadata: Entries<String>,
    /// The machine it runs on, by name; default: not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// A lease: it is gone when it has not said so again for so many seconds, 1 to a day; default: it stays until it is removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl: Option<u64>,
    /// What the controller that launched it says of it; default: nobody launched it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<RunDoc>,
}

/// How an instance is, as JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InstanceStateDoc {
    /// It takes requests.
    Healthy,
    /// It does not do what it should.
    Unhealthy,
    /// It finishes what it has and takes nothing new.
    Draining,
    /// It is not ready yet.
    Starting,
}

impl TryFrom<InstanceDoc> for Instance {
    type Error = FormatError;

    fn try_from(doc: InstanceDoc) -> Result<Self, FormatError> {
        let service =
            ServiceName::parse(&doc.service).map_err(|e| FormatError::at("service", e, NAME_REMEDY))?;
        let name = InstanceName::parse(&doc.name).map_err(|e| FormatError::at("name", e, NAME_REMEDY))?;
        let weight = doc.weight.map(Weight::new).transpose();
        let host = doc.host.as_deref().map(HostName::parse).transpose();
        let lease = doc.ttl.map(Lease::new).transpose();
        Ok(Self {
            service,
            name,
            addresses: addresses(&doc.addresses)?,
            ports: ports(doc.ports)?,
            weight: weight
                .map_err(|e| FormatError::at("weight", e, "write 1 to 1000, or leave it out"))?
                .unwrap_or(Weight::ONE),
            priority: doc.priority.unwrap_or(0),
            state: doc.state.map(InstanceState::from).unwrap_or_default(),
            tags: tags(&doc.tags)?,
            metadata: metadata("metadata", doc.metadata)?,
            host: host.map_err(|e| FormatError::at("host", e, NAME_REMEDY))?,
            lease: lease.map_err(|e| FormatError::at("ttl", e, "write seconds, or leave it out"))?,
            run: doc.run.map(|run| run.read().map(Box::new)).transpose()?,
        })
    }
}

/// The addresses of an instance or a host.
pub(super) fn addresses(texts: &[String]) -> Result<Addresses, FormatError> {
    let parsed = texts.iter().enumerate().map(|(i, text)| {
        text.parse::<IpAddr>().map_err(|_| {
            let reason = format!("`{text}` is not an IP address");
            FormatError::at(format!("addresses[{i}]"), reason, "write `10.0.0.7` or `fd00::7`")
        })
    });
    Addresses::new(parsed.collect::<Result<Vec<_>, _>>()?)
        .map_err(|e| FormatError::at("addresses", e, "correct the list"))
}

fn ports(entries: Entries<u64>) -> Result<BTreeMap<PortName, std::num::NonZeroU16>, FormatError> {
    if entries.0.len() > MAX_PORTS {
        let reason = format!("{} ports are more than {MAX_PORTS}", entries.0.len());
        return Err(FormatError::at("ports", reason, "leave some out"));
    }
    let mut ports = BTreeMap::new();
    for (name, number) in entries.0 {
        let place = format!("ports.{name}");
        let port = port_number(number, || place.clone())?;
        let name = PortName::parse(&name).map_err(|e| FormatError::at(place.clone(), e, NAME_REMEDY))?;
        if ports.insert(name, port).is_some() {
            return Err(FormatError::at(place, "it is there already", "say it once"));
        }
    }
    Ok(ports)
}

fn tags(texts: &[String]) -> Result<BTreeSet<Tag>, FormatError> {
    if texts.len() > MAX_TAGS {
        let reason = format!("{} tags are more than {MAX_TAGS}", texts.len());
        return Err(FormatError::at("tags", reason, "leave some out"));
    }
    let mut tags = BTreeSet::new();
    for (i, text) in texts.iter().enumerate() {
        let place = || format!("tags[{i}]");
        let tag = Tag::parse(text).map_err(|e| FormatError::at(place(), e, NAME_REMEDY))?;
        if !tags.insert(tag) {
            return Err(FormatError::at(place(), format!("`{text}` is there already"), "say it once"));
        }
    }
    Ok(tags)
}

impl From<&Instance> for InstanceDoc {
    fn from(instance: &Instance) -> Self {
        let ports = instance.ports.iter().map(|(name, port)| (name.to_string(), port.get().into()));
        Self {
            service: instance.service.to_string(),
            name: instance.name.to_string(),
            addresses: instance.addresses.iter().map(|ip| ip.to_string()).collect(),
            ports: Entries(ports.collect()),
            weight: (instance.weight != Weight::ONE).then(|| instance.weight.get().into()),
            priority: (instance.priority != 0).then_some(instance.priority),
            state: (instance.state != InstanceState::default()).then(|| instance.state.into()),
            tags: instance.tags.iter().map(ToString::to_string).collect(),
            metadata: entries(&instance.metadata),
            host: instance.host.as_ref().map(ToString::to_string),
            ttl: instance.lease.map(|lease| lease.seconds().into()),
            run: instance.run.as_deref().map(RunDoc::from),
        }
    }
}

impl From<InstanceStateDoc> for InstanceState {
    fn from(doc: InstanceStateDoc) -> Self {
        match doc {
            InstanceStateDoc::Healthy => Self::Healthy,
            InstanceStateDoc::Unhealthy => Self::Unhealthy,
            InstanceStateDoc::Draining => Self::Draining,
            InstanceStateDoc::Starting => Self::Starting,
        }
    }
}

impl From<InstanceState> for InstanceStateDoc {
    fn from(state: InstanceState) -> Self {
        match state {
            InstanceState::Healthy => Self::Healthy,
            InstanceState::Unhealthy => Self::Unhealthy,
            InstanceState::Draining => Self::Draining,
            InstanceState::Starting => Self::Starting,
        }
    }
}
