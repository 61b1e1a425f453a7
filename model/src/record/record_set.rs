//! All records of one name and type (RFC 2181 §5).

use super::data::RecordData;
use super::record_type::RecordType;
use crate::domain_name::DomainName;

/// The longest TTL, in seconds (RFC 2181 §8).
pub const MAX_TTL: u32 = 0x7fff_ffff;
/// The most octets that the records of a set may take in a message, their heads included: a set is sent whole, and a message has at
/// most 65,535 octets, of which its own head, the question and what EDNS adds need some.
pub const MAX_RECORD_SET: usize = 64_000;
/// What a record takes beside its data: its name as a pointer, type, class, TTL and length.
const RECORD_HEAD: usize = 12;

/// All records of one name and type; at least one, each once, with one TTL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordSet {
    name: DomainName,
    record_type: RecordType,
    ttl: u32,
    data: Box<[RecordData]>,
}

/// Why records are not a set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RecordSetError {
    /// There is none.
    #[error("a set has at least one record")]
    Empty,
    /// They are not all of the set's type.
    #[error("the records of a set are of one type")]
    Type,
    /// More than one, of a type that has one.
    #[error("there can be one record of this type at a name (RFC 2181 §10.1, RFC 6672 §2.4)")]
    Single,
    /// Beyond 2^31 - 1.
    #[error("the TTL is more than {MAX_TTL}")]
    Ttl,
    /// More than fits into a message.
    #[error("the records take more than {MAX_RECORD_SET} octets together")]
    TooLarge,
}

impl RecordSet {
    /// Puts records together. A record given twice counts once; they are kept in their canonical order (RFC 4034 §6.3).
    ///
    /// # Errors
    /// [`RecordSetError`] says what keeps them from being a set.
    pub fn new(
        name: DomainName,
        record_type: RecordType,
        ttl: u32,
        mut data: Vec<RecordData>,
    ) -> Result<Self, RecordSetError> {
        if data.iter().any(|record| record.record_type() != record_type) {
            return Err(RecordSetError::Type);
        }
        if ttl > MAX_TTL {
            return Err(RecordSetError::Ttl);
        }
        data.sort();
        data.dedup();
        let single = matches!(record_type, RecordType::CNAME | RecordType::DNAME | RecordType::SOA);
        match data.len() {
            0 => return Err(RecordSetError::Empty),
            2.. if single => return Err(RecordSetError::Single),
            _ => {}
        }
        let octets: usize = data.iter().map(|record| RECORD_HEAD + record.octets().len()).sum();
        if octets > MAX_RECORD_SET {
            return Err(RecordSetError::TooLarge);
        }
        Ok(Self { name, record_type, ttl, data: data.into() })
    }

    /// The same records with another TTL, in seconds; with the longest, where that is too long.
    #[must_use]
    pub fn with_ttl(mut self, ttl: u32) -> Self {
        self.ttl = ttl.min(MAX_TTL);
        self
    }

    /// Whose they are.
    pub fn name(&self) -> &DomainName {
        &self.name
    }

    /// Their type.
    pub fn record_type(&self) -> RecordType {
        self.record_type
    }

    /// How long they may be kept, in seconds.
    pub fn ttl(&self) -> u32 {
        self.ttl
    }

    /// The data of each, in canonical order; never empty.
    pub fn data(&self) -> &[RecordData] {
        &self.data
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn set(record_type: RecordType, ttl: u32, data: Vec<RecordData>) -> Result<usize, RecordSetError> {
        RecordSet::new(DomainName::root(), record_type, ttl, data).map(|set| set.data().len())
    }

    #[test]
    fn a_set_has_each_record_once_and_all_of_one_type() {
        let address = |last| RecordData::a(Ipv4Addr::new(10, 0, 0, last));
        let alias = |name: &str| {
            let name = DomainName::parse(name).expect("name");
            RecordData::name(RecordType::CNAME, &name).expect("an alias")
        };
        assert_eq!(set(RecordType::A, 5, vec![address(2), address(1), address(2)]), Ok(2));
        assert_eq!(set(RecordType::CNAME, 5, vec![alias("a.b"), alias("A.b")]), Ok(1));
        assert_eq!(set(RecordType::CNAME, 5, vec![alias("a.b"), alias("c.b")]), Err(RecordSetError::Single));
        assert_eq!(set(RecordType::A, 5, vec![]), Err(RecordSetError::Empty));
        assert_eq!(set(RecordType::AAAA, 5, vec![address(1)]), Err(RecordSetError::Type));
        assert_eq!(set(RecordType::A, MAX_TTL + 1, vec![address(1)]), Err(RecordSetError::Ttl));
        let large = |last: u8| RecordData::new(RecordType(65534), [&[last; 2][..], &[0; 32_000]].concat());
        let large = [large(1), large(2)].map(|data| data.expect("any octets")).to_vec();
        assert_eq!(set(RecordType(65534), 5, large), Err(RecordSetError::TooLarge));
    }
}
