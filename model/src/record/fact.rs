//! A record set as the registry states it.

use super::data::RecordData;
use super::record_set::{RecordSet, RecordSetError};
use super::record_type::RecordType;
use crate::domain_name::DomainName;
use crate::fact::FactKey;

/// The records of one name and type as somebody states them: a [`RecordSet`] whose TTL may be left to its zone.
///
/// Two are equal when they are spelled alike too: a change of a spelling is a change.
#[derive(Debug, Clone)]
pub struct RecordFact {
    set: RecordSet,
    ttl: Option<u32>,
}

impl RecordFact {
    /// Puts records together, as [`RecordSet::new`] does. The name becomes lower case: it is a part of the fact's key.
    ///
    /// # Errors
    /// [`RecordSetError`] says what keeps them from being a set.
    pub fn new(
        name: &DomainName,
        record_type: RecordType,
        ttl: Option<u32>,
        data: Vec<RecordData>,
    ) -> Result<Self, RecordSetError> {
        let set = RecordSet::new(name.folded(), record_type, ttl.unwrap_or(0), data)?;
        Ok(Self { set, ttl })
    }

    /// Whose they are, in lower case.
    pub fn name(&self) -> &DomainName {
        self.set.name()
    }

    /// Their type.
    pub fn record_type(&self) -> RecordType {
        self.set.record_type()
    }

    /// How long they may be kept, in seconds; `None`: as the zone says.
    pub fn ttl(&self) -> Option<u32> {
        self.ttl
    }

    /// The data of each, in canonical order; never empty.
    pub fn data(&self) -> &[RecordData] {
        self.set.data()
    }

    /// The set, with the zone's TTL, in seconds, where it has none of its own.
    pub fn set(&self, default_ttl: u32) -> RecordSet {
        self.set.clone().with_ttl(self.ttl.unwrap_or(default_ttl))
    }

    /// The key under which a registry keeps it.
    pub fn key(&self) -> FactKey {
        FactKey::Record { name: self.name().clone(), record_type: self.record_type() }
    }
}

impl PartialEq for RecordFact {
    fn eq(&self, other: &Self) -> bool {
        let octets = |fact: &Self| fact.data().iter().map(|data| data.octets().to_vec()).collect::<Vec<_>>();
        (self.name(), self.record_type(), self.ttl) == (other.name(), other.record_type(), other.ttl)
            && octets(self) == octets(other)
    }
}

impl Eq for RecordFact {}
