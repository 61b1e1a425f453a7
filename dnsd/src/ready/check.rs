//! What is ready, compared name by name with what the zones answer.

use std::collections::BTreeSet;

use model::DomainName;

use super::table::Named as _;
use super::{Apex, Index, Name, Negative};
use crate::zone::{Key, Zone, ZoneSet};

impl Index {
    /// The names whose ready answers are not the ones of these zones, each with what differs. Each answer is made again, and kept no longer
    /// than it is compared.
    pub(crate) fn differing<'a>(
        &'a self,
        zones: &'a ZoneSet,
    ) -> impl Iterator<Item = (DomainName, &'static str)> + 'a {
        let there = self.names.iter().filter_map(|ready| {
            let name = DomainName::from_wire(ready.name()).ok()?;
            let what = match Name::of(zones, &name) {
                Some(anew) if anew == *ready => return None,
                Some(_) => "its ready answers are not those of its zone",
                None => "answers are ready, and its zone has none that can be",
            };
            Some((name, what))
        });
        let lacks = |name: &DomainName| self.names.get(name.folded().as_wire()).is_none();
        let missing: BTreeSet<DomainName> = zones
            .zones()
            .flat_map(|zone| zone.names().flat_map(|(name, _)| up_to(zone.apex(), name)))
            .filter(|name| lacks(name) && Name::of(zones, name).is_some())
            .collect();
        let missing = missing.into_iter().map(|name| (name, "its answers are not ready, and could be"));
        let apexes = zones.zones().filter_map(|zone| {
            let ready = self.apexes.get(zone.apex().folded().as_wire());
            let fine = ready.is_some_and(|ready| **ready == Apex::of(zones, zone));
            (!fine).then(|| (zone.apex().clone(), "its ready denials are not those of its zone"))
        });
        let gone = self.apexes.iter().filter_map(|ready| {
            let apex = DomainName::from_wire(&ready.name).ok()?;
            zones.at(&apex).is_none().then_some((apex, "denials are ready of a zone that is not there"))
        });
        there.chain(missing).chain(apexes).chain(gone)
    }
}

/// A name, and those above it that are there because it is: up to the apex.
fn up_to(apex: &DomainName, name: DomainName) -> impl Iterator<Item = DomainName> {
    std::iter::successors(Some(name), DomainName::parent).take_while(|name| name.is_at_or_below(apex))
}

impl Apex {
    /// What is ready of a zone.
    pub(super) fn of(zones: &ZoneSet, zone: &Zone) -> Self {
        let alone = !zones.begins_below(Key::of(zone.apex()).octets());
        Self {
            name: zone.apex().folded().as_wire().into(),
            plain: alone && !zone.has_cuts() && !zone.has_wildcards(),
            negative: Negative::of(zone.apex(), zone.negative()),
        }
    }
}
