//! The octets of a record's data, part by part: where its names are, and what must hold.

use super::data::RecordDataError;
use super::fields::{Field, fields};
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

/// The parts of a record's data, in order; ends behind the first one that is malformed.
#[derive(Debug, Clone)]
pub struct Parts<'a> {
    fields: std::slice::Iter<'static, Field>,
    rest: &'a [u8],
}

impl<'a> Parts<'a> {
    /// Of data of that type.
    pub(super) fn of(record_type: RecordType, octets: &'a [u8]) -> Self {
        // Of a type that is not known any octets are taken (RFC 3597 §5).
        Self { fields: fields(record_type).unwrap_or(&[Field::Hex]).iter(), rest: octets }
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

    /// So many octets, and those of the fields behind that are as plain: one part together.
    fn fixed(&mut self, mut width: usize) -> Result<&'a [u8], RecordDataError> {
        while let Some(more) = self.fields.as_slice().first().and_then(|field| field.width()) {
            width += more;
            self.fields.next();
        }
        self.take(width)
    }

    fn read(&mut self, field: Field) -> Result<Part<'a>, RecordDataError> {
        if let Some(width) = field.width() {
            return self.fixed(width).map(Part::Octets);
        }
        let octets = match field {
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
            _ => self.take(self.rest.len())?,
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
