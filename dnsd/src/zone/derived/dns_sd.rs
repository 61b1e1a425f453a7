//! The names by which services are found by their type (RFC 6763).

use std::collections::{BTreeMap, BTreeSet};

use model::{DomainName, DomainNameError, Instance, Label, Protocol, RecordData, RecordType};
use model::{ServiceName, ServiceType, Snapshot};

use super::found::{Before, Entry, Found, OfType};
use super::names::Names;
use super::service::NamesOf;
use super::{Changed, Derivation};

/// Where the types are listed (RFC 6763 §9).
const TYPES: [&str; 3] = ["_udp", "_dns-sd", "_services"];

/// Whether what would be found by a type are names of the zone's own: no service is found by it.
pub(super) fn is_ours(service_type: &ServiceType) -> bool {
    service_type.protocol() == Protocol::Udp && service_type.name() == "dns-sd"
}

/// Adds all that is found.
pub(super) fn add(derivation: &Derivation, snapshot: &Snapshot, found: &Found, names: &mut Names) {
    for (service_type, of_type) in found.types() {
        if let Ok(below) = name_of(derivation, service_type) {
            add_found(derivation, snapshot, (&below, of_type), of_type.names(), names);
            add_pointers(derivation, (&below, of_type), |_| true, names);
        }
    }
    add_types(derivation, found, names);
}

/// Adds what differs: names of the services that do, and what points at all of their type where it does not point at the same.
pub(super) fn change(
    derivation: &Derivation,
    new: &Snapshot,
    found: &Found,
    before: &BTreeMap<ServiceType, Before>,
    changed: &mut Changed,
) {
    let none = OfType::default();
    let mut other_types = false;
    for (service_type, before) in before {
        let Ok(below) = name_of(derivation, service_type) else { continue };
        let by = found.by(service_type);
        other_types |= before.is_listed != by.is_some();
        let of_type = (&below, by.unwrap_or(&none));
        before.owners.keys().for_each(|name| changed.gone.there(name));
        add_found(derivation, new, of_type, before.owners.keys(), &mut changed.names);
        if let Some(subtypes) = other_subtypes(before, of_type.1) {
            changed.gone.there(&below);
            let of_subtypes = subtypes.iter().filter_map(|subtype| name_of_subtype(&below, subtype).ok());
            of_subtypes.for_each(|name| changed.gone.there(&name));
            add_pointers(derivation, of_type, |subtype| subtypes.contains(subtype), &mut changed.names);
        }
    }
    if let (Ok(name), true) = (below(derivation, &TYPES), other_types) {
        changed.gone.there(&name);
        add_types(derivation, found, &mut changed.names);
    }
}

/// The subtypes of names that are not found as they were; `None`: all are.
fn other_subtypes<'f>(before: &'f Before, now: &'f OfType) -> Option<BTreeSet<&'f Label>> {
    let both = before.owners.iter().map(|(name, was)| [was.as_ref(), now.owner(name).map(|(_, is)| is)]);
    let mut others = both.filter(|[was, is]| was != is).flatten().flatten().peekable();
    others.peek()?;
    Some(others.flat_map(|entry| &*entry.subtypes).collect())
}

/// Adds the list of all types.
fn add_types(derivation: &Derivation, found: &Found, names: &mut Names) {
    let pointer = |of| RecordData::name(RecordType::PTR, &name_of(derivation, of).ok()?).ok();
    let data: Vec<_> = found.types().filter_map(|(of, _)| pointer(of)).collect();
    if let (Ok(name), false) = (below(derivation, &TYPES), data.is_empty()) {
        names.put(&name, RecordType::PTR, derivation.ttl_service, data);
    }
}

