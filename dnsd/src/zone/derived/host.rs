//! The name of a host.

use model::Host;

use super::Derivation;
use super::names::Names;

pub(super) fn add(derivation: &Derivation, host: &Host, names: &mut Names) {
    let Some(name) = derivation.name_of_host(&host.name) else { return };
    names.addresses(&name, derivation.ttl_host, host.addresses.iter().map(|address| (address, 1)));
    names.texts(&name, derivation.ttl_host, &host.labels);
}
