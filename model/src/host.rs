//! A machine that instances run on.

use crate::fact::FactKey;
use crate::instance::Addresses;
use crate::label::HostName;
use crate::metadata::Metadata;

/// A machine: its name, where it is, and what is said of it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Host {
    /// Its name.
    pub name: HostName,
    /// Where it is.
    pub addresses: Addresses,
    /// What it is told apart by.
    pub labels: Metadata,
}

impl Host {
    /// The key under which a registry keeps it.
    pub fn key(&self) -> FactKey {
        FactKey::Host(self.name.clone())
    }
}
