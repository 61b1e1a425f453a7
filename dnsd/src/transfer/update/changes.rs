//! What is changed in a zone (RFC 2136 §3.4).

use model::{DomainName, RecordData, RecordType};

use super::prerequisites::{ANY, NONE};
use super::state::{Set, State};
use crate::wire::{Code, IN, Record};

/// Changes the zone, record by record; all were looked at before the first is made.
///
/// # Errors
/// The code that says why none is made.
pub(super) fn apply(state: &mut State<'_>, records: &[Record<'_>], message: &[u8]) -> Result<(), Code> {
    records.iter().try_for_each(|record| scan(state, record, message))?;
    for record in records {
        let (name, record_type) = (&record.name, record.record_type);
        match record.class {
            ANY if record_type == RecordType::ANY => {
                for record_type in state.types(name) {
                    remove(state, name, record_type)?;
                }
            }
            ANY => remove(state, name, record_type)?,
            NONE => remove_one(state, name, &record.data(message).ok_or(Code::Malformed)?)?,
            _ => add(state, name, record.ttl, record.data(message).ok_or(Code::Malformed)?)?,
        }
    }
    Ok(())
}

/// RFC 2136 §3.4.1.3.
fn scan(state: &State<'_>, record: &Record<'_>, message: &[u8]) -> Result<(), Code> {
    state.holds(&record.name, record.record_type)?;
    let is_data = record.record_type.is_data();
    let fine = match record.class {
        IN => is_data && record.ttl <= model::record::MAX_TTL && record.data(message).is_some(),
        ANY => {
            record.ttl == 0 && record.data.is_empty() && (is_data || record.record_type == RecordType::ANY)
        }
        NONE => record.ttl == 0 && is_data && record.data(message).is_some(),
        _ => false,
    };
    if fine { Ok(()) } else { Err(Code::Malformed) }
}

/// Whether a zone has to have records of this type at this name, so that the last of them stays (RFC 2136 §3.4.2.3).
fn has_to_be(apex: &DomainName, name: &DomainName, record_type: RecordType) -> bool {
    name == apex && [RecordType::SOA, RecordType::NS].contains(&record_type)
}

fn remove(state: &mut State<'_>, name: &DomainName, record_type: RecordType) -> Result<(), Code> {
    if !has_to_be(state.apex(), name, record_type) && state.get(name, record_type).is_some() {
        state.take(name, record_type)?;
    }
    Ok(())
}

fn remove_one(state: &mut State<'_>, name: &DomainName, gone: &RecordData) -> Result<(), Code> {
    let record_type = gone.record_type();
    let Some(set) = state.get(name, record_type).filter(|set| set.data.contains(gone)) else {
        return Ok(());
    };
    if set.data.len() == 1 {
        return remove(state, name, record_type);
    }
    let mut set = state.take(name, record_type)?.unwrap_or_default();
    set.data.remove(gone);
    state.put(name, record_type, set);
    Ok(())
}

/// RFC 2136 §3.4.2.2.
fn add(state: &mut State<'_>, name: &DomainName, ttl: u32, new: RecordData) -> Result<(), Code> {
    let record_type = new.record_type();
    let is_alias = state.get(name, RecordType::CNAME).is_some();
    let others = state.count(name) > usize::from(is_alias);
    if record_type == RecordType::CNAME && others || record_type != RecordType::CNAME && is_alias {
        return Ok(());
    }
    if record_type == RecordType::SOA {
        let set = state.get(name, record_type);
        let is_newer = set.and_then(|set| serial(set.data.first()?)).zip(serial(&new));
        if name != state.apex() || !is_newer.is_some_and(|(old, new)| super::super::is_newer(new, old)) {
            return Ok(());
        }
    }
    let single = matches!(record_type, RecordType::CNAME | RecordType::DNAME | RecordType::SOA);
    let before = state.take(name, record_type)?.filter(|_| !single).unwrap_or_default();
    let mut set = Set { ttl, ..before };
    set.data.replace(new);
    state.put(name, record_type, set);
    Ok(())
}

fn serial(soa: &RecordData) -> Option<u32> {
    soa.octets().last_chunk::<20>()?.first_chunk().map(|octets| u32::from_be_bytes(*octets))
}
