//! An update as it came (RFC 2136 §2).

use model::{DomainName, RecordType};

use crate::wire::{Code, HEAD, IN, Record, Records, Refusal, edns, flags, opcode};

/// UPDATE (RFC 2136 §1.3).
const UPDATE: u16 = 5;

/// An update: which zone, what has to be so, what is to be changed.
pub(super) struct Update<'m> {
    pub(super) zone: DomainName,
    pub(super) prerequisites: Vec<Record<'m>>,
    pub(super) changes: Vec<Record<'m>>,
}

/// Whether a message is an update, and no answer to one.
pub(crate) fn is_update(message: &[u8]) -> bool {
    let said = message.get(2..4).and_then(|octets| octets.first_chunk()).map(|two| u16::from_be_bytes(*two));
    message.len() >= HEAD && said.is_some_and(|said| opcode(said) == UPDATE && said & flags::QR == 0)
}

fn count(message: &[u8], at: usize) -> usize {
    let two = message.get(at..at + 2).and_then(|octets| octets.first_chunk());
    two.map_or(0, |two| usize::from(u16::from_be_bytes(*two)))
}

/// What an answer to it begins with, FORMERR as long as nothing else is known, and its zone (RFC 2136 §3.1).
///
/// # Errors
/// That answer, where there is not exactly one zone.
pub(super) fn zone(message: &[u8]) -> Result<(Refusal<'_>, DomainName), Refusal<'_>> {
    let word = |at: usize| u16::try_from(count(message, at)).unwrap_or(0);
    let (edns, options) =
        edns(message).map_or_else(Default::default, |(edns, options)| (Some(edns), options));
    let refusal = Refusal { id: word(0), flags: word(2), asked: &[], code: Code::Malformed, edns, options };
    let mut records = Records::of(message);
    match records.question().filter(|_| count(message, 4) == 1) {
        // There is nothing before it that its name could point to.
        Some((name, RecordType::SOA, IN)) if records.place() == HEAD + name.as_wire().len() + 4 => {
            let asked = message.get(HEAD..records.place()).unwrap_or_default();
            Ok((Refusal { asked, ..refusal }, name))
        }
        _ => Err(refusal),
    }
}

/// That an update is not made, for this reason; `None` where it is none.
pub(crate) fn refusal(message: &[u8], code: Code) -> Option<Refusal<'_>> {
    zone(message).ok().map(|(refusal, _)| Refusal { code, ..refusal })
}

/// Whether its last record is a signature.
pub(super) fn is_signed(message: &[u8]) -> bool {
    crate::wire::tsig(message).is_some()
}

/// Reads all of it; `None` when it is malformed.
pub(super) fn read(message: &[u8]) -> Option<Update<'_>> {
    let (_, zone) = self::zone(message).ok()?;
    let mut records = Records::of(message);
    records.question()?;
    let mut section = |at| (0..count(message, at)).map(|_| records.record()).collect::<Option<Vec<_>>>();
    Some(Update { zone, prerequisites: section(6)?, changes: section(8)? })
}
