//! One zone, walked name by name, and compared with the sets that it should have; both ways.

use std::collections::BTreeMap;

use model::{DomainName, RecordData, RecordSet, RecordType};

use super::sets::{Sets, Should};
use super::{Difference, Kind};
use crate::zone::{Key, Node, Zone};

/// How many records of a set are named.
const NAMED: usize = 3;

/// Tells of each name and set that is not as it should be. What of a SOA is a serial is looked at elsewhere, where it is the registry's.
pub(super) fn compare(zone: &Zone, should: &Sets, tell: &mut dyn FnMut(Difference)) {
    if !zone.is_sound() {
        let reason = "what it knows of its cuts, wildcards and negative answers is not what its names say";
        let key = format!("zone {}", zone.apex());
        tell(Difference::defect(Kind::Records, key, reason.to_owned()));
    }
    let nothing = BTreeMap::new();
    for (name, node) in zone.names() {
        let should = should.0.get(&name);
        if should.is_none() && node.sets().is_empty() {
            tell(other(&name, None, "the name is there, and should not be".to_owned()));
        }
        let types = should.unwrap_or(&nothing);
        for set in node.sets() {
            match types.get(&set.record_type()) {
                Some(should) => set_differs(node, set, should)
                    .into_iter()
                    .for_each(|reason| tell(other(&name, Some(set.record_type()), reason))),
                None => {
                    let reason = format!("it is served, and should not be: {}", listed(set.data().iter()));
                    tell(other(&name, Some(set.record_type()), reason));
                }
            }
        }
        for (record_type, should) in types.iter().filter(|(record_type, _)| node.get(**record_type).is_none())
        {
            tell(missing(&name, *record_type, should));
        }
    }
    for (name, types) in should.0.iter().filter(|(name, _)| zone.node(Key::of(name).octets()).is_none()) {
        if types.is_empty() {
            tell(other(name, None, "the name should be there without records, and is not".to_owned()));
        }
        for (record_type, should) in types {
            tell(missing(name, *record_type, should));
        }
    }
}

fn other(name: &DomainName, record_type: Option<RecordType>, reason: String) -> Difference {
    let key = record_type.map_or_else(|| name.to_string(), |record_type| format!("{name} {record_type}"));
    Difference::defect(Kind::Records, key, reason)
}

fn missing(name: &DomainName, record_type: RecordType, should: &Should) -> Difference {
    other(name, Some(record_type), format!("it is not served, and should be: {}", listed(should.data.keys())))
}

/// How a set is another one than it should be.
fn set_differs(node: &Node, set: &RecordSet, should: &Should) -> Vec<String> {
    let mut reasons = Vec::new();
    if set.ttl() != should.ttl {
        reasons.push(format!("its TTL is {}, and should be {}", set.ttl(), should.ttl));
    }
    let is: BTreeMap<RecordData, u16> = {
        let weights = node.weights(set.record_type());
        let weight = |at: usize| weights.get(at).copied();
        set.data()
            .iter()
            .enumerate()
            .map(|(at, data)| (without_serial(data), weight(at).unwrap_or(0)))
            .collect()
    };
    let stated: BTreeMap<RecordData, u16> =
        should.data.iter().map(|(data, weight)| (without_serial(data), *weight)).collect();
    let lacks: Vec<_> = stated.keys().filter(|data| !is.contains_key(data)).collect();
    let extra: Vec<_> = is.keys().filter(|data| !stated.contains_key(data)).collect();
    if !lacks.is_empty() {
        reasons.push(format!("it lacks {}", listed(lacks.iter().copied())));
    }
    if !extra.is_empty() {
        reasons.push(format!("it should not have {}", listed(extra.iter().copied())));
    }
    // All alike is said by no weights at all.
    let alike = stated.values().all(|weight| Some(weight) == stated.values().next());
    let weighs = |(data, weight): (&RecordData, &u16)| is.get(data).is_none_or(|is| is == weight);
    let weighs_all = if alike { is.values().all(|weight| *weight == 0) } else { stated.iter().all(weighs) };
    if lacks.is_empty() && extra.is_empty() && !weighs_all {
        reasons.push("its records have other weights than their instances".to_owned());
    }
    reasons
}

/// A SOA, its serial 0.
fn without_serial(data: &RecordData) -> RecordData {
    let mut octets = data.octets().to_vec();
    match octets.last_chunk_mut::<20>() {
        Some(numbers) if data.record_type() == RecordType::SOA => numbers[..4].fill(0),
        _ => return data.clone(),
    }
    RecordData::new(RecordType::SOA, octets).unwrap_or_else(|_| data.clone())
}

fn listed<'d>(data: impl Iterator<Item = &'d RecordData>) -> String {
    let mut all = data.map(ToString::to_string);
    let first: Vec<_> = all.by_ref().take(NAMED).collect();
    match all.count() {
        0 => first.join(", "),
        more => format!("{} and {more} more", first.join(", ")),
    }
}
