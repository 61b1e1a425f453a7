//! Which zone a record fact belongs to.

use std::collections::BTreeSet;
use std::sync::Arc;

use imbl::{OrdMap, OrdSet};
use model::{DomainName, RecordType, Snapshot};

use crate::zone::Zone;
use crate::zone::frontends::FrontendNames;
use crate::zone::key::Key;

/// The zone that a name belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Home {
    /// One that is made of other facts too.
    Derived(DomainName),
    /// One of record facts alone.
    Facts(DomainName),
    /// A zone file's, which takes no facts.
    File(DomainName),
}

impl Home {
    /// The apex, of a zone that takes facts.
    pub(crate) fn taker(self) -> Option<DomainName> {
        match self {
            Self::Derived(apex) | Self::Facts(apex) => Some(apex),
            Self::File(_) => None,
        }
    }
}

/// The apexes of all zones. A copy costs nothing.
#[derive(Debug, Clone, Default)]
pub(crate) struct Homes {
    derived: Arc<BTreeSet<DomainName>>,
    files: Arc<BTreeSet<DomainName>>,
    /// Names that frontends want to have answered.
    frontends: FrontendNames,
    /// What zones have otherwise, by apex: a SOA record fact that would hide some of it makes no zone.
    bases: OrdMap<DomainName, Zone>,
    /// Names with a SOA record fact.
    facts: OrdSet<DomainName>,
}

impl Homes {
    /// The apexes of configured zones made of other facts, those of zone files, and those that frontends and record facts say; no base is
    /// told yet.
    pub(crate) fn new(
        derived: impl IntoIterator<Item = DomainName>,
        files: BTreeSet<DomainName>,
        snapshot: &Snapshot,
    ) -> Self {
        let mut homes = Self {
            derived: Arc::new(derived.into_iter().collect()),
            files: Arc::new(files),
            frontends: FrontendNames::of(snapshot),
            ..Self::default()
        };
        for (record, _) in snapshot.records() {
            if record.record_type() == RecordType::SOA {
                homes.tell(record.name(), true);
            }
        }
        homes
    }

    /// The apexes of zone files.
    pub(crate) fn files(&self) -> &BTreeSet<DomainName> {
        &self.files
    }

    /// A name has a SOA record fact now, or none. A wildcard is no apex.
    pub(crate) fn tell(&mut self, name: &DomainName, is_apex: bool) {
        if is_apex && !name.is_wildcard() {
            self.facts.insert(name.clone());
        } else {
            self.facts.remove(name);
        }
    }

    /// The names that frontends want to have answered, kept at another snapshot: the apexes of which something else is wanted now.
    pub(crate) fn follow_frontends(&mut self, old: &Snapshot, new: &Snapshot) -> BTreeSet<DomainName> {
        self.frontends.follow(old, new)
    }

    /// The names that frontends want to have answered.
    pub(crate) fn frontends(&self) -> &FrontendNames {
        &self.frontends
    }

    /// The apexes of zones of frontends.
    pub(crate) fn of_frontends(&self) -> impl Iterator<Item = &DomainName> {
        self.frontends.apexes().filter(|apex| self.is_of_frontends(apex))
    }

    /// Whether a zone of frontends begins at this name.
    pub(crate) fn is_of_frontends(&self, name: &DomainName) -> bool {
        self.frontends.contains(name) && self.kept_from_frontends(name).is_none()
    }

    /// The zone that keeps a name from being a frontend's: its file says what stands there, or it has the names below it for itself.
    pub(crate) fn kept_from_frontends(&self, name: &DomainName) -> Option<Home> {
        let home = |name: &DomainName| match name {
            name if self.derived.contains(name) => Some(Home::Derived(name.clone())),
            name if self.files.contains(name) => Some(Home::File(name.clone())),
            _ => None,
        };
        let nearest =
            std::iter::successors(Some(name.clone()), DomainName::parent).find_map(|name| home(&name));
        nearest.filter(|home| !matches!(home, Home::File(apex) if apex != name))
    }

    /// Whether a configured zone begins at this name.
    pub(crate) fn is_derived(&self, name: &DomainName) -> bool {
        self.derived.contains(name)
    }

