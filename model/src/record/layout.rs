//! What the data of each type is made of: where its names are, and what must hold.

use super::data::RecordDataError;
use super::record_type::RecordType;
use crate::domain_name::DomainName;

/// A part of a record's data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part<'a> {
    /// A name, uncompressed.
    Name(&'a [u8]),
    /// Anything else.
    Octets(&'a [u8]),
}

/// What may stand in a place.
#[derive(Debug, Clone, Copy)]
enum Field {
    /// So many octets.
    Octets(usize),
    /// A name.
    Name,
    /// A character string (RFC 1035 §3.3).
    Text,
    /// One or more of them.
    Texts,
    /// What CAA calls a tag: a character string of letters and digits, not empty (RFC 8659 §4.1).
    Tag,
    /// Parameters of SVCB, each key behind a smaller one (RFC 9460 §2.2).
    Parameters,
    /// Whatever is left, also nothing.
    Rest,
}

fn fields(record_type: RecordType) -> &'static [Field] {
    use Field::{Name, Octets, Parameters, Rest, Tag, Text, Texts};
    match record_type {
        RecordType::A => &[Octets(4)],
        RecordType::AAAA => &[Octets(16)],
        RecordType::NS | RecordType::CNAME | RecordType::PTR | RecordType::DNAME => &[Name],
        RecordType::SOA => &[Name, Name, Octets(20)],
        RecordType::MX | RecordType::AFSDB | RecordType::KX => &[Octets(2), Name],
        RecordType::RP => &[Name, Name],
        RecordType::TXT | RecordType::SPF => &[Texts],
        RecordType::HINFO => &[Text, Text],
        RecordType::SRV => &[Octets(6), Name],
        RecordType::NAPTR => &[Octets(4), Text, Text, Text, Name],
        RecordType::CAA => &[Octets(1), Tag, Rest],
        RecordType::SVCB | RecordType::HTTPS => &[Octets(2), Name, Parameters],
        RecordType::DS | RecordType::DNSKEY | RecordType::CDS | RecordType::CDNSKEY => &[Octets(4), Rest],
        RecordType::TLSA | RecordType::SMIMEA => &[Octets(3), Rest],
        RecordType::SSHFP => &[Octets(2), Rest],
        // RFC 3597 §5: octets that nobody looks into.
        _ => &[Rest],
    }
}

/// The parts of a record's data, in order; ends behind the first one that is malformed.
#[derive(Debug, Clone)]
pub struct Parts<'a> {
    fields: std::slice::Iter<'static, Field>,
    rest: &'a [u8],
}

impl<'a> Parts<'a> {
    /// Of data of that type.
    pub(super) fn of(record_type: RecordType, octets: &'a [u8]) -> Self {
        Self { fields: fields(record_type).iter(), rest: octets }
    }

    /// Whether all parts are well formed and nothing is left behind them.
    pub(super) fn check(mut self) -> Result<(), RecordDataError> {
        for part in self.by_ref() {
            part?;
        }
        if self.rest.is_empty() { Ok(()) } else { Err(RecordDataError::Length) }
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], RecordDataError> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(RecordDataError::Length)?;
        self.rest = rest;
        Ok(taken)
    }

    fn read(&mut self, field: Field) -> Result<Part<'a>, RecordDataError> {
        let octets = match field {
            Field::Octets(count) => self.take(count)?,
            Field::Name => {
                let length = DomainName::wire_length(self.rest)?;
                return self.take(length).map(Part::Name);
            }
            Field::Text => self.take(text_length(self.rest)?)?,
            Field::Texts => {
                let mut length = text_length(self.rest)?;
                while length < self.rest.len() {
                    length += text_length(&self.rest[length..])?;
                }
                self.take(length)?
            }
            Field::Tag => {
                let tag = self.take(text_length(self.rest)?)?;
                if tag.len() < 2 || !tag[1..].iter().all(u8::is_ascii_alphanumeric) {
                    return Err(RecordDataError::Tag);
                }
                tag
            }
            Field::Parameters => {
                check_parameters(self.rest)?;
                self.take(self.rest.len())?
            }
            Field::Rest => self.take(self.rest.len())?,
        };
        Ok(Part::Octets(octets))
    }
}

impl<'a> Iterator for Parts<'a> {
    type Item = Result<Part<'a>, RecordDataError>;

    fn next(&mut self) -> Option<Self::Item> {
        let field = *self.fields.next()?;
        let part = self.read(field);
        if part.is_err() {
            self.fields = [].iter();
        }
        Some(part)
    }
}

/// With its length octet.
fn text_length(octets: &[u8]) -> Result<usize, RecordDataError> {
    let length = 1 + usize::from(*octets.first().ok_or(RecordDataError::Length)?);
    if octets.len() < length { Err(RecordDataError::Length) } else { Ok(length) }
}

fn check_parameters(mut rest: &[u8]) -> Result<(), RecordDataError> {
    let mut last = None;
    while !rest.is_empty() {
        let (head, behind) = rest.split_first_chunk::<4>().ok_or(RecordDataError::Length)?;
        let (key, length) = (u16::from_be_bytes([head[0], head[1]]), u16::from_be_bytes([head[2], head[3]]));
        if last.is_some_and(|last| key <= last) {
            return Err(RecordDataError::Parameters);
        }
        last = Some(key);
        rest = behind.get(usize::from(length)..).ok_or(RecordDataError::Length)?;
    }
    Ok(())
}
