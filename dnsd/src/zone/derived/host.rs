//! The name of a host.

use model::Host;

use super::names::Names;
use super::{Derivation, NODE};

pub(super) fn add(derivation: &Derivation, host: &Host, names: &mut Names) {
    let below = derivation.apex.child(NODE.as_bytes());
    let Ok(name) = below.and_then(|below| below.child(host.name.as_str().as_bytes())) else { return };
    names.addresses(&name, derivation.ttl_host, host.addresses.iter().map(|address| (address, 1)));
    names.texts(&name, derivation.ttl_host, &host.labels);
}
