//! Zones that are made of what the registry holds, and what each is made of.
//!
//! A zone's base are the names that other facts than record sets give it; a zone of record facts has none. To add a kind of zone, add a
//! [`Source`]: its base, from nothing and by what differs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use model::{DomainName, ServiceName, Snapshot};

use super::derived::{self, Changed, Derivation, Found};
use super::facts::Homes;
use super::frontends::{self, Fleet, FrontendNames, Proxies};
use super::kept::{Touched, View};
use super::reverse::{Claims, Range, Reverse, find};
use super::tree::{Zone, ZoneError};

/// What the base of a zone is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    /// Services, instances and hosts.
    Registry(Derivation),
    /// Whose addresses are.
    Reverse(Reverse),
    /// What frontends want to have answered at a name: the apex of this.
    Frontends(Derivation),
    /// There is none: record facts alone.
    Facts(DomainName),
}

impl Source {
    /// Where the zone begins.
    pub(crate) fn apex(&self) -> &DomainName {
        match self {
            Self::Registry(derivation) | Self::Frontends(derivation) => &derivation.apex,
            Self::Reverse(reverse) => &reverse.range.apex,
            Self::Facts(apex) => apex,
        }
    }

    /// The base, from nothing; its serial is the snapshot's revision.
    ///
    /// # Errors
    /// [`ZoneError`] when the apex leaves no room for names.
    pub(crate) fn base(&self, view: View<'_>) -> Result<Option<Zone>, ZoneError> {
        match self {
            Self::Registry(derivation) => derivation.build(view.snapshot).map(Some),
            Self::Reverse(reverse) => reverse.build(view.claims, view.snapshot.revision()).map(Some),
            Self::Frontends(derivation) => frontends::build(derivation, view.fleet).map(Some),
            Self::Facts(_) => Ok(None),
        }
    }

    /// What is found by types of services in it.
    pub(crate) fn found(&self, snapshot: &Snapshot) -> Found {
        match self {
            Self::Registry(derivation) => Found::of(derivation, snapshot),
            Self::Reverse(_) | Self::Frontends(_) | Self::Facts(_) => Found::default(),
        }
    }

    /// What differs in the base between two snapshots: its serial at least. `found` follows.
    pub(crate) fn changes(
        &self,
        old: View<'_>,
        new: View<'_>,
        touched: &Touched,
        found: &mut Found,
    ) -> Option<Changed> {
        match self {
            Self::Registry(derivation) => {
                let facts = derived::Touched::between(old.snapshot, new.snapshot);
                Some(derivation.changes([old.snapshot, new.snapshot], &facts, found))
            }
            Self::Reverse(reverse) => {
                let both = [old, new].map(|view| (view.claims, view.snapshot.revision()));
                Some(reverse.changes(both, &touched.addresses))
            }
            Self::Frontends(derivation) => {
                Some(frontends::changes(derivation, [old, new].map(|view| view.fleet)))
            }
            Self::Facts(_) => None,
        }
    }
}

/// The zones that the configuration names.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sources {
    /// What they are made of.
    pub(crate) zones: Vec<Source>,
    /// What zones of frontends' names are made by, beside their apexes.
    pub(crate) frontends: Option<Derivation>,
    /// The addresses that have reverse zones, in order.
    pub(crate) ranges: Arc<[Range]>,
    /// How long records may be kept where neither their fact nor their zone says so, in seconds.
    pub(crate) ttl: u32,
}

impl Sources {
    /// Where they begin.
    pub(crate) fn apexes(&self) -> impl Iterator<Item = DomainName> {
        self.zones.iter().map(|source| source.apex().clone())
    }

    /// The base of a zone that is made of other facts than record sets.
    pub(crate) fn base(&self, apex: &DomainName, view: View<'_>) -> Option<Zone> {
        let configured = self.zones.iter().find(|source| source.apex() == apex).cloned();
        configured.or_else(|| self.of_frontends(apex))?.base(view).ok().flatten()
    }

    /// The zone of a name that frontends want to have answered.
    pub(crate) fn of_frontends(&self, apex: &DomainName) -> Option<Source> {
        let derivation = self.frontends.clone()?;
        Some(Source::Frontends(Derivation { apex: apex.clone(), ..derivation }))
    }

    /// Tells the bases of zones with such apexes; one that cannot be made is told by whoever needs it.
    pub(crate) fn tell_bases(
        &self,
        homes: &mut Homes,
        (snapshot, claims): (&Snapshot, &Claims),
        is_meant: impl Fn(&DomainName) -> bool,
    ) {
        let (names, proxies) = (FrontendNames::default(), Proxies::default());
        let fleet = Fleet { names: &names, proxies: &proxies };
        for source in self.zones.iter().filter(|source| is_meant(source.apex())) {
            // No base of these depends on where record facts belong, or on proxies.
            let view = View { snapshot, homes, claims, fleet, ttl: self.ttl };
            if let Ok(Some(base)) = source.base(view) {
                homes.tell_base(base);
            }
        }
    }

    /// What makes names of services, instances and hosts.
    pub(crate) fn derivation(&self) -> Option<&Derivation> {
        self.zones.iter().find_map(|source| match source {
            Source::Registry(derivation) => Some(derivation),
            Source::Reverse(_) | Source::Frontends(_) | Source::Facts(_) => None,
        })
    }

    /// Whose addresses are.
    pub(crate) fn claims(&self, snapshot: &Snapshot) -> Claims {
        Claims::of(&self.ranges, self.derivation(), snapshot)
    }

    /// What differs in the base of which zone, by apex, between two snapshots; `claims` follow.
    pub(crate) fn touched(
        &self,
        claims: &mut Claims,
        old: &Snapshot,
        new: &Snapshot,
    ) -> BTreeMap<DomainName, Touched> {
        let mut touched = BTreeMap::<DomainName, Touched>::new();
        let facts = derived::Touched::between(old, new);
        let Some(derivation) = self.derivation().filter(|_| !facts.is_empty()) else { return touched };
        touched.entry(derivation.apex.clone()).or_default();
        for address in claims.follow(&self.ranges, derivation, [old, new], &facts) {
            if let Some(range) = find(&self.ranges, address) {
                touched.entry(range.apex.clone()).or_default().addresses.insert(address);
            }
        }
        touched
    }

    /// Services without names, because a zone has their names for itself.
    pub(crate) fn taken(&self, snapshot: &Snapshot) -> Vec<(ServiceName, DomainName)> {
        let stated = snapshot.services().map(|(service, _)| &service.name);
        let names: BTreeSet<&ServiceName> =
            stated.chain(snapshot.instances().map(|(instance, _)| &instance.service)).collect();
        let of = |name: &ServiceName| {
            self.zones.iter().find_map(|source| match source {
                Source::Registry(derivation) if derivation.takes(name) => Some(derivation.apex.clone()),
                _ => None,
            })
        };
        names.into_iter().filter_map(|name| Some((name.clone(), of(name)?))).collect()
    }
}
