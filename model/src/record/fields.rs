//! What the data of each type is made of: its one row here says how it is checked, read as text and written as text.

use super::record_type::RecordType;

/// What may stand in a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Field {
    /// A number of one octet.
    U8,
    /// A number of two.
    U16,
    /// A number of four.
    U32,
    /// A time in seconds, four octets.
    Seconds,
    /// An IPv4 address.
    V4,
    /// An IPv6 address.
    V6,
    /// A name.
    Name,
    /// A character string (RFC 1035 §3.3).
    Text,
    /// One or more of them.
    Texts,
    /// What CAA calls a tag: a character string of letters and digits, not empty (RFC 8659 §4.1).
    Tag,
    /// Whatever is left, as text without a length.
    Value,
    /// Whatever is left, as hexadecimal digits.
    Hex,
    /// Whatever is left, as base 64.
    Base64,
    /// Parameters of SVCB, each key behind a smaller one (RFC 9460 §2.2).
    Parameters,
}

impl Field {
    /// How many octets it takes, where that is always the same.
    pub(super) fn width(self) -> Option<usize> {
        match self {
            Self::U8 => Some(1),
            Self::U16 => Some(2),
            Self::U32 | Self::Seconds | Self::V4 => Some(4),
            Self::V6 => Some(16),
            Self::Name | Self::Text | Self::Texts | Self::Tag => None,
            Self::Value | Self::Hex | Self::Base64 | Self::Parameters => None,
        }
    }
}

/// The parts of a type's data; `None`: octets that nobody looks into (RFC 3597 §5).
pub(super) fn fields(record_type: RecordType) -> Option<&'static [Field]> {
    use Field::{Base64, Hex, Name, Parameters, Seconds, Tag, Text, Texts, U8, U16, U32, V4, V6, Value};
    Some(match record_type {
        RecordType::A => &[V4],
        RecordType::AAAA => &[V6],
        RecordType::NS | RecordType::CNAME | RecordType::PTR | RecordType::DNAME => &[Name],
        RecordType::SOA => &[Name, Name, U32, Seconds, Seconds, Seconds, Seconds],
        RecordType::MX | RecordType::AFSDB | RecordType::KX => &[U16, Name],
        RecordType::RP => &[Name, Name],
        RecordType::TXT | RecordType::SPF => &[Texts],
        RecordType::HINFO => &[Text, Text],
        RecordType::SRV => &[U16, U16, U16, Name],
        RecordType::NAPTR => &[U16, U16, Text, Text, Text, Name],
        RecordType::CAA => &[U8, Tag, Value],
        RecordType::URI => &[U16, U16, Value],
        RecordType::SVCB | RecordType::HTTPS => &[U16, Name, Parameters],
        RecordType::DS | RecordType::CDS => &[U16, U8, U8, Hex],
        RecordType::DNSKEY | RecordType::CDNSKEY => &[U16, U8, U8, Base64],
        RecordType::TLSA | RecordType::SMIMEA => &[U8, U8, U8, Hex],
        RecordType::SSHFP => &[U8, U8, Hex],
        RecordType::CERT => &[U16, U16, U8, Base64],
        RecordType::OPENPGPKEY => &[Base64],
        RecordType::ZONEMD => &[U32, U8, U8, Hex],
        _ => return None,
    })
}
