//! A host as JSON. `config/host.example.json` shows all of it.

use model::{EngineUrl, Host, HostName, InstancesAt};
use serde::{Deserialize, Serialize};

use super::instance::addresses;
use super::launch::ResourcesDoc;
use super::service::{NAME_REMEDY, entries, metadata};
use super::{Entries, FormatError};

/// A host as JSON. Defaults are left out when written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HostDoc {
    /// Its name: 1 to 63 letters, digits and hyphens.
    pub name: String,
    /// Where it is: 1 to 16 IPv4 and IPv6 addresses.
    pub addresses: Vec<String>,
    /// What it is told apart by, as `{"zone": "a"}`; default: nothing.
    #[serde(default, skip_serializing_if = "Entries::is_empty")]
    pub labels: Entries<String>,
    /// Its container engine: `unix:///run/docker.sock`, `tcp://host:2376`, `ssh://user@host`; default: nothing is launched on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub engine: Option<String>,
    /// At which address instances on it are reached; default `host`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instances_at: Option<InstancesAtDoc>,
    /// Hosts of a lower number come first, 0 (the default) to 65535: those of the next one are used when none of these has room.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<u16>,
    /// What its instances may take together; default: what its engine tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capacity: Option<ResourcesDoc>,
    /// Whether nothing new is launched on it; default: it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cordoned: Option<bool>,
    /// Whether instances are to leave it, and nothing new is launched on it; default: they stay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub draining: Option<bool>,
}

/// At which address instances on a host are reached, as JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InstancesAtDoc {
    /// At the host's own, by ports that its engine publishes.
    Host,
    /// At the container's own.
    Container,
}

impl TryFrom<HostDoc> for Host {
    type Error = FormatError;

    fn try_from(doc: HostDoc) -> Result<Self, FormatError> {
        let name = HostName::parse(&doc.name).map_err(|e| FormatError::at("name", e, NAME_REMEDY))?;
        let engine = doc.engine.as_deref().map(EngineUrl::parse).transpose();
        let instances_at = match doc.instances_at {
            None | Some(InstancesAtDoc::Host) => InstancesAt::Host,
            Some(InstancesAtDoc::Container) => InstancesAt::Container,
        };
        Ok(Self {
            name,
            addresses: addresses(&doc.addresses)?,
            labels: metadata("labels", doc.labels)?,
            engine: engine.map_err(|e| FormatError::at("engine", e, "correct it, or leave it out"))?,
            instances_at,
            priority: doc.priority.unwrap_or(0),
            capacity: doc.capacity.unwrap_or_default().read("capacity")?,
            cordoned: doc.cordoned.unwrap_or(false),
            draining: doc.draining.unwrap_or(false),
        })
    }
}

impl From<&Host> for HostDoc {
    fn from(host: &Host) -> Self {
        Self {
            name: host.name.to_string(),
            addresses: host.addresses.iter().map(|ip| ip.to_string()).collect(),
            labels: entries(&host.labels),
            engine: host.engine.as_ref().map(ToString::to_string),
            instances_at: (host.instances_at == InstancesAt::Container).then_some(InstancesAtDoc::Container),
            priority: (host.priority != 0).then_some(host.priority),
            capacity: ResourcesDoc::said(host.capacity),
            cordoned: host.cordoned.then_some(true),
            draining: host.draining.then_some(true),
        }
    }
}