    /// A configured zone has this base now.
    pub(crate) fn tell_base(&mut self, base: Zone) {
        self.bases.insert(base.apex().clone(), base);
    }

    /// The base of a zone, where one was told.
    pub(crate) fn base(&self, apex: &DomainName) -> Option<&Zone> {
        self.bases.get(apex)
    }

    /// The names at or above this one that have a SOA record fact.
    pub(crate) fn soas_above(&self, name: &DomainName) -> impl Iterator<Item = DomainName> {
        let lowest = (!self.facts.is_empty()).then(|| name.clone());
        std::iter::successors(lowest, DomainName::parent).filter(|name| self.facts.contains(name))
    }

    /// The apexes of zones of record facts.
    pub(crate) fn of_facts(&self) -> impl Iterator<Item = &DomainName> {
        self.facts.iter().filter(|apex| self.is_of_facts(apex))
    }

    /// Whether a zone of record facts begins at this name.
    pub(crate) fn is_of_facts(&self, name: &DomainName) -> bool {
        matches!(self.at(name), Some(Home::Facts(_)))
    }

    fn at(&self, name: &DomainName) -> Option<Home> {
        let home = match name {
            name if self.derived.contains(name) => Home::Derived,
            name if self.files.contains(name) => Home::File,
            name if self.is_of_frontends(name) => Home::Derived,
            name if self.facts.contains(name) && !self.hides(name) => Home::Facts,
            _ => return None,
        };
        Some(home(name.clone()))
    }

    /// Whether a zone from this name on would hide names that the zone around it has otherwise.
    fn hides(&self, name: &DomainName) -> bool {
        let is_configured = |name: &DomainName| self.derived.contains(name) || self.files.contains(name);
        let around = std::iter::successors(name.parent(), DomainName::parent).find(is_configured);
        let Some(base) = around.and_then(|apex| self.bases.get(&apex)) else { return false };
        let key = Key::of(name);
        base.behind(key.octets()).next().is_some_and(|(other, _)| other.starts_with(key.octets()))
    }

    /// The zone of a name: the one with the longest apex at or above it. What a parent says of its child (DS) is the parent's.
    pub(crate) fn of(&self, name: &DomainName, record_type: RecordType) -> Option<Home> {
        let lowest = if record_type == RecordType::DS { name.parent() } else { Some(name.clone()) };
        std::iter::successors(lowest, DomainName::parent).find_map(|name| self.at(&name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_belongs_to_the_nearest_zone_and_a_zone_file_takes_none() {
        let name = |text: &str| DomainName::parse(text).expect("a name");
        let mut homes = Homes::new(
            [name("svc.internal")],
            [name("file.test"), name("b.file.test")].into(),
            &Snapshot::empty(),
        );
        for apex in
            ["internal", "svc.internal", "file.test", "a.file.test", "*.internal", "deep.svc.internal"]
        {
            homes.tell(&name(apex), true);
        }
        let check = |text: &str, record_type, expected: Option<Home>| {
            assert_eq!(homes.of(&name(text), record_type), expected, "{text} {record_type}");
        };
        check("x.internal", RecordType::A, Some(Home::Facts(name("internal"))));
        check("x.svc.internal", RecordType::A, Some(Home::Derived(name("svc.internal"))));
        check("svc.internal", RecordType::SOA, Some(Home::Derived(name("svc.internal"))));
        check("svc.internal", RecordType::DS, Some(Home::Facts(name("internal"))));
        check("deep.svc.internal", RecordType::NS, Some(Home::Facts(name("deep.svc.internal"))));
        check("deep.svc.internal", RecordType::DS, Some(Home::Derived(name("svc.internal"))));
        check("x.file.test", RecordType::A, Some(Home::File(name("file.test"))));
        check("file.test", RecordType::SOA, Some(Home::File(name("file.test"))));
        check("x.a.file.test", RecordType::A, Some(Home::Facts(name("a.file.test"))));
        check("*.internal", RecordType::A, Some(Home::Facts(name("internal"))));
        check("test", RecordType::A, None);
        check(".", RecordType::DS, None);
        assert_eq!(homes.of_facts().count(), 3);
    }
}