/// Adds what points at all that is found by a type, and by those of its subtypes that are meant.
fn add_pointers(
    derivation: &Derivation,
    (below, of_type): (&DomainName, &OfType),
    is_meant: impl Fn(&Label) -> bool,
    names: &mut Names,
) {
    let mut all = Vec::new();
    let mut of_subtypes = BTreeMap::<&Label, Vec<RecordData>>::new();
    for Entry { name, subtypes } in of_type.entries() {
        let Ok(pointer) = RecordData::name(RecordType::PTR, name) else { continue };
        for subtype in subtypes.iter().filter(|subtype| is_meant(subtype)) {
            of_subtypes.entry(subtype).or_default().push(pointer.clone());
        }
        all.push(pointer);
    }
    if !all.is_empty() {
        names.put(below, RecordType::PTR, derivation.ttl_service, all);
    }
    for (subtype, data) in of_subtypes {
        if let Ok(name) = name_of_subtype(below, subtype) {
            names.put(&name, RecordType::PTR, derivation.ttl_service, data);
        }
    }
}

/// Adds what stands at these names of a type, as their owners have it.
fn add_found<'n>(
    derivation: &Derivation,
    snapshot: &Snapshot,
    (below, of_type): (&DomainName, &OfType),
    wanted: impl Iterator<Item = &'n DomainName>,
    names: &mut Names,
) {
    let mut of_owners = BTreeMap::<&ServiceName, BTreeSet<&DomainName>>::new();
    for name in wanted {
        if let Some((owner, _)) = of_type.owner(name) {
            of_owners.entry(owner).or_default().insert(name);
        }
    }
    for (owner, wanted) in of_owners {
        let Some(names_of) = NamesOf::of(derivation, snapshot, owner) else { continue };
        for (name, instances) in groups(&names_of, below) {
            if wanted.contains(&name) {
                add_service(&names_of, &name, &instances, names);
            }
        }
    }
}

/// What is found of a service: all under its name for people together, else each instance under its own.
pub(super) fn groups<'n>(
    names_of: &'n NamesOf<'_>,
    below: &DomainName,
) -> Vec<(DomainName, Vec<&'n Instance>)> {
    let (Some(dns_sd), false) = (&names_of.service.dns_sd, names_of.service.ports.iter().next().is_none())
    else {
        return Vec::new();
    };
    let chosen = names_of.choose(|_| true);
    let is_elsewhere = names_of.service.external.is_some();
    let groups: Vec<(&str, Vec<&Instance>)> = match &dns_sd.name {
        Some(name) if is_elsewhere || !chosen.is_empty() => vec![(name.as_str(), chosen)],
        Some(_) => Vec::new(),
        None if is_elsewhere => vec![(names_of.service.name.as_str(), Vec::new())],
        None => chosen.into_iter().map(|instance| (instance.name.as_str(), vec![instance])).collect(),
    };
    // Spelled as it was written, whatever it is made of (RFC 6763 §4.1.1).
    let named = groups.into_iter().map(|(spelled, of)| Some((below.child(spelled.as_bytes()).ok()?, of)));
    named.flatten().collect()
}

/// Adds what stands at a name that is found.
fn add_service(names_of: &NamesOf<'_>, name: &DomainName, instances: &[&Instance], names: &mut Names) {
    let Some(port) = names_of.service.ports.iter().next() else { return };
    names.put(name, RecordType::SRV, names_of.ttl, names_of.srv(port, instances));
    let own = match instances {
        [one] if !one.metadata.is_empty() => &one.metadata,
        _ => &names_of.service.metadata,
    };
    // There is always one (RFC 6763 §6.1).
    names.all_texts(name, names_of.ttl, own);
}

pub(super) fn name_of(
    derivation: &Derivation,
    service_type: &ServiceType,
) -> Result<DomainName, DomainNameError> {
    let protocol = match service_type.protocol() {
        Protocol::Tcp => "_tcp",
        Protocol::Udp => "_udp",
    };
    below(derivation, &[protocol, &format!("_{}", service_type.name())])
}

fn name_of_subtype(below: &DomainName, subtype: &Label) -> Result<DomainName, DomainNameError> {
    below.child(b"_sub").and_then(|sub| sub.child(format!("_{subtype}").as_bytes()))
}

fn below(derivation: &Derivation, labels: &[&str]) -> Result<DomainName, DomainNameError> {
    labels.iter().try_fold(derivation.apex.clone(), |name, label| name.child(label.as_bytes()))
}
