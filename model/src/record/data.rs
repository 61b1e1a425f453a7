//! The data of one record, in wire form.

use std::cmp::Ordering;
use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use super::layout::{Part, Parts};
use super::record_type::RecordType;
use crate::domain_name::{DomainName, DomainNameError};

/// The data of one record: octets that have the form of its type, names in them uncompressed and spelled as they were given. Of a type
/// that is not known any octets are taken (RFC 3597).
///
/// Two are equal when they mean the same: names in them compare without regard to case. A copy shares the octets.
#[derive(Clone)]
pub struct RecordData {
    record_type: RecordType,
    octets: Arc<[u8]>,
}

/// Why octets are not the data of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RecordDataError {
    /// The type is one of questions or messages.
    #[error("records of this type cannot stand in a zone")]
    Type,
    /// Too few octets, or too many, for the type.
    #[error("the data has another length than its type asks for")]
    Length,
    /// A name in it is malformed.
    #[error(transparent)]
    Name(#[from] DomainNameError),
    /// The tag of a CAA record is empty or has other characters than letters and digits.
    #[error("the tag is not made of letters and digits")]
    Tag,
    /// The parameters of an SVCB or HTTPS record are not in order, or one is given twice.
    #[error("the parameters are not in the order of their keys, or one is given twice")]
    Parameters,
}

impl RecordData {
    /// Takes the octets of a record's data, names in them uncompressed.
    ///
    /// # Errors
    /// [`RecordDataError`] says what the type asks for and they have not.
    pub fn new(record_type: RecordType, octets: impl Into<Arc<[u8]>>) -> Result<Self, RecordDataError> {
        let octets = octets.into();
        if !record_type.is_data() {
            return Err(RecordDataError::Type);
        }
        if octets.len() > usize::from(u16::MAX) {
            return Err(RecordDataError::Length);
        }
        Parts::of(record_type, &octets).check()?;
        Ok(Self { record_type, octets })
    }

    /// An A record's.
    pub fn a(address: Ipv4Addr) -> Self {
        Self { record_type: RecordType::A, octets: Arc::from(address.octets()) }
    }

    /// An AAAA record's.
    pub fn aaaa(address: Ipv6Addr) -> Self {
        Self { record_type: RecordType::AAAA, octets: Arc::from(address.octets()) }
    }

    /// An NS, CNAME, PTR or DNAME record's: a name alone.
    ///
    /// # Errors
    /// When the type's data is something else.
    pub fn name(record_type: RecordType, name: &DomainName) -> Result<Self, RecordDataError> {
        Self::new(record_type, name.as_wire())
    }

    /// An SRV record's (RFC 2782).
    pub fn srv(priority: u16, weight: u16, port: u16, target: &DomainName) -> Self {
        let numbers = [priority, weight, port].map(u16::to_be_bytes).concat();
        Self { record_type: RecordType::SRV, octets: [&numbers, target.as_wire()].concat().into() }
    }

    /// A TXT record's; no text stands for one empty text (RFC 6763 §6.1).
    ///
    /// # Errors
    /// [`RecordDataError::Length`] when a text has more than 255 octets, or all together more than 65,535.
    pub fn txt<'a>(texts: impl IntoIterator<Item = &'a [u8]>) -> Result<Self, RecordDataError> {
        let mut octets = Vec::new();
        for text in texts {
            octets.push(u8::try_from(text.len()).map_err(|_| RecordDataError::Length)?);
            octets.extend_from_slice(text);
        }
        if octets.is_empty() {
            octets.push(0);
        }
        Self::new(RecordType::TXT, octets)
    }

    /// The type.
    pub fn record_type(&self) -> RecordType {
        self.record_type
    }

    /// The octets, names uncompressed.
    pub fn octets(&self) -> &[u8] {
        &self.octets
    }

    /// The parts, in order: where the names are, and what is between them.
    pub fn parts(&self) -> impl Iterator<Item = Part<'_>> {
        // They were checked.
        Parts::of(self.record_type, &self.octets).flatten()
    }

    /// The name that a client asks for next: of an NS, CNAME, PTR, DNAME, MX, SRV, SVCB or HTTPS record, and of few others.
    pub fn target(&self) -> Option<DomainName> {
        if self.record_type == RecordType::SOA {
            return None;
        }
        self.parts().find_map(|part| match part {
            Part::Name(name) => DomainName::from_wire(name).ok(),
            Part::Octets(_) => None,
        })
    }

    /// A SOA record's MINIMUM: how long it may be remembered that something is not there, in seconds (RFC 2308 §4).
    pub fn soa_minimum(&self) -> Option<u32> {
        let minimum = self.octets.last_chunk().filter(|_| self.record_type == RecordType::SOA);
        minimum.map(|octets| u32::from_be_bytes(*octets))
    }

    /// Compares as RFC 4034 §6.2 and §6.3 say: as octets, names in lower case.
    fn canonical_cmp(&self, other: &Self) -> Ordering {
        fn canonical(data: &RecordData) -> impl Iterator<Item = u8> {
            data.parts().flat_map(|part| {
                let (octets, folded) = match part {
                    Part::Name(name) => (name, true),
                    Part::Octets(octets) => (octets, false),
                };
                octets.iter().map(move |octet| if folded { octet.to_ascii_lowercase() } else { *octet })
            })
        }
        canonical(self).cmp(canonical(other))
    }
}

