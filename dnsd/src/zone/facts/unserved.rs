//! What of the facts DNS does not serve, for `verify`: the same rules, asked of every fact.

use std::collections::{BTreeMap, BTreeSet};

use model::{DomainName, FactKey, RecordFact, RecordType, Snapshot};

use super::homes::{Home, Homes};
use super::reason::Reason;
use super::rules::Rules;
use crate::zone::kept::View;
use crate::zone::sources::Sources;
use crate::zone::tree::Zone;

/// Every fact that is not served and could be, with why: record sets, by name and type, then services.
pub(crate) fn unserved(
    snapshot: &Snapshot,
    sources: &Sources,
    files: BTreeSet<DomainName>,
) -> Vec<(FactKey, Reason)> {
    let mut homes = Homes::new(sources.apexes(), files, snapshot);
    let claims = sources.claims(snapshot);
    let has_facts = |apex: &DomainName| snapshot.records_at_or_below(apex).next().is_some();
    sources.tell_bases(&mut homes, (snapshot, &claims), has_facts);
    let view = View { snapshot, homes: &homes, claims: &claims, ttl: sources.ttl };
    let mut bases = BTreeMap::new();
    let mut found = Vec::new();
    for (fact, _) in snapshot.records() {
        let reason = match homes.of(fact.name(), fact.record_type()) {
            None => Some(Reason::NoZone),
            Some(Home::File(apex)) => Some(Reason::File(apex)),
            Some(Home::Facts(apex)) => of_zone(snapshot, &homes, &apex, None, fact),
            Some(Home::Derived(apex)) => {
                let base = bases
                    .entry(apex.clone())
                    .or_insert_with(|| homes.base(&apex).cloned().or_else(|| sources.base(&apex, view)));
                of_zone(snapshot, &homes, &apex, base.as_ref(), fact)
            }
        };
        found.extend(reason.map(|reason| (fact.key(), reason)));
    }
    let taken = |(service, zone)| (FactKey::Service(service), Reason::Taken(zone));
    found.extend(sources.taken(snapshot).into_iter().map(taken));
    found
}

fn of_zone(
    snapshot: &Snapshot,
    homes: &Homes,
    apex: &DomainName,
    base: Option<&Zone>,
    fact: &RecordFact,
) -> Option<Reason> {
    let rules = Rules { snapshot, homes, apex, base, ttl: 0, serial: snapshot.revision() };
    if base.is_none() && snapshot.record(apex, RecordType::NS).is_none() {
        return Some(Reason::NoNs(apex.clone()));
    }
    rules.verdict(fact).err()
}
