//! A host as JSON. `config/host.example.json` shows all of it.

use std::collections::BTreeSet;

use model::{EngineUrl, Host, HostName, InstancesAt, Label, Metadata};
use serde::{Deserialize, Serialize};

use super::instance::addresses;
use super::launch::ResourcesDoc;
use super::service::{NAME_REMEDY, entries, metadata};
use super::{Entries, FormatError};

/// Instead of addresses: the controller finds them.
const AUTO: &str = "auto";

/// A host as JSON. Defaults are left out when written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HostDoc {
    /// Its name: 1 to 63 letters, digits and hyphens.
    pub name: String,
    /// Where it is: 1 to 16 IPv4 and IPv6 addresses; `auto` alone: where the controller finds it.
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
    /// The action that starts it when it does not run, by its name in the controller's configuration; default: nobody starts it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<String>,
    /// The action that stops it when it was idle for long enough; needs `start`; default: nobody stops it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop: Option<String>,
    /// What these actions are told beside, as `PORTICO_CLOUD_ZONE` for `{"zone": "a"}`; default: nothing.
    #[serde(default, skip_serializing_if = "Entries::is_empty")]
    pub cloud: Entries<String>,
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
        let action = |field: &str, name: Option<String>| {
            let name = name.as_deref().map(Label::parse).transpose();
            name.map_err(|e| FormatError::at(field, e, NAME_REMEDY))
        };
        let (start, stop) = (action("start", doc.start)?, action("stop", doc.stop)?);
        let engine = engine.map_err(|e| FormatError::at("engine", e, "correct it, or leave it out"))?;
        if stop.is_some() && start.is_none() {
            let reason = "a host that is stopped and never started again is of no use";
            return Err(FormatError::at("stop", reason, "name `start` too, or leave `stop` out"));
        }
        if engine.is_none() && (start.is_some() || doc.addresses == [AUTO]) {
            let reason = "without an engine nobody can find it, or see that it runs";
            return Err(FormatError::at(
                "engine",
                reason,
                "say where its engine is, or say `addresses`, and no `start`",
            ));
        }
        Ok(Self {
            name,
            addresses: if doc.addresses == [AUTO] { None } else { Some(addresses(&doc.addresses)?) },
            labels: metadata("labels", doc.labels)?,
            engine,
            instances_at,
            priority: doc.priority.unwrap_or(0),
            capacity: doc.capacity.unwrap_or_default().read("capacity")?,
            start,
            stop,
            cloud: cloud(doc.cloud)?,
            cordoned: doc.cordoned.unwrap_or(false),
            draining: doc.draining.unwrap_or(false),
        })
    }
}

impl From<&Host> for HostDoc {
    fn from(host: &Host) -> Self {
        let addresses = match &host.addresses {
            Some(addresses) => addresses.iter().map(|ip| ip.to_string()).collect(),
            None => vec![AUTO.to_owned()],
        };
        Self {
            name: host.name.to_string(),
            addresses,
            labels: entries(&host.labels),
            engine: host.engine.as_ref().map(ToString::to_string),
            instances_at: (host.instances_at == InstancesAt::Container).then_some(InstancesAtDoc::Container),
            priority: (host.priority != 0).then_some(host.priority),
            capacity: ResourcesDoc::said(host.capacity),
            start: host.start.as_ref().map(ToString::to_string),
            stop: host.stop.as_ref().map(ToString::to_string),
            cloud: entries(&host.cloud),
            cordoned: host.cordoned.then_some(true),
            draining: host.draining.then_some(true),
        }
    }
}

/// What actions are told: each key is another variable of theirs.
fn cloud(entries: Entries<String>) -> Result<Metadata, FormatError> {
    let cloud = metadata("cloud", entries)?;
    let mut names = BTreeSet::new();
    for (key, _) in cloud.iter() {
        let name = Host::cloud_variable(key);
        if !names.insert(name.clone()) {
            let reason = format!("`{key}` is not the only one that {name} is made of");
            return Err(FormatError::at("cloud", reason, "name one of them otherwise"));
        }
    }
    Ok(cloud)
}
