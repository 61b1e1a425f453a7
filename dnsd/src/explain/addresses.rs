//! Whose an address is, as its reverse zone tells.

use std::net::{IpAddr, Ipv6Addr};

use model::{DomainName, RecordData, RecordSet};

use super::{Explanation, From};
use crate::zone::derived::Derivation;

/// The address that a name of a reverse zone is of (RFC 1035 §3.5, RFC 3596 §2.5).
pub(super) fn address_of(name: &DomainName) -> Option<IpAddr> {
    let text = name.to_string().to_ascii_lowercase();
    if let Some(octets) = text.strip_suffix(".in-addr.arpa.") {
        let reversed: Vec<&str> = octets.rsplit('.').collect();
        return reversed.join(".").parse().ok().filter(IpAddr::is_ipv4);
    }
    let digits: String = text.strip_suffix(".ip6.arpa.")?.rsplit('.').collect();
    let bits = u128::from_str_radix(&digits, 16).ok().filter(|_| digits.len() == 32)?;
    Some(Ipv6Addr::from(bits).into())
}

/// Tells who has the address that `owner` is of: the one that is told, and others, each with why not. `served` are the sets that stand
/// there.
pub(super) fn tell(
    from: From<'_>,
    zone: &Derivation,
    owner: &DomainName,
    served: &[RecordSet],
    into: &mut Explanation,
) {
    let Some(address) = address_of(owner) else { return };
    let told = served.iter().flat_map(RecordSet::data).find_map(RecordData::target);
    let hosts = from.snapshot.hosts().filter(|(host, _)| {
        from.snapshot.addresses_of(host).is_some_and(|all| all.iter().any(|one| one == address))
    });
    let hosts = hosts.map(|(host, stated)| (host.key(), zone.name_of_host(&host.name), stated));
    let instances =
        from.snapshot.instances().filter(|(one, _)| one.addresses.iter().any(|one| one == address));
    let instances =
        instances.map(|(one, stated)| (one.key(), zone.name_of_instance(&one.service, &one.name), stated));
    for (key, name, stated) in hosts.chain(instances) {
        match (&told, name) {
            (Some(told), Some(name)) if *told == name => into.made_of.push((key, stated.revision)),
            (Some(told), _) => {
                into.left_out.push((key, format!("the address is told to be the one of {told}")));
            }
            (None, _) => into.left_out.push((key, "it has no name in DNS".to_owned())),
        }
    }
}
