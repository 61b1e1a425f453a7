//! What has to be so before a zone is changed (RFC 2136 §3.2).

use std::collections::{BTreeMap, BTreeSet};

use model::{DomainName, RecordData, RecordType};

use super::state::State;
use crate::wire::{Code, IN, Record};

/// The classes that prerequisites and changes have meanings for.
pub(super) const NONE: u16 = 254;
pub(super) const ANY: u16 = 255;

/// Whether all of it is so.
///
/// # Errors
/// The code that says what is not.
pub(super) fn check(state: &mut State<'_>, records: &[Record<'_>], message: &[u8]) -> Result<(), Code> {
    let mut sets: BTreeMap<(DomainName, RecordType), BTreeSet<RecordData>> = BTreeMap::new();
    for record in records {
        if record.ttl != 0 {
            return Err(Code::Malformed);
        }
        state.holds(&record.name, record.record_type)?;
        let any = record.record_type == RecordType::ANY;
        if !any {
            state.require(&record.name, record.record_type);
        }
        if matches!(record.class, NONE | ANY) && !record.data.is_empty() {
            return Err(Code::Malformed);
        }
        let is_there = match any {
            true => state.count(&record.name) > 0,
            false => state.get(&record.name, record.record_type).is_some(),
        };
        match (record.class, any, is_there) {
            (ANY, true, false) => return Err(Code::NoName),
            (ANY, false, false) => return Err(Code::NoSet),
            (NONE, true, true) => return Err(Code::NameExists),
            (NONE, false, true) => return Err(Code::SetExists),
            (ANY | NONE, ..) => {}
            (IN, ..) => {
                let data = record.data(message).ok_or(Code::Malformed)?;
                sets.entry((record.name.folded(), record.record_type)).or_default().insert(data);
            }
            _ => return Err(Code::Malformed),
        }
    }
    for ((name, record_type), wanted) in sets {
        // TTLs are not compared (RFC 2136 §1.1.1).
        if state.get(&name, record_type).is_none_or(|found| found.data != wanted) {
            return Err(Code::NoSet);
        }
    }
    Ok(())
}
