//! The name of a host.

use model::{Addresses, Host, Snapshot};

use super::Derivation;
use super::names::Names;

pub(super) fn add(derivation: &Derivation, snapshot: &Snapshot, host: &Host, names: &mut Names) {
    let Some(name) = derivation.name_of_host(&host.name) else { return };
    let addresses = snapshot.addresses_of(host).into_iter().flat_map(Addresses::iter);
    names.addresses(&name, derivation.ttl_host, addresses.map(|address| (address, 1)));
    names.texts(&name, derivation.ttl_host, &host.labels);
}