impl PartialEq for RecordData {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for RecordData {}

impl Ord for RecordData {
    fn cmp(&self, other: &Self) -> Ordering {
        self.record_type.cmp(&other.record_type).then_with(|| self.canonical_cmp(other))
    }
}

impl PartialOrd for RecordData {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// As RFC 3597 §5 writes what is not known: `A \# 4 0a000001`.
impl fmt::Debug for RecordData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} \\# {} ", self.record_type, self.octets.len())?;
        self.octets.iter().try_for_each(|octet| write!(f, "{octet:02x}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(record_type: RecordType, octets: &[u8], expected: Result<(), RecordDataError>) {
        assert_eq!(RecordData::new(record_type, octets).map(drop), expected, "{record_type} {octets:?}");
    }

    #[test]
    fn data_has_the_form_of_its_type() {
        check(RecordType::A, &[10, 0, 0, 1], Ok(()));
        check(RecordType::A, &[10, 0, 0], Err(RecordDataError::Length));
        check(RecordType::A, &[10, 0, 0, 1, 0], Err(RecordDataError::Length));
        check(RecordType::AAAA, &[0; 16], Ok(()));
        check(RecordType::MX, b"\0\x0a\x01a\0", Ok(()));
        check(RecordType::MX, b"\0\x0a\x01a", Err(DomainNameError::Malformed.into()));
        check(RecordType::MX, b"\0\x0a\xc0\x0c", Err(DomainNameError::Malformed.into()));
        check(RecordType::MX, b"\0\x0a\x01a\0x", Err(RecordDataError::Length));
        check(RecordType::SOA, &[&b"\x01a\0\x01b\0"[..], &[0; 20]].concat(), Ok(()));
        check(RecordType::TXT, b"\x01a\x00", Ok(()));
        check(RecordType::TXT, b"", Err(RecordDataError::Length));
        check(RecordType::TXT, b"\x02a", Err(RecordDataError::Length));
        check(RecordType::HINFO, b"\x01a", Err(RecordDataError::Length));
        check(RecordType::CAA, b"\x00\x05issueca.example", Ok(()));
        check(RecordType::CAA, b"\x00\x00ca.example", Err(RecordDataError::Tag));
        check(RecordType::HTTPS, b"\0\x01\0\0\x01\0\x03\x02h2\0\x03\0\x02\x01\xbb", Ok(()));
        check(RecordType::HTTPS, b"\0\x01\0\0\x03\0\0\0\x01\0\0", Err(RecordDataError::Parameters));
        check(RecordType::HTTPS, b"\0\x01\0\0\x03\0\x01", Err(RecordDataError::Length));
        check(RecordType(65534), b"", Ok(()));
        check(RecordType::OPT, b"", Err(RecordDataError::Type));
        check(RecordType(65534), &vec![0; 65536], Err(RecordDataError::Length));
    }

    #[test]
    fn records_that_lead_on_say_where() {
        let target = DomainName::parse("Web-1.a").expect("name");
        let srv = RecordData::srv(1, 2, 443, &target);
        assert!(srv.target().is_some_and(|found| found.same_spelling(&target)));
        assert_eq!(srv, RecordData::srv(1, 2, 443, &target.folded()), "names compare without regard to case");
        assert_eq!(RecordData::a(Ipv4Addr::LOCALHOST).target(), None);
        assert_eq!(RecordData::txt([]).map(|txt| txt.octets().to_vec()), Ok(vec![0]));
        let long = [b'a'; 256];
        assert_eq!(RecordData::txt([&long[..]]), Err(RecordDataError::Length));
        assert_ne!(RecordData::txt([&b"a"[..]]), RecordData::txt([&b"A"[..]]), "texts keep their case");
    }

    proptest! {
        #[test]
        fn any_octets_are_data_or_an_error_and_their_parts_are_all_of_them(
            number in 0_u16..260,
            octets in prop::collection::vec(prop_oneof![0_u8..4, any::<u8>()], 0..40),
        ) {
            if let Ok(data) = RecordData::new(RecordType(number), octets.as_slice()) {
                let parts = data.parts().map(|part| match part { Part::Name(part) | Part::Octets(part) => part });
                prop_assert_eq!(parts.collect::<Vec<_>>().concat(), octets);
                prop_assert_eq!(&data, &data.clone());
            }
        }
    }
}
