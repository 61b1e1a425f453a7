//! The record facts at a name: those that are served, and those that are not.

use std::sync::Arc;

use model::{DomainName, RecordFact, RecordType};

use super::{Explanation, From};
use crate::zone::Zone;
use crate::zone::facts::reason_of;

/// Tells of the facts at `owner` that an answer of type `wanted` may be made of: of that type, or of one that leads elsewhere.
pub(super) fn tell(
    from: From<'_>,
    zone: Option<&Zone>,
    owner: &DomainName,
    wanted: RecordType,
    into: &mut Explanation,
) {
    let leads = [RecordType::CNAME, RecordType::DNAME, RecordType::NS];
    let is_of_use = |fact: &RecordFact| fact.record_type() == wanted || leads.contains(&fact.record_type());
    for (fact, stated) in from.snapshot.records_at(owner).filter(|(fact, _)| is_of_use(fact)) {
        let record_type = fact.record_type();
        // Asked for another type, name servers are only told where they are a delegation.
        if record_type == RecordType::NS
            && wanted != record_type
            && zone.is_some_and(|zone| zone.apex() == owner)
        {
            continue;
        }
        match reason_of(from.snapshot, from.sources, from.files.apexes(), Arc::clone(from.healthy), fact) {
            Some(reason) => into.left_out.push((fact.key(), reason.to_string())),
            None => into.made_of.push((fact.key(), stated.revision)),
        }
    }
}
