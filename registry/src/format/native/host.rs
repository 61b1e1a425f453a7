//! A host as JSON. `config/host.example.json` shows all of it.

use model::{Host, HostName};
use serde::{Deserialize, Serialize};

use super::instance::addresses;
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
}

impl TryFrom<HostDoc> for Host {
    type Error = FormatError;

    fn try_from(doc: HostDoc) -> Result<Self, FormatError> {
        let name = HostName::parse(&doc.name).map_err(|e| FormatError::at("name", e, NAME_REMEDY))?;
        Ok(Self { name, addresses: addresses(&doc.addresses)?, labels: metadata("labels", doc.labels)? })
    }
}

impl From<&Host> for HostDoc {
    fn from(host: &Host) -> Self {
        Self {
            name: host.name.to_string(),
            addresses: host.addresses.iter().map(|ip| ip.to_string()).collect(),
            labels: entries(&host.labels),
        }
    }
}
