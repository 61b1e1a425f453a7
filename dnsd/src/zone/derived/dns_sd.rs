//! The names by which services are found by their type (RFC 6763).

use std::collections::BTreeSet;

use model::{DomainName, DomainNameError, Instance, Protocol, RecordData, RecordType, ServiceType, Snapshot};

use super::Derivation;
use super::names::Names;
use super::service::NamesOf;

/// Where the types are listed (RFC 6763 §9).
const TYPES: [&str; 3] = ["_udp", "_dns-sd", "_services"];

/// Adds the list of all types.
pub(super) fn add_types(derivation: &Derivation, snapshot: &Snapshot, names: &mut Names) {
    let types: BTreeSet<_> = typed(snapshot).map(|(_, service_type)| service_type).collect();
    let data = types
        .into_iter()
        .filter_map(|of| RecordData::name(RecordType::PTR, &name_of(derivation, of).ok()?).ok());
    let data: Vec<_> = data.collect();
    if let (Ok(name), false) = (below(derivation, &TYPES), data.is_empty()) {
        names.put(&name, RecordType::PTR, derivation.ttl_service, data);
    }
}

/// Adds the names of one type. Each service is looked at: those of a type have one name together.
pub(super) fn add(
    derivation: &Derivation,
    snapshot: &Snapshot,
    service_type: &ServiceType,
    names: &mut Names,
) {
    let Ok(name) = name_of(derivation, service_type) else { return };
    let mut found = Vec::new();
    for (service, _) in typed(snapshot).filter(|(_, of)| *of == service_type) {
        if let Some(names_of) = NamesOf::of(derivation, snapshot, service) {
            add_service(&names_of, &name, names, &mut found);
        }
    }
    let pointer = |instance: &DomainName| RecordData::name(RecordType::PTR, instance).ok();
    let all: Vec<_> = found.iter().filter_map(|(instance, _)| pointer(instance)).collect();
    if !all.is_empty() {
        names.put(&name, RecordType::PTR, derivation.ttl_service, all);
    }
    let subtypes: BTreeSet<&String> = found.iter().flat_map(|(_, subtypes)| subtypes).collect();
    for subtype in subtypes {
        let with = found.iter().filter(|(_, subtypes)| subtypes.contains(subtype));
        let data = with.filter_map(|(instance, _)| pointer(instance)).collect();
        if let Ok(name) = name.child(b"_sub").and_then(|sub| sub.child(format!("_{subtype}").as_bytes())) {
            names.put(&name, RecordType::PTR, derivation.ttl_service, data);
        }
    }
}

/// The services that are found by a type.
fn typed(snapshot: &Snapshot) -> impl Iterator<Item = (&model::ServiceName, &ServiceType)> {
    let services = snapshot.services().map(|(service, _)| service);
    services.filter_map(|service| Some((&service.name, &service.dns_sd.as_ref()?.service_type)))
}

/// Adds what is found of one service: under its name for people together, else each instance under its own.
fn add_service(
    names_of: &NamesOf<'_>,
    service_type: &DomainName,
    names: &mut Names,
    found: &mut Vec<(DomainName, BTreeSet<String>)>,
) {
    let (Some(dns_sd), Some(port)) = (&names_of.service.dns_sd, names_of.service.ports.iter().next()) else {
        return;
    };
    let chosen = names_of.choose(|_| true);
    let is_there = !chosen.is_empty() || names_of.service.external.is_some();
    let groups: Vec<(&str, Vec<&Instance>)> = match &dns_sd.name {
        Some(name) if is_there => vec![(name.as_str(), chosen)],
        Some(_) => Vec::new(),
        None if names_of.service.external.is_some() => vec![(names_of.service.name.as_str(), Vec::new())],
        None => chosen.into_iter().map(|instance| (instance.name.as_str(), vec![instance])).collect(),
    };
    for (spelled, instances) in groups {
        // Spelled as it was written, whatever it is made of (RFC 6763 §4.1.1).
        let Ok(name) = service_type.child(spelled.as_bytes()) else { continue };
        if found.iter().any(|(other, _)| *other == name) {
            continue;
        }
        names.put(&name, RecordType::SRV, names_of.ttl, names_of.srv(port, &instances));
        let own = match &instances[..] {
            [one] if !one.metadata.is_empty() => &one.metadata,
            _ => &names_of.service.metadata,
        };
        // There is always one (RFC 6763 §6.1).
        names.all_texts(&name, names_of.ttl, own);
        found.push((name, dns_sd.subtypes.iter().map(ToString::to_string).collect()));
    }
}

fn name_of(derivation: &Derivation, service_type: &ServiceType) -> Result<DomainName, DomainNameError> {
    let protocol = match service_type.protocol() {
        Protocol::Tcp => "_tcp",
        Protocol::Udp => "_udp",
    };
    below(derivation, &[protocol, &format!("_{}", service_type.name())])
}

fn below(derivation: &Derivation, labels: &[&str]) -> Result<DomainName, DomainNameError> {
    labels.iter().try_fold(derivation.apex.clone(), |name, label| name.child(label.as_bytes()))
}
