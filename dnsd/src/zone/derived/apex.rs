//! The zone's own names: its SOA, its name servers.

use model::{DomainName, RecordData, RecordType, Revision};

use super::Derivation;
use super::names::Names;

/// How often a secondary asks for the serial, in seconds; it is told of changes besides.
const REFRESH: u32 = 60;
/// How soon it asks again when nobody answered.
const RETRY: u32 = 10;
/// How long it answers when nobody does.
const EXPIRE: u32 = 7 * 86_400;

pub(super) fn add(derivation: &Derivation, revision: Revision, names: &mut Names) {
    let (apex, ttl) = (&derivation.apex, derivation.ttl_host);
    add_servers(derivation, revision, names);
    // Where to look for services (RFC 6763 §11): here.
    for browsing in ["b", "db", "lb"] {
        let name = ["_udp", "_dns-sd", browsing]
            .iter()
            .try_fold(apex.clone(), |name, label| name.child(label.as_bytes()));
        if let (Ok(name), Ok(here)) = (name, RecordData::name(RecordType::PTR, apex)) {
            names.put(&name, RecordType::PTR, ttl, vec![here]);
        }
    }
}

/// Adds SOA and NS at its own apex, and where the name servers are.
pub(super) fn add_servers(derivation: &Derivation, revision: Revision, names: &mut Names) {
    add_authority(derivation, &derivation.apex, revision, names);
    for (server, address) in servers(derivation).iter().zip(&derivation.name_servers) {
        names.addresses(server, derivation.ttl_host, std::iter::once((*address, 1)));
    }
}

/// Adds SOA and NS at an apex, which may be another zone's that has the same servers.
pub(super) fn add_authority(
    derivation: &Derivation,
    apex: &DomainName,
    revision: Revision,
    names: &mut Names,
) {
    let (servers, ttl) = (servers(derivation), derivation.ttl_host);
    let Some(first) = servers.first() else { return };
    if let Some(soa) = soa(derivation, first, revision) {
        names.put(apex, RecordType::SOA, ttl, vec![soa]);
    }
    let data = servers.iter().filter_map(|server| RecordData::name(RecordType::NS, server).ok());
    names.put(apex, RecordType::NS, ttl, data.collect());
}

fn servers(derivation: &Derivation) -> Vec<DomainName> {
    let numbers = 1..=derivation.name_servers.len().max(1);
    numbers.filter_map(|number| derivation.apex.child(format!("ns{number}").as_bytes()).ok()).collect()
}

/// Whom the SOA record of a zone names (RFC 2142 §7); `None` where the apex leaves no room for it, and then the zone cannot be.
pub fn mailbox(apex: &DomainName) -> Option<DomainName> {
    apex.child(b"hostmaster").ok()
}

fn soa(derivation: &Derivation, server: &DomainName, revision: Revision) -> Option<RecordData> {
    let mailbox = mailbox(&derivation.apex)?;
    // The revision only grows; of it a serial has the last 32 bits, which RFC 1982 compares as they should be.
    let serial = u32::try_from(revision.number() & u64::from(u32::MAX)).unwrap_or(0);
    let numbers = [serial, REFRESH, RETRY, EXPIRE, derivation.negative_ttl].map(u32::to_be_bytes);
    RecordData::new(RecordType::SOA, [server.as_wire(), mailbox.as_wire(), numbers.as_flattened()].concat())
        .ok()
}

/// Whether a service of this name would have a name of the zone's own.
pub(super) fn is_ours(derivation: &Derivation, service: &str) -> bool {
    let number = service.strip_prefix("ns").and_then(|digits| digits.parse::<usize>().ok());
    let servers = derivation.name_servers.len().max(1);
    service == super::NODE
        || number.is_some_and(|n| (1..=servers).contains(&n) && service == format!("ns{n}"))
}
