//! Zones that are made of what the registry holds, and what each is made of.
//!
//! A zone's base are the names that other facts than record sets give it; a zone of record facts has none. To add a kind of zone, add a
//! [`Source`]: its base, from nothing and by what differs.

use std::collections::BTreeSet;

use model::{DomainName, ServiceName, Snapshot};

use super::derived::{Changed, Derivation};
use super::tree::{Zone, ZoneError};

/// What the base of a zone is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    /// Services, instances and hosts.
    Registry(Derivation),
    /// There is none: record facts alone.
    Facts(DomainName),
}

impl Source {
    /// Where the zone begins.
    pub(crate) fn apex(&self) -> &DomainName {
        match self {
            Self::Registry(derivation) => &derivation.apex,
            Self::Facts(apex) => apex,
        }
    }

    /// The base, from nothing; its serial is the snapshot's revision.
    ///
    /// # Errors
    /// [`ZoneError`] when the apex leaves no room for names.
    pub(crate) fn base(&self, snapshot: &Snapshot) -> Result<Option<Zone>, ZoneError> {
        match self {
            Self::Registry(derivation) => derivation.build(snapshot).map(Some),
            Self::Facts(_) => Ok(None),
        }
    }

    /// What differs in the base between two snapshots; with `always`, its serial at least.
    pub(crate) fn changes(&self, old: &Snapshot, new: &Snapshot, always: bool) -> Option<Changed> {
        match self {
            Self::Registry(derivation) => derivation.changes(old, new, always),
            Self::Facts(_) => None,
        }
    }
}

/// The zones that the configuration names.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sources {
    /// What they are made of.
    pub(crate) zones: Vec<Source>,
    /// How long records may be kept where neither their fact nor their zone says so, in seconds.
    pub(crate) ttl: u32,
}

impl Sources {
    /// Where they begin.
    pub(crate) fn apexes(&self) -> impl Iterator<Item = DomainName> {
        self.zones.iter().map(|source| source.apex().clone())
    }

    /// The base of one of them.
    pub(crate) fn base(&self, apex: &DomainName, snapshot: &Snapshot) -> Option<Zone> {
        self.zones.iter().find(|source| source.apex() == apex)?.base(snapshot).ok().flatten()
    }

    /// Services without names, because a zone has their names for itself.
    pub(crate) fn taken(&self, snapshot: &Snapshot) -> Vec<(ServiceName, DomainName)> {
        let stated = snapshot.services().map(|(service, _)| &service.name);
        let names: BTreeSet<&ServiceName> =
            stated.chain(snapshot.instances().map(|(instance, _)| &instance.service)).collect();
        let of = |name: &ServiceName| {
            self.zones.iter().find_map(|source| match source {
                Source::Registry(derivation) if derivation.takes(name) => Some(derivation.apex.clone()),
                Source::Registry(_) | Source::Facts(_) => None,
            })
        };
        names.into_iter().filter_map(|name| Some((name.clone(), of(name)?))).collect()
    }
}
